"""Razorpay behind the gateway, through its own SDK and real HTTP, against the sandbox."""

import html
import re
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest
import razorpay

from ledger.payments.gateway import (
    Buyer,
    Payment,
    ProviderError,
    ProviderRefuses,
    ProviderUnknown,
    Refund,
    StartedPayment,
)
from ledger.payments.payment_terms import PaymentTerms, read_terms
from ledger.payments.razorpay import RazorpayGateway, api
from tests.payments.razorpay_documented import CHECKOUT, DOCUMENTED
from tests.payments.razorpay_harness import KEY, gateway_at, metadata, new_terms, proof_of
from tests.support.answering import answering, passed_on
from tests.support.sandbox import (
    RAZORPAY_KEY_ID,
    RAZORPAY_KEY_SECRET,
    RunningSandbox,
    running_sandbox,
)

ANN = Buyer("acct_1", "Ann Example", "ann@example.com")
LONG_AGO = datetime(2020, 1, 1, tzinfo=UTC)
RETURN = "https://billing.example.com/pay/return"
NO_FUNDS = "4000 0000 0000 9995"


@pytest.fixture(scope="module")
def sandbox() -> Iterator[RunningSandbox]:
    with running_sandbox() as running:
        yield running


@pytest.fixture
def alone() -> Iterator[RunningSandbox]:
    """A sandbox for one test, that moves its clock or counts all there is."""
    with running_sandbox() as running:
        yield running


@pytest.fixture
def gateway(sandbox: RunningSandbox) -> RazorpayGateway:
    return gateway_at(sandbox.razorpay_url)


def begun(gateway: RazorpayGateway, terms: PaymentTerms) -> StartedPayment:
    customer_id = gateway.put_customer(ANN, None)
    return gateway.begin(terms, metadata(terms), customer_id, None, RETURN, "10 credits")


def act(sandbox: RunningSandbox, what: str, **body: Any) -> dict[str, Any]:
    """Something that happens at Razorpay: a customer pays, a bank opens a dispute."""
    answer = sandbox.control.post(f"/sandbox/razorpay/{what}", json=body)
    assert answer.status_code in (200, 201), answer.text
    said: dict[str, Any] = answer.json()
    return said


def paid(gateway: RazorpayGateway, sandbox: RunningSandbox, **how: Any) -> Payment:
    """A purchase that was paid."""
    order_id = begun(gateway, new_terms()).reference
    act(sandbox, "payments", order_id=order_id, **how)
    return gateway.payment(order_id)


def update_of(gateway: RazorpayGateway, sandbox: RunningSandbox, type_: str, about: str) -> Any:
    """The update of the webhook of that type in which an id occurs."""
    messages = sandbox.control.get("/sandbox/webhooks", params={"provider": "razorpay"}).json()
    raw = next(each["body"].encode() for each in messages if each["type"] == type_ and about in each["body"])
    return gateway.webhook(raw, proof_of(raw)).update


def raw_client(sandbox: RunningSandbox) -> Any:
    """The SDK alone: what another program of the same account does."""
    return razorpay.Client(auth=(RAZORPAY_KEY_ID, RAZORPAY_KEY_SECRET), base_url=sandbox.razorpay_url)


def test_a_purchase_is_begun_on_our_page_and_pending_until_it_is_paid(
    gateway: RazorpayGateway, sandbox: RunningSandbox
) -> None:
    terms = new_terms()
    begin = begun(gateway, terms)
    assert begin.fields == {
        "key": RAZORPAY_KEY_ID,
        "order_id": begin.reference,
        "amount": 85000,
        "currency": "INR",
        "description": "10 credits",
        "prefill": {"name": "Ann Example", "email": "ann@example.com"},
        "notes": metadata(terms),
        "callback_url": RETURN,
    }
    unpaid = gateway.payment(begin.reference)
    assert (unpaid.status, unpaid.payment_id, unpaid.metadata) == ("pending", begin.reference, metadata(terms))
    made = act(sandbox, "payments", order_id=begin.reference)
    payment = gateway.payment(begin.reference)
    assert (payment.status, payment.payment_id, payment.reference) == ("paid", made["id"], begin.reference)
    assert (payment.currency, payment.amount_minor) == ("INR", 85000)
    assert read_terms(payment.metadata, {KEY.key_id: KEY.secret}) == terms


