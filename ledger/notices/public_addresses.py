"""HTTP to addresses that customers chose: never to our own network, whatever a name resolves to and when.

A name is resolved when the connection is made, every address that it has must be public, and the connection goes to
one of these very addresses: a name that changes its mind meanwhile (DNS rebinding) changes nothing. Redirects are not
followed. The names of TLS and of the Host header stay those of the URL.
"""

import socket
import ssl
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from ipaddress import IPv4Address, IPv6Address, IPv6Network, ip_address, ip_network
from typing import NamedTuple
from urllib.parse import SplitResult, urlsplit

import httpcore

from ledger.core.errors import LedgerError

_CONNECT_SECONDS = 5.0
_SECONDS = 10.0
_PORTS = {"https": 443, "http": 80}
# IPv6 addresses that stand for IPv4 ones.
_NAT64 = IPv6Network("64:ff9b::/96")
# The same in a network's own way, so never public; not every patch release of Python's ipaddress knows that.
_LOCAL_NAT64 = IPv6Network("64:ff9b:1::/48")

Address = IPv4Address | IPv6Address
# All addresses of a name, as texts.
Resolve = Callable[[str, int], Sequence[str]]


class AddressForbidden(LedgerError):
    message = "Webhooks go to public addresses over https only"


class NoAnswer(LedgerError):
    message = "The endpoint could not be reached, or did not answer in time"


def _addresses_of(host: str, port: int) -> list[str]:
    return sorted({str(found[4][0]) for found in socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)})


class AddressPolicy(NamedTuple):
    """`allowed`: networks that may be reached besides the public ones, and without TLS."""

    allowed: tuple[str, ...] = ()
    resolve: Resolve = _addresses_of

    def check(self, url: str) -> None:
        """Whether anything could ever be sent there. Raises AddressForbidden or NoAnswer."""
        parts = _parts(url)
        self.addresses(str(parts.hostname), parts.port or _PORTS[parts.scheme], tls=parts.scheme == "https")

    def addresses(self, host: str, port: int, *, tls: bool) -> list[str]:
        """The addresses of a name, all of which may be reached. Raises AddressForbidden or NoAnswer."""
        try:
            found = self.resolve(host, port)
        except (OSError, UnicodeError):
            raise NoAnswer("there is no such host", field="url") from None
        for text in found:
            address = ip_address(text.partition("%")[0])
            if not self._is_allowed(address) and not (tls and _is_public(address)):
                raise AddressForbidden(field="url")
        return list(found)

    def _is_allowed(self, address: Address) -> bool:
        return any(address in ip_network(network) for network in self.allowed)


class Poster:
    """Posts to endpoints; threads may share it."""

    def __init__(self, guard: AddressPolicy) -> None:
        self._guard = guard
        self._tls = ssl.create_default_context()

    def post(self, url: str, headers: Mapping[str, str], body: bytes) -> int:
        """The status of the answer, of which nothing else is read. Raises AddressForbidden or NoAnswer."""
        tls = _parts(url).scheme == "https"
        timeout = {"connect": _CONNECT_SECONDS, "read": _SECONDS, "write": _SECONDS, "pool": _SECONDS}
        # A connection per message: one that is kept open would have been checked once only.
        with httpcore.ConnectionPool(ssl_context=self._tls, network_backend=_Backend(self._guard, tls=tls)) as pool:
            try:
                with pool.stream(
                    "POST", url, headers=list(headers.items()), content=body, extensions={"timeout": timeout}
                ) as answer:
                    return int(answer.status)
            except (httpcore.TimeoutException, httpcore.NetworkError, httpcore.ProtocolError, ssl.SSLError) as error:
                raise NoAnswer(type(error).__name__) from None


class _Backend(httpcore.NetworkBackend):
    """Connects to addresses that were checked, not to names; all of it takes some seconds at most."""

    def __init__(self, guard: AddressPolicy, *, tls: bool) -> None:
        self._guard, self._tls, self._real = guard, tls, httpcore.SyncBackend()

    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[httpcore.SOCKET_OPTION] | None = None,
    ) -> httpcore.NetworkStream:
        addresses = self._guard.addresses(host, port, tls=self._tls)
        for last, address in enumerate(addresses, 1 - len(addresses)):
            try:
                return _Bounded(self._real.connect_tcp(address, port, timeout, local_address, socket_options))
            except (httpcore.ConnectError, httpcore.ConnectTimeout):
                if last == 0:
                    raise
        raise httpcore.ConnectError("the name has no address")

    def sleep(self, seconds: float) -> None:
        time.sleep(seconds)


class _Bounded(httpcore.NetworkStream):
    """A stream that is over after some seconds, however slowly the other side drips."""

    def __init__(self, stream: httpcore.NetworkStream, deadline: float | None = None) -> None:
        self._stream = stream
        self._deadline = deadline or time.monotonic() + _SECONDS

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        return self._stream.read(max_bytes, self._left(httpcore.ReadTimeout))

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        self._stream.write(buffer, self._left(httpcore.WriteTimeout))

    def close(self) -> None:
        self._stream.close()

    def start_tls(
        self, ssl_context: ssl.SSLContext, server_hostname: str | None = None, timeout: float | None = None
    ) -> httpcore.NetworkStream:
        left = self._left(httpcore.ConnectTimeout)
        return _Bounded(self._stream.start_tls(ssl_context, server_hostname, left), self._deadline)

    def get_extra_info(self, info: str) -> object:
        return self._stream.get_extra_info(info)

    def _left(self, error: type[Exception]) -> float:
        left = self._deadline - time.monotonic()
        if left <= 0:
            raise error()
        return left


def _parts(url: str) -> SplitResult:
    """Raises AddressForbidden for what is no plain address of a web server."""
    try:
        parts = urlsplit(url)
        if parts.scheme in _PORTS and parts.hostname and parts.username is None and parts.port != 0:
            return parts
    except ValueError:  # its port is no number, or its brackets hold no address
        pass
    raise AddressForbidden(field="url")


def _is_public(address: Address) -> bool:
    """Whether anybody on the Internet may be meant; an IPv4 address within an IPv6 one counts as itself."""
    if isinstance(address, IPv6Address):
        if address in _LOCAL_NAT64:
            return False
        inner = address.ipv4_mapped or address.sixtofour or (address.teredo or (None, None))[1]
        if inner is None and address in _NAT64:
            inner = IPv4Address(int(address) & 0xFFFFFFFF)
        if inner is not None:
            return _is_public(inner)
    return address.is_global and not address.is_multicast
