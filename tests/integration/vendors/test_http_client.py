"""The transport against a real server on loopback: what never left, and what nobody can say."""

import re
import socket
import ssl
import struct
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path

import pytest

from sms_gateway.vendors import http_client
from sms_gateway.vendors.http_client import (
    VendorConnectionFailedError,
    VendorOutcomeUnknownError,
    send,
)
from sms_gateway.vendors.types import Request
from testing.certificates import certificate

SECRET = "s3cr3t-in-the-address"
OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nOK"
RESET = struct.pack("ii", 1, 0)  # SO_LINGER of no time: closing sends RST

Behaviour = Callable[[socket.socket], None]


def _request(connection: socket.socket) -> bytes:
    """The next request, whole, in however many pieces it comes; nothing at the end."""
    read = b""
    while part := connection.recv(65536):
        read += part
        head, end, body = read.partition(b"\r\n\r\n")
        length = re.search(rb"(?i)\r\ncontent-length: *(\d+)", head)
        if end and len(body) >= int(length[1] if length else 0):
            break
    return read


class Server:
    """Reads a request from every connection, again and again, and then does as told."""

    def __init__(self, context: ssl.SSLContext | None = None) -> None:
        self._context = context
        self.behaviour: Behaviour = lambda connection: connection.sendall(OK)
        self.read: Callable[[socket.socket], bytes | None] = _request
        self.requests: list[bytes] = []
        self.connections = 0
        self._open: list[socket.socket] = []
        self._listening = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._listening.getsockname()[1]}/x?key={SECRET}"
        self._accepting = threading.Thread(target=self._accept)
        self._accepting.start()
        self._serving: list[threading.Thread] = []

    def _accept(self) -> None:
        while True:
            try:
                connection, _ = self._listening.accept()
            except OSError:
                return
            self.connections += 1
            self._open.append(connection)
            one = threading.Thread(target=self._serve, args=(connection,))
            self._serving.append(one)
            one.start()

    def _serve(self, connection: socket.socket) -> None:
        with suppress(OSError):
            if self._context:
                connection = self._context.wrap_socket(connection, server_side=True)
            with connection:
                while request := self.read(connection):
                    self.requests.append(request)
                    self.behaviour(connection)

    def stop(self) -> None:
        http_client._pools(False).clear()
        self._listening.shutdown(socket.SHUT_RDWR)
        self._listening.close()
        for one in self._open:
            with suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)
        for thread in (self._accepting, *self._serving):
            thread.join()


@pytest.fixture
def server() -> Iterator[Server]:
    running = Server()
    yield running
    running.stop()


def test_as_many_connections_are_kept_as_a_worker_has_calls_at_once(server: Server) -> None:
    together = threading.Barrier(60)

    def meet(connection: socket.socket) -> None:
        together.wait(10)
        connection.sendall(OK)

    server.behaviour = meet
    with ThreadPoolExecutor(60) as callers:
        for _ in range(3):
            answers = [callers.submit(send, Request("GET", server.url), 10) for _ in range(60)]
            assert {one.result().status for one in answers} == {200}
    assert server.connections == 60


def hang(connection: socket.socket) -> None:
    time.sleep(0.5)


def reset(connection: socket.socket) -> None:
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
    connection.close()


def says(answer: bytes, *, close: bool = True) -> Behaviour:
    def behave(connection: socket.socket) -> None:
        connection.sendall(answer)
        if close:
            connection.shutdown(socket.SHUT_RDWR)

    return behave


def drips(connection: socket.socket) -> None:
    connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n")
    for _ in range(1000):
        connection.sendall(b"x")
        time.sleep(0.05)


def test_an_answer_comes_back_whole(server: Server) -> None:
    reply = send(Request("POST", server.url, {"X-A": "b"}, b"body"), 2)
    assert (reply.status, reply.body) == (200, b"OK")
    assert b"X-A: b" in server.requests[0]
    assert b"User-Agent: sms-gateway" in server.requests[0]


def test_a_refused_connection_is_unreachable() -> None:
    with socket.create_server(("127.0.0.1", 0)) as closed:
        port = closed.getsockname()[1]
    with pytest.raises(VendorConnectionFailedError):
        send(Request("GET", f"http://127.0.0.1:{port}/?key={SECRET}"), 1)


def test_a_name_that_nobody_has_is_unreachable() -> None:
    with pytest.raises(VendorConnectionFailedError):
        send(Request("GET", f"http://nobody.invalid/?key={SECRET}"), 1)


@pytest.mark.parametrize("host", ["a..b", "127.0.0.1:99999", "127.0.0.1:80 ", "a\u200b.example"])
def test_an_address_that_nobody_can_call_is_unreachable(host: str) -> None:
    with pytest.raises(VendorConnectionFailedError):
        send(Request("GET", f"http://{host}/?key={SECRET}"), 1)


