"""Payment methods: what the providers have saved of an account's cards. A customer adds one on the provider's page."""

from ledger.payments.gateway import Method
from ledger.payments.payment_methods import TopUpMethod
from ledger.service.accounts import account_row
from ledger.service.caller import Caller
from ledger.service.resources import Resources
from ledger.service.writes import existing_account
from schemas.http import NewPaymentMethod, Page, PageToVisit, PaymentMethod


async def list_methods(resources: Resources, caller: Caller, account_id: str) -> Page[PaymentMethod]:
    """All saved methods, as the providers list them now. Razorpay saves none."""
    await existing_account(resources, caller, account_id)
    return Page(data=[_method(*each) for each in await saved(resources, caller, account_id)])


async def saved(resources: Resources, caller: Caller, account_id: str) -> list[tuple[str, Method]]:
    """All saved methods, each with its provider's name. Raises a ProviderError."""
    caller.reach(account_id)
    return await resources.payments.call(resources.payments.methods.of, account_id)


async def add_method(resources: Resources, caller: Caller, account_id: str, new: NewPaymentMethod) -> PageToVisit:
    """The page where the customer adds a method without buying. The provider leads back to `return_url`."""
    await existing_account(resources, caller, account_id)
    methods = resources.payments.methods
    return PageToVisit(url=await resources.payments.call(methods.add, account_id, new.provider, new.return_url))


async def make_default(resources: Resources, caller: Caller, account_id: str, method_id: str) -> PaymentMethod:
    """Charges this method when a payment names none. Raises PaymentMethodUnknown."""
    await existing_account(resources, caller, account_id)
    return _method(*await resources.payments.call(resources.payments.methods.make_default, account_id, method_id))


async def delete_method(resources: Resources, caller: Caller, account_id: str, method_id: str) -> None:
    """Deletes a method at the provider. Raises PaymentMethodUnknown, and MethodInUse while auto top-up needs it."""
    row = await account_row(resources, caller, account_id)
    charged = TopUpMethod(bool(row.top_up_enabled), row.top_up_provider, row.payment_method_id)
    await resources.payments.call(resources.payments.methods.remove, account_id, method_id, charged)


def _method(provider: str, method: Method) -> PaymentMethod:
    fields = method._asdict()
    return PaymentMethod(payment_method_id=fields.pop("method_id"), provider=provider, **fields)
