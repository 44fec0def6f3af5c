"""Post to customers' URLs: pinned addresses, one deadline, public hosts only.

A name is resolved once and each of its addresses is checked; the connection goes to the first of
them that accepts, so a name that resolves differently a moment later (DNS rebinding) changes
nothing. TLS and the Host header carry the name. No redirect is followed, and a response's body is
read only where a challenge is to be answered.
"""

import io
import socket
import ssl
import time
from collections.abc import Callable, Mapping, Sequence
from functools import cache
from http.client import HTTPConnection, HTTPException

from sms_gateway.core import deadline_socket
from sms_gateway.core.deadline_socket import Deadline, DeadlineSocket, NameLookupError, connect
from sms_gateway.core.public_addresses import is_public_address
from sms_gateway.core.value_object import ValueObject
from sms_gateway.webhooks.url_policy import UrlError, WebhookUrl

CONNECT_TIMEOUT_SECONDS = 5.0  # for one address
LOOKUP_TIMEOUT_SECONDS = 5.0
# Of a whole response up to its body: status lines and headers, interim responses' too.
MAX_HEAD_BYTES, MAX_HEAD_LINES = 16_384, 64

Resolve = Callable[[str, int], Sequence[str]]


class PostResult(ValueObject, frozen=True):
    """A response's status, or `failure` in words when there was none.

    `retry_after` is the response's header as written; `seconds` is the whole call's duration;
    `body` is what was read of an accepted response's.
    """

    status: int | None
    failure: str | None = None
    retry_after: str | None = None
    seconds: float = 0.0
    body: bytes = b""

    @property
    def accepted(self) -> bool:
        """Whether the endpoint accepted the delivery."""
        return self.status is not None and 200 <= self.status < 300


class _HeadTooLongError(HTTPException):
    """A response whose head does not end."""


class _BoundedReader(io.BufferedReader):
    """A reader that gives up on too many lines: http.client does not bound 100 and its headers."""

    def __init__(self, raw: io.RawIOBase) -> None:
        super().__init__(raw)
        self._lines_left, self._bytes_left = MAX_HEAD_LINES, MAX_HEAD_BYTES

    def readline(self, size: int | None = -1) -> bytes:
        """Read a line of what is left. Raises _HeadTooLongError."""
        most = self._bytes_left + 1
        line = super().readline(most if size is None or size < 0 else min(size, most))
        self._lines_left -= 1
        self._bytes_left -= len(line)
        if self._lines_left < 0 or self._bytes_left < 0:
            raise _HeadTooLongError
        return line


class _BoundedSocket(DeadlineSocket):
    def makefile(self, mode: str) -> io.BufferedReader:
        """Return a reader of the response, whose lines are bounded."""
        return _BoundedReader(super().makefile(mode).detach())


def resolve(host: str, port: int) -> Sequence[str]:
    """Return a host's IP addresses, IPv4 first. Raises UrlError when there is none in time."""
    try:
        found = deadline_socket.resolve(host, port, LOOKUP_TIMEOUT_SECONDS)
    except TimeoutError:
        raise UrlError("the host's address was not found in time") from None
    except NameLookupError:
        raise UrlError("the host has no address in DNS") from None
    found.sort(key=lambda resolved: resolved[0] != socket.AF_INET)
    return [address for _, address in found]


def resolve_public(target: WebhookUrl, *, loopback: bool, resolver: Resolve = resolve) -> list[str]:
    """Return the IP addresses to connect to, in order; at least one.

    Raises UrlError when there is none, or when any of the host's addresses is not public.
    """
    addresses = resolver(target.host, target.port)
    if not addresses:
        raise UrlError("the host has no address in DNS")
    if not all(is_public_address(address, loopback=loopback) for address in addresses):
        raise UrlError("the host leads inside: give one on the public internet")
    if target.scheme == "http" and any(is_public_address(address) for address in addresses):
        raise UrlError("plain http is for this machine only")
    return list(dict.fromkeys(addresses))


def post(
    target: WebhookUrl,
    body: bytes,
    headers: Mapping[str, str],
    timeout: float,
    *,
    loopback: bool = False,
    max_body: int = 0,
    resolver: Resolve = resolve,
    context: ssl.SSLContext | None = None,
) -> PostResult:
    """Send one POST, within `timeout` seconds from the name lookup to the end of the response.

    That is its headers, or `max_body` bytes of its body where it accepts. Never raises for what the
    endpoint does or is.
    """
    deadline, started = Deadline(timeout), time.monotonic()

    def result(
        status: int | None, failure: str | None, retry_after: str | None = None, read: bytes = b""
    ) -> PostResult:
        return PostResult(status, failure, retry_after, time.monotonic() - started, read)

    connection = HTTPConnection(target.host, target.port)
    try:
        addresses = resolve_public(target, loopback=loopback, resolver=resolver)
        connected = connect(addresses, target.port, deadline, CONNECT_TIMEOUT_SECONDS)
        connection.sock = connected  # closed with it, whatever happens
        if not is_public_address(str(connected.getpeername()[0]), loopback=loopback):
            return result(None, "the host leads inside")
        if target.scheme == "https":
            connected.settimeout(deadline.seconds_left())  # for the whole TLS handshake
            connected = (context or _context()).wrap_socket(connected, server_hostname=target.host)
        connection.sock = _BoundedSocket(connected, deadline)
        sent = {"Host": target.authority, "User-Agent": "sms-gateway", **headers}
        connection.request("POST", target.path, body=body, headers=sent)
        response = connection.getresponse()
        read = response.read(max_body) if max_body and response.status < 300 else b""
        return result(response.status, None, response.headers.get("Retry-After"), read)
    except UrlError as error:
        return result(None, str(error))
    except (HTTPException, OSError, ValueError) as error:
        return result(None, _failure_reason(error, timeout))
    finally:
        connection.close()


@cache
def _context() -> ssl.SSLContext:
    return ssl.create_default_context()  # reading the CA certificates is slow


def _failure_reason(error: Exception, timeout: float) -> str:
    if isinstance(error, TimeoutError):
        return f"no answer within {timeout:g} seconds"
    if isinstance(error, ssl.SSLError):
        return "TLS failed, or the certificate is not valid for the host"
    if isinstance(error, _HeadTooLongError):
        return "the answer has too many headers or interim answers"
    if isinstance(error, ConnectionRefusedError):
        return "the connection was refused"
    return "the connection broke off before an answer"
