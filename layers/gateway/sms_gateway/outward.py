"""HTTP to addresses that customers gave: pinned, bounded, never to the inside.

A name is resolved once, every address that it has is judged, and the connection goes to one of
those judged: a name that answers differently a moment later (rebinding) changes nothing. TLS and
the Host header carry the name. No redirect is followed and no answer's body is read.
"""

import contextlib
import socket
import ssl
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from http.client import HTTPException

from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.exceptions import HTTPError

from sms_gateway.addresses import AddressError, Target, allowed

CONNECT_TIMEOUT = 5.0  # seconds

Resolve = Callable[[str, int], Sequence[str]]


@dataclass(frozen=True, slots=True)
class Posted:
    """What came of a call: the answer's status, or `fault` in words when there was none.
    `retry_after` is the answer's header as written; `seconds` how long it all took."""

    status: int | None
    fault: str | None = None
    retry_after: str | None = None
    seconds: float = 0.0

    @property
    def taken(self) -> bool:
        """Whether the other side said that it has it."""
        return self.status is not None and 200 <= self.status < 300


def resolve(host: str, port: int) -> Sequence[str]:
    """A host's IP addresses, IPv4 first. Raises AddressError when it has none."""
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError):
        raise AddressError("the host has no address in DNS") from None
    found.sort(key=lambda one: one[0] != socket.AF_INET)
    return [str(one[4][0]) for one in found]


def address_of(target: Target, *, loopback: bool, resolver: Resolve = resolve) -> str:
    """The IP address to connect to. Raises AddressError when there is none, or when any one of the
    host's addresses leads inside."""
    every = resolver(target.host, target.port)
    if not every:
        raise AddressError("the host has no address in DNS")
    if not all(allowed(one, loopback=loopback) for one in every):
        raise AddressError("the host leads inside: give one on the public internet")
    if target.scheme == "http" and not all(allowed(one) is False for one in every):
        raise AddressError("plain http is for this machine only")
    return every[0]


def post(
    target: Target,
    body: bytes,
    headers: Mapping[str, str],
    timeout: float,
    *,
    loopback: bool = False,
    resolver: Resolve = resolve,
    context: ssl.SSLContext | None = None,
) -> Posted:
    """One POST, within `timeout` seconds from the connection's beginning to the answer's headers.
    Never raises for what the other side does or is."""
    began = time.monotonic()

    def done(status: int | None, fault: str | None, retry_after: str | None = None) -> Posted:
        return Posted(status, fault, retry_after, time.monotonic() - began)

    try:
        address = address_of(target, loopback=loopback, resolver=resolver)
    except AddressError as error:
        return done(None, str(error))
    connection = _connection(target, address, timeout, context)
    late = threading.Event()

    def cut() -> None:
        late.set()
        with contextlib.suppress(OSError):
            if connection.sock is not None:
                connection.sock.shutdown(socket.SHUT_RDWR)

    watch = threading.Timer(timeout, cut)  # an answer may drip in, each byte within its time-out
    watch.daemon = True
    watch.start()
    try:
        connection.connect()
        peer = str(connection.sock.getpeername()[0])
        if not allowed(peer, loopback=loopback):
            return done(None, "the host leads inside")
        connection.request(
            "POST",
            target.path,
            body=body,
            headers={"Host": target.authority, "User-Agent": "sms-gateway", **headers},
            preload_content=False,
        )
        answer = connection.getresponse()
        return done(answer.status, None, answer.headers.get("Retry-After"))
    except (HTTPError, HTTPException, OSError, ValueError) as error:
        return done(None, _fault(error, late=late.is_set(), timeout=timeout))
    finally:
        watch.cancel()
        connection.close()


def _connection(
    target: Target, address: str, timeout: float, context: ssl.SSLContext | None
) -> HTTPConnection:
    if target.scheme == "http":
        return HTTPConnection(address, target.port, timeout=timeout)
    return HTTPSConnection(
        address,
        target.port,
        timeout=timeout,
        server_hostname=target.host,
        ssl_context=context,
    )


def _fault(error: Exception, *, late: bool, timeout: float) -> str:
    name = type(error).__name__
    if late or "Timeout" in name or isinstance(error, TimeoutError):
        return f"no answer within {timeout:g} seconds"
    if isinstance(error, ssl.SSLError) or "SSL" in name or "Certificate" in name:
        return "TLS failed, or the certificate is not valid for the host"
    if name in ("NewConnectionError", "ConnectionRefusedError"):
        return "the connection was refused"
    return "the connection broke off before an answer"
