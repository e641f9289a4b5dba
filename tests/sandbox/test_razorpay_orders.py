"""Customers and orders through Razorpay's own SDK, and what is refused in Razorpay's words."""

from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from razorpay.errors import BadRequestError

from tests.sandbox.razorpay_shop import NO_SUCH, Shop, shop_at
from tests.support.sandbox import RAZORPAY_KEY_ID, RAZORPAY_KEY_SECRET, running_sandbox


@pytest.fixture(scope="module")
def shop() -> Iterator[Shop]:
    with running_sandbox() as sandbox, shop_at(sandbox) as shop:
        yield shop


def test_a_customer_is_made_found_and_changed(shop: Shop) -> None:
    made = shop.sdk.customer.create({"name": "Asha Rao", "email": "asha@example.com", "notes": {"account": "a1"}})
    changed = shop.sdk.customer.edit(made["id"], {"name": "Asha R."})
    assert changed == {**made, "name": "Asha R."} == shop.sdk.customer.fetch(made["id"])
    assert made["id"].startswith("cust_")
    assert made["id"] in [each["id"] for each in shop.sdk.customer.all({"count": 100})["items"]]


def test_the_same_customer_again_is_an_error_or_the_first_one(shop: Shop) -> None:
    said = {"name": "Twice", "email": "twice@example.com"}
    first = shop.sdk.customer.create(dict(said))
    with pytest.raises(BadRequestError, match="already exists"):
        shop.sdk.customer.create(dict(said))
    assert shop.sdk.customer.create({**said, "fail_existing": 0}) == first


def test_an_order_keeps_what_it_was_made_with(shop: Shop) -> None:
    order = shop.order(receipt="r-1", notes={"purchase": "p1"})
    assert (order["amount"], order["amount_due"], order["status"], order["attempts"]) == (85000, 85000, "created", 0)
    assert (order["receipt"], order["notes"]) == ("r-1", {"purchase": "p1"})
    assert shop.sdk.order.fetch(order["id"]) == order
    assert not [name for name in order if name.startswith("_")]


def test_two_orders_may_have_the_same_receipt(shop: Shop) -> None:
    first, second = shop.order(receipt="same receipt"), shop.order(receipt="same receipt")
    found = shop.sdk.order.all({"receipt": "same receipt"})
    assert [each["id"] for each in found["items"]] == [second["id"], first["id"]]


def test_lists_are_read_in_parts_the_newest_first(shop: Shop) -> None:
    made = [shop.order(receipt=f"part {number}")["id"] for number in range(12)]
    parts = [shop.sdk.order.all({"receipt": "part ", **part})["items"] for part in ({}, {"skip": 10})]
    assert [len(part) for part in parts] == [10, 2]
    assert [each["id"] for part in parts for each in part] == made[::-1]
    now = shop.order()["created_at"]
    assert shop.sdk.order.all({"from": now + 1})["items"] == []
    assert shop.sdk.order.all({"to": now - 3600})["items"] == []


@pytest.mark.parametrize(
    ("given", "field", "reason"),
    [
        ({"amount": 99}, "amount", "The amount must be at least INR 1.00"),
        ({"amount": 85.5}, "amount", "The amount must be an integer."),
        ({"amount": None}, "amount", "The amount field is required."),
        ({"currency": "USD"}, "currency", "Currency is not supported"),
        ({"receipt": "r" * 41}, "receipt", "The receipt may not be greater than 40 characters."),
        ({"notes": {f"n{number}": "" for number in range(16)}}, "notes", "less than or equal to 15"),
        ({"notes": {"n": "x" * 257}}, "notes", "The notes.n may not be greater than 256 characters."),
        ({"payment": {"capture": "sometimes"}}, "capture", "The selected capture is invalid."),
        ({"customer": "c", "colour": "red"}, None, "customer, colour is/are not required and should not be sent"),
    ],
)
def test_an_order_that_razorpay_refuses_is_refused(
    shop: Shop, given: dict[str, Any], field: str | None, reason: str
) -> None:
    with pytest.raises(BadRequestError, match=reason):
        shop.order(**given)
    body = {"amount": 85000, "currency": "INR", **given}
    auth = (RAZORPAY_KEY_ID, RAZORPAY_KEY_SECRET)
    answer = httpx.post(f"{shop.sandbox.razorpay_url}/v1/orders", json=body, auth=auth)
    error = answer.json()["error"]
    assert (answer.status_code, error["code"], error.get("field")) == (400, "BAD_REQUEST_ERROR", field)
    assert error["metadata"] == {}


def test_an_unknown_parameter_of_a_list_is_refused(shop: Shop) -> None:
    with pytest.raises(BadRequestError, match="limit is/are not required and should not be sent"):
        shop.sdk.payment.all({"limit": 10})
    with pytest.raises(BadRequestError, match="The count may not be greater than 100"):
        shop.sdk.payment.all({"count": 101})


def test_nothing_is_said_without_the_key_and_its_secret(shop: Shop) -> None:
    with pytest.raises(BadRequestError, match="Authentication failed"):
        shop.sdk_with("not the secret").order.all({})
    answer = httpx.get(f"{shop.sandbox.razorpay_url}/v1/orders", headers={"Authorization": "Bearer sk_test_sandbox"})
    assert answer.status_code == 401


def test_what_is_not_there_is_not_found(shop: Shop) -> None:
    for entity in ("customer", "order", "payment", "refund", "dispute", "settlement", "payment_link"):
        with pytest.raises(BadRequestError, match=NO_SUCH):
            getattr(shop.sdk, entity).fetch("none_00000000000000")


def test_an_operation_that_is_not_there_is_refused_in_words_that_the_sdk_reads(shop: Shop) -> None:
    with pytest.raises(BadRequestError, match="The requested URL was not found on the server"):
        shop.sdk.plan.all({})
    with pytest.raises(BadRequestError, match="The requested URL was not found on the server"):
        shop.sdk.order.edit(shop.order()["id"], {"notes": {}})
