"""HTTP to URLs that customers choose: only to public addresses, never to our own network.

A name is resolved when the connection is made. All its addresses must be public, and the connection goes to one of
them: a name that later resolves to another address (DNS rebinding) has no effect. Redirects are not followed. TLS and
the Host header use the name of the URL.
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
# IPv6 addresses that contain an IPv4 address.
_NAT64 = IPv6Network("64:ff9b::/96")
# As _NAT64, but for a network's own use, so never public. Some patch releases of Python's ipaddress don't know that.
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
    """Which addresses may be reached. `allowed`: networks besides the public ones, also without TLS."""

    allowed: tuple[str, ...] = ()
    resolve: Resolve = _addresses_of

    def check(self, url: str) -> None:
        """Checks that webhooks can be sent to this URL. Raises AddressForbidden or NoAnswer."""
        parts = _parts(url)
        self.addresses(str(parts.hostname), parts.port or _PORTS[parts.scheme], tls=parts.scheme == "https")

    def addresses(self, host: str, port: int, *, tls: bool) -> list[str]:
        """The addresses of a name, if all of them may be reached. Raises AddressForbidden or NoAnswer."""
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
    """Posts to endpoints of customers; threads may share it."""

    def __init__(self, policy: AddressPolicy) -> None:
        self._policy = policy
        self._tls = ssl.create_default_context()

    def post(self, url: str, headers: Mapping[str, str], body: bytes) -> int:
        """Posts, and returns the status of the answer; its body is not read. Raises AddressForbidden or NoAnswer."""
        tls = _parts(url).scheme == "https"
        timeout = {"connect": _CONNECT_SECONDS, "read": _SECONDS, "write": _SECONDS, "pool": _SECONDS}
        # A new connection for each message, because the address is checked when it is made.
        with httpcore.ConnectionPool(ssl_context=self._tls, network_backend=_Backend(self._policy, tls=tls)) as pool:
            try:
                with pool.stream(
                    "POST", url, headers=list(headers.items()), content=body, extensions={"timeout": timeout}
                ) as answer:
                    return int(answer.status)
            except (httpcore.TimeoutException, httpcore.NetworkError, httpcore.ProtocolError, ssl.SSLError) as error:
                raise NoAnswer(type(error).__name__) from None


class _Backend(httpcore.NetworkBackend):
    """Connects to addresses that were checked, not to names, within a time limit."""

    def __init__(self, policy: AddressPolicy, *, tls: bool) -> None:
        self._policy, self._tls, self._real = policy, tls, httpcore.SyncBackend()

    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[httpcore.SOCKET_OPTION] | None = None,
    ) -> httpcore.NetworkStream:
        addresses = self._policy.addresses(host, port, tls=self._tls)
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
    """A stream with a time limit for the whole exchange, however slowly the other side sends."""

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
    """The parts of a URL. Raises AddressForbidden if it is no plain URL of a web server."""
    try:
        parts = urlsplit(url)
        if parts.scheme in _PORTS and parts.hostname and parts.username is None and parts.port != 0:
            return parts
    except ValueError:  # the port is no number, or the brackets contain no address
        pass
    raise AddressForbidden(field="url")


def _is_public(address: Address) -> bool:
    """Whether an address is public; an IPv4 address within an IPv6 address counts as itself."""
    if isinstance(address, IPv6Address):
        if address in _LOCAL_NAT64:
            return False
        inner = address.ipv4_mapped or address.sixtofour or (address.teredo or (None, None))[1]
        if inner is None and address in _NAT64:
            inner = IPv4Address(int(address) & 0xFFFFFFFF)
        if inner is not None:
            return _is_public(inner)
    return address.is_global and not address.is_multicast