def test_whoever_asks_gets_the_same_payment(gateway: RazorpayGateway, sandbox: RunningSandbox) -> None:
    payment = paid(gateway, sandbox)
    assert gateway.payment(payment.payment_id) == payment
    assert payment in list(gateway.payments(LONG_AGO))
    assert update_of(gateway, sandbox, "payment.captured", payment.payment_id) == payment
    assert update_of(gateway, sandbox, "order.paid", payment.payment_id) == payment


def test_a_purchase_that_is_begun_again_is_the_same_order(gateway: RazorpayGateway, sandbox: RunningSandbox) -> None:
    terms, before = new_terms(), sandbox.calls("razorpay", "orders.create")
    first = begun(gateway, terms)
    assert begun(gateway, terms) == first
    with pytest.raises(ProviderRefuses, match=r"^purchase_id: "):
        begun(gateway, terms._replace(amount_minor=90000))
    act(sandbox, "payments", order_id=first.reference)
    again = begun(gateway, terms)
    assert (again.reference, again.fields) == (first.reference, {})
    assert again.payment == gateway.payment(first.reference)
    assert sandbox.calls("razorpay", "orders.create") == before + 1


def test_a_lost_answer_makes_no_second_order(gateway: RazorpayGateway, sandbox: RunningSandbox) -> None:
    terms, before = new_terms(), sandbox.calls("razorpay", "orders.create")
    sandbox.fault("reset_after", "orders.create", provider="razorpay", times=1)
    with pytest.raises(ProviderUnknown):
        begun(gateway, terms)
    assert begun(gateway, terms).reference.startswith("order_")
    assert sandbox.calls("razorpay", "orders.create") == before + 1


def test_of_two_orders_the_older_is_gone_on_with_unless_the_other_is_paid(
    gateway: RazorpayGateway, sandbox: RunningSandbox
) -> None:
    terms = new_terms()
    older = begun(gateway, terms).reference
    body = {"amount": 85000, "currency": "INR", "receipt": terms.purchase_id.replace("-", ""), "notes": metadata(terms)}
    sandbox.control.post("/sandbox/clock", json={"seconds": 1})
    younger = raw_client(sandbox).order.create(body)["id"]
    assert begun(gateway, terms).reference == older
    act(sandbox, "payments", order_id=younger)
    again = begun(gateway, terms)
    assert again.reference == younger
    assert again.payment is not None
    assert again.payment.status == "paid"


@pytest.mark.parametrize(("suffix", "ours"), [("", False), ("x", True)])
def test_an_order_that_is_not_of_this_purchase_is_left_alone(
    gateway: RazorpayGateway, sandbox: RunningSandbox, suffix: str, ours: bool
) -> None:
    terms = new_terms()
    body = {"amount": 85000, "currency": "INR", "receipt": terms.purchase_id.replace("-", "") + suffix}
    other = raw_client(sandbox).order.create({**body, "notes": metadata(new_terms()) if ours else {}})
    assert begun(gateway, terms).reference != other["id"]


def test_a_decline_says_how_to_meet_it_and_the_order_can_still_be_paid(
    gateway: RazorpayGateway, sandbox: RunningSandbox
) -> None:
    order_id = begun(gateway, new_terms()).reference
    made = act(sandbox, "payments", order_id=order_id, card=NO_FUNDS)
    failed = gateway.payment(order_id)
    assert (failed.status, failed.failure, failed.decline) == ("failed", "insufficient_funds", "soft")
    assert update_of(gateway, sandbox, "payment.failed", made["id"]) == failed
    act(sandbox, "payments", order_id=order_id)
    assert gateway.payment(order_id).status == "paid"
    assert gateway.payment(made["id"]) == failed


