"""A connection that goes nowhere: urllib3 writes a request to it and reads the answer from memory.

So everything of ours, of botocore and of urllib3 is measured, down to the bytes of HTTP; what is
not is the kernel's sockets, TLS, and the answering itself, whose time is kept apart.
"""

import io
import socket
import time
from typing import Any, Protocol

from urllib3.connection import HTTPConnection

from sms_gateway.vendors import http_client


class Answering(Protocol):
    """Whoever stands for AWS and the vendors."""

    def answer(self, target: str, path: str, body: bytes) -> bytes:
        """The body of an answer; `target` is empty for a vendor's call."""
        ...


class Wire:
    """Every HTTP connection that this process makes leads to `memory`; `spent` is the CPU time, in
    seconds, that the answering took, and `times` has each answer's."""

    def __init__(self, memory: Answering) -> None:
        self.memory = memory
        self.times: list[float] = []
        self._idle = socket.socketpair()  # what urllib3 looks at to see whether it is still open
        wire = self

        def connect(_self: HTTPConnection) -> Any:
            return _Socket(wire)

        for kind in (HTTPConnection, http_client._Connection):
            kind._new_conn = connect  # type: ignore[method-assign, assignment]

    @property
    def spent(self) -> float:
        """CPU seconds that went into answering."""
        return sum(self.times)

    def fileno(self) -> int:
        """A socket that never has anything to read."""
        return self._idle[0].fileno()

    def answer(self, request: bytes) -> bytes:
        """A whole HTTP answer to a whole HTTP request."""
        started = time.thread_time()
        head, _, body = request.partition(b"\r\n\r\n")
        first, *lines = head.decode("latin-1").split("\r\n")
        headers = {name.lower(): value for name, _, value in (x.partition(": ") for x in lines)}
        _, path, _ = first.split(" ")
        said = self.memory.answer(headers.get("x-amz-target", ""), path, body)
        kind = "application/x-amz-json-1.0" if "x-amz-target" in headers else "application/json"
        answer = (
            f"HTTP/1.1 200 OK\r\nContent-Type: {kind}\r\nContent-Length: {len(said)}\r\n"
            "x-amzn-RequestId: 01234567-89ab-cdef-0123-456789abcdef\r\n\r\n"
        ).encode() + said
        self.times.append(time.thread_time() - started)
        return answer


class _Socket:
    """As much of a socket as http.client and urllib3 use."""

    def __init__(self, wire: Wire) -> None:
        self._wire = wire
        self._sent: list[bytes] = []
        self._unread = io.BytesIO()

    def sendall(self, data: bytes) -> None:
        self._sent.append(bytes(data))

    def send(self, data: bytes) -> int:
        self.sendall(data)
        return len(data)

    def recv_into(self, buffer: bytearray) -> int:
        if self._sent:
            self._unread = self.makefile("rb")
        return self._unread.readinto(buffer)

    def makefile(self, _mode: str, buffering: int = -1) -> io.BytesIO:
        if buffering == 0:
            return io.BytesIO()  # nobody reads it: recv_into is called
        request, self._sent = b"".join(self._sent), []
        return io.BytesIO(self._wire.answer(request))

    def fileno(self) -> int:
        return self._wire.fileno()

    def settimeout(self, _seconds: float | None) -> None: ...

    def setsockopt(self, *_: Any) -> None: ...

    def close(self) -> None: ...
