"""Messages a second of a dispatch worker on one CPU, against vendors that answer in 50 ms.

And of Kannel against the same vendor, in the same run.
"""

import http.client
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from contextlib import ExitStack
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Self
from urllib.parse import urlencode

from ulid import ULID

from bench import kannel
from bench.targets import Family, Figure
from local.simulators.registry import accounts
from testing.paths import ROOT

PATIENCE = 60  # seconds for anything at all
VENDOR_WAIT = 0.05  # seconds, as bench/servers.py
BATCHED = {"JST": (100, 30), "server2sms": (1000, 60), "RajaSMS": (1000, 40)}  # a call; batches
RATE = 1000  # messages a second, of an account
KILLED, KILLED_AT = 1000, 400  # messages
TUNED_MESSAGES = 6_000
SPEED, ELSE = "messages a second", "besides"

Told = dict[str, Any]


class Server:
    """One of bench/servers.py, and its routes."""

    def __init__(self, stage: "Stage", name: str) -> None:
        arguments = ["-m", "bench.servers", name]
        process = stage.spawn(stage.other, [sys.executable, *arguments])
        assert process.stdout is not None  # noqa: S101 - for the type checker
        self.address = f"127.0.0.1:{int(process.stdout.readline())}"

    def ask(self, path: str, body: object = None, **fields: str) -> Any:
        """Return the answer of a route that begins with `/_`."""
        connection = http.client.HTTPConnection(self.address, timeout=PATIENCE)
        try:
            connection.request("POST", f"{path}?{urlencode(fields)}", json.dumps(body))
            return json.loads(connection.getresponse().read())
        finally:
            connection.close()


class Worker:
    """bench/worker.py, warm and waiting for its start."""

    def __init__(self, stage: "Stage", queue: str, core: int, workers: int) -> None:
        command = [sys.executable, "-m", "bench.worker", stage.aws.address, queue]
        self.process = stage.spawn(core, command, DISPATCH_WORKERS=str(workers))

    def ready(self) -> None:
        """Wait until it has worked on its first event. Raises RuntimeError when it died."""
        if not self.process.stdout or self.process.stdout.readline() != "ready\n":
            raise RuntimeError("a worker ended before it was ready")

    def start(self) -> None:
        """Let it work until its queue is empty."""
        assert self.process.stdin is not None  # noqa: S101 - for the type checker
        self.process.stdin.write("go\n")
        self.process.stdin.flush()

    def result(self) -> Told:
        """Return what it took. Raises RuntimeError when it failed."""
        said, _ = self.process.communicate(timeout=PATIENCE)
        if self.process.returncode:
            raise RuntimeError("a worker failed")
        told: Told = json.loads(said)
        return told


