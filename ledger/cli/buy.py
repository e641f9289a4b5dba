"""`ledger buy`: begins a purchase and prints the link to pay it."""

import json
from typing import TYPE_CHECKING, Annotated

import typer

from ledger.cli.shared import Json, console, errors_as_messages, read_settings

if TYPE_CHECKING:
    from ledger.settings import Settings
    from schemas.http import PurchaseAnswer

app = typer.Typer()


@app.command("buy", epilog="Example: ledger buy acct_42 10 --provider razorpay")
def buy(
    account: str,
    amount: Annotated[str, typer.Argument(help="Amount in credits.")],
    provider: Annotated[str, typer.Option(help="stripe or razorpay.")],
    return_url: Annotated[str, typer.Option(help="URL that the payment page leads to in the end. Default: none.")] = "",
    as_json: Json = False,
) -> None:
    """Begin a purchase, as the API does, and print the link to its payment page.

    The account gets the credits when the provider reports the payment.
    """
    wanted = {"amount": amount, "provider": provider, **({"return_url": return_url} if return_url else {})}
    with errors_as_messages():
        import asyncio

        from ledger import logs

        logs.silence()
        purchase = asyncio.run(begin_purchase(read_settings(), account, wanted))
    if as_json:
        shown = {"purchase_id": purchase.purchase_id, "state": purchase.state, "pay_url": purchase.pay_url}
        print(json.dumps({**shown, **purchase.charged.model_dump()}))
    else:
        console.print(purchase.pay_url, soft_wrap=True, highlight=False)


async def begin_purchase(settings: "Settings", account_id: str, wanted: dict[str, str]) -> "PurchaseAnswer":
    """Begins a purchase with resources of this process; `wanted` has the fields of NewPurchase."""
    from ledger.cli.use_cases import checked, with_resources
    from ledger.service.caller import OPERATOR
    from ledger.service.purchases import buy
    from schemas.http import NewPurchase

    new = checked(NewPurchase, wanted)
    return await with_resources(settings, lambda resources: buy(resources, OPERATOR, account_id, new))
