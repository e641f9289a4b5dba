"""The gateway against the sandbox, over HTTP: payments, their outcomes, and the requests that Stripe gets."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest

from ledger.payments.gateway import Address, Buyer, MethodsChanged, ProviderRefuses, ProviderUnknown
from ledger.payments.payment_terms import read_terms
from tests.payments.stripe_shop import KEY, RETURN_URL, StripeShop, new_terms
from tests.support.sandbox import running_sandbox

VISA = "4242424242424242"
AN_HOUR_AGO = datetime.now(UTC) - timedelta(hours=1)


@pytest.fixture(scope="module")
def shop() -> Iterator[StripeShop]:
    with running_sandbox() as sandbox:
        yield StripeShop(sandbox)


# A new card, on Stripe's page


def test_a_purchase_with_a_new_card_is_the_same_payment_however_it_is_learned_of(shop: StripeShop) -> None:
    terms, (customer, _) = new_terms(), shop.customer()
    begun = shop.begin(terms, customer, None)
    assert begun.url is not None
    untried = shop.gateway.payment(begun.reference)
    assert (untried.status, untried.payment_id, untried.amount_minor) == ("pending", begun.reference, 1190)

    back = shop.pay(begun.url, VISA)
    assert back.headers["location"] == f"{RETURN_URL}&session_id={begun.reference}"

    paid = shop.gateway.payment(begun.reference)
    assert (paid.status, paid.currency, paid.amount_minor) == ("paid", "USD", 1190)
    assert paid.reference == begun.reference
    assert read_terms(paid.metadata, {"k1": KEY.secret}) == terms
    told = [
        *shop.webhooks("payment_intent.succeeded", "checkout.session.completed", about=paid.payment_id),
        *shop.webhooks("checkout.session.completed", about=begun.reference),
    ]
    assert [webhook.type for webhook in told[:2]] == ["payment_intent.succeeded", "checkout.session.completed"]
    listed = [payment for payment in shop.gateway.payments(AN_HOUR_AGO) if payment.payment_id == paid.payment_id]
    learned = [shop.gateway.payment(paid.payment_id), *listed, *(webhook.update for webhook in told)]
    assert len(learned) == 5
    # Only the page tells its own id.
    assert all(payment in (paid, paid._replace(reference=None)) for payment in learned)


def test_the_card_of_a_purchase_is_saved_and_can_be_charged_later(shop: StripeShop) -> None:
    customer, _ = shop.customer()
    begun = shop.begin(new_terms(), customer, None)
    assert begun.url is not None
    shop.pay(begun.url, VISA)
    [method] = shop.gateway.methods(customer)
    assert (method.kind, method.brand, method.last4) == ("card", "visa", "4242")
    assert (method.expires_month, method.expires_year, method.default) == (12, 2034, False)
    assert shop.charge(new_terms(), customer, method.method_id, "later").status == "paid"


def test_a_decline_on_the_page_leaves_the_payment_pending_and_another_card_pays(shop: StripeShop) -> None:
    customer, _ = shop.customer()
    begun = shop.begin(new_terms(), customer, None)
    assert begun.url is not None
    shop.pay(begun.url, "4000000000009995")
    declined = shop.gateway.payment(begun.reference)
    assert (declined.status, declined.failure, declined.decline) == ("pending", "insufficient_funds", "soft")
    assert declined.action_url == begun.url
    [failed] = shop.webhooks("payment_intent.payment_failed", about=declined.payment_id)
    assert failed.update == declined._replace(reference=None, action_url=None)
    shop.pay(begun.url, VISA)
    paid = shop.gateway.payment(begun.reference)
    assert (paid.status, paid.payment_id, paid.failure) == ("paid", declined.payment_id, None)


def test_a_page_that_expires_is_a_payment_that_failed(shop: StripeShop) -> None:
    customer, _ = shop.customer()
    begun = shop.begin(new_terms(), customer, None)
    shop.api.checkout.sessions.expire(begun.reference)
    assert (shop.gateway.payment(begun.reference).status, shop.gateway.payment(begun.reference).failure) == (
        "failed",
        "expired",
    )
    [told] = shop.webhooks("checkout.session.expired", about=begun.reference)
    assert told.update == shop.gateway.payment(begun.reference)


# A saved card, the customer present


def test_a_purchase_with_a_saved_card_is_paid_at_once(shop: StripeShop) -> None:
    terms, (customer, method) = new_terms(), shop.customer("pm_card_visa")
    begun = shop.begin(terms, customer, method)
    assert begun.url is None
    assert begun.payment is not None
    assert (begun.payment.status, begun.payment.payment_id) == ("paid", begun.reference)
    assert begun.payment == shop.gateway.payment(begun.reference)
    [told] = shop.webhooks("payment_intent.succeeded", about=begun.reference)
    assert told.update == begun.payment


@pytest.mark.parametrize(("confirmed", "ends"), [(True, "paid"), (False, "failed")])
def test_a_saved_card_whose_bank_asks_sends_the_customer_there(shop: StripeShop, confirmed: bool, ends: str) -> None:
    customer, method = shop.customer("pm_card_authenticationRequired")
    begun = shop.begin(new_terms(), customer, method)
    assert begun.url is not None
    assert shop.gateway.payment(begun.reference).action_url == begun.url
    back = shop.authenticate(begun.url, confirmed=confirmed)
    assert back.headers["location"].startswith(RETURN_URL)
    payment = shop.gateway.payment(begun.reference)
    assert payment.status == ends
    assert payment.decline == (None if confirmed else "authentication_required")


def test_a_declined_saved_card_is_an_answer(shop: StripeShop) -> None:
    customer, method = shop.customer("pm_card_chargeCustomerFail")
    begun = shop.begin(new_terms(), customer, method)
    assert begun.payment is not None
    assert (begun.payment.status, begun.payment.failure, begun.payment.decline) == ("failed", "generic_decline", "soft")
    assert begun.payment == shop.gateway.payment(begun.reference)


@pytest.mark.parametrize("method", [None, "pm_card_visa"])
def test_begun_again_it_is_the_same_payment_and_with_other_terms_nobody_knows(
    shop: StripeShop, method: str | None
) -> None:
    terms, (customer, method_id) = new_terms(), shop.customer(method)
    begun = shop.begin(terms, customer, method_id or None)
    assert shop.begin(terms, customer, method_id or None) == begun
    with pytest.raises(ProviderUnknown):
        shop.begin(terms._replace(amount_minor=9999), customer, method_id or None)


# Auto top-up: a saved card without the customer


@pytest.mark.parametrize(
    ("card", "status", "decline"),
    [
        ("pm_card_visa", "paid", None),
        ("pm_card_chargeCustomerFail", "failed", "soft"),
        ("pm_card_authenticationRequired", "failed", "authentication_required"),
    ],
)
def test_a_charge_without_the_customer_is(shop: StripeShop, card: str, status: str, decline: str | None) -> None:
    terms, (customer, method) = new_terms(), shop.customer(card)
    payment = shop.charge(terms, customer, method, f"topup:{card}:1")
    assert (payment.status, payment.decline, payment.action_url) == (status, decline, None)
    assert payment.amount_minor == terms.amount_minor
    assert read_terms(payment.metadata, {"k1": KEY.secret}) == terms
    assert shop.gateway.payment(payment.payment_id) == payment


def test_a_lost_card_is_never_to_be_charged_again(shop: StripeShop) -> None:
    customer, method = shop.customer("pm_card_visa")
    number = {"number": "4000000000009987"}
    assert shop.sandbox.control.put(f"/sandbox/stripe/payment_methods/{method}", json=number).is_success
    assert shop.charge(new_terms(), customer, method, "lost").decline == "hard"


def test_a_charge_whose_answer_is_lost_is_made_once(shop: StripeShop) -> None:
    customer, method = shop.customer("pm_card_visa")
    shop.sandbox.fault("reset_after", "payment_intents.create", times=1)
    before = shop.sandbox.calls("stripe", "payment_intents.create")
    assert shop.charge(new_terms(), customer, method, "once").status == "paid"
    assert shop.sandbox.calls("stripe", "payment_intents.create") == before + 2
    assert len(shop.api.charges.list({"customer": customer}).data) == 1


def test_a_charge_that_is_never_answered_is_unknown_and_found_by_asking_again(shop: StripeShop) -> None:
    terms, (customer, method) = new_terms(), shop.customer("pm_card_visa")
    shop.sandbox.fault("error_after", "payment_intents.create", times=3)
    with pytest.raises(ProviderUnknown):
        shop.charge(terms, customer, method, "unanswered")
    [listed] = [
        payment
        for payment in shop.gateway.payments(AN_HOUR_AGO)
        if read_terms(payment.metadata, {"k1": KEY.secret}) == terms
    ]
    assert listed.status == "paid"
    assert shop.charge(terms, customer, method, "unanswered") == listed
    assert len(shop.api.charges.list({"customer": customer}).data) == 1


def test_a_canceled_payment_failed_and_a_paid_one_stays_paid(shop: StripeShop) -> None:
    customer, method = shop.customer("pm_card_authenticationRequired")
    waiting = shop.begin(new_terms(), customer, method)
    canceled = shop.gateway.cancel(waiting.reference)
    assert (canceled.status, canceled.action_url) == ("failed", None)
    assert shop.gateway.cancel(waiting.reference) == canceled
    customer, method = shop.customer("pm_card_visa")
    paid = shop.charge(new_terms(), customer, method, "cancel a paid one")
    assert shop.gateway.cancel(paid.payment_id) == paid


# Customers and their cards


def test_a_customer_is_kept_up_to_date_with_its_tax_ids(shop: StripeShop) -> None:
    address = Address("Main St 1", "", "Bonn", "", "53113", "DE")
    german, swiss = ("eu_vat", "DE123456789"), ("ch_uid", "CHE-123.456.789 HR")
    buyer = Buyer("acct_7", "Jo", "jo@example.com", address, (german,))
    customer = shop.gateway.put_customer(buyer, None)
    kept = shop.api.customers.retrieve(customer)
    assert (kept.name, kept.email, kept.metadata and kept.metadata["account"]) == ("Jo", "jo@example.com", "acct_7")
    assert kept.address is not None
    assert (kept.address.line1, kept.address.country) == ("Main St 1", "DE")
    first = tax_ids(shop, customer)
    assert list(first) == [german]

    assert shop.gateway.put_customer(buyer._replace(name="Jo Ltd", tax_ids=(german, swiss)), customer) == customer
    assert shop.api.customers.retrieve(customer).name == "Jo Ltd"
    assert tax_ids(shop, customer).keys() == {german, swiss}
    # Written otherwise it is the same number, and stays the same object.
    written_otherwise = ("eu_vat", "de 123 456 789")
    assert shop.gateway.put_customer(buyer._replace(tax_ids=(written_otherwise,)), customer) == customer
    assert tax_ids(shop, customer) == first


def tax_ids(shop: StripeShop, customer: str) -> dict[tuple[str, str], str]:
    return {(found.type, found.value): found.id for found in shop.api.customers.tax_ids.list(customer).data}


def test_what_we_don_t_know_stays_as_the_customer_gave_it_to_stripe(shop: StripeShop) -> None:
    customer = shop.gateway.put_customer(Buyer("acct_8", "Jo", "jo@example.com"), None)
    shop.gateway.put_customer(Buyer("acct_8"), customer)
    kept = shop.api.customers.retrieve(customer)
    assert (kept.name, kept.email) == ("Jo", "jo@example.com")


def test_a_customer_that_stripe_does_not_have_is_made_anew(shop: StripeShop) -> None:
    customer = shop.gateway.put_customer(Buyer("acct_9"), "cus_deleted")
    assert customer != "cus_deleted"
    assert shop.gateway.methods(customer) == []


def test_the_default_is_marked_and_a_card_of_somebody_else_is_neither_chosen_nor_forgotten(shop: StripeShop) -> None:
    (customer, method), (_, other) = shop.customer("pm_card_visa"), shop.customer("pm_card_mastercard")
    shop.gateway.set_default(customer, method)
    assert [(found.method_id, found.default) for found in shop.gateway.methods(customer)] == [(method, True)]
    with pytest.raises(ProviderRefuses):
        shop.gateway.set_default(customer, other)
    with pytest.raises(ProviderRefuses, match="not this customer's"):
        shop.gateway.detach(customer, other)
    assert shop.api.payment_methods.retrieve(other).customer is not None
    shop.gateway.detach(customer, method)
    assert shop.gateway.methods(customer) == []
    [*_, told] = shop.webhooks("customer.updated", about=method)
    assert told.update == MethodsChanged(customer)
    [gone] = shop.webhooks("payment_method.detached", about=method)
    assert gone.update == MethodsChanged(customer)


def test_a_card_is_added_without_buying(shop: StripeShop) -> None:
    customer, _ = shop.customer()
    url = shop.gateway.add_method(customer, RETURN_URL)
    back = shop.pay(url, VISA)
    assert back.headers["location"].startswith(f"{RETURN_URL}&session_id=cs_")
    [method] = shop.gateway.methods(customer)
    assert [told.update for told in shop.webhooks("payment_method.attached", about=method.method_id)] == [
        MethodsChanged(customer)
    ]
    assert shop.charge(new_terms(), customer, method.method_id, f"added:{customer}").status == "paid"


# Money that goes back, and money that arrives


def test_refunds_say_what_went_back_before_them_however_they_are_learned_of(shop: StripeShop) -> None:
    customer, method = shop.customer("pm_card_visa")
    payment = shop.charge(new_terms(), customer, method, f"refunded:{customer}")
    first = shop.gateway.refund(payment.payment_id, 190, f"{customer}:1")
    assert shop.gateway.refund(payment.payment_id, 190, f"{customer}:1") == first
    assert (first.status, first.currency, first.amount_minor, first.before_minor) == ("succeeded", "USD", 190, 0)
    by_hand = shop.does("refunds", payment_intent=payment.payment_id, amount=300)["id"]
    listed = {refund.refund_id: refund for refund in shop.gateway.refunds(AN_HOUR_AGO)}
    # Within one second Stripe does not say which was first: then the ids do, the same each time.
    assert {listed[by_hand].before_minor, listed[first.refund_id].before_minor} in ({0, 190}, {0, 300})
    told = {webhook.update for webhook in shop.webhooks("refund.created", about=payment.payment_id)}
    assert told == {listed[by_hand], listed[first.refund_id]}
    [*_, last] = shop.webhooks("charge.refunded", about=payment.payment_id)
    assert last.update == max(listed[by_hand], listed[first.refund_id], key=lambda refund: refund.before_minor)
    with pytest.raises(ProviderRefuses):
        shop.gateway.refund(payment.payment_id, 1000, f"{customer}:2")

    shop.does(f"refunds/{by_hand}/fail")
    [failed] = shop.webhooks("refund.failed", about=by_hand)
    assert failed.update == listed[by_hand]._replace(status="failed")


@pytest.mark.parametrize("outcome", ["won", "lost"])
def test_a_dispute_is_open_until_it_is_decided(shop: StripeShop, outcome: str) -> None:
    customer, method = shop.customer("pm_card_visa")
    payment = shop.charge(new_terms(), customer, method, f"disputed:{customer}")
    dispute_id = shop.does("disputes", payment_intent=payment.payment_id, amount=1000)["id"]
    [opened] = shop.webhooks("charge.dispute.created", about=dispute_id)
    shop.does(f"disputes/{dispute_id}/decide", outcome=outcome)
    [dispute] = [found for found in shop.gateway.disputes(AN_HOUR_AGO) if found.dispute_id == dispute_id]
    assert (dispute.payment_id, dispute.status, dispute.amount_minor) == (payment.payment_id, outcome, 1000)
    assert opened.update == dispute._replace(status="open")
    [closed] = shop.webhooks("charge.dispute.closed", about=dispute_id)
    assert closed.update == dispute


def test_a_payout_says_its_fees(shop: StripeShop) -> None:
    if shop.api.balance_transactions.list().data:
        shop.does("payouts")  # what other tests left
    customer, method = shop.customer("pm_card_visa")
    for number in range(3):
        shop.charge(new_terms(10_000), customer, method, f"payout:{customer}:{number}")
    made = shop.does("payouts")
    [payout] = [found for found in shop.gateway.payouts(datetime.now(UTC)) if found.payout_id == made["id"]]
    assert (payout.amount_minor, payout.fee_minor, payout.currency) == (29_040, 960, "USD")
    [told] = shop.webhooks("payout.paid", about=made["id"])
    assert told.update == payout


def test_lists_go_on_beyond_a_page(shop: StripeShop) -> None:
    customer, _ = shop.customer()
    made = {
        shop.api.payment_intents.create({"amount": 500, "currency": "usd", "customer": customer}).id for _ in range(101)
    }
    assert made <= {payment.payment_id for payment in shop.gateway.payments(AN_HOUR_AGO)}
    assert list(shop.gateway.payments(datetime.now(UTC) + timedelta(hours=1))) == []
