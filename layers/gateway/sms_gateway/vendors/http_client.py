"""Send requests to vendors: the only importer of urllib3.

VendorConnectionFailedError   never connected: the vendor received nothing
VendorOutcomeUnknownError     the vendor may have received the request
"""

import socket
import ssl
import time
from functools import cache
from urllib.parse import urlsplit

import urllib3
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.exceptions import HTTPError, LocationValueError, MaxRetryError, SSLError

from sms_gateway.core.deadline_socket import Deadline, DeadlineSocket, connect, resolve
from sms_gateway.core.public_addresses import is_emulated, is_public_address
from sms_gateway.vendors.types import Request, VendorResponse

CONNECT_TIMEOUT_SECONDS = 3.0  # for the name lookup, all addresses and the TLS handshake together
MAX_CONNECTIONS = 250  # to one vendor from one worker; each needs a thread, of Lambda's 1,024
MAX_IDLE_SECONDS = 4.0  # that a kept connection may rest between two calls
MAX_RESPONSE_BYTES = 2 * 1024 * 1024  # a thousand RajaSMS packets are about 150 kB
CHUNK_BYTES = 64 * 1024


class VendorConnectionFailedError(Exception):
    """The connection was never made: the vendor received nothing."""


class VendorOutcomeUnknownError(Exception):
    """The vendor may have received the request, but no complete response arrived."""


class _Connection(HTTPConnection):
    public_only = False

    def _new_conn(self) -> socket.socket:
        deadline, host = Deadline(CONNECT_TIMEOUT_SECONDS), self._dns_host.strip("[]")
        try:
            found = resolve(host, self.port, CONNECT_TIMEOUT_SECONDS)
            addresses = [address for _, address in found]
            if self.public_only and not all(map(_is_allowed, addresses)):
                raise VendorConnectionFailedError("its address is not on the public internet")
            share = CONNECT_TIMEOUT_SECONDS / len(addresses)
            self.sock = connected = connect(addresses, self.port, deadline, share)
            connected.settimeout(deadline.seconds_left())  # for the whole TLS handshake
        except OSError as error:
            raise VendorConnectionFailedError(type(error).__name__) from None
        for option in self.socket_options or ():
            connected.setsockopt(*option)
        return connected

    def connect(self) -> None:
        super().connect()
        self.sock = DeadlineSocket(self.sock, Deadline(CONNECT_TIMEOUT_SECONDS))  # to send


class _TlsConnection(_Connection, HTTPSConnection):
    pass


class _PublicConnection(_Connection):
    public_only = True


class _PublicTlsConnection(_TlsConnection):
    public_only = True


class _Pool(urllib3.HTTPConnectionPool):
    ConnectionCls = _Connection


class _TlsPool(urllib3.HTTPSConnectionPool):
    ConnectionCls = _TlsConnection


class _PublicPool(urllib3.HTTPConnectionPool):
    ConnectionCls = _PublicConnection


class _PublicTlsPool(urllib3.HTTPSConnectionPool):
    ConnectionCls = _PublicTlsConnection


def _is_allowed(address: str) -> bool:
    return is_public_address(address, loopback=is_emulated())


@cache
def _pools(public_only: bool) -> urllib3.PoolManager:
    pools = urllib3.PoolManager(
        num_pools=8,
        maxsize=MAX_CONNECTIONS,  # beyond it a connection would be made for each call
        retries=False,
    )
    pools.pool_classes_by_scheme = (
        {"http": _PublicPool, "https": _PublicTlsPool}
        if public_only
        else {"http": _Pool, "https": _TlsPool}
    )
    return pools


_used = {False: 0.0, True: 0.0}  # epoch seconds, by `public_only`


def _fresh_pool(host: str, public_only: bool) -> urllib3.HTTPConnectionPool:
    # A connection kept over an idle time (a frozen Lambda, above all) may be dead without a sign:
    # a request written to it ends as "outcome unknown", which must never be our own doing.
    pools, now = _pools(public_only), time.time()
    if now - _used[public_only] > MAX_IDLE_SECONDS:
        pools.clear()
    _used[public_only] = now
    return pools.connection_from_url(host)


def send(request: Request, timeout: float) -> VendorResponse:
    """Send a request once: no retry, no redirect, no proxy.

    `timeout` is seconds for the whole response, headers and body, once the request is sent. The
    call as a whole, with the connection, ends within `timeout` + CONNECT_TIMEOUT_SECONDS.

    Raises VendorConnectionFailedError or VendorOutcomeUnknownError; neither message has the
    request's URL or body, which carry credentials.
    """
    scheme, server, *_ = urlsplit(request.url)
    host = f"{scheme}://{server}"
    target = f"/{request.url[len(host) :].removeprefix('/')}"
    try:
        response = _fresh_pool(host, request.public_only).urlopen(
            request.method,
            target,
            body=request.body or None,
            headers={"User-Agent": "sms-gateway", **request.headers},
            timeout=urllib3.Timeout(
                total=timeout + CONNECT_TIMEOUT_SECONDS,
                connect=CONNECT_TIMEOUT_SECONDS,
                read=timeout,  # DeadlineSocket makes it the whole response's
            ),
            redirect=False,
            preload_content=False,
        )
    except LocationValueError as error:  # an address that can't be parsed
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
        body = _read_body(response)
    except HTTPError as error:
        raise VendorOutcomeUnknownError(type(error).__name__) from None
    finally:
        response.release_conn()
    return VendorResponse(response.status, body, response.headers.get("Content-Type", ""))


def _read_body(response: urllib3.BaseHTTPResponse) -> bytes:
    body = bytearray()
    while part := response.read1(CHUNK_BYTES, decode_content=True):
        body += part
        if len(body) > MAX_RESPONSE_BYTES:
            response.close()  # its rest must not be read as the next request's response
            raise VendorOutcomeUnknownError("the response is too long")
    return bytes(body)
