"""Payment links through Razorpay's own SDK, and their page as a browser without JavaScript meets it."""

from collections.abc import Iterator
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import httpx
import pytest
from razorpay.errors import BadRequestError, SignatureVerificationError

from tests.sandbox.razorpay_shop import Shop, named, shop_at
from tests.support.sandbox import running_sandbox
from tests.support.webhook_receiver import Receiver, receiver

CARD = {"method": "card", "card[number]": "4111 1111 1111 1111"}
DECLINED = {"method": "card", "card[number]": "4000 0000 0000 0002"}
BACK = "https://shop.example/back?cart=7"


@pytest.fixture(scope="module")
def shop() -> Iterator[Shop]:
    with running_sandbox() as sandbox, shop_at(sandbox) as shop:
        yield shop


@pytest.fixture
def hook(shop: Shop) -> Iterator[Receiver]:
    with receiver() as hook:
        shop.listen(hook)
        yield hook


def new_link(shop: Shop, **more: Any) -> dict[str, Any]:
    said = {"amount": 85000, "currency": "INR", "description": "10 credits", "notes": {"purchase": "p1"}, **more}
    link: dict[str, Any] = shop.sdk.payment_link.create(said)
    return link


def test_a_link_is_paid_on_its_page_and_the_browser_brings_the_proof(shop: Shop, hook: Receiver) -> None:
    link = new_link(shop, callback_url=BACK, callback_method="get", reference_id="ref-1")
    assert "₹850.00" in httpx.get(link["short_url"]).text
    back = httpx.post(link["short_url"], data=CARD)
    assert (back.status_code, back.headers["location"].startswith(BACK)) == (303, True)
    proof = dict(parse_qsl(urlsplit(back.headers["location"]).query))
    assert shop.sdk.utility.verify_payment_link_signature(
        {
            "payment_link_id": proof["razorpay_payment_link_id"],
            "payment_link_reference_id": proof["razorpay_payment_link_reference_id"],
            "payment_link_status": proof["razorpay_payment_link_status"],
            "razorpay_payment_id": proof["razorpay_payment_id"],
            "razorpay_signature": proof["razorpay_signature"],
        }
    )
    paid = shop.sdk.payment_link.fetch(link["id"])
    assert (paid["status"], paid["amount_paid"], paid["payments"][0]["plink_id"]) == ("paid", 85000, link["id"])
    assert proof["razorpay_payment_id"] == paid["payments"][0]["payment_id"]
    told = named(shop.webhooks(hook, "payment_link.paid", "payment.captured", "order.paid"), "payment_link.paid")
    assert told["payment_link"] == paid
    assert told["order"]["notes"] == {"purchase": "p1"}
    assert httpx.post(link["short_url"], data=CARD).status_code == 400


def test_a_proof_of_another_payment_is_not_verified(shop: Shop) -> None:
    link = new_link(shop, callback_url=BACK, callback_method="get")
    proof = dict(parse_qsl(urlsplit(httpx.post(link["short_url"], data=CARD).headers["location"]).query))
    claim = {f"payment_link_{name}": proof.get(f"razorpay_payment_link_{name}", "") for name in ("id", "status")}
    claim |= {"payment_link_reference_id": "", "razorpay_signature": proof["razorpay_signature"]}
    with pytest.raises(SignatureVerificationError):
        shop.sdk.utility.verify_payment_link_signature({**claim, "razorpay_payment_id": "pay_another"})


def test_after_a_decline_the_page_asks_again(shop: Shop) -> None:
    link = new_link(shop)
    declined = httpx.post(link["short_url"], data=DECLINED)
    assert (declined.status_code, "declined by the bank" in declined.text) == (200, True)
    assert shop.sdk.payment_link.fetch(link["id"])["status"] == "created"
    assert httpx.post(link["short_url"], data={"method": "upi", "vpa": "success@razorpay"}).status_code == 200
    paid = shop.sdk.payment_link.fetch(link["id"])
    assert paid["status"] == "paid"
    assert shop.sdk.order.fetch(paid["order_id"])["attempts"] == 2


def test_a_cancelled_link_can_not_be_paid(shop: Shop, hook: Receiver) -> None:
    link = new_link(shop)
    assert shop.sdk.payment_link.cancel(link["id"])["status"] == "cancelled"
    assert httpx.get(link["short_url"]).status_code == 400
    with pytest.raises(BadRequestError, match="cannot cancel or expire"):
        shop.sdk.payment_link.cancel(link["id"])
    assert (
        named(shop.webhooks(hook, "payment_link.cancelled"), "payment_link.cancelled")["payment_link"]["id"]
        == link["id"]
    )


def test_a_link_expires(shop: Shop, hook: Receiver) -> None:
    now = shop.sandbox.control.get("/sandbox").json()["now"]
    link = new_link(shop, expire_by=now + 16 * 60)
    shop.advance(17 * 60)
    told = named(shop.webhooks(hook, "payment_link.expired"), "payment_link.expired")
    assert told["payment_link"]["id"] == link["id"]
    assert shop.sdk.payment_link.fetch(link["id"])["status"] == "expired"
    assert httpx.post(link["short_url"], data=CARD).status_code == 400


def test_a_link_that_was_paid_or_cancelled_does_not_expire(shop: Shop) -> None:
    now = shop.sandbox.control.get("/sandbox").json()["now"]
    paid, cancelled = (new_link(shop, expire_by=now + 16 * 60) for _ in range(2))
    shop.act("payments", payment_link_id=paid["id"])
    shop.sdk.payment_link.cancel(cancelled["id"])
    shop.advance(17 * 60)
    assert [shop.sdk.payment_link.fetch(each["id"])["status"] for each in (paid, cancelled)] == ["paid", "cancelled"]


def test_a_reference_is_taken_once_and_found_again(shop: Shop) -> None:
    link = new_link(shop, reference_id="only once")
    with pytest.raises(BadRequestError, match="reference ID already attempted"):
        new_link(shop, reference_id="only once")
    assert shop.sdk.payment_link.all({"reference_id": "only once"}) == {"payment_links": [link]}


@pytest.mark.parametrize(
    ("more", "reason"),
    [
        ({"expire_by": 1}, "15 minutes"),
        ({"callback_url": BACK}, "callback_method"),
        ({"accept_partial": True}, "Partial payments"),
        ({"customer": {"phone": "1"}}, "phone is/are not required"),
        ({"upi_link": True}, "upi_link is/are not required"),
    ],
)
def test_a_link_that_razorpay_refuses_is_refused(shop: Shop, more: dict[str, Any], reason: str) -> None:
    with pytest.raises(BadRequestError, match=reason):
        new_link(shop, **more)
