"""Checkout as a browser without JavaScript meets it, and what the script is served with."""

import json
from collections.abc import Iterator, Mapping
from html.parser import HTMLParser
from typing import Any

import httpx
import pytest
from razorpay.errors import SignatureVerificationError

from tests.sandbox.razorpay_shop import Shop, shop_at
from tests.support.sandbox import RAZORPAY_KEY_ID, running_sandbox

CALLBACK = "https://shop.example/paid?cart=7"
CARD = {"method": "card", "card[number]": "4111 1111 1111 1111"}
DECLINED = {"method": "card", "card[number]": "4000 0000 0000 0002"}


@pytest.fixture(scope="module")
def shop() -> Iterator[Shop]:
    with running_sandbox() as sandbox, shop_at(sandbox) as shop:
        yield shop


class Form(HTMLParser):
    """The form of a page: where it goes and what it would post as it is."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.action, self.fields, self.links = "", dict[str, str](), list[str]()
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        said = {name: value or "" for name, value in attrs}
        if tag == "form":
            self.action = said["action"]
        if tag == "a":
            self.links.append(said["href"])
        if tag == "input" and ("checked" in said or said.get("type") != "radio"):
            self.fields[said["name"]] = said.get("value", "")


def opened(shop: Shop, order: Mapping[str, Any], **more: str) -> Form:
    fields = {"key_id": RAZORPAY_KEY_ID, "order_id": order["id"], "amount": "85000", "name": "Router", **more}
    answer = httpx.post(f"{shop.sandbox.razorpay_url}/v1/checkout/embedded", data=fields)
    assert answer.status_code == 200, answer.text
    return Form(answer.text)


def entered(form: Form, how: Mapping[str, str]) -> httpx.Response:
    return httpx.post(form.action, data={**form.fields, **how})


def test_a_paid_order_comes_back_with_a_signature(shop: Shop) -> None:
    order = shop.order()
    form = opened(shop, order, callback_url=CALLBACK, description="10 credits")
    back = Form(entered(form, CARD).text)
    assert back.action == CALLBACK
    assert shop.sdk.utility.verify_payment_signature(back.fields)
    assert back.fields["razorpay_order_id"] == order["id"]
    payment = shop.sdk.payment.fetch(back.fields["razorpay_payment_id"])
    assert (payment["status"], payment["description"]) == ("captured", "10 credits")
    with pytest.raises(SignatureVerificationError):
        shop.sdk.utility.verify_payment_signature({**back.fields, "razorpay_payment_id": "pay_another"})


def test_a_payment_has_the_notes_and_the_address_that_checkout_was_given(shop: Shop) -> None:
    more = {"notes[purchase]": "p1", "prefill[email]": "asha@example.com", "prefill[contact]": "+919000090000"}
    back = Form(entered(opened(shop, shop.order(), callback_url=CALLBACK, **more), CARD).text)
    payment = shop.sdk.payment.fetch(back.fields["razorpay_payment_id"])
    assert (payment["notes"], payment["email"]) == ({"purchase": "p1"}, "asha@example.com")


def test_a_failed_payment_comes_back_with_the_error(shop: Shop) -> None:
    order = shop.order()
    back = Form(entered(opened(shop, order, callback_url=CALLBACK), DECLINED).text)
    assert back.action == CALLBACK
    assert back.fields["error[code]"] == "BAD_REQUEST_ERROR"
    assert back.fields["error[reason]"] == "payment_declined"
    assert json.loads(back.fields["error[metadata]"])["order_id"] == order["id"]
    assert "razorpay_signature" not in back.fields


def test_upi_pays_and_fails(shop: Shop) -> None:
    order = shop.order()
    form = opened(shop, order, callback_url=CALLBACK)
    failed = Form(entered(form, {"method": "upi", "vpa": "failure@razorpay"}).text)
    paid = Form(entered(form, {"method": "upi", "vpa": "success@razorpay"}).text)
    assert failed.fields["error[code]"] == "GATEWAY_ERROR"
    assert shop.sdk.utility.verify_payment_signature(paid.fields)


def test_a_card_that_there_is_not_is_asked_for_again(shop: Shop) -> None:
    order = shop.order()
    again = entered(opened(shop, order, callback_url=CALLBACK), {"card[number]": "4242 4242 4242 4242"})
    assert "no such card" in again.text
    assert Form(again.text).fields["order_id"] == order["id"]
    assert shop.sdk.order.fetch(order["id"])["attempts"] == 0


def test_a_customer_can_go_back_without_paying(shop: Shop) -> None:
    form = opened(shop, shop.order(), callback_url=CALLBACK, cancel_url="https://shop.example/cart")
    assert form.links == ["https://shop.example/cart"]


def test_in_a_frame_the_script_is_told(shop: Shop) -> None:
    order = shop.order()
    form = opened(shop, order, frame="https://shop.example", callback_url=CALLBACK)
    failed, paid = entered(form, DECLINED), entered(form, CARD)
    assert '"event": "payment.failed"' in failed.text
    assert Form(failed.text).fields["order_id"] == order["id"]  # it may be tried again
    assert '"event": "payment.success"' in paid.text
    assert "https://shop.example" in paid.text


@pytest.mark.parametrize(
    ("wrong", "reason"),
    [
        ({"key_id": "rzp_test_other"}, "The api key provided is invalid"),
        ({"order_id": "order_none"}, "does not exist"),
        ({"amount": "100"}, "different from your order amount"),
        ({"currency": "USD"}, "different from your order currency"),
        ({"callback_url": "javascript:alert(1)"}, "callback_url format is invalid"),
    ],
)
def test_options_that_razorpay_refuses_are_refused(shop: Shop, wrong: dict[str, str], reason: str) -> None:
    fields = {"key_id": RAZORPAY_KEY_ID, "order_id": shop.order()["id"], **wrong}
    answer = httpx.post(f"{shop.sandbox.razorpay_url}/v1/checkout/embedded", data=fields)
    assert (answer.status_code, reason in answer.text) == (400, True)


def test_a_paid_order_is_not_paid_again_on_a_page_that_was_left_open(shop: Shop) -> None:
    order = shop.order()
    form = opened(shop, order, callback_url=CALLBACK)
    assert [entered(form, CARD).status_code for _ in range(2)] == [200, 400]
    assert len(shop.sdk.order.payments(order["id"])["items"]) == 1


def test_what_a_shop_writes_is_shown_as_text(shop: Shop) -> None:
    fields = {"key_id": RAZORPAY_KEY_ID, "order_id": shop.order()["id"], "name": "<script>alert(1)</script>"}
    page = httpx.post(f"{shop.sandbox.razorpay_url}/v1/checkout/embedded", data=fields).text
    assert "<script>alert(1)" not in page


def test_the_script_is_served(shop: Shop) -> None:
    answer = httpx.get(f"{shop.sandbox.razorpay_url}/v1/checkout.js")
    assert answer.headers["content-type"].startswith("text/javascript")
    assert "window.Razorpay = Razorpay" in answer.text
