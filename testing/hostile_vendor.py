"""A vendor whose answers break HTTP and repeat what it was sent, in many spellings."""

import base64
import socket
import socketserver
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from urllib.parse import quote, unquote_plus

from testing.server import Asked, Said, parse, written

DRIPS, DRIP_SECONDS = 40, 0.1
GIANT_BYTES = 3 * 1024 * 1024
OK = "HTTP/1.1 200 OK\r\n"


def _one_line(asked: Asked) -> str:
    """Return the request as one line, as a header or a status line can have it."""
    body = asked.body.decode("latin-1").replace("\r", "").replace("\n", "")
    return f"{asked.method} {asked.path}?{asked.search} {body}"


def _spellings(asked: Asked) -> str:
    plain = _one_line(asked)
    read = unquote_plus(plain)
    coded = base64.b64encode(read.encode()).decode()
    return "\n".join((plain, read, plain.upper(), read.lower(), quote(read, safe=""), coded))


def _whole(head: str, body: str) -> str:
    return f"{head}Content-Length: {len(body.encode('latin-1', 'replace'))}\r\n\r\n{body}"


ANSWERS: Mapping[str, Callable[[Asked], str]] = {
    "a malformed header": lambda _asked: _whole(f"{OK}no colon\r\nX: 1\r\n", "OK"),
    "a header that repeats": lambda asked: f"{OK}{_one_line(asked)}\r\n\r\nOK",
    "a bad status line": lambda asked: f"HTTP/1.1 {_one_line(asked)}\r\n\r\n",
    "no HTTP": lambda asked: f"{_one_line(asked)}\r\n\r\n",
    "a bad chunk": lambda asked: f"{OK}Transfer-Encoding: chunked\r\n\r\n{_one_line(asked)}\r\n",
    "a bad gzip": lambda asked: _whole(f"{OK}Content-Encoding: gzip\r\n", _one_line(asked)),
    "half a body": lambda asked: f"{OK}Content-Length: 99999\r\n\r\n{_one_line(asked)}",
    "a bad length": lambda asked: f"{OK}Content-Length: {_one_line(asked)}\r\n\r\n",
    "a hundred headers": lambda asked: OK + f"X: {_one_line(asked)}\r\n" * 120 + "\r\n",
    "a long line": lambda asked: OK + f"X: {_one_line(asked) * 600}\r\n\r\n",
    "a redirect": lambda asked: _whole(
        f"HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1:1/?{_one_line(asked)}\r\n", ""
    ),
    "a cookie": lambda asked: _whole(
        f"HTTP/1.1 500 Error\r\nSet-Cookie: {_one_line(asked)}\r\n", ""
    ),
    "an echo": lambda asked: _whole(OK, _spellings(asked)),
    "an echo as a refusal": lambda asked: _whole("HTTP/1.1 403 Forbidden\r\n", _spellings(asked)),
    "a giant": lambda asked: _whole(OK, _one_line(asked) * (GIANT_BYTES // len(_one_line(asked)))),
    "silence": lambda _asked: "",
    "a drip": lambda asked: f"{OK}X: {_one_line(asked)}",
}


class HostileVendor:
    """Answers by `kind`, one of ANSWERS; None answers as `honest` does. `asked` has all calls."""

    def __init__(self, honest: Callable[[Asked], Said]) -> None:
        self.kind: str | None = None
        self.asked: list[Asked] = []
        self.honest = honest
        self.base = ""

    def serve(self, connection: socket.socket) -> None:
        """Answer one request and hang up."""
        heard = b""
        while (found := parse(heard)) is None:
            if not (more := connection.recv(65_536)):
                return
            heard += more
        asked, _ = found
        self.asked.append(asked)
        if self.kind is None:
            connection.sendall(written(asked, self.honest(asked)))
            return
        answer = ANSWERS[self.kind](asked).encode("latin-1", "replace")
        if self.kind != "a drip":
            connection.sendall(answer)
            return
        for place in range(DRIPS):
            connection.sendall(answer[place : place + 1])
            time.sleep(DRIP_SECONDS)


@contextmanager
def hostile_vendor(honest: Callable[[Asked], Said]) -> Iterator[HostileVendor]:
    """Serve on a free port of loopback from threads of this process."""
    vendor = HostileVendor(honest)

    class Handler(socketserver.BaseRequestHandler):
        def handle(self) -> None:
            with suppress(OSError):  # they hang up
                vendor.serve(self.request)

    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), Handler) as server:
        server.daemon_threads = True
        vendor.base = f"http://127.0.0.1:{server.server_address[1]}"
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        try:
            yield vendor
        finally:
            server.shutdown()
            thread.join()