@pytest.mark.parametrize("asked", ["reference", "list", "webhook", "capture"])
def test_what_razorpay_did_not_capture_is_captured_by_whoever_asks_once(
    gateway: RazorpayGateway, sandbox: RunningSandbox, asked: str
) -> None:
    order_id = begun(gateway, new_terms()).reference
    pay_id = act(sandbox, "payments", order_id=order_id, late=True)["id"]
    before = sandbox.calls("razorpay", "payments.capture")
    match asked:
        case "reference":
            payment = gateway.payment(order_id)
        case "list":
            payment = next(each for each in gateway.payments(LONG_AGO) if each.payment_id == pay_id)
        case "webhook":
            payment = update_of(gateway, sandbox, "payment.authorized", pay_id)
        case _:
            payment = gateway.capture(pay_id)
    assert (payment.status, payment.amount_minor) == ("paid", 85000)
    assert gateway.capture(pay_id) == gateway.payment(order_id) == payment
    # Also when the message comes again: it still says authorized.
    assert update_of(gateway, sandbox, "payment.authorized", pay_id) == payment
    assert sandbox.calls("razorpay", "payments.capture") == before + 1


def test_a_payment_that_is_not_ours_is_not_captured(gateway: RazorpayGateway, sandbox: RunningSandbox) -> None:
    theirs = raw_client(sandbox).order.create({"amount": 5000, "currency": "INR"})
    pay_id = act(sandbox, "payments", order_id=theirs["id"], late=True)["id"]
    assert (gateway.payment(pay_id).status, gateway.payment(pay_id).metadata) == ("pending", {})


def test_a_second_payment_of_a_paid_order_stays_pending_and_does_not_hide_the_first(
    gateway: RazorpayGateway, sandbox: RunningSandbox
) -> None:
    first = paid(gateway, sandbox)
    second = act(sandbox, "payments", order_id=first.reference, late=True)["id"]
    assert gateway.payment(second).status == "pending"
    assert gateway.payment(str(first.reference)) == first
    with pytest.raises(ProviderRefuses, match="already paid"):
        gateway.capture(second)


def test_what_the_browser_says_of_a_payment_is_not_believed(gateway: RazorpayGateway, sandbox: RunningSandbox) -> None:
    terms = new_terms()
    order_id = begun(gateway, terms).reference
    theirs = raw_client(sandbox).order.create({"amount": 85000, "currency": "INR"})["id"]
    signed_for_another = {f"notes[{name}]": text for name, text in metadata(new_terms()).items()}
    for order in (order_id, theirs):
        pay_in_browser(sandbox, order, signed_for_another)
    assert gateway.payment(order_id).metadata == metadata(terms)
    assert gateway.payment(theirs).metadata == {}


def test_what_checkout_gives_to_the_browser_is_razorpays_word(
    gateway: RazorpayGateway, sandbox: RunningSandbox
) -> None:
    order_id = begun(gateway, new_terms()).reference
    said = pay_in_browser(sandbox, order_id, {})
    pay_id, signature = said["razorpay_payment_id"], said["razorpay_signature"]
    assert gateway.verify_return(said["razorpay_order_id"], pay_id, signature)
    assert not gateway.verify_return(begun(gateway, new_terms()).reference, pay_id, signature)


def pay_in_browser(sandbox: RunningSandbox, order_id: str, fields: Mapping[str, str]) -> dict[str, str]:
    """Pays on the checkout page; what it posts back."""
    form = {"key_id": RAZORPAY_KEY_ID, "order_id": order_id, "callback_url": RETURN, "method": "upi", **fields}
    page = httpx.post(f"{sandbox.razorpay_url}/v1/checkout/pay", data={**form, "vpa": "success@razorpay"})
    assert page.status_code == 200, page.text
    found = re.findall(r'name="(razorpay_\w+)" value="([^"]*)"', page.text)
    return {name: html.unescape(text) for name, text in found}


