"""The HTTP side: one light server for all vendors and the control routes.

Requests are parsed by hand and answered in one write: a load test must measure the gateway, not
its oracle.
"""

import logging
import os
import socket
import socketserver
import struct
import sys
import threading
import time
from dataclasses import dataclass
from http import HTTPStatus
from http.server import ThreadingHTTPServer
from typing import Self
from urllib.parse import parse_qsl, unquote

from local.simulators.control import control
from local.simulators.faults import GARBLED, Fault
from local.simulators.registry import SIMULATORS
from local.simulators.state import State
from local.simulators.vendor import HTML, TEXT, Answer, Operation, Request, Vendor

log = logging.getLogger("simulators")

MAX_LINE = 1 << 20  # a GET to JST carries all its numbers in its address
MAX_HEADERS = 100
MAX_BODY = 16 << 20
PHRASES = {status.value: status.phrase for status in HTTPStatus}
COUNTED = {
    "submit": ("calls",),
    "poll": ("calls", "polls"),
    "balance": ("calls", "balances"),
    "inquiry": ("calls",),
    "change": ("calls", "changes"),
    "verify": ("calls",),
}

RESET = struct.pack("ii", 1, 0)  # SO_LINGER of no time: closing sends RST

# A real proxy's words. "invalid" in them is a trap for who searches answers for such words.
PAGE = (
    b"<html><head><title>502 Proxy Error</title></head><body><h1>Proxy Error</h1><p>The proxy"
    b" server received an invalid response from an upstream server.</p></body></html>"
)
GARBAGE = b"\x00\xff\xfe\x80{]\x1f\x8b\x08,,\xc3("

ANSWERED = {  # fault: what the ledger calls the answer
    "error-after-accept": "error",
    "accept-then-hang": "hang",
    "accept-then-reset": "reset",
}


