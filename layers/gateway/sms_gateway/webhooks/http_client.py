"""HTTP to addresses that customers gave: pinned, bounded, never to the inside.

A name is resolved once, every address that it has is judged, and the connection goes to the first
of those judged that takes it: a name that answers differently a moment later (rebinding) changes
nothing. TLS and the Host header carry the name. No redirect is followed and no answer's body is
read.
"""

import io
import socket
import ssl
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from functools import cache
from http.client import HTTPConnection, HTTPException
from typing import TYPE_CHECKING

from sms_gateway.core.value_object import ValueObject
from sms_gateway.webhooks.url_policy import UrlError, WebhookUrl, is_public_address

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer

CONNECT_TIMEOUT_SECONDS = 5.0  # seconds
LOOKUP_TIMEOUT_SECONDS = 5.0  # seconds

Resolve = Callable[[str, int], Sequence[str]]


class PostResult(ValueObject, frozen=True):
    """What came of a call: the answer's status, or `fault` in words when there was none.
    `retry_after` is the answer's header as written; `seconds` how long it all took."""

    status: int | None
    failure: str | None = None
    retry_after: str | None = None
    seconds: float = 0.0

    @property
    def accepted(self) -> bool:
        """Whether the other side said that it has it."""
        return self.status is not None and 200 <= self.status < 300


def resolve(host: str, port: int) -> Sequence[str]:
    """A host's IP addresses, IPv4 first. Raises AddressError when it has none, or when its name
    server takes its time."""
    asking = ThreadPoolExecutor(1)  # a lookup has no time-out of its own
    try:
        asked = asking.submit(socket.getaddrinfo, host, port, type=socket.SOCK_STREAM)
        found = asked.result(LOOKUP_TIMEOUT_SECONDS)
    except TimeoutError:
        raise UrlError("the host's address was not found in time") from None
    except (OSError, UnicodeError):
        raise UrlError("the host has no address in DNS") from None
    finally:
        asking.shutdown(wait=False)
    found.sort(key=lambda one: one[0] != socket.AF_INET)
    return [str(one[4][0]) for one in found]


def resolve_public(target: WebhookUrl, *, loopback: bool, resolver: Resolve = resolve) -> list[str]:
    """The IP addresses to connect to, in turn; at least one. Raises AddressError when there is
    none, or when any one of the host's addresses leads inside."""
    every = resolver(target.host, target.port)
    if not every:
        raise UrlError("the host has no address in DNS")
    if not all(is_public_address(one, loopback=loopback) for one in every):
        raise UrlError("the host leads inside: give one on the public internet")
    if target.scheme == "http" and any(is_public_address(one) for one in every):
        raise UrlError("plain http is for this machine only")
    return list(dict.fromkeys(every))


def _connect(addresses: Sequence[str], port: int, left: Callable[[], float]) -> socket.socket:
    """A connection to the first address that takes one. Raises the last one's OSError."""
    *others, last = addresses
    for address in others:
        with suppress(OSError):
            return socket.create_connection((address, port), min(CONNECT_TIMEOUT_SECONDS, left()))
    return socket.create_connection((last, port), min(CONNECT_TIMEOUT_SECONDS, left()))


class _DeadlineSocket:
    """A connection as http.client uses it, of which nothing outlasts the call: each read and write
    waits as long as is left of the whole, however few bytes the one before brought."""

    def __init__(self, connected: socket.socket, left: Callable[[], float]) -> None:
        self._connected = connected
        self._left = left

    def sendall(self, data: bytes) -> None:
        rest = memoryview(data)
        while rest:
            self._connected.settimeout(self._left())
            rest = rest[self._connected.send(rest) :]

    def receive(self, buffer: "WriteableBuffer") -> int:
        self._connected.settimeout(self._left())
        return self._connected.recv_into(buffer)

    def makefile(self, _mode: str) -> io.BufferedReader:
        return io.BufferedReader(_SocketReader(self.receive))

    def close(self) -> None:
        self._connected.close()


class _SocketReader(io.RawIOBase):
    def __init__(self, receive: "Callable[[WriteableBuffer], int]") -> None:
        self._receive = receive

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: "WriteableBuffer") -> int:
        return self._receive(buffer)


def post(
    target: WebhookUrl,
    body: bytes,
    headers: Mapping[str, str],
    timeout: float,
    *,
    loopback: bool = False,
    resolver: Resolve = resolve,
    context: ssl.SSLContext | None = None,
) -> PostResult:
    """One POST, within `timeout` seconds from the lookup of the host to the answer's headers.
    Never raises for what the other side does or is."""
    began = time.monotonic()

    def left() -> float:
        seconds = began + timeout - time.monotonic()
        if seconds <= 0:
            raise TimeoutError
        return seconds

    def done(status: int | None, fault: str | None, retry_after: str | None = None) -> PostResult:
        return PostResult(status, fault, retry_after, time.monotonic() - began)

    connection = HTTPConnection(target.host, target.port)
    try:
        addresses = resolve_public(target, loopback=loopback, resolver=resolver)
        bare = _connect(addresses, target.port, left)
        connection.sock = bare  # closed with it, whatever happens
        if not is_public_address(str(bare.getpeername()[0]), loopback=loopback):
            return done(None, "the host leads inside")
        if target.scheme == "https":
            bare.settimeout(left())  # the whole handshake's, as Python's ssl takes it
            bare = (context or _context()).wrap_socket(bare, server_hostname=target.host)
        connection.sock = _DeadlineSocket(bare, left)
        sent = {"Host": target.authority, "User-Agent": "sms-gateway", **headers}
        connection.request("POST", target.path, body=body, headers=sent)
        answer = connection.getresponse()
        return done(answer.status, None, answer.headers.get("Retry-After"))
    except UrlError as error:
        return done(None, str(error))
    except (HTTPException, OSError, ValueError) as error:
        return done(None, _failure_reason(error, timeout))
    finally:
        connection.close()


@cache
def _context() -> ssl.SSLContext:
    return ssl.create_default_context()  # reading the authorities takes a while


def _failure_reason(error: Exception, timeout: float) -> str:
    if isinstance(error, TimeoutError):
        return f"no answer within {timeout:g} seconds"
    if isinstance(error, ssl.SSLError):
        return "TLS failed, or the certificate is not valid for the host"
    if isinstance(error, ConnectionRefusedError):
        return "the connection was refused"
    return "the connection broke off before an answer"
