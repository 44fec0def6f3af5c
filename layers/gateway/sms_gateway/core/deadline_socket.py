"""Sockets whose every wait ends at one deadline, for both HTTP clients.

A socket's own timeout starts anew with each byte: a peer that drips its response has no bound.
It lies in core because vendors and webhooks both build on it; only their HTTP clients use it.
"""

import io
import socket
import time
from collections.abc import Sequence
from contextlib import suppress
from queue import Empty, SimpleQueue
from threading import Thread
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from _typeshed import ReadableBuffer, WriteableBuffer


class NameLookupError(OSError):
    """The host has no address in DNS."""


class Deadline:
    """A moment on the monotonic clock, `seconds` from now."""

    def __init__(self, seconds: float) -> None:
        self._at = time.monotonic() + seconds

    def seconds_left(self) -> float:
        """Return the seconds until the deadline, more than zero. Raises TimeoutError after it."""
        seconds = self._at - time.monotonic()
        if seconds <= 0:
            raise TimeoutError
        return seconds


def resolve(host: str, port: int, timeout: float) -> list[tuple[socket.AddressFamily, str]]:
    """Return a host's address families and IP addresses, in the resolver's order.

    Raises NameLookupError when it has none, TimeoutError when that is not known within `timeout`
    seconds.
    """
    answer: SimpleQueue[list[Any] | Exception] = SimpleQueue()

    def look_up() -> None:
        try:
            answer.put(socket.getaddrinfo(host, port, type=socket.SOCK_STREAM))
        except Exception as error:
            answer.put(error)

    Thread(target=look_up, daemon=True).start()  # a lookup has no timeout of its own
    try:
        found = answer.get(timeout=timeout)
    except Empty:
        raise TimeoutError from None
    if isinstance(found, Exception):
        raise NameLookupError from found
    return [(family, str(address[0])) for family, *_, address in found]


def connect(
    addresses: Sequence[str], port: int, deadline: Deadline, timeout: float
) -> socket.socket:
    """Connect to the first of the IP addresses that accepts, `timeout` seconds each at most.

    Raises the last one's OSError.
    """
    *others, last = addresses
    for address in others:
        with suppress(OSError):
            return socket.create_connection((address, port), min(timeout, deadline.seconds_left()))
    return socket.create_connection((last, port), min(timeout, deadline.seconds_left()))


class DeadlineSocket:
    """A connected socket, as http.client uses one, whose reads and writes share a deadline."""

    def __init__(self, connected: socket.socket, deadline: Deadline) -> None:
        self._connected = connected
        self._deadline = deadline

    def settimeout(self, seconds: float) -> None:
        """Give all reads and writes from here on `seconds` together."""
        self._deadline = Deadline(seconds)

    def fileno(self) -> int:
        """Return the descriptor, for a poll."""
        return self._connected.fileno()

    def sendall(self, data: "ReadableBuffer") -> None:
        """Send all bytes. Raises TimeoutError at the deadline."""
        unsent = memoryview(data)
        while unsent:
            self._connected.settimeout(self._deadline.seconds_left())
            unsent = unsent[self._connected.send(unsent) :]

    def recv_into(self, buffer: "WriteableBuffer") -> int:
        """Read some bytes; none at the end. Raises TimeoutError at the deadline."""
        self._connected.settimeout(self._deadline.seconds_left())
        return self._connected.recv_into(buffer)

    def makefile(self, _mode: str) -> io.BufferedReader:
        """Return a reader of the response; the socket stays open until both are closed."""
        return io.BufferedReader(_Reader(self, self._connected.makefile("rb", buffering=0)))

    def close(self) -> None:
        """Close the socket, once its readers are closed."""
        self._connected.close()


class _Reader(io.RawIOBase):
    def __init__(self, source: DeadlineSocket, reference: io.RawIOBase) -> None:
        self._source = source
        self._reference = reference  # an open file keeps its socket open

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: "WriteableBuffer") -> int:
        return self._source.recv_into(buffer)

    def close(self) -> None:
        self._reference.close()
        super().close()