class Handler(socketserver.StreamRequestHandler):
    """One connection, kept alive for as many requests as it brings."""

    server: "Simulators"
    disable_nagle_algorithm = True

    def setup(self) -> None:
        """Notes the connection, so that stopping can end it."""
        super().setup()
        self.server.opened(self.connection)

    def finish(self) -> None:
        """Forgets the connection."""
        self.server.closed(self.connection)
        super().finish()

    def handle(self) -> None:
        """Answers until either side has had enough; a caller that leaves is no event."""
        try:
            while self._one():
                pass
        except OSError:
            return

    def _one(self) -> bool:
        line = self.rfile.readline(MAX_LINE + 1)
        if not line:
            return False
        words = line.split()
        if len(words) != 3 or not words[2].startswith(b"HTTP/1.") or len(line) > MAX_LINE:
            return self._write(Answer(b"Bad Request", 400, TEXT), False)
        headers = self._headers()
        if headers is None:
            return self._write(Answer(b"Bad Request", 400, TEXT), False)
        keep = words[2] != b"HTTP/1.0" and headers.get(b"connection", b"").lower() != b"close"
        if b"transfer-encoding" in headers:
            return self._write(Answer(b"Length Required", 411, TEXT), False)
        length = headers.get(b"content-length", b"0")
        if not length.isdigit() or int(length) > MAX_BODY:
            return self._write(Answer(b"Content Too Large", 413, TEXT), False)
        if headers.get(b"expect", b"").lower() == b"100-continue":
            self.connection.sendall(b"HTTP/1.1 100 Continue\r\n\r\n")
        body = self.rfile.read(int(length)) if length != b"0" else b""
        if len(body) < int(length):
            return False
        form = headers.get(b"content-type", b"").startswith(b"application/x-www-form-urlencoded")
        try:
            answer = self._answer(
                words[0].decode("latin-1"), words[1].decode("latin-1"), body, form
            )
        except OSError:
            raise
        except Exception:
            log.exception("a request failed")
            answer = Answer(b"Internal Server Error", 500, TEXT)
        return answer is not None and self._write(answer, keep)

    def _headers(self) -> dict[bytes, bytes] | None:
        headers: dict[bytes, bytes] = {}
        for _ in range(MAX_HEADERS):
            line = self.rfile.readline(MAX_LINE + 1)
            if line in (b"\r\n", b"\n"):
                return headers
            name, colon, value = line.partition(b":")
            if not colon:
                return None
            headers[name.lower()] = value.strip()
        return None

    def _answer(self, method: str, target: str, body: bytes, form: bool) -> Answer | None:
        path, _, search = target.partition("?")
        path = unquote(path)
        fields = dict(parse_qsl(search, keep_blank_values=True)) if search else {}
        if path.startswith("/_"):
            return control(self.server.state, method, path, fields, body)
        _, _, rest = path.partition("/")
        name, _, rest = rest.partition("/")
        vendor = self.server.vendors.get(name)
        operation = vendor.operations.get(rest) if vendor else None
        if vendor is None or operation is None:
            return Answer(b"Not Found", 404, TEXT)
        if method not in vendor.methods:
            return Answer(b"Method Not Allowed", 405, TEXT)
        if form and body:
            fields.update(parse_qsl(body.decode("utf-8", "replace"), keep_blank_values=True))
        self.server.state.count(name, *COUNTED[operation])
        request = Request(method, rest, fields, body)
        fault = self.server.state.faults.draw(name, operation)
        if fault is None:
            return vendor.answer(request)
        return self._faulty(vendor, operation, request, fault)

    def _faulty(
        self, vendor: Vendor, operation: Operation, request: Request, fault: Fault
    ) -> Answer | None:
        """The answer under a fault; None when the connection is to end without one."""
        match fault.fault:
            case "refuse" | "refuse-temporary":
                temporary = fault.fault == "refuse-temporary"
                return vendor.refusal(request, operation, temporary=temporary)
            case "error":
                return Answer(b"Internal Server Error", 500, TEXT)
            case "rate-limit":
                return Answer(b"Too Many Requests", 429, TEXT, (("Retry-After", "1"),))
            case "hang":
                self._hang(fault.seconds)
                return None
            case "reset":
                self._reset()
                return None
        request.answered = ANSWERED.get(fault.fault, fault.fault)
        # A spoiled page may come from in between, with the answer still there; an answer that was
        # sent and lost (hang, reset, 5xx) is used up.
        request.peek = fault.fault in GARBLED
        answer = vendor.answer(request)
        match fault.fault:
            case "error-after-accept":
                return Answer(PAGE, 502, HTML)
            case "accept-then-hang":
                self._hang(fault.seconds)
                return None
            case "accept-then-reset":
                self._reset()
                return None
            case "slow":
                self.server.stopping.wait(fault.seconds)
                return answer
            case "garbage":
                return Answer(GARBAGE, 200, answer.content_type)
            case "html":
                return Answer(PAGE, 200, HTML)
            case "empty":
                return Answer(b"", 200, answer.content_type)
            case "truncated":
                return Answer(answer.body[: len(answer.body) // 2], 200, answer.content_type)
            case "wrong-type":
                return vendor.wrong_type(operation)
            case "unknown-code":
                return vendor.unknown_code(request, operation)
        raise AssertionError(fault.fault)

    def _hang(self, seconds: float | None) -> None:
        """Says nothing until the time is up, the caller leaves or the server stops."""
        end = None if seconds is None else time.monotonic() + seconds
        while not self.server.stopping.wait(0.1):
            if end is not None and time.monotonic() >= end:
                return
            try:
                if not self.connection.recv(1, socket.MSG_PEEK | socket.MSG_DONTWAIT):
                    return
            except BlockingIOError:
                continue

    def _reset(self) -> None:
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
        # Past the socket object: it would shut down in good order and say FIN first.
        self.server.closed(self.connection)
        os.close(self.connection.detach())

    def _write(self, answer: Answer, keep: bool) -> bool:
        head = [f"HTTP/1.1 {answer.status} {PHRASES.get(answer.status, 'Status')}"]
        if answer.content_type is not None:
            head.append(f"Content-Type: {answer.content_type}")
        head += [f"{name}: {value}" for name, value in answer.headers]
        if answer.status != 204:
            head.append(f"Content-Length: {len(answer.body)}")
        if not keep:
            head.append("Connection: close")
        head.append("\r\n")
        self.connection.sendall("\r\n".join(head).encode("latin-1") + answer.body)
        return keep


@dataclass(frozen=True, slots=True)
class Settings:
    """How to run: port 0 takes a free one; times in seconds (see `State`)."""

    port: int = 0
    delay: float = 1.0
    aws_endpoint: str = "http://127.0.0.1:4566"
    balance_interval: float = 10.0


class Simulators(ThreadingHTTPServer):
    """The server with its state. Raises OSError from the start when the port is taken.

    As a context manager it serves from a thread of its own.
    """

    daemon_threads = True
    allow_reuse_address = True
    allow_reuse_port = False
    request_queue_size = 1024

    def __init__(self, settings: Settings) -> None:
        super().__init__(("127.0.0.1", settings.port), Handler)
        self.stopping = threading.Event()
        self.state = State(settings.delay, settings.aws_endpoint, settings.balance_interval)
        self.vendors = {name: kind(self.state) for name, kind in SIMULATORS.items()}
        for vendor in self.vendors.values():
            if vendor.sends_callbacks:
                self.state.notices[vendor.name] = vendor.notices
        self._connections: set[socket.socket] = set()
        self._lock = threading.Lock()
        self._thread: threading.Thread | None = None

    def server_bind(self) -> None:
        """Binds without asking the resolver for this machine's name, which can take seconds."""
        socketserver.TCPServer.server_bind(self)
        self.server_name, self.server_port = "127.0.0.1", self.socket.getsockname()[1]

    @property
    def url(self) -> str:
        """The base of every route."""
        return f"http://127.0.0.1:{self.server_port}"

    @property
    def connections(self) -> int:
        """How many callers are connected."""
        return len(self._connections)

    def handle_error(self, *_: object) -> None:
        """A connection that broke before its first request is no event; anything else is logged."""
        if not isinstance(sys.exception(), OSError):
            log.exception("a connection failed")

    def start(self) -> None:
        """Serves from a thread of its own."""
        self._thread = threading.Thread(
            target=self.serve_forever, args=(0.1,), name="server", daemon=True
        )
        self._thread.start()

    def stop(self) -> None:
        """Ends everything that waits, hangs or listens."""
        self.stopping.set()
        if self._thread is not None:
            self.shutdown()
            self._thread.join(1)
        self.server_close()
        self.state.stop()
        with self._lock:
            for connection in self._connections:
                try:
                    connection.shutdown(socket.SHUT_RDWR)
                except OSError:
                    continue

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def opened(self, connection: socket.socket) -> None:
        """Notes a connection."""
        with self._lock:
            self._connections.add(connection)

    def closed(self, connection: socket.socket) -> None:
        """Forgets a connection."""
        with self._lock:
            self._connections.discard(connection)
