"""Handle the simulators' connections: parse a request, answer it, or break it as a fault says."""

import logging
import os
import socket
import socketserver
import struct
import time
from http import HTTPStatus
from typing import TYPE_CHECKING
from urllib.parse import parse_qsl, unquote

from local.simulators.control import control
from local.simulators.faults import GARBLED, NOT_ACCEPTED, Fault
from local.simulators.vendor import HTML, TEXT, Answer, Operation, Request, Vendor

if TYPE_CHECKING:
    from local.simulators.server import Simulators

log = logging.getLogger("simulators")

MAX_LINE_BYTES = 1 << 20  # a GET to JST carries all its numbers in its address
MAX_HEADERS = 100
MAX_BODY_BYTES = 16 << 20
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

# A real proxy's page. "invalid" in it is a trap for a parser that searches for such words.
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
        """Register the connection, so that stopping can end it."""
        super().setup()
        self.server.opened(self.connection)

    def finish(self) -> None:
        """Deregister the connection."""
        self.server.closed(self.connection)
        super().finish()

    def handle(self) -> None:
        """Answer until either side closes; a caller that leaves is no event."""
        try:
            while self._answer_next():
                pass
        except OSError:
            return

    def _answer_next(self) -> bool:
        line = self.rfile.readline(MAX_LINE_BYTES + 1)
        if not line:
            return False
        words = line.split()
        if len(words) != 3 or not words[2].startswith(b"HTTP/1.") or len(line) > MAX_LINE_BYTES:
            return self._write(Answer(b"Bad Request", 400, TEXT), False)
        headers = self._headers()
        if headers is None:
            return self._write(Answer(b"Bad Request", 400, TEXT), False)
        keep = words[2] != b"HTTP/1.0" and headers.get(b"connection", b"").lower() != b"close"
        if b"transfer-encoding" in headers:
            return self._write(Answer(b"Length Required", 411, TEXT), False)
        length = headers.get(b"content-length", b"0")
        if not length.isdigit() or int(length) > MAX_BODY_BYTES:
            return self._write(Answer(b"Content Too Large", 413, TEXT), False)
        if headers.get(b"expect", b"").lower() == b"100-continue":
            self.connection.sendall(b"HTTP/1.1 100 Continue\r\n\r\n")
        body = self.rfile.read(int(length)) if length != b"0" else b""
        if len(body) < int(length):
            return False
        form = headers.get(b"content-type", b"").startswith(b"application/x-www-form-urlencoded")
        try:
            texts = {name.decode("latin-1"): one.decode("latin-1") for name, one in headers.items()}
            answer = self._answer(
                words[0].decode("latin-1"), words[1].decode("latin-1"), texts, body, form
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
            line = self.rfile.readline(MAX_LINE_BYTES + 1)
            if line in (b"\r\n", b"\n"):
                return headers
            name, colon, value = line.partition(b":")
            if not colon:
                return None
            headers[name.lower()] = value.strip()
        return None

    def _answer(
        self, method: str, target: str, headers: dict[str, str], body: bytes, form: bool
    ) -> Answer | None:
        path, _, search = target.partition("?")
        path = unquote(path)
        fields = dict(parse_qsl(search, keep_blank_values=True)) if search else {}
        if path.startswith("/_"):
            return control(self.server.state, method, path, fields, body)
        _, _, rest = path.partition("/")
        name, _, rest = rest.partition("/")
        vendor = self.server.vendors.get(name)
        request = Request(method, rest, fields, body, target, headers)
        operation = vendor.operation_of(request) if vendor else None
        if vendor is None or operation is None:
            return Answer(b"Not Found", 404, TEXT)
        if method not in vendor.methods:
            return Answer(b"Method Not Allowed", 405, TEXT)
        if form and body:
            fields.update(parse_qsl(body.decode("utf-8", "replace"), keep_blank_values=True))
        self.server.state.count(name, *COUNTED[operation])
        fault = self.server.state.faults.draw(name, operation)
        if fault is None:
            return vendor.answer(request)
        return self._faulty(vendor, operation, request, fault)

    def _faulty(
        self, vendor: Vendor, operation: Operation, request: Request, fault: Fault
    ) -> Answer | None:
        """Return the answer under a fault; None when the connection is to end without one."""
        if fault.fault in NOT_ACCEPTED:
            return self._not_accepted(vendor, operation, request, fault)
        return self._accepted(vendor, operation, request, fault)

    def _not_accepted(
        self, vendor: Vendor, operation: Operation, request: Request, fault: Fault
    ) -> Answer | None:
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
        raise AssertionError(fault.fault)

    def _accepted(
        self, vendor: Vendor, operation: Operation, request: Request, fault: Fault
    ) -> Answer | None:
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
        return _garbled(vendor, operation, request, fault, answer)

    def _hang(self, seconds: float | None) -> None:
        """Send nothing until the time is up, the caller leaves or the server stops."""
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


def _garbled(
    vendor: Vendor, operation: Operation, request: Request, fault: Fault, answer: Answer
) -> Answer:
    match fault.fault:
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
