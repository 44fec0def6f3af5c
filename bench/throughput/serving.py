"""An HTTP server that answers everything after a given wait, and costs little itself."""

import asyncio
import signal
from collections.abc import Callable
from typing import NamedTuple
from urllib.parse import parse_qsl


class Asked(NamedTuple):
    """A request: `search` is what stands behind the question mark, undecoded."""

    method: str
    path: str
    search: str
    headers: dict[bytes, bytes]
    body: bytes
    nth: int = 1  # of its connection

    @property
    def fields(self) -> dict[str, str]:
        """The fields of the query."""
        return dict(parse_qsl(self.search, keep_blank_values=True)) if self.search else {}


class Said(NamedTuple):
    """An answer and the seconds to keep it back."""

    body: bytes
    wait: float = 0.0
    status: int = 200
    content_type: str = "application/json"


Answering = Callable[[Asked], Said]


class Connection(asyncio.Protocol):
    """One kept connection; requests come one after the other."""

    def __init__(self, answering: Answering) -> None:
        self._answering = answering
        self._heard = bytearray()
        self._count = 0
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keeps the way back."""
        assert isinstance(transport, asyncio.Transport)  # noqa: S101 - for the type checker
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        """Answers each request as soon as it is whole."""
        self._heard += data
        while (end := self._heard.find(b"\r\n\r\n")) >= 0:
            first, *lines = bytes(self._heard[:end]).split(b"\r\n")
            headers = {}
            for line in lines:
                name, _, value = line.partition(b":")
                headers[name.lower()] = value.strip()
            whole = end + 4 + int(headers.get(b"content-length", b"0"))
            if len(self._heard) < whole:
                return
            body = bytes(self._heard[end + 4 : whole])
            del self._heard[:whole]
            method, target, _ = first.decode("latin-1").split(" ")
            path, _, search = target.partition("?")
            self._count += 1
            self._answer(Asked(method, path, search, headers, body, self._count))

    def _answer(self, asked: Asked) -> None:
        said = self._answering(asked)
        head = (
            f"HTTP/1.1 {said.status} Said\r\nContent-Type: {said.content_type}\r\n"
            f"Content-Length: {len(said.body)}\r\n\r\n"
        )
        answer = head.encode() + said.body
        if said.wait:
            asyncio.get_running_loop().call_later(said.wait, self._write, answer)
        else:
            self._write(answer)

    def _write(self, answer: bytes) -> None:
        if self._transport is not None and not self._transport.is_closing():
            self._transport.write(answer)


async def serve(answering: Answering) -> None:
    """Serves on a free port of loopback, which it prints, until SIGTERM."""
    loop = asyncio.get_running_loop()
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    server = await loop.create_server(lambda: Connection(answering), "127.0.0.1", 0, backlog=1024)
    print(server.sockets[0].getsockname()[1], flush=True)
    await stop.wait()
    server.close()
