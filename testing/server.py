"""Answer HTTP, over loopback with a wait or within this process, at little cost of its own."""

import asyncio
import io
import socket
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple
from urllib.parse import parse_qsl

from urllib3.connection import HTTPConnection


class Asked(NamedTuple):
    """A request: `search` is what stands behind the question mark, undecoded."""

    method: str
    path: str
    search: str
    headers: dict[str, str]
    body: bytes
    nth: int = 1  # of its connection

    @property
    def fields(self) -> dict[str, str]:
        """The fields of the query."""
        return dict(parse_qsl(self.search, keep_blank_values=True)) if self.search else {}

    @property
    def target(self) -> str:
        """The operation of AWS's JSON protocol, as DynamoDB_20120810.GetItem; else empty."""
        return self.headers.get("x-amz-target", "")


class Said(NamedTuple):
    """An answer and the seconds to keep it back."""

    body: bytes
    status: int = 200
    content_type: str = "application/json"
    wait: float = 0.0


Answering = Callable[[Asked], Said]


def parse(request: bytes | bytearray, nth: int = 1) -> tuple[Asked, int] | None:
    """Return the first request, and how many bytes it has; None if it is not whole yet."""
    end = request.find(b"\r\n\r\n")
    if end < 0:
        return None
    first, *lines = request[:end].decode("latin-1").split("\r\n")
    headers = {name.lower(): value.strip() for name, _, value in (x.partition(":") for x in lines)}
    whole = end + 4 + int(headers.get("content-length", "0"))
    if len(request) < whole:
        return None
    method, target, _ = first.split(" ")
    path, _, search = target.partition("?")
    return Asked(method, path, search, headers, bytes(request[end + 4 : whole]), nth), whole


def written(asked: Asked, said: Said) -> bytes:
    """Return the bytes of an answer."""
    head = (
        f'HTTP/1.1 {said.status} Said\r\nContent-Type: {said.content_type}\r\nETag: "1"\r\n'
        f"Content-Length: {len(said.body)}\r\n\r\n"
    )
    return head.encode() + (b"" if asked.method == "HEAD" else said.body)


class Connection(asyncio.Protocol):
    """One kept connection; requests come one after the other."""

    def __init__(self, answering: Answering) -> None:
        self._answering = answering
        self._heard = bytearray()
        self._count = 0
        self._transport: Any = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the way back."""
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        """Answer each request as soon as it is whole."""
        self._heard += data
        while found := parse(self._heard, self._count + 1):
            asked, size = found
            del self._heard[:size]
            self._count += 1
            said = self._answering(asked)
            if said.wait:
                loop = asyncio.get_running_loop()
                loop.call_later(said.wait, self._write, written(asked, said))
            else:
                self._write(written(asked, said))

    def _write(self, answer: bytes) -> None:
        if not self._transport.is_closing():
            self._transport.write(answer)


async def _listen(answering: Answering) -> asyncio.Server:
    loop = asyncio.get_running_loop()
    return await loop.create_server(lambda: Connection(answering), "127.0.0.1", 0, backlog=1024)


@contextmanager
def serving(answering: Answering) -> Iterator[str]:
    """Serve on a free port of loopback from a thread of this process; the address."""
    loop = asyncio.new_event_loop()
    server = loop.run_until_complete(_listen(answering))

    def end() -> None:
        server.close()
        server.abort_clients()
        loop.call_soon(loop.stop)  # once the connections are lost

    thread = threading.Thread(target=loop.run_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    finally:
        loop.call_soon_threadsafe(end)
        thread.join()
        loop.close()


class Wire:
    """Lead every HTTP connection of this process to `answering`, without a socket.

    Everything of ours, of botocore and of urllib3 runs, down to the bytes of HTTP; the kernel's
    sockets and TLS do not. The answering's CPU time is kept apart. `asked` counts the services that
    each thread asked: dynamodb, amazonsqs, awsevents, ..., or vendor.
    """

    def __init__(self, answering: Answering) -> None:
        self.answering = answering
        self.asked: Counter[tuple[str, str]] = Counter()
        self._apart: list[float] = []
        self._idle = socket.socketpair()  # what urllib3 looks at to see whether it is still open
        self._lock = threading.Lock()
        wire = self

        def connect(*_: object) -> Any:
            return _Socket(wire)

        HTTPConnection._new_conn = connect  # type: ignore[method-assign, assignment]  # patched for the test
        # The vendors' client has its own way to a host.
        socket.create_connection = connect  # type: ignore[assignment]  # patched for the test

    @contextmanager
    def aside(self) -> Iterator[None]:
        """Keep this thread's CPU time apart."""
        began = time.thread_time()
        try:
            yield
        finally:
            self._apart.append(time.thread_time() - began)

    def cpu(self) -> float:
        """CPU seconds of this process, all threads, but for what was kept apart."""
        if len(self._apart) > 1000:
            self._apart = [sum(self._apart)]
        return time.process_time() - sum(self._apart)

    def fileno(self) -> int:
        """Return a socket that never has anything to read."""
        return self._idle[0].fileno()

    def answer(self, request: bytes) -> bytes:
        """Return a whole HTTP answer to a whole HTTP request."""
        with self.aside(), self._lock:
            found = parse(request)
            if found is None:
                raise ValueError("half a request")
            asked, _ = found
            service = asked.target.partition(".")[0].partition("_")[0].lower() or "vendor"
            self.asked[threading.current_thread().name, service] += 1
            return written(asked, self.answering(asked))


class _Socket:
    """As much of a socket as http.client and urllib3 use."""

    def __init__(self, wire: Wire) -> None:
        self._wire = wire
        self._sent: list[bytes] = []
        self._answer = io.BytesIO()

    def send(self, data: bytes) -> int:
        self._sent.append(bytes(data))
        return len(data)

    def sendall(self, data: bytes) -> None:
        self.send(data)

    def recv_into(self, buffer: bytearray) -> int:
        if self._sent:
            self._answer = self.makefile("rb")
        return self._answer.readinto(buffer)

    def makefile(self, _mode: str, buffering: int = -1) -> io.BytesIO:
        if buffering == 0:  # only a reference
            return io.BytesIO()
        request, self._sent = b"".join(self._sent), []
        return io.BytesIO(self._wire.answer(request))

    def fileno(self) -> int:
        return self._wire.fileno()

    def settimeout(self, _seconds: float | None) -> None: ...

    def setsockopt(self, *_: Any) -> None: ...

    def close(self) -> None: ...
