"""Calls to customers' addresses over real sockets: pinned, bounded, one host in sight."""

import io
import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from ipaddress import ip_address
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from sms_gateway.core.deadline_socket import DeadlineSocket
from sms_gateway.webhooks import http_client
from sms_gateway.webhooks.http_client import post
from sms_gateway.webhooks.url_policy import UrlError, parse_url
from testing.certificates import certificate

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer

OK = b"HTTP/1.1 204 No Content\r\n\r\n"
Serve = Callable[[socket.socket], None]


def whole_request(client: socket.socket) -> bytes:
    """Reads to the end of a request with a body of two bytes."""
    got = b""
    while not got.endswith(b"\r\n\r\n{}"):
        part = client.recv(4096)
        if not part:
            break
        got += part
    return got


@contextmanager
def serving(serve: Serve, context: ssl.SSLContext | None = None) -> Iterator[int]:
    """A server on loopback; its port."""
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def run() -> None:
            while True:
                try:
                    client, _ = listener.accept()
                except OSError:
                    return
                try:
                    with context.wrap_socket(client, server_side=True) if context else client as c:
                        serve(c)
                except OSError:
                    continue

        threading.Thread(target=run, daemon=True).start()
        yield listener.getsockname()[1]


def answering(raw: bytes, seen: list[bytes] | None = None) -> Serve:
    def serve(client: socket.socket) -> None:
        got = whole_request(client)
        if seen is not None:
            seen.append(got)
        client.sendall(raw)

    return serve


def local(port: int) -> str:
    return f"http://127.0.0.1:{port}/hook?a=1"


def test_a_post_carries_what_it_should() -> None:
    seen: list[bytes] = []
    with serving(answering(OK, seen)) as port:
        posted = post(
            parse_url(local(port), loopback=True), b"{}", {"webhook-id": "1"}, 5, loopback=True
        )
    assert (posted.status, posted.accepted, posted.failure) == (204, True, None)
    head = seen[0].decode().lower()
    assert head.startswith("post /hook?a=1 http/1.1\r\n")
    assert f"host: 127.0.0.1:{port}\r\n" in head
    assert "webhook-id: 1\r\n" in head
    assert head.count("host:") == 1


def test_without_the_setting_this_machine_is_not_called() -> None:
    seen: list[bytes] = []
    with serving(answering(OK, seen)) as port:
        posted = post(parse_url(local(port), loopback=True), b"{}", {}, 5)
    assert posted.status is None
    assert seen == []


@pytest.mark.parametrize(
    "answers",
    [
        ["127.0.0.1"],
        ["93.184.215.14", "127.0.0.1"],
        ["169.254.169.254"],
        ["93.184.215.14", "::ffff:10.0.0.1"],
        ["fd00:ec2::254"],
        [],
    ],
)
def test_a_name_that_leads_inside_is_not_called(answers: Sequence[str]) -> None:
    target = parse_url("https://hooks.example.com/x")
    posted = post(target, b"{}", {}, 5, resolver=lambda host, port: answers)
    assert posted.status is None
    assert posted.seconds < 1
    with pytest.raises(UrlError):
        http_client.resolve_public(target, loopback=False, resolver=lambda host, port: answers)


def test_a_name_is_resolved_once_for_a_call(monkeypatch: pytest.MonkeyPatch) -> None:
    """Rebinding: the second answer leads inside, and nobody asks for it."""
    answers = iter([["127.0.0.1"], ["10.0.0.1"]])
    asked: list[str] = []

    def resolver(host: str, port: int) -> Sequence[str]:
        asked.append(host)
        return next(answers)

    def no_name(host: str, *rest: object, **named: object) -> object:
        ip_address(host)  # ValueError for a name: only addresses may be looked up now
        return real(host, *rest, **named)  # type: ignore[arg-type]  # passed through

    real = socket.getaddrinfo
    monkeypatch.setattr(socket, "getaddrinfo", no_name)
    with serving(answering(OK)) as port:
        target = parse_url(f"http://localhost:{port}/", loopback=True)
        posted = post(target, b"{}", {}, 5, loopback=True, resolver=resolver)
    assert posted.accepted
    assert asked == ["localhost"]


