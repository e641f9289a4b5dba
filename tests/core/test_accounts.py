"""Accounts: the first event opens one, `account.opened` gives it a package, once, and a refusal changes nothing."""

import pytest

from ledger.core.errors import Refused

from .story import Story


@pytest.mark.parametrize(("data", "package"), [({}, "free"), ({"package": "pro"}, "pro")])
def test_an_opened_account_has_its_package_or_the_default_one(data: dict[str, str], package: str) -> None:
    assert Story().apply("account.opened", **data).account.package == package


def test_the_first_event_of_an_unknown_account_opens_it_with_the_default_package() -> None:
    account = Story().spend("1").account
    assert (account.package, account.seq, account.balance) == ("free", 1, -1_100_000_000)


def test_an_account_that_has_been_used_may_still_be_opened_but_once() -> None:
    story = Story()
    story.trace(1)
    story.apply("account.opened", package="pro")
    before = story.account
    with pytest.raises(Refused) as refusal:
        story.apply("account.opened", package="free")
    assert refusal.value.code == "account_already_opened"
    assert story.account == before


@pytest.mark.parametrize("type", ["account.opened", "account.package_changed"])
def test_a_package_must_be_one_of_the_book(type: str) -> None:
    with pytest.raises(Refused) as refusal:
        Story().apply(type, package="gold")
    assert (refusal.value.code, refusal.value.field) == ("unknown_package", "data.package")
