"""Webhooks never reach our own network: private addresses, redirects to them, names that change their mind."""

from collections.abc import Sequence

import pytest

from ledger.notices.public_addresses import AddressForbidden, AddressPolicy, NoAnswer, Poster
from tests.support.webhook_receiver import receiver

LOCAL = ("127.0.0.0/8",)


class Names:
    """A name server: each time it is asked, the next answer."""

    def __init__(self, *answers: str) -> None:
        self.answers = list(answers)

    def __call__(self, host: str, port: int) -> Sequence[str]:
        return self.answers.pop(0).split()


@pytest.mark.parametrize(
    "url",
    [
        "https://127.0.0.1/",
        "https://localhost/",
        "https://10.1.2.3/",
        "https://169.254.169.254/latest/meta-data",
        "https://192.168.0.1:8443/",
        "https://100.64.0.1/",
        "https://0.0.0.0/",
        "https://[::1]/",
        "https://[fe80::1]/",
        "https://[fd00::1]/",
        "https://[::ffff:10.0.0.1]/",
        "https://[64:ff9b::a00:1]/",
        "https://[64:ff9b:1::5db8:d822]/",
        "https://[2002:a00:1::]/",
        "https://224.0.0.1/",
        "https://2130706433/",
        "http://93.184.216.34/",
        "ftp://93.184.216.34/",
        "https://user@93.184.216.34/",
        "https:///path",
        "https://[not an address/",
    ],
)
def test_an_address_that_is_not_public_or_not_https_is_refused(url: str) -> None:
    with pytest.raises(AddressForbidden):
        AddressPolicy().check(url)
    with pytest.raises(AddressForbidden):
        Poster(AddressPolicy()).post(url, {}, b"")


def test_a_public_address_passes() -> None:
    AddressPolicy().check("https://93.184.216.34/hook")
    AddressPolicy().check("https://[2606:2800:220:1:248:1893:25c8:1946]/hook")


def test_one_private_address_among_those_of_a_name_is_enough_to_refuse_it() -> None:
    with pytest.raises(AddressForbidden):
        AddressPolicy(resolve=Names("93.184.216.34 10.0.0.1")).check("https://hooks.example/")


def test_a_name_that_is_public_when_checked_and_private_when_used_reaches_nobody() -> None:
    with receiver() as there:
        port = there.url.rpartition(":")[2]
        guard = AddressPolicy(resolve=Names("93.184.216.34", "127.0.0.1"))
        guard.check(f"https://rebinding.example:{port}/")
        with pytest.raises(AddressForbidden):
            Poster(guard).post(f"https://rebinding.example:{port}/", {}, b"{}")
        assert there.received == []


def test_a_connection_goes_to_the_address_that_was_checked() -> None:
    """The second answer would be another one; no resolver is asked for it."""
    with receiver() as there:
        names = Names("127.0.0.1", "127.0.0.2")
        port = there.url.rpartition(":")[2]
        assert Poster(AddressPolicy(LOCAL, names)).post(f"http://hooks.example:{port}/", {}, b"{}") == 200
        assert there.received[0].headers["host"] == f"hooks.example:{port}"
        assert names.answers == ["127.0.0.2"]


def test_a_redirect_is_not_followed() -> None:
    with receiver() as private, receiver() as there:
        there.redirect = private.url
        assert Poster(AddressPolicy(LOCAL)).post(there.url, {}, b"{}") == 302
        assert private.received == []


def test_nobody_there_is_said_in_words() -> None:
    with pytest.raises(NoAnswer):
        Poster(AddressPolicy(LOCAL)).post("http://127.0.0.1:1/", {}, b"{}")
    with pytest.raises(NoAnswer, match="no such host"):
        AddressPolicy().check("https://nobody.invalid/")