def test_the_next_address_is_called_where_the_first_is_down() -> None:
    seen: list[bytes] = []
    with serving(answering(OK, seen)) as port:
        target = parse_url(f"http://localhost:{port}/", loopback=True)
        posted = post(
            target,
            b"{}",
            {},
            5,
            loopback=True,
            resolver=lambda h, p: ["127.0.0.2", "127.0.0.3", "127.0.0.1", "127.0.0.1"],
        )
    assert posted.accepted
    assert len(seen) == 1


def test_all_addresses_together_have_the_time_of_one_call(monkeypatch: pytest.MonkeyPatch) -> None:
    tried: list[str] = []

    def deaf(address: tuple[str, int], timeout: float) -> socket.socket:
        tried.append(address[0])
        time.sleep(timeout)
        raise TimeoutError

    monkeypatch.setattr(socket, "create_connection", deaf)
    monkeypatch.setattr(http_client, "CONNECT_TIMEOUT_SECONDS", 0.3)
    many = [f"93.184.215.{last}" for last in range(10)]
    target = parse_url("https://hooks.example.com/x")
    posted = post(target, b"{}", {}, 1, resolver=lambda h, p: many)
    assert (posted.status, posted.failure) == (None, "no answer within 1 seconds")
    assert posted.seconds < 1.5
    assert tried == many[:4]


def test_plain_http_goes_to_this_machine_only_even_where_localhost_is_another() -> None:
    target = parse_url("http://localhost:1/", loopback=True)
    posted = post(target, b"{}", {}, 1, loopback=True, resolver=lambda h, p: ["93.184.215.14"])
    assert (posted.status, posted.failure) == (None, "plain http is for this machine only")


def test_a_redirect_is_told_and_not_followed() -> None:
    seen: list[bytes] = []
    inside: list[bytes] = []
    with serving(answering(OK, inside)) as other:
        moved = f"HTTP/1.1 307 Moved\r\nLocation: http://127.0.0.1:{other}/\r\n\r\n".encode()
        with serving(answering(moved, seen)) as port:
            posted = post(parse_url(local(port), loopback=True), b"{}", {}, 5, loopback=True)
    assert (posted.status, posted.accepted, len(seen), inside) == (307, False, 1, [])


def test_retry_after_is_handed_on() -> None:
    raw = b"HTTP/1.1 429 Slow\r\nRetry-After: 120\r\nContent-Length: 0\r\n\r\n"
    with serving(answering(raw)) as port:
        posted = post(parse_url(local(port), loopback=True), b"{}", {}, 5, loopback=True)
    assert (posted.status, posted.retry_after) == (429, "120")


def hang(client: socket.socket) -> None:
    whole_request(client)
    time.sleep(3)


def drip(client: socket.socket) -> None:
    whole_request(client)
    for byte in b"HTTP/1.1 200 OK\r\n" + b"X: y\r\n" * 100:
        client.send(bytes([byte]))
        time.sleep(0.1)


@pytest.mark.parametrize("serve", [hang, drip])
def test_an_answer_that_does_not_come_in_time_is_cut_off(serve: Serve) -> None:
    with serving(serve) as port:
        began = time.monotonic()
        posted = post(parse_url(local(port), loopback=True), b"{}", {}, 1, loopback=True)
    assert (posted.status, posted.failure) == (None, "no answer within 1 seconds")
    assert time.monotonic() - began < 2


@pytest.mark.parametrize("serve", [hang, drip])
def test_nor_does_one_over_tls_where_every_step_takes_its_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, serve: Serve
) -> None:
    server, caller = certificate(tmp_path, "hooks.example.com")

    def connect(address: tuple[str, int], timeout: float) -> socket.socket:
        time.sleep(0.5)  # a SYN that is answered late
        return real(address, timeout)

    real = socket.create_connection
    monkeypatch.setattr(socket, "create_connection", connect)

    def late(client: socket.socket) -> None:
        time.sleep(0.9)
        with server.wrap_socket(client, server_side=True) as secured:
            serve(secured)

    with serving(late) as port:
        cut_off(port, caller)


def cut_off(port: int, caller: ssl.SSLContext) -> None:
    """A call over TLS that may take a second takes no longer."""
    posted = post(
        parse_url(f"https://hooks.example.com:{port}/x"),
        b"{}",
        {},
        1,
        loopback=True,
        resolver=lambda h, p: ["127.0.0.1"],
        context=caller,
    )
    assert (posted.status, posted.failure) == (None, "no answer within 1 seconds")
    assert posted.seconds < 1.5