class Stage:
    """The servers on one CPU, the workers on another.

    Messages are accepted by the gateway's own code. As a context manager it ends whatever it
    started. Raises RuntimeError where there is one CPU.
    """

    def __init__(self) -> None:
        cores = sorted(os.sched_getaffinity(0))
        if len(cores) < 2:
            raise RuntimeError("the worker needs one CPU and the vendor another: there is only one")
        self.core, self.other = cores[0], cores[-1]
        self._open = ExitStack()

    def __enter__(self) -> Self:
        from testing.aws import ENVIRONMENT

        try:
            self.folder = Path(self._open.enter_context(tempfile.TemporaryDirectory()))
            os.sched_setaffinity(0, {self.other})
            self.vendors, self.aws = Server(self, "vendors"), Server(self, "aws")
        except BaseException:
            self._open.close()
            raise
        os.environ |= ENVIRONMENT | {"AWS_ENDPOINT_URL": f"http://{self.aws.address}"}
        return self

    def __exit__(self, *_: object) -> None:
        self._open.close()

    def spawn(
        self, core: int, command: Sequence[str], folder: Path = ROOT, **environment: str
    ) -> subprocess.Popen[str]:
        """Return a process on one core, ended with the stage."""
        os.sched_setaffinity(0, {core})  # a child begins with its parent's
        try:
            process = subprocess.Popen(  # noqa: S603 - our own programs, and Kannel's
                command,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                text=True,
                cwd=folder,
                env=os.environ | environment,
            )
        finally:
            os.sched_setaffinity(0, {self.other})
        self._open.callback(_end, process)
        return process

    def accept(self, vendor: str, recipients: int, copies: int, **settings: object) -> int:
        """Clear the stage, accept a batch as the API does and copy it.

        The vendor's account gets `settings`. Returns the count of messages.
        """
        from bench.gateway import body, numbers
        from sms_gateway.config import cached_setting  # settings read the environment
        from sms_gateway.messages.send import send

        self.vendors.ask("/_forget")
        known = accounts(f"http://{self.vendors.address}")
        known[vendor] |= settings
        self.aws.ask("/_forget", known)
        cached_setting.reset_all()  # those of the run before
        answer = send("bench", body(numbers(vendor, recipients)).encode(), datetime.now(UTC))
        if answer["rejected"]:
            raise RuntimeError("not every recipient was accepted")
        for _ in range(copies - 1):
            self.aws.ask("/_copy", batch=answer["batch_id"], to=str(ULID()), queue=vendor)
        return recipients * copies

    def work(self, vendor: str, cores: Sequence[int], sharing: int, accepted: int) -> Told:
        """One worker on each of `cores`, of `sharing` that share the account.

        Raises RuntimeError when a message was lost or sent twice.
        """
        workers = [Worker(self, vendor, core, sharing) for core in cores]
        for worker in workers:
            worker.ready()
        self.vendors.ask("/_mark")
        began = time.monotonic()
        for worker in workers:
            worker.start()
            # Apart, as they come: in step they would all wait, and then all want the CPU.
            time.sleep(VENDOR_WAIT / len(workers))
        results = [worker.result() for worker in workers]
        seconds = time.monotonic() - began
        vendors: Told = self.vendors.ask("/_told")
        aws: Told = self.aws.ask("/_told", vendor=vendor)
        if vendors["messages"] != accepted or not vendors["even"]:
            raise RuntimeError(f"of {accepted} messages {vendors['messages']} arrived")
        if aws["statuses"] != {"submitted": accepted}:
            raise RuntimeError(f"not every message is submitted: {aws['statuses']}")
        messages = sum(one["messages"] for one in results)
        return vendors | {
            "rate": sum(one["messages"] / one["seconds"] for one in results),
            "cpu": 1000 * sum(one["cpu"] for one in results) / messages,
            "resident": max(one["resident"] for one in results),
            "share": 100 * vendors["cpu"] / seconds,
            "updated": aws["updated"],
        }

    def wait_taken(self, messages: int) -> None:
        """Wait until the vendors have taken so many.

        Raises RuntimeError when that takes too long.
        """
        end = time.monotonic() + PATIENCE
        while self.vendors.ask("/_told")["messages"] < messages:
            if time.monotonic() > end:
                raise RuntimeError("the vendor was not called")
            time.sleep(0.02)


def _end(process: subprocess.Popen[str]) -> None:
    process.terminate()
    try:
        process.communicate(timeout=5)
    except (subprocess.TimeoutExpired, ValueError):
        process.kill()
        process.wait()


def main() -> Family:
    """Measure. Raises RuntimeError when a message is lost or sent twice, or there is one CPU."""
    notes = [HOW]
    with Stage() as stage:
        figures = [*_vendors(stage), *_ten(stage), *_rate(stage), *_killed(stage)]
        try:
            figures += _kannel(stage, notes)
        except (RuntimeError, OSError, http.client.HTTPException) as error:
            # What another program does must not decide on ours.
            notes.append(f"Kannel did not do its part: {error}.")
    figures.sort(key=lambda one: one.table != SPEED)
    return Family("throughput", "Messages a second", figures, (SPEED, "messages/s"), notes, True)


def _speed(row: str, told: Told) -> list[Figure]:
    print(f"  {row}: {told['rate']:,.0f}", flush=True)
    return [Figure(SPEED, row, "messages/s", told["rate"])]


def _vendors(stage: Stage) -> list[Figure]:
    """One worker, each vendor."""
    found = {}
    for at_once, batches in ((50, 3), (25, 2)):
        accepted = stage.accept("dinisoft", 1000, batches, concurrency=2 * at_once)
        row = f"Dinisoft, one by one, {at_once} calls at once"
        found[row] = stage.work("dinisoft", [stage.core], 2, accepted)
    opened = found["Dinisoft, one by one, 50 calls at once"]["connections"]
    for vendor, (a_call, batches) in BATCHED.items():
        accepted = stage.accept(vendor.lower(), 1000, batches)
        row = f"{vendor}, {a_call:,} a call"
        found[row] = stage.work(vendor.lower(), [stage.core], 2, accepted)
    share = max(told["share"] for told in found.values())
    return [
        *(figure for row, told in found.items() for figure in _speed(row, told)),
        *(Figure(SPEED, row, "CPU, ms a message", told["cpu"]) for row, told in found.items()),
        Figure(ELSE, "the vendors' share of a CPU, at most, %", "figure", share),
        Figure(
            ELSE,
            "memory of a worker, at most, MB",
            "figure",
            max(told["resident"] for told in found.values()),
        ),
        Figure(ELSE, "connections of 3,000 Dinisoft calls", "figure", opened),
    ]