@pytest.mark.parametrize(
    "behaviour",
    [
        hang,
        reset,
        drips,
        says(b""),
        says(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf"),
        says(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhal"),
        says(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nwhole\r\n"),
        says(b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 4\r\n\r\nhalf"),
        says(b"no http at all\r\n\r\n"),
        says(b"HTTP/1.1 200 OK\r\nContent-Length: 3000000\r\n\r\n" + b"x" * 3_000_000),
    ],
    ids=[
        "hang",
        "reset",
        "drips",
        "closes",
        "truncated",
        "truncated chunk",
        "no last chunk",
        "no gzip",
        "no http",
        "too long",
    ],
)
def test_whatever_is_no_whole_answer_is_silence(server: Server, behaviour: Behaviour) -> None:
    server.behaviour = behaviour
    started = time.monotonic()
    with pytest.raises(VendorOutcomeUnknownError) as silent:
        send(Request("GET", server.url), 0.3)
    assert time.monotonic() - started < 1.5
    assert SECRET not in str(silent.value) + repr(silent.value)
    assert silent.value.__suppress_context__ or silent.value.__context__ is None
    assert len(server.requests) == 1


def test_a_body_that_stops_coming_has_no_longer_than_it_was_given(server: Server) -> None:
    """Not as long again from its last byte on."""

    def stops(connection: socket.socket) -> None:
        connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n")
        time.sleep(0.8)
        connection.sendall(b"half")
        time.sleep(3)

    server.behaviour = stops
    started = time.monotonic()
    with pytest.raises(VendorOutcomeUnknownError):
        send(Request("GET", server.url), 1)
    assert time.monotonic() - started < 1.6


HEAD = b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n"


def late_twice(connection: socket.socket) -> None:
    """The first byte within the timeout, the body within as long again."""
    time.sleep(0.4)
    connection.sendall(HEAD)
    time.sleep(0.4)  # the timeout of 0.5 ends here
    connection.sendall(b"x" * 100)


def drips_its_head(connection: socket.socket) -> None:
    for byte in b"HTTP/1.1 200 OK\r\n" + b"X: y\r\n" * 20 + HEAD:
        connection.sendall(bytes([byte]))
        time.sleep(0.05)


def drips_its_body(connection: socket.socket) -> None:
    connection.sendall(HEAD)
    for _ in range(100):
        connection.sendall(b"x")
        time.sleep(0.05)


def drips_its_chunks(connection: socket.socket) -> None:
    connection.sendall(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
    for _ in range(100):
        connection.sendall(b"1\r\nx\r\n")
        time.sleep(0.05)


LATE = [late_twice, drips_its_head, drips_its_body, drips_its_chunks]


@pytest.mark.parametrize("kept", [False, True], ids=["new", "kept"])
@pytest.mark.parametrize("behaviour", LATE)
def test_headers_and_body_together_have_the_timeout_once(
    server: Server, behaviour: Behaviour, kept: bool
) -> None:
    if kept:
        assert send(Request("GET", server.url), 5).body == b"OK"
    server.behaviour = behaviour
    started = time.monotonic()
    with pytest.raises(VendorOutcomeUnknownError):
        send(Request("GET", server.url), 0.5)
    assert 0.4 < time.monotonic() - started < 2.5
    server.behaviour = lambda connection: connection.sendall(OK)
    assert send(Request("GET", server.url), 5).body == b"OK"
    assert server.connections == 2


def test_a_response_may_come_slowly_within_the_timeout(server: Server) -> None:
    server.behaviour = late_twice
    assert send(Request("GET", server.url), 10).body == b"x" * 100


def test_a_request_that_nobody_reads_is_given_up(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(http_client, "CONNECT_TIMEOUT_SECONDS", 0.5)
    done = threading.Event()
    server.read = lambda connection: b"" if done.wait(20) else None
    started = time.monotonic()
    with pytest.raises(VendorOutcomeUnknownError):
        send(Request("POST", server.url, body=b"x" * 20_000_000), 30)
    assert time.monotonic() - started < 10
    done.set()


def test_a_slow_name_server_is_never_connected(monkeypatch: pytest.MonkeyPatch) -> None:
    answered = threading.Event()

    def slow(*_rest: object, **_named: object) -> object:
        answered.wait(20)
        raise OSError

    monkeypatch.setattr(socket, "getaddrinfo", slow)
    monkeypatch.setattr(http_client, "CONNECT_TIMEOUT_SECONDS", 0.2)
    started = time.monotonic()
    with pytest.raises(VendorConnectionFailedError):
        send(Request("GET", f"http://vendor.example.com/?key={SECRET}"), 30)
    assert time.monotonic() - started < 10
    answered.set()


def test_all_addresses_share_the_time_to_connect(monkeypatch: pytest.MonkeyPatch) -> None:
    tried: dict[str, float] = {}

    def deaf(address: tuple[str, int], timeout: float) -> socket.socket:
        tried[address[0]] = timeout
        raise TimeoutError

    addresses = [f"203.0.113.{last}" for last in range(4)]
    found = [(socket.AF_INET, 1, 6, "", (address, 80)) for address in addresses]
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_rest, **_named: found)
    monkeypatch.setattr(socket, "create_connection", deaf)
    with pytest.raises(VendorConnectionFailedError):
        send(Request("GET", f"http://vendor.example.com/?key={SECRET}"), 5)
    assert list(tried) == addresses
    assert sum(tried.values()) <= http_client.CONNECT_TIMEOUT_SECONDS


def test_after_an_answer_that_was_given_up_the_next_one_is_its_own(server: Server) -> None:
    length = 2 * http_client.MAX_RESPONSE_BYTES
    long = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % length
    server.behaviour = says(long + b"x" * length, close=False)
    with pytest.raises(VendorOutcomeUnknownError):
        send(Request("GET", server.url), 2)
    server.behaviour = says(OK, close=False)
    assert send(Request("GET", server.url), 2).body == b"OK"
    assert server.connections == 2


def test_redirects_are_not_followed(server: Server) -> None:
    server.behaviour = says(
        b"HTTP/1.1 302 Found\r\nLocation: /elsewhere\r\nContent-Length: 0\r\n\r\n", close=False
    )
    assert send(Request("POST", server.url, body=b"x"), 1).status == 302
    assert len(server.requests) == 1


def test_a_connection_is_kept_for_the_next_call_but_not_over_a_rest(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    server.behaviour = says(OK, close=False)
    for _ in range(3):
        send(Request("GET", server.url), 1)
    assert server.connections == 1
    present = time.time
    monkeypatch.setattr(time, "time", lambda: present() + http_client.MAX_IDLE_SECONDS + 1)
    send(Request("GET", server.url), 1)
    assert server.connections == 2


def test_a_request_shows_its_secrets_to_nobody() -> None:
    request = Request("GET", f"https://host.example/?key={SECRET}", {"K": SECRET}, SECRET.encode())
    assert SECRET not in repr(request)


@pytest.mark.parametrize("status", [400, 404, 500, 503])
def test_the_status_of_an_answer_says_nothing(server: Server, status: int) -> None:
    server.behaviour = says(b"HTTP/1.1 %d X\r\nContent-Length: 2\r\n\r\nOK" % status)
    assert send(Request("GET", server.url), 1).body == b"OK"


@pytest.fixture
def tls_server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    """A server with a certificate for vendor.example.com that the client trusts."""
    context, caller = certificate(tmp_path, "vendor.example.com")
    running = Server(context)
    running.url = re.sub("http://[0-9.]+", "https://vendor.example.com", running.url)
    http_client._pools(False).clear()
    monkeypatch.setitem(http_client._pools(False).connection_pool_kw, "ssl_context", caller)
    found = [(socket.AF_INET, "127.0.0.1")]
    monkeypatch.setattr(http_client, "resolve", lambda *_: found)
    yield running
    running.stop()


def test_a_tls_connection_is_kept_too(tls_server: Server) -> None:
    for _ in range(3):
        assert send(Request("POST", tls_server.url, body=b"x"), 5).body == b"OK"
    assert tls_server.connections == 1


@pytest.mark.parametrize("behaviour", LATE)
def test_headers_and_body_over_tls_have_the_timeout_once(
    tls_server: Server, behaviour: Behaviour
) -> None:
    assert send(Request("GET", tls_server.url), 5).body == b"OK"
    tls_server.behaviour = behaviour
    started = time.monotonic()
    with pytest.raises(VendorOutcomeUnknownError):
        send(Request("GET", tls_server.url), 0.5)
    assert 0.4 < time.monotonic() - started < 2.5


def test_a_certificate_for_another_name_is_never_connected(tls_server: Server) -> None:
    with pytest.raises(VendorConnectionFailedError, match="certificate"):
        send(Request("GET", tls_server.url.replace("vendor.", "other.")), 5)
    assert tls_server.requests == []


def test_a_handshake_that_nobody_answers_ends_with_the_time_to_connect(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(http_client, "CONNECT_TIMEOUT_SECONDS", 0.3)
    done = threading.Event()
    server.read = lambda connection: b"" if done.wait(20) else None
    started = time.monotonic()
    with pytest.raises(VendorOutcomeUnknownError):
        send(Request("GET", server.url.replace("http:", "https:")), 30)
    assert time.monotonic() - started < 10
    done.set()
