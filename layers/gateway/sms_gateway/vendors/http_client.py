"""The one module that talks HTTP to vendors.

VendorUnreachable   the connection was never made: nothing was sent
VendorSilent        the request may have been received: nobody can say
"""

import ssl
import time
from functools import cache
from typing import Any
from urllib.parse import urlsplit

import urllib3
from urllib3.exceptions import (
    ConnectTimeoutError,
    HTTPError,
    LocationValueError,
    MaxRetryError,
    NameResolutionError,
    NewConnectionError,
    SSLError,
)

from sms_gateway.vendors.types import Request, VendorResponse

CONNECT_TIMEOUT_SECONDS = 3.0  # seconds
MAX_CONNECTIONS = 250  # to one vendor from one worker; each needs a thread, of Lambda's 1,024
MAX_IDLE_SECONDS = 4.0  # seconds that a kept connection may rest between two calls
MAX_RESPONSE_BYTES = 2 * 1024 * 1024  # bytes; a thousand RajaSMS packets are about 150 kB
CHUNK_BYTES = 64 * 1024  # bytes


class VendorConnectionFailedError(Exception):
    """The connection was never made, so the vendor can't have taken anything."""


class VendorOutcomeUnknownError(Exception):
    """The request left, or may have left, and no whole answer came back."""


@cache
def _pools() -> urllib3.PoolManager:
    return urllib3.PoolManager(
        num_pools=8,
        maxsize=MAX_CONNECTIONS,  # beyond it a connection would be made for each call
        retries=False,
    )


_used = {"at": 0.0}


def _fresh_pool(host: str) -> urllib3.HTTPConnectionPool:
    # A connection kept over an idle time (a frozen Lambda, above all) may be dead without a sign:
    # what is then written to it ends as "outcome unknown", which must never be our own doing.
    pools, now = _pools(), time.time()
    if now - _used["at"] > MAX_IDLE_SECONDS:
        pools.clear()
    _used["at"] = now
    return pools.connection_from_url(host)


def send(request: Request, timeout: float) -> VendorResponse:
    """One request, once: no retry, no redirect. `timeout` is seconds for the answer's first byte,
    and again for all of it. Raises VendorUnreachable or VendorSilent; the request's address and
    body are never in the message, since they carry credentials."""
    scheme, server, *_ = urlsplit(request.url)
    host = f"{scheme}://{server}"
    target = f"/{request.url[len(host) :].removeprefix('/')}"
    try:
        answer = _fresh_pool(host).urlopen(
            request.method,
            target,
            body=request.body or None,
            headers={"User-Agent": "sms-gateway", **request.headers},
            timeout=urllib3.Timeout(connect=CONNECT_TIMEOUT_SECONDS, read=timeout),
            redirect=False,
            preload_content=False,
        )
    except (
        ConnectTimeoutError,
        LocationValueError,  # an address that can't be read
        NameResolutionError,
        NewConnectionError,
    ) as error:
        raise VendorConnectionFailedError(type(error).__name__) from None
    except SSLError as error:
        if error.args and isinstance(error.args[0], ssl.SSLCertVerificationError):
            raise VendorConnectionFailedError("the certificate can't be verified") from None
        raise VendorOutcomeUnknownError("TLS failed") from None
    except MaxRetryError as error:
        raise VendorOutcomeUnknownError(type(error.reason).__name__) from None
    except HTTPError as error:
        raise VendorOutcomeUnknownError(type(error).__name__) from None
    try:
        body = _read_body(answer, time.monotonic() + timeout)
    except HTTPError as error:
        raise VendorOutcomeUnknownError(type(error).__name__) from None
    finally:
        answer.release_conn()
    return VendorResponse(answer.status, body, answer.headers.get("Content-Type", ""))


def _read_body(answer: urllib3.BaseHTTPResponse, until: float) -> bytes:
    """The whole body, within LONGEST_REPLY and by `until` on the monotonic clock."""
    body = bytearray()
    while True:
        connection: Any = answer.connection
        if connection is not None and connection.sock is not None:  # or all is here already
            connection.sock.settimeout(max(0.001, until - time.monotonic()))
        part = answer.read1(CHUNK_BYTES, decode_content=True)
        if not part:
            return bytes(body)
        body += part
        if len(body) > MAX_RESPONSE_BYTES or time.monotonic() > until:
            answer.close()  # the rest must not be taken for the answer to the next request
            raise VendorOutcomeUnknownError("the answer is too long, or too slow")
