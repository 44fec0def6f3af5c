"""Kannel, the SMS gateway of Debian, against the same vendor: one call for each message.

It is set up as its package comes, but for addresses, a file store and the vendor; tuned, with more
calls at once. Its store is filled first, so that only its sending is measured, as with our workers.
"""

import http.client
import shutil
import socket
import subprocess
import time
from typing import TYPE_CHECKING, Any

from bench.gateway import numbers
from local.simulators.dinisoft import ACCOUNT

if TYPE_CHECKING:
    from bench.throughput import Stage

INSTALLED = 10  # calls at once, Kannel's default
TUNED = 512
PATIENCE = 60  # seconds for anything at all
REST = 3.0  # seconds without a call after which nothing more is to come

CONFIGURATION = """\
group = core
admin-port = {admin}
admin-interface = "127.0.0.1"
admin-password = bench
smsbox-port = {box}
smsbox-interface = "127.0.0.1"
box-allow-ip = "127.0.0.1"
store-type = file
store-location = "store"
log-file = "bearerbox.log"
log-level = 1

group = smsc
smsc = http
smsc-id = vendor
system-type = generic
port = {receive}
max-pending-submits = {pending}
send-url = "{url}?apikey={key}&secretkey={secret}&callerID=LOCAL&toUser=%p&messageContent=%b"
status-success-regex = "\\"Status\\": \\"0\\""
status-permfail-regex = "\\"Status\\": \\"1\\""
status-tempfail-regex = "\\"Status\\": \\"101\\""
generic-foreign-id-regex = "\\"Message_ID\\": \\"([0-9]+)\\""

group = smsbox
bearerbox-host = 127.0.0.1
bearerbox-port = {box}
sendsms-port = {send}
sendsms-interface = "127.0.0.1"
log-file = "smsbox.log"
log-level = 1

group = sendsms-user
username = bench
password = bench
"""


def program(name: str) -> str | None:
    """Where one of Debian's programs lies."""
    return shutil.which(name, path="/usr/sbin:/usr/local/sbin:/usr/bin:/usr/local/bin")


def version() -> str | None:
    """Return the version that is installed, or None."""
    box = program("bearerbox")
    if box is None or program("smsbox") is None:
        return None
    said = subprocess.run(  # noqa: S603 - Debian's own program
        [box, "--version"], capture_output=True, text=True, check=False
    )
    first = (said.stdout or said.stderr).splitlines()[:1]
    return "".join(first).partition("`")[2].partition("'")[0] or "unknown"


class Kannel:
    """One run of `messages`, with `pending` calls at once, in a folder of its own."""

    def __init__(self, stage: "Stage", pending: int, messages: int) -> None:
        self._stage, self._pending, self._messages = stage, pending, messages
        self._folder = stage.folder / f"kannel-{pending}-{messages}-{time.monotonic_ns()}"
        self._folder.mkdir()
        self._ports = dict(zip(("admin", "box", "receive", "send"), _free_ports(4), strict=True))

    def run(self, kill_at: int | None = None) -> dict[str, Any]:
        """Send everything.

        After `kill_at` messages kill it with -9 and start it again. What the vendor says,
        and messages a second. Raises RuntimeError when it does not come up or end.
        """
        self._fill()
        self._stage.vendors.ask("/_forget")
        self._configure("/dinisoft/sendtext")
        box = self._start("bearerbox", "admin")
        if kill_at is not None:
            self._stage.wait_taken(kill_at)
            box.kill()
            box.wait()
            box = self._start("bearerbox", "admin")
        told = self._settled()
        box.kill()
        box.wait()
        seconds = told["last"] - told["first"] + 0.05  # until the last answer
        return {**told, "rate": told["messages"] / seconds}

    def _fill(self) -> None:
        self._configure("/_never")  # a vendor that takes nothing, so that everything is stored
        box = self._start("bearerbox", "box")
        inlet = self._start("smsbox", "send")
        self._joined()
        connection = http.client.HTTPConnection("127.0.0.1", self._ports["send"], timeout=PATIENCE)
        query = "/cgi-bin/sendsms?username=bench&password=bench&from=LOCAL&text=Your+parcel&to="
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

    def _configure(self, path: str) -> None:
        written = CONFIGURATION.format(
            **self._ports,
            pending=self._pending,
            url=f"http://{self._stage.vendors.address}{path}",
            key=ACCOUNT["api_key"],
            secret=ACCOUNT["secret_key"],
        )
        (self._folder / "kannel.conf").write_text(written)

    def _start(self, name: str, port: str) -> subprocess.Popen[str]:
        command = [program(name) or name, "-v", "4", "kannel.conf"]
        process = self._stage.spawn(self._stage.core, command, self._folder)
        end = time.monotonic() + PATIENCE
        while time.monotonic() < end and process.poll() is None:
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", self._ports[port])) == 0:
                    return process
            time.sleep(0.02)
        raise RuntimeError(f"{name} did not start")

    def _joined(self) -> None:
        # It opens its port before it has reached the other box, and dies of a message until then.
        end = time.monotonic() + PATIENCE
        while time.monotonic() < end:
            connection = http.client.HTTPConnection("127.0.0.1", self._ports["admin"])
            connection.request("GET", "/status.txt?password=bench")
            said = connection.getresponse().read()
            connection.close()
            time.sleep(0.2)
            if b"No boxes connected" not in said:
                return
        raise RuntimeError("Kannel's boxes did not meet")

    def _settled(self) -> dict[str, Any]:
        """Return the vendor's word when every number was reached, or when no more comes."""
        end, last, since = time.monotonic() + PATIENCE, -1, time.monotonic()
        while time.monotonic() < end:
            told: dict[str, Any] = self._stage.vendors.ask("/_told")
            if told["messages"] != last:
                last, since = int(told["messages"]), time.monotonic()
            whole = told["numbers"] == self._messages
            if time.monotonic() - since > (0.5 if whole else REST):
                return told
            time.sleep(0.1)
        raise RuntimeError("Kannel did not end")


def _free_ports(many: int) -> list[int]:
    taken = [socket.socket() for _ in range(many)]
    try:
        for one in taken:
            one.bind(("127.0.0.1", 0))
        return [int(one.getsockname()[1]) for one in taken]
    finally:
        for one in taken:
            one.close()