def test_nor_does_a_handshake_that_drips_in(tmp_path: Path) -> None:
    server, caller = certificate(tmp_path, "hooks.example.com")

    def handshake(client: socket.socket) -> None:
        """The server's own first flight, byte by byte."""
        came, goes = ssl.MemoryBIO(), ssl.MemoryBIO()
        side = server.wrap_bio(came, goes, server_side=True)
        came.write(client.recv(65_536))
        with suppress(ssl.SSLWantReadError):
            side.do_handshake()
        for byte in goes.read():
            client.send(bytes([byte]))
            time.sleep(0.1)

    with serving(handshake) as port:
        cut_off(port, caller)


def test_a_body_that_nobody_takes_is_cut_off() -> None:
    def deaf(client: socket.socket) -> None:
        client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        for _ in range(40):
            client.recv(1024)
            time.sleep(0.1)

    with serving(deaf) as port:
        target = parse_url(local(port), loopback=True)
        posted = post(target, b"x" * 20_000_000, {}, 1, loopback=True)
    assert (posted.status, posted.failure) == (None, "no answer within 1 seconds")
    assert posted.seconds < 1.5


def test_the_time_of_a_lookup_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    def slow(*_: object, **__: object) -> list[object]:
        time.sleep(3)
        return []

    monkeypatch.setattr(socket, "getaddrinfo", slow)
    monkeypatch.setattr(http_client, "LOOKUP_TIMEOUT_SECONDS", 0.3)
    posted = post(parse_url("https://hooks.example.com/x"), b"{}", {}, 1)
    assert (posted.status, posted.failure) == (None, "the host's address was not found in time")
    assert posted.seconds < 1

    def late(host: str, port: int) -> Sequence[str]:
        time.sleep(0.6)
        return ["127.0.0.1"]

    monkeypatch.undo()
    with serving(hang) as port:
        target = parse_url(f"http://localhost:{port}/", loopback=True)
        posted = post(target, b"{}", {}, 1, loopback=True, resolver=late)
    assert (posted.status, posted.failure) == (None, "no answer within 1 seconds")
    assert posted.seconds < 1.5


@pytest.mark.parametrize("raw", [b"", b"rubbish\r\n\r\n", b"HTTP/1.1 99999 X\r\n\r\n"])
def test_an_answer_that_is_none_is_a_fault(raw: bytes) -> None:
    with serving(answering(raw)) as port:
        posted = post(parse_url(local(port), loopback=True), b"{}", {}, 5, loopback=True)
    assert posted.status is None
    assert posted.failure


def test_a_closed_port_is_a_fault() -> None:
    with socket.socket() as taken:  # bound, and not listening: nobody else gets the port
        taken.bind(("127.0.0.1", 0))
        port = taken.getsockname()[1]
        posted = post(parse_url(local(port), loopback=True), b"{}", {}, 5, loopback=True)
    assert (posted.status, posted.failure) == (None, "the connection was refused")


def test_tls_is_for_the_name_though_the_connection_is_to_the_address(tmp_path: Path) -> None:
    server, caller = certificate(tmp_path, "hooks.example.com")
    named: list[str | None] = []
    server.sni_callback = lambda sock, name, context: named.append(name)
    seen: list[bytes] = []
    with serving(answering(OK, seen), server) as port:
        good, other = (
            post(
                parse_url(f"https://{host}:{port}/x"),
                b"{}",
                {},
                5,
                loopback=True,
                resolver=lambda h, p: ["127.0.0.1"],
                context=caller,
            )
            for host in ("hooks.example.com", "other.example.com")
        )
    assert (good.status, good.failure) == (204, None)
    assert named[0] == "hooks.example.com"
    assert f"host: hooks.example.com:{port}".encode() in seen[0].lower()
    assert (other.status, [one for one in seen if one]) == (None, seen[:1])
    assert other.failure == "TLS failed, or the certificate is not valid for the host"


def test_a_certificate_that_nobody_vouches_for_is_refused(tmp_path: Path) -> None:
    server, _ = certificate(tmp_path, "hooks.example.com")
    with serving(answering(OK), server) as port:
        posted = post(
            parse_url(f"https://hooks.example.com:{port}/x"),
            b"{}",
            {},
            5,
            loopback=True,
            resolver=lambda h, p: ["127.0.0.1"],
        )
    assert posted.failure == "TLS failed, or the certificate is not valid for the host"