def _ten(stage: Stage) -> list[Figure]:
    """Ten workers that share an account's ten calls at once, beside one of them alone."""
    # Each worker gets one record to warm up, and then two events of ten.
    account = {"concurrency": 10, "submission_size": 10}
    alone = stage.work("dinisoft", [stage.core], 10, stage.accept("dinisoft", 210, 1, **account))
    accepted = stage.accept("dinisoft", 210, 10, **account)
    together = stage.work("dinisoft", [stage.core, stage.other] * 5, 10, accepted)
    updated: dict[str, int] = together["updated"]
    shared = sum("/S#" not in key for key in updated)
    written = max(count for key, count in updated.items() if "/S#" in key)
    times = together["rate"] / alone["rate"]
    return [
        *_speed("Dinisoft, one worker of ten, 1 call at once", alone),
        *_speed("Dinisoft, ten workers, 1 call each", together),
        Figure(ELSE, "ten workers, times one", "figure", times),
        Figure(ELSE, "items that ten workers shared", "figure", shared),
        Figure(ELSE, "writes to a submission, at most", "figure", written),
    ]


def _rate(stage: Stage) -> list[Figure]:
    """Four workers and an account with a rate; calls of a hundred messages come a little late."""
    told = stage.work("jst", [stage.core] * 4, 5, stage.accept("jst", 1000, 6, rate=RATE))
    row = f"JST at {RATE:,} messages/s, four workers, the busiest 4 s, messages/s"
    return [Figure(ELSE, row, "figure", told["busiest"])]


def _killed(stage: Stage) -> list[Figure]:
    """Kill a worker (-9) amid a thousand single calls, and start another after it."""
    accepted = stage.accept("dinisoft", KILLED, 1, concurrency=100)
    first = Worker(stage, "dinisoft", stage.core, 2)
    first.ready()
    first.start()
    stage.wait_taken(KILLED_AT)
    first.process.kill()
    first.process.wait()
    stage.aws.ask("/_again")
    second = Worker(stage, "dinisoft", stage.core, 2)
    second.ready()
    second.start()
    second.result()
    statuses = stage.aws.ask("/_told", vendor="dinisoft")["statuses"]
    doubt = statuses.get("submitting", 0)
    if statuses != {"submitted": accepted - doubt} | ({"submitting": doubt} if doubt else {}):
        raise RuntimeError(f"after the kill a message is lost: {statuses}")
    twice = stage.vendors.ask("/_told")["twice"]
    return [
        Figure(ELSE, f"sent twice after kill -9, of {KILLED:,}", "figure", twice),
        Figure(ELSE, f"held in doubt after kill -9, of {KILLED:,}", "figure", doubt),
    ]


def _kannel(stage: Stage, notes: list[str]) -> list[Figure]:
    """Kannel against the same vendor, where it is installed."""
    version = kannel.version()
    if version is None:
        notes.append("Kannel is not installed (`apt-get install kannel`): it was not measured.")
        return []
    figures = []
    ways = (("as installed", kannel.INSTALLED, KILLED), ("tuned", kannel.TUNED, TUNED_MESSAGES))
    for name, pending, messages in ways:
        row = f"Kannel {version}, {name}, one by one"
        figures += _speed(row, kannel.Kannel(stage, pending, messages).run())
    for name, pending, _ in ways:
        sent = kannel.Kannel(stage, pending, KILLED).run(KILLED_AT)
        row = f"Kannel, {name}: sent twice after kill -9, of {KILLED:,}"
        figures.append(Figure(ELSE, row, "figure", sent["twice"]))
        if never := KILLED - sent["numbers"]:
            figures.append(Figure(ELSE, f"Kannel, {name}: never sent", "figure", never))
    notes.append(
        f"Kannel {version} from Debian, on the worker's CPU, with a file store, filled before, and "
        f"the same Dinisoft vendor: as installed it has {kannel.INSTALLED} calls in the air, tuned "
        f"{kannel.TUNED}. It keeps its queue in memory and writes to its store behind."
    )
    return figures


HOW = f"""\
One worker is the dispatch function's own handler in a process of its own, bound to one CPU, given
events of ten queue messages until its queue is empty. It calls the simulated vendors, each answer
{VENDOR_WAIT * 1000:.0f} ms after the request, the emulator's table (5 ms) and queues (10 ms) over
loopback HTTP on kept connections; they share the other CPU. Not in the figures: TLS, and Lambda's
own time to hand over an event. A run fails when a message is lost, sent twice or not recorded.

Ten workers are held back by an account's ten calls at once, one each, since at full speed they need
more CPUs; what is missing to ten times is their waiting for the servers' CPU. After `kill -9` at
{KILLED_AT} of {KILLED:,} messages those in doubt, claimed and without a record of the answer, are
not sent again by themselves."""