def test_refunds_say_what_was_given_back_before_them(gateway: RazorpayGateway, sandbox: RunningSandbox) -> None:
    payment = paid(gateway, sandbox)
    first = gateway.refund(payment.payment_id, 20000, "refund:one")
    assert (first.status, first.amount_minor, first.before_minor) == ("succeeded", 20000, 0)
    assert gateway.refund(payment.payment_id, 20000, "refund:one") == first
    sandbox.control.put("/sandbox/razorpay/refunds", json={"status": "pending"})
    sandbox.control.post("/sandbox/clock", json={"seconds": 1})
    pending = gateway.refund(payment.payment_id, 10000, "refund:two")
    assert (pending.status, pending.before_minor) == ("pending", 20000)
    sandbox.control.put("/sandbox/razorpay/refunds", json={"status": "processed"})
    act(sandbox, f"refunds/{pending.refund_id}", status="failed")
    sandbox.control.post("/sandbox/clock", json={"seconds": 1})
    last = gateway.refund(payment.payment_id, 65000, "refund:three")
    assert last.before_minor == 20000
    mine = [each for each in gateway.refunds(LONG_AGO) if each.payment_id == payment.payment_id]
    assert mine == [last, pending._replace(status="failed"), first]
    assert update_of(gateway, sandbox, "refund.processed", last.refund_id) == last
    assert update_of(gateway, sandbox, "refund.failed", pending.refund_id).status == "failed"
    # Given back as a whole, it was paid nevertheless.
    assert gateway.payment(payment.payment_id).status == "paid"


def test_another_refund_with_the_same_key_is_not_made(gateway: RazorpayGateway, sandbox: RunningSandbox) -> None:
    payment = paid(gateway, sandbox)
    gateway.refund(payment.payment_id, 20000, "refund:same")
    with pytest.raises(ProviderError):
        gateway.refund(payment.payment_id, 30000, "refund:same")
    assert len([each for each in gateway.refunds(LONG_AGO) if each.payment_id == payment.payment_id]) == 1


def test_a_refund_that_can_t_be_read_back_may_have_happened(gateway: RazorpayGateway, sandbox: RunningSandbox) -> None:
    payment = paid(gateway, sandbox)
    sandbox.fault("error_before", "payments.refunds", provider="razorpay", times=3)
    with pytest.raises(ProviderUnknown):
        gateway.refund(payment.payment_id, 20000, "refund:unread")
    found = gateway.refund_under(payment.payment_id, "refund:unread")
    assert found == gateway.refund(payment.payment_id, 20000, "refund:unread")
    assert gateway.refund_under(payment.payment_id, "refund:other") is None


def test_what_was_never_captured_has_failed_and_its_refund_is_none_of_ours(alone: RunningSandbox) -> None:
    gateway = gateway_at(alone.razorpay_url)
    order_id = begun(gateway, new_terms()).reference
    pay_id = act(alone, "payments", order_id=order_id, late=True)["id"]
    alone.control.post("/sandbox/clock", json={"seconds": 6 * 86400})
    payment = gateway.payment(order_id)
    assert (payment.payment_id, payment.status, payment.failure) == (pay_id, "failed", "refunded")
    assert list(gateway.refunds(LONG_AGO)) == []
    assert update_of(gateway, alone, "refund.created", pay_id) is None


@pytest.mark.parametrize(
    ("decision", "ours"), [("under_review", "open"), ("won", "won"), ("lost", "lost"), ("closed", "won")]
)
def test_a_dispute_is_listed_as_it_was_told(
    gateway: RazorpayGateway, sandbox: RunningSandbox, decision: str, ours: str
) -> None:
    payment = paid(gateway, sandbox)
    dispute_id = act(sandbox, "disputes", payment_id=payment.payment_id, amount=40000)["id"]
    opened = update_of(gateway, sandbox, "payment.dispute.created", dispute_id)
    assert (opened.payment_id, opened.status, opened.amount_minor) == (payment.payment_id, "open", 40000)
    assert opened in list(gateway.disputes(LONG_AGO))
    act(sandbox, f"disputes/{dispute_id}", status=decision)
    assert update_of(gateway, sandbox, f"payment.dispute.{decision}", dispute_id) == opened._replace(status=ours)
    assert opened._replace(status=ours) in list(gateway.disputes(LONG_AGO))