@dataclass
class Hostile:
    """Sends a response's beginning, then the same bytes again and again until the caller hangs up;
    `sent` is how many."""

    beginning: bytes
    again: bytes
    sent: int = 0

    def __call__(self, client: socket.socket) -> None:
        client.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4096)
        whole_request(client)
        client.sendall(self.beginning)
        flood = self.again * (16_384 // len(self.again) + 1)
        while self.sent < 100_000_000:
            self.sent += client.send(flood)


@pytest.mark.parametrize(
    ("beginning", "again"),
    [
        (b"", b"HTTP/1.1 100 Continue\r\n\r\n"),
        (b"", b"HTTP/1.1 100 Continue\r\nX: y\r\n\r\n"),
        (b"HTTP/1.1 200 OK\r\n", b"X: y\r\n"),
        (b"HTTP/1.1 200 OK\r\nX: ", b"y"),
        (b"HTTP/1.1 200 OK\r\n", b"X: " + b"y" * 60_000 + b"\r\n"),
        (b"HTTP/1.1 200 ", b"O"),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", b"1\r\nx\r\n"),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1;", b"x"),
    ],
    ids=str,
)
def test_a_flood_of_lines_is_given_up_after_a_few(beginning: bytes, again: bytes) -> None:
    """Counted, not timed: what the caller had taken when it gave up, with what the system holds."""
    hostile, read = Hostile(beginning, again), Read()
    with serving(hostile) as port, read.counting():
        target = parse_url(local(port), loopback=True)
        posted = post(target, b"{}", {}, 10, loopback=True, max_body=1024)
    assert (posted.status, posted.failure) == (
        None,
        "the answer has too many headers or interim answers",
    )
    assert read.bytes <= http_client.MAX_HEAD_BYTES + io.DEFAULT_BUFFER_SIZE
    assert read.calls <= 64 + http_client.MAX_HEAD_BYTES // 1024


@dataclass
class Read:
    """What the process took out of sockets."""

    calls: int = 0
    bytes: int = 0

    @contextmanager
    def counting(self) -> Iterator[None]:
        real = DeadlineSocket.recv_into

        def recv_into(socket: DeadlineSocket, buffer: "WriteableBuffer") -> int:
            taken = real(socket, buffer)
            self.calls += 1
            self.bytes += taken
            return taken

        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(DeadlineSocket, "recv_into", recv_into)
            yield


def test_an_interim_answer_or_two_and_some_headers_are_no_flood() -> None:
    raw = b"HTTP/1.1 100 Continue\r\n\r\n" * 2 + b"HTTP/1.1 200 OK\r\n" + b"X: y\r\n" * 40
    with serving(answering(raw + b"Content-Length: 2\r\n\r\nOK")) as port:
        target = parse_url(local(port), loopback=True)
        posted = post(target, b"{}", {}, 5, loopback=True, max_body=1024)
    assert (posted.status, posted.body) == (200, b"OK")


@pytest.mark.parametrize(
    ("raw", "body"),
    [
        (b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\n{  }", b"{  }"),
        (b"HTTP/1.1 200 OK\r\n\r\n{}", b"{}"),
        (
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\n{\r\n1\r\n}\r\n0\r\n\r\n",
            b"{}",
        ),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 9999\r\n\r\n" + b"x" * 9999, b"x" * 1024),
        (b"HTTP/1.1 400 Bad\r\nContent-Length: 2\r\n\r\n{}", b""),
        (OK, b""),
    ],
)
def test_a_little_of_an_accepted_answers_body_is_read_when_asked(raw: bytes, body: bytes) -> None:
    with serving(answering(raw)) as port:
        target = parse_url(local(port), loopback=True)
        asked = post(target, b"{}", {}, 5, loopback=True, max_body=1024)
        not_asked = post(target, b"{}", {}, 5, loopback=True)
    assert (asked.body, not_asked.body) == (body, b"")


def test_a_body_that_drips_ends_with_the_call() -> None:
    def dripping(client: socket.socket) -> None:
        whole_request(client)
        client.sendall(b"HTTP/1.1 200 OK\r\n\r\n")
        for _ in range(50):
            client.send(b" ")
            time.sleep(0.1)

    with serving(dripping) as port:
        target = parse_url(local(port), loopback=True)
        posted = post(target, b"{}", {}, 1, loopback=True, max_body=1024)
    assert (posted.status, posted.failure) == (None, "no answer within 1 seconds")
