"""Ports of loopback, and waiting until something is so."""

import socket
import time
from collections.abc import Callable
from typing import Any


def free_port() -> int:
    """Return a port that nothing listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def listening(port: int) -> bool:
    """Whether something listens on a port."""
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def until(reached: Callable[[], Any], seconds: float, pause: float = 0.02) -> Any:
    """Wait until something is so, and return it. Raises TimeoutError when it takes too long."""
    end = time.monotonic() + seconds
    while not (found := reached()):
        if time.monotonic() > end:
            raise TimeoutError(f"not reached in {seconds:g} s: {reached}")
        time.sleep(pause)
    return found