def test_a_settlement_is_what_was_paid_less_the_fee(alone: RunningSandbox) -> None:
    gateway = gateway_at(alone.razorpay_url)
    paid(gateway, alone)
    settlement_id = act(alone, "settlements")["id"]
    (payout,) = gateway.payouts(LONG_AGO)
    assert payout.payout_id == settlement_id
    assert payout.amount_minor + payout.fee_minor == 85000
    assert payout.fee_minor > 0
    assert update_of(gateway, alone, "settlement.processed", settlement_id) == payout


def test_a_list_is_read_to_its_end(
    gateway: RazorpayGateway, sandbox: RunningSandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    payment = paid(gateway, sandbox)
    sandbox.control.post("/sandbox/clock", json={"seconds": 1})
    for number in range(5):
        gateway.refund(payment.payment_id, 1000, f"refund:{payment.payment_id}:{number}")
    monkeypatch.setattr(api, "_PER_PAGE", 2)
    since = payment.created + timedelta(seconds=1)
    mine = [each for each in gateway.refunds(since) if each.payment_id == payment.payment_id]
    assert sorted(each.before_minor for each in mine) == [0, 1000, 2000, 3000, 4000]
    assert list(gateway.refunds(since + timedelta(days=1))) == []


def test_a_customer_is_brought_up_to_date_with_what_razorpay_takes(
    gateway: RazorpayGateway, sandbox: RunningSandbox
) -> None:
    def prefilled(customer_id: str) -> object:
        terms = new_terms()
        return gateway.begin(terms, metadata(terms), customer_id, None, RETURN, "credits").fields["prefill"]

    bo = gateway.put_customer(Buyer("acct_bo", "Bo", "bo@example.com"), None)
    assert prefilled(bo) == {"email": "bo@example.com"}  # a name of two letters would be refused
    assert gateway.put_customer(Buyer("acct_bo", "Bo Example", "bo@example.com"), bo) == bo
    assert prefilled(bo) == {"name": "Bo Example", "email": "bo@example.com"}
    ann = gateway.put_customer(ANN, None)
    assert gateway.put_customer(Buyer("acct_bo", "Bo Example", ANN.email), bo) == ann
    assert gateway.put_customer(ANN, "cust_OfAnotherKey") == ann
    nameless = gateway.put_customer(Buyer("acct_3", "Cy Example"), None)
    assert prefilled(nameless) == {}
    assert gateway.put_customer(Buyer("acct_3"), nameless) == nameless


def test_there_are_no_saved_methods(gateway: RazorpayGateway) -> None:
    terms = new_terms()
    assert gateway.methods("cust_1") == []
    for refused in (
        lambda: gateway.begin(terms, metadata(terms), "cust_1", "card_1", RETURN, "credits"),
        lambda: gateway.add_method("cust_1", RETURN),
        lambda: gateway.set_default("cust_1", "card_1"),
        lambda: gateway.detach("cust_1", "card_1"),
    ):
        with pytest.raises(ProviderRefuses) as error:
            refused()
        assert error.value.field == "method_id"


def linked(gateway: RazorpayGateway, terms: PaymentTerms) -> StartedPayment:
    return gateway.create_link(terms, metadata(terms), ANN, datetime.now(UTC) + timedelta(days=3))


def test_a_link_is_made_once_and_paid(gateway: RazorpayGateway, sandbox: RunningSandbox) -> None:
    terms = new_terms(kind="auto_top_up", trigger_id="t1")
    sandbox.fault("reset_after", "payment_links.create", provider="razorpay", times=1)
    with pytest.raises(ProviderUnknown):
        linked(gateway, terms)
    begin = linked(gateway, terms)
    assert begin == linked(gateway, terms)
    pending = gateway.payment(begin.reference)
    assert (pending.status, pending.action_url, pending.metadata) == ("pending", begin.url, metadata(terms))
    pay_id = act(sandbox, "payments", payment_link_id=begin.reference)["id"]
    payment = gateway.link(begin.reference)
    assert (payment.payment_id, payment.reference, payment.status) == (pay_id, begin.reference, "paid")
    assert update_of(gateway, sandbox, "payment_link.paid", begin.reference) == payment
    assert read_terms(payment.metadata, {KEY.key_id: KEY.secret}) == terms
    assert read_terms(gateway.payment(pay_id).metadata, {KEY.key_id: KEY.secret}) == terms
    assert gateway.cancel_link(begin.reference) == payment
    assert linked(gateway, terms) == StartedPayment(begin.reference, payment=payment)
    with pytest.raises(ProviderRefuses, match=r"^purchase_id: "):
        linked(gateway, terms._replace(amount_minor=90000))


def test_a_link_that_was_taken_back_or_ran_out_has_failed(alone: RunningSandbox) -> None:
    gateway = gateway_at(alone.razorpay_url)
    first, second = linked(gateway, new_terms()), linked(gateway, new_terms())
    cancelled = gateway.cancel_link(first.reference)
    assert (cancelled.status, cancelled.failure, cancelled.action_url) == ("failed", "cancelled", None)
    assert gateway.cancel_link(first.reference) == cancelled
    assert update_of(gateway, alone, "payment_link.cancelled", first.reference) == cancelled
    alone.control.post("/sandbox/clock", json={"seconds": 4 * 86400})
    expired = gateway.link(second.reference)
    assert (expired.status, expired.failure) == ("failed", "expired")
    assert update_of(gateway, alone, "payment_link.expired", second.reference) == expired


def test_nothing_is_sent_that_razorpay_does_not_document(sandbox: RunningSandbox) -> None:
    with answering(passed_on(sandbox.razorpay_url)) as recording:
        gateway = gateway_at(recording.url)
        customer_id = gateway.put_customer(ANN, None)
        gateway.put_customer(ANN, customer_id)
        begin = begun(gateway, new_terms())
        act(sandbox, "payments", order_id=begin.reference, late=True)
        payment = gateway.payment(begin.reference)
        gateway.refund(payment.payment_id, 100, f"refund:{payment.payment_id}")
        for listed in (gateway.payments, gateway.refunds, gateway.disputes, gateway.payouts):
            list(listed(LONG_AGO))
        gateway.cancel_link(linked(gateway, new_terms()).reference)
        gateway.link(linked(gateway, new_terms()).reference)
    sent: dict[tuple[str, str], set[str]] = {}
    for asked in recording.asked:
        path = re.sub(r"/[a-z]+_[A-Za-z0-9]{14}(?=/|$)", "/ID", asked.path)
        sent.setdefault((asked.method, path), set()).update(names({**asked.query, **(asked.body or {})}))
    assert sent.keys() == DOCUMENTED.keys()
    undocumented = {request: fields - DOCUMENTED[request].fields for request, fields in sent.items()}
    assert not any(undocumented.values()), undocumented
    assert names(begin.fields) <= CHECKOUT.fields


def names(said: Mapping[str, Any], within: str = "") -> set[str]:
    """The names of all fields, as the table writes them."""
    found = set()
    for name, value in said.items():
        inner = isinstance(value, dict) and name != "notes"
        found |= names(value, f"{within}{name}.") if inner else {within + name}
    return found


def test_a_refund_is_what_it_says(gateway: RazorpayGateway, sandbox: RunningSandbox) -> None:
    payment = paid(gateway, sandbox)
    refund_id = act(sandbox, "refunds", payment_id=payment.payment_id, amount=30000)["id"]
    refund = update_of(gateway, sandbox, "refund.processed", refund_id)
    assert isinstance(refund, Refund)
    assert (refund.payment_id, refund.currency, refund.amount_minor) == (payment.payment_id, "INR", 30000)
