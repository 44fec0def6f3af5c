"""Kannel, the SMS gateway of Debian, against the same vendor: one call for each message.

It is set up as its package comes, but for addresses, a file store and the vendor; tuned, with more
calls at once. Its store is filled first, so that only its sending is measured, as with our workers.
"""

import http.client
import os
import shutil
import socket
import subprocess
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import urllib3

from bench.gateway import numbers
from bench.worker import PATIENCE, ask
from local.simulators.dinisoft import ACCOUNT
from testing.waiting import free_port, listening, until

if TYPE_CHECKING:
    from bench.throughput import Stage

INSTALLED = 10  # calls at once, Kannel's default
TUNED = 512
REST = 3.0  # seconds without a call after which nothing more is to come

CONFIGURATION = Path(__file__).with_name("kannel.conf").read_text()


def program(name: str) -> str | None:
    """Where one of Debian's programs lies."""
    return shutil.which(name, path=f"/usr/sbin:{os.environ['PATH']}")


def version() -> str | None:
    """Return the version that is installed, or None."""
    box = program("bearerbox")
    if box is None or program("smsbox") is None:
        return None
    said = subprocess.run([box, "--version"], capture_output=True, text=True, check=False)  # noqa: S603 - Debian's
    return said.stdout.partition("`")[2].partition("'")[0] or "unknown"


class Kannel:
    """One run of `messages`, with `pending` calls at once, in a folder of its own."""

    def __init__(self, stage: "Stage", pending: int, messages: int) -> None:
        self._stage, self._pending, self._messages = stage, pending, messages
        self._folder = stage.folder / f"kannel-{time.monotonic_ns()}"
        self._folder.mkdir()
        self._ports = {name: free_port() for name in ("admin", "box", "receive", "send")}

    def run(self, kill_at: int | None = None) -> dict[str, Any]:
        """Send everything; after `kill_at` messages kill it with -9 and start it again.

        Return what the vendor says, and messages a second. Raises TimeoutError when it does not
        come up or end.
        """
        self._fill()
        ask(self._stage.vendors, "forget")
        self._configure(self._stage.vendors)
        box = self._start("bearerbox", "admin")
        if kill_at is not None:
            self._stage.wait_taken(kill_at)
            box.kill()
            box.wait()
            box = self._start("bearerbox", "admin")
        got = self._settled()
        box.kill()
        box.wait()
        seconds = got["last"] - got["first"] + 0.05  # until the last answer
        return {**got, "rate": got["messages"] / seconds}

    def _fill(self) -> None:
        """Store everything, with a vendor that never answers."""
        with socket.create_server(("127.0.0.1", 0)) as silent:
            self._configure(f"http://127.0.0.1:{silent.getsockname()[1]}")
            box = self._start("bearerbox", "box")
            inlet = self._start("smsbox", "send")
            # It listens before it has reached the other box, and dies of a message until then.
            until(self._joined, PATIENCE, pause=0.2)
            query = "/cgi-bin/sendsms?username=bench&password=bench&from=LOCAL&text=Your+parcel&to="
            connection = http.client.HTTPConnection("127.0.0.1", self._ports["send"])
            for number in numbers("dinisoft", self._messages):
                connection.request("GET", f"{query}{number[1:]}")
                answer = connection.getresponse()
                answer.read()
                if answer.status != 202:
                    raise RuntimeError(f"Kannel took no message: {answer.status}")
            connection.close()
            for process in (inlet, box):
                process.kill()
                process.wait()

    def _configure(self, vendor: str) -> None:
        written = CONFIGURATION.format(
            **self._ports,
            pending=self._pending,
            url=f"{vendor}/dinisoft/sendtext",
            key=ACCOUNT["api_key"],
            secret=ACCOUNT["secret_key"],
        )
        (self._folder / "kannel.conf").write_text(written)

    def _start(self, name: str, port: str) -> subprocess.Popen[bytes]:
        command = [program(name) or name, "-v", "4", "kannel.conf"]
        process = self._stage.run(command, self._folder)
        until(lambda: listening(self._ports[port]), PATIENCE)
        return process

    def _joined(self) -> bool:
        url = f"http://127.0.0.1:{self._ports['admin']}/status.txt?password=bench"
        return b"No boxes connected" not in urllib3.request("GET", url, timeout=PATIENCE).data

    def _settled(self) -> dict[str, Any]:
        """Return the vendor's word when every number was reached, or when no more comes."""
        began = time.time()

        def settled() -> dict[str, Any] | None:
            got: dict[str, Any] = ask(self._stage.vendors, "told")
            rest = 0.5 if got["numbers"] == self._messages else REST
            return got if time.time() - max(got["last"], began) > rest else None

        found: dict[str, Any] = until(settled, PATIENCE, pause=0.1)
        return found
