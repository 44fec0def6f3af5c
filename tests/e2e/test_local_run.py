"""`make run`, as a developer lives with it: started, left, started again, forgotten."""

import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import urllib3
from e2e.receiver import Receiver, hook, receiving, until

from local.stack import ROOT, LocalStack
from testing.deployed import NUMBERS, PATIENCE, Api
from testing.waiting import free_port

Start = Callable[[], "Run"]


class Run:
    """`python -m local` as a shell starts it in the background, with SIGINT ignored."""

    def __init__(self, folder: Path, environment: dict[str, str]) -> None:
        self.log = folder / f"{time.monotonic_ns()}.log"
        with self.log.open("wb") as output:
            self.process = subprocess.Popen(
                ["/bin/sh", "-c", 'trap "" INT; exec "$0" -m local', sys.executable],
                cwd=folder,
                env=environment,
                stdout=output,
                stderr=output,
            )

    @property
    def said(self) -> str:
        return self.log.read_text()

    def until_up(self) -> dict[str, str]:
        """Wait for its lines to copy, and return what they set."""
        end = time.monotonic() + PATIENCE
        while "curl" not in self.said:
            assert self.process.poll() is None, self.said
            assert time.monotonic() < end, self.said
            time.sleep(0.2)
        return dict(re.findall(r"export (\w+)=(\S+)", self.said))

    def kill(self, module: str) -> None:
        """Kill the process that runs a module for it."""
        own = self.process.pid
        children = Path(f"/proc/{own}/task/{own}/children").read_text().split()
        (found,) = (one for one in children if module in Path(f"/proc/{one}/cmdline").read_text())
        os.kill(int(found), signal.SIGKILL)

    def interrupt(self) -> int:
        self.process.send_signal(signal.SIGINT)
        return self.process.wait(PATIENCE)


@pytest.fixture(scope="module")
def environment() -> dict[str, str]:
    return {
        **os.environ,
        "GATEWAY_PORT": str(free_port()),
        "SIMULATOR_PORT": str(free_port()),
        "PYTHONPATH": f"{ROOT}/layers/gateway:{ROOT}",
    }


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("a place with spaces")


@pytest.fixture(scope="module")
def start(environment: dict[str, str], folder: Path) -> Iterator[Start]:
    runs: list[Run] = []

    def started() -> Run:
        runs.append(Run(folder, environment))
        return runs[-1]

    yield started
    for run in runs:
        if run.process.poll() is None:
            run.process.terminate()
            run.process.wait(PATIENCE)


def ask(
    lines: dict[str, str], method: str, path: str, body: object = None
) -> urllib3.BaseHTTPResponse:
    return urllib3.request(
        method,
        lines["URL"] + path,
        headers={"Authorization": f"Bearer {lines['KEY']}"},
        json=body,
        retries=False,
        timeout=60,
    )


def caller(lines: dict[str, str]) -> Api:
    """Somebody who may do everything."""
    stack = LocalStack(Path(), 4501, 8801)
    stack.facts = {"url": lines["URL"]}
    return Api(stack, lines["ADMIN_KEY"])


def hears_of_an_end(customer: Api, receiver: Receiver) -> bool:
    """Send until a webhook is told of a message's end: a list of webhooks is read once a minute."""

    def heard() -> bool:
        (sent,) = customer.send({"to": NUMBERS["jst"], "text": "told"})
        customer.final(sent["id"], clock=False)
        time.sleep(2)
        return "MessageDelivered" in receiver.kinds_of("/kept", sent["id"])

    return bool(until(heard))


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with receiving() as made:
        yield made


def test_it_goes_on_where_it_stopped(
    start: Start, receiver: Receiver, environment: dict[str, str]
) -> None:
    first = start()
    lines = first.until_up()
    assert "sending one message" not in first.said.partition("curl")[0]
    sent = ask(lines, "POST", "/messages", {"to": "+8801000000001", "text": "kept"})
    assert sent.status == 202, sent.data
    path = f"/messages/{sent.json()['messages'][0]['id']}"

    second = start()
    assert second.process.wait(PATIENCE) == 1
    assert f"one runs already, as process {first.process.pid}, at {lines['URL']}" in second.said
    assert first.process.poll() is None

    customer = caller(lines)
    hook(customer, receiver, "/kept")
    assert hears_of_an_end(customer, receiver)

    end = time.monotonic() + PATIENCE
    while not ask(lines, "GET", path).json()["final"]:  # by its own clock: nobody ticks here
        assert time.monotonic() < end
        time.sleep(1)
    assert first.interrupt() == 0, first.said
    assert (first.log.parent / ".local" / "run" / "state").exists()  # here, not in the checkout

    again = start()
    assert again.until_up() == lines
    assert "sam build" not in again.said
    until(lambda: f"{lines['URL']}/console/index.html#key={lines['ADMIN_KEY']}" in again.said)
    message = ask(lines, "GET", path)
    assert message.status == 200, message.data
    assert message.json()["text"] == "kept"
    assert hears_of_an_end(customer, receiver)

    again.kill("local.emulator")
    assert again.process.wait(PATIENCE) == 1
    assert "make run: the emulator ended by itself; see " in again.said
    with pytest.raises(ConnectionRefusedError):  # the vendors have ended, too
        socket.create_connection(("127.0.0.1", int(environment["SIMULATOR_PORT"])))


def test_what_was_loaded_stays_beside_what_was_built(start: Start, folder: Path) -> None:
    """SAM empties its cache of what it does not know; the checkout's own stack is left alone."""
    (packages,) = (folder / ".local" / "cache" / "packages").iterdir()
    assert [path for path in packages.iterdir() if path.suffix == ".whl"]
    assert list((folder / ".local" / "cache" / "built").iterdir())
    assert (folder / ".local" / "run" / "state" / "dynamodb.json").exists()
