"""The HTTP side: one light server for all vendors and the control routes.

Requests are parsed by hand and answered in one write: a load test must measure the gateway, not its
oracle.
"""

import logging
import socket
import socketserver
import sys
import threading
from dataclasses import dataclass
from http.server import ThreadingHTTPServer
from typing import Any, Self

from local.simulators.handler import Handler
from local.simulators.registry import SIMULATORS
from local.simulators.state import State
from local.simulators.vendor import Vendor

log = logging.getLogger("simulators")


@dataclass(frozen=True, slots=True)
class Settings:
    """How to run: port 0 picks a free one; times in seconds (see `State`)."""

    port: int = 0
    delay: float = 1.0
    aws_endpoint: str = "http://127.0.0.1:4566"
    balance_interval: float = 10.0


class Simulators(ThreadingHTTPServer):
    """The server with its state. Raises OSError from the start when the port is in use.

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
        self.state.describe = self.describe
        self.vendors: dict[str, Vendor] = {
            name: kind(self.state) for name, kind in SIMULATORS.items()
        }
        for vendor in self.vendors.values():
            if vendor.sends_callbacks:
                self.state.notices[vendor.name] = vendor.notices
        self._connections: set[socket.socket] = set()
        self._lock = threading.Lock()
        self._thread: threading.Thread | None = None

    def describe(self, written: bytes) -> dict[str, Any]:
        """Play a description from now on; return an account for it.

        Raises ValueError for a description that can't work, UnplayableError for one that can't be
        played.
        """
        from local.simulators.described.play import played  # few do: a start is faster without

        vendor = played(written, self.state, self.url)
        self.state.add(vendor.name)
        self.vendors[vendor.name] = vendor
        if vendor.sends_callbacks:
            self.state.notices[vendor.name] = vendor.notices
        return vendor.settings

    def server_bind(self) -> None:
        """Bind without resolving this machine's name, which can take seconds."""
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
        """Log an error, except of a connection that broke before its first request."""
        if not isinstance(sys.exception(), OSError):
            log.exception("a connection failed")

    def start(self) -> None:
        """Serve from a thread of its own."""
        self._thread = threading.Thread(
            target=self.serve_forever, args=(0.1,), name="server", daemon=True
        )
        self._thread.start()

    def stop(self) -> None:
        """End everything that waits, hangs or listens."""
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
        """Register a connection."""
        with self._lock:
            self._connections.add(connection)

    def closed(self, connection: socket.socket) -> None:
        """Deregister a connection."""
        with self._lock:
            self._connections.discard(connection)
