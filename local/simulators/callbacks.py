"""Send the vendors' callbacks: a clock with a heap, and a caller with retries."""

import heapq
import http.client
import ipaddress
import itertools
import logging
import queue
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from urllib.parse import urlsplit

log = logging.getLogger("simulators")

MAX_RETRIES = 8
PAUSE_SECONDS = 1.0  # until a failed callback is retried; doubles each time
TIMEOUT_SECONDS = 30.0  # API Gateway has answered by then, on however busy a machine
SENDERS = 16  # the emulator takes some 55 ms a call: one sender alone would be a bottleneck


@dataclass(frozen=True, slots=True)
class Callback:
    """One request to the sender's callback address."""

    vendor: str
    url: str = field(repr=False)
    method: str = "GET"
    body: bytes = field(default=b"", repr=False)


def reach(url: str, endpoint: str) -> str | None:
    """Return the address at which `url` can be called from this machine, or None.

    The host names of API Gateway and of function URLs do not resolve here; the AWS emulator at
    `endpoint` serves them. Apart from those only loopback is called: a simulator must never reach
    out.
    """
    try:
        parts = urlsplit(url)
        host = parts.hostname or ""
    except ValueError:
        return None
    if parts.scheme not in ("http", "https"):
        return None
    name, _, domain = host.partition(".")
    service = domain.partition(".")[0]
    if service in ("execute-api", "lambda-url") and name.isalnum():
        rest = url.split("://", 1)[1]
        start = min((i for i in (rest.find("/"), rest.find("?")) if i >= 0), default=len(rest))
        url = f"{endpoint.rstrip('/')}/_aws/{service}/{name}{rest[start:]}"
        host = urlsplit(url).hostname or ""
    return url if _loopback(host) else None


def _loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


class Clock:
    """A thread that runs actions when they are due; they must be quick."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._heap: list[tuple[float, int, Callable[[], None]]] = []
        self._order = itertools.count()
        self._stopped = False
        self._thread = threading.Thread(target=self._run, name="clock", daemon=True)
        self._thread.start()

    def after(self, seconds: float, action: Callable[[], None]) -> None:
        """Run `action` once, `seconds` from now."""
        due = time.monotonic() + seconds
        with self._changed:
            entry = (due, next(self._order), action)
            heapq.heappush(self._heap, entry)
            if self._heap[0] is entry:  # otherwise the clock already wakes early enough
                self._changed.notify()

    def clear(self) -> None:
        """Drop all waiting actions."""
        with self._changed:
            self._heap.clear()

    def stop(self) -> None:
        """End the thread; waiting actions never run."""
        with self._changed:
            self._stopped = True
            self._changed.notify()
        self._thread.join(1)

    def _run(self) -> None:
        while True:
            with self._changed:
                while not self._stopped:
                    wait = self._heap[0][0] - time.monotonic() if self._heap else None
                    if wait is not None and wait <= 0:
                        break
                    self._changed.wait(wait)
                if self._stopped:
                    return
                action = heapq.heappop(self._heap)[2]
            try:
                action()
            except Exception:
                log.exception("an action of the clock failed")


class Caller:
    """Send callbacks from a few threads; `counted(vendor, arrived)` gets the outcome of each."""

    def __init__(self, endpoint: str, clock: Clock, counted: Callable[[str, bool], None]) -> None:
        self._endpoint = endpoint
        self._clock = clock
        self._counted = counted
        self._queue: queue.SimpleQueue[tuple[Sequence[Callback], int] | None] = queue.SimpleQueue()
        self._threads = [
            threading.Thread(target=self._run, name=f"caller-{n}", daemon=True)
            for n in range(SENDERS)
        ]
        for thread in self._threads:
            thread.start()

    def send(self, callbacks: Sequence[Callback], tries: int = 0) -> None:
        """Send these one after the other; a failed one is retried later, on its own."""
        self._queue.put((callbacks, tries))

    def stop(self) -> None:
        """End the idle threads; one that is in a call ends with the process."""
        for _ in self._threads:
            self._queue.put(None)

    def _run(self) -> None:
        while (job := self._queue.get()) is not None:
            callbacks, tries = job
            for callback in callbacks:
                try:
                    self._send(callback, tries)
                except Exception:
                    log.exception("a callback of %s failed", callback.vendor)
                    self._counted(callback.vendor, False)

    def _send(self, callback: Callback, tries: int) -> None:
        url = reach(callback.url, self._endpoint)
        if url is None:
            log.warning("%s: callback refused, its host is not on this machine", callback.vendor)
            self._counted(callback.vendor, False)
            return
        status = call(callback.method, url, callback.body)
        if 200 <= status < 300:
            self._counted(callback.vendor, True)
        elif tries < MAX_RETRIES:
            self._clock.after(PAUSE_SECONDS * 2**tries, partial(self.send, (callback,), tries + 1))
        else:
            log.warning("%s: callback abandoned (last status %d)", callback.vendor, status)
            self._counted(callback.vendor, False)


def call(method: str, url: str, body: bytes) -> int:
    """Call `url` without following redirects; return the HTTP status, or 0 without one."""
    parts = urlsplit(url)
    kind = http.client.HTTPSConnection if parts.scheme == "https" else http.client.HTTPConnection
    headers = {"Content-Type": "application/json"} if method == "POST" else {}
    target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    try:
        connection = kind(parts.hostname or "", parts.port, timeout=TIMEOUT_SECONDS)
        try:
            connection.request(method, target, body or None, headers)
            response = connection.getresponse()
            response.read()
            return response.status
        finally:
            connection.close()
    except (OSError, http.client.HTTPException, ValueError):
        return 0
