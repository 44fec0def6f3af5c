"""Messages a second of a dispatch worker on one CPU, against vendors that answer in 50 ms.

And of Kannel against the same vendor, in the same run.
"""

import multiprocessing
import os
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime
from multiprocessing.connection import Connection
from multiprocessing.context import SpawnProcess
from pathlib import Path
from typing import Any

import urllib3
from ulid import ULID

from bench import kannel, servers, worker
from bench.servers import VENDOR_WAIT
from bench.targets import Family
from bench.worker import PATIENCE, ask
from local.simulators.registry import accounts
from testing.waiting import until

BATCHED = {"JST": (100, 30), "server2sms": (1000, 60), "RajaSMS": (1000, 40)}  # a call; batches
RATE = 1000  # messages a second, of an account
KILLED, KILLED_AT = 1000, 400  # messages
TUNED_MESSAGES = 6_000
SPEED, ELSE = "messages a second", "besides"
SPAWN = multiprocessing.get_context("spawn")

Reported = dict[str, Any]


class Stage:
    """The servers on one CPU, the workers on another.

    Messages are accepted by the gateway's own code. `speeds` and `others` are the figures. What it
    starts ends with `opened`. Raises RuntimeError where there is one CPU.
    """

    def __init__(self, opened: ExitStack) -> None:
        from testing.aws import ENVIRONMENT

        cores = sorted(os.sched_getaffinity(0))
        if len(cores) < 2:
            raise RuntimeError("the worker needs one CPU and the vendor another: there is only one")
        self.core, self.other = cores[0], cores[-1]
        self.speeds: dict[str, dict[str, float]] = {}
        self.others: dict[str, dict[str, float]] = {}
        self._opened = opened
        self.folder = Path(opened.enter_context(tempfile.TemporaryDirectory()))
        self.vendors = heard(self._spawn(self.other, servers.serve, "vendors")[1])
        self.aws = heard(self._spawn(self.other, servers.serve, "aws")[1])
        os.environ |= ENVIRONMENT | {"AWS_ENDPOINT_URL": self.aws}

    @contextmanager
    def _on(self, core: int) -> Iterator[None]:
        """Start processes on a core: a child begins with its parent's."""
        os.sched_setaffinity(0, {core})
        try:
            yield
        finally:
            os.sched_setaffinity(0, {self.other})

    def _spawn(
        self, core: int, target: Callable[..., None], *given: object
    ) -> tuple[SpawnProcess, Connection]:
        ours, theirs = SPAWN.Pipe()
        process = SPAWN.Process(target=target, args=(theirs, *given), daemon=True)
        with self._on(core):
            process.start()
        theirs.close()  # so that ours tells when the process ends
        self._opened.callback(process.kill)
        self._opened.callback(ours.close)
        return process, ours

    def worker(self, queue: str, core: int, workers: int) -> tuple[SpawnProcess, Connection]:
        """Return a worker that is warm and waits for its start, one of so many."""
        started = self._spawn(core, worker.work, self.aws, queue, workers)
        heard(started[1])
        return started

    def run(self, command: Sequence[str], folder: Path) -> subprocess.Popen[bytes]:
        """Start another program on the worker's CPU."""
        with self._on(self.core):
            process = subprocess.Popen(command, cwd=folder, stdout=subprocess.DEVNULL)  # noqa: S603 - Kannel
        self._opened.callback(process.wait)
        self._opened.callback(process.kill)
        return process

    def accept(self, vendor: str, recipients: int, copies: int, **settings: object) -> int:
        """Clear the stage, accept a batch as the API does and copy it.

        The vendor's account gets `settings`. Returns the count of messages.
        """
        from bench.gateway import body, numbers
        from sms_gateway.config import cached_setting  # settings read the environment
        from sms_gateway.messages.send import send

        ask(self.vendors, "forget")
        known = accounts(self.vendors)
        known[vendor] |= settings
        ask(self.aws, "forget", accounts=known)
        cached_setting.reset_all()  # those of the run before
        answer = send("bench", body(numbers(vendor, recipients)).encode(), datetime.now(UTC))
        if answer["rejected"]:
            raise RuntimeError("not every recipient was accepted")
        for _ in range(copies - 1):
            ask(self.aws, "copy", batch=answer["batch_id"], to=str(ULID()), queue=vendor)
        return recipients * copies

    def work(self, vendor: str, cores: Sequence[int], sharing: int, accepted: int) -> Reported:
        """One worker on each of `cores`, of `sharing` that share the account.

        Raises RuntimeError when a message was lost or sent twice.
        """
        pipes = [self.worker(vendor, core, sharing)[1] for core in cores]
        ask(self.vendors, "mark")
        began = time.monotonic()
        for pipe in pipes:
            pipe.send("go")
            # Apart, as they come: in step they would all wait, and then all want the CPU.
            time.sleep(VENDOR_WAIT / len(pipes))
        results = [heard(pipe) for pipe in pipes]
        seconds = time.monotonic() - began
        vendors, aws = ask(self.vendors, "told"), ask(self.aws, "told", vendor=vendor)
        if vendors["messages"] != accepted or not vendors["even"]:
            raise RuntimeError(f"of {accepted} messages {vendors['messages']} arrived")
        if aws["statuses"] != {"submitted": accepted}:
            raise RuntimeError(f"not every message is submitted: {aws['statuses']}")
        messages = sum(one["messages"] for one in results)
        return {
            **vendors,
            "rate": sum(one["messages"] / one["seconds"] for one in results),
            "cpu": 1000 * sum(one["cpu"] for one in results) / messages,
            "resident": max(one["resident"] for one in results),
            "share": 100 * vendors["cpu"] / seconds,
            "updated": aws["updated"],
        }

    def wait_taken(self, messages: int) -> None:
        """Wait until the vendors have taken so many. Raises TimeoutError."""
        until(lambda: ask(self.vendors, "told")["messages"] >= messages, PATIENCE)

    def speed(self, row: str, got: Reported, *, alone: bool = False) -> None:
        """Keep how fast a run was; its CPU time where a worker was alone."""
        print(f"  {row}: {got['rate']:,.0f}", flush=True)
        cpu = {"CPU, ms a message": got["cpu"]} if alone else {}
        self.speeds[row] = {"messages/s": got["rate"], **cpu}

    def found(self, row: str, value: float) -> None:
        """Keep a figure of another kind."""
        self.others[row] = {"figure": value}


def heard(pipe: Connection) -> Any:
    """Return what a process says. Raises EOFError when it ended, TimeoutError when it is silent."""
    if not pipe.poll(PATIENCE):
        raise TimeoutError("a worker or a server says nothing")
    return pipe.recv()


def main() -> Family:
    """Measure. Raises RuntimeError when a message is lost or sent twice, or there is one CPU."""
    with ExitStack() as opened:
        stage = Stage(opened)
        for part in (_vendors, _ten, _rate, _killed):
            part(stage)
        try:
            beside = _kannel(stage)
        except (RuntimeError, OSError, urllib3.exceptions.HTTPError) as error:
            # What another program does must not decide on ours.
            beside = f"Kannel did not do its part: {error}."
        tables = {SPEED: stage.speeds, ELSE: stage.others}
    notes, plot = [f"{HOW} {beside}"], (SPEED, "messages/s")
    return Family("throughput", "Messages a second", tables, plot, notes, log=True)


def _vendors(stage: Stage) -> None:
    """One worker, each vendor."""
    accepted = stage.accept("dinisoft", 1000, 3, concurrency=100, otp_share=0)
    got = [stage.work("dinisoft", [stage.core], 2, accepted)]
    stage.speed("Dinisoft, one by one, 50 calls at once", got[0], alone=True)
    for vendor, (a_call, batches) in BATCHED.items():
        accepted = stage.accept(vendor.lower(), 1000, batches)
        got.append(stage.work(vendor.lower(), [stage.core], 2, accepted))
        stage.speed(f"{vendor}, {a_call:,} a call", got[-1], alone=True)
    stage.found("the vendors' share of a CPU, at most, %", max(one["share"] for one in got))
    stage.found("memory of a worker, at most, MB", max(one["resident"] for one in got))
    stage.found("connections of 3,000 Dinisoft calls", got[0]["connections"])


def _ten(stage: Stage) -> None:
    """Ten workers that share an account's ten calls at once, beside one of them alone."""
    # Each worker gets one record to warm up, and then two events of ten.
    account = {"concurrency": 10, "submission_size": 10}
    alone = stage.work("dinisoft", [stage.core], 10, stage.accept("dinisoft", 210, 1, **account))
    accepted = stage.accept("dinisoft", 210, 10, **account)
    together = stage.work("dinisoft", [stage.core, stage.other] * 5, 10, accepted)
    stage.speed("Dinisoft, one worker of ten, 1 call at once", alone)
    stage.speed("Dinisoft, ten workers, 1 call each", together)
    updated: dict[str, int] = together["updated"]
    written = max(count for key, count in updated.items() if "/S#" in key)
    stage.found("ten workers, times one", together["rate"] / alone["rate"])
    stage.found("items that ten workers shared", sum("/S#" not in key for key in updated))
    stage.found("writes to a submission, at most", written)


def _rate(stage: Stage) -> None:
    """Four workers and an account with a rate; calls of a hundred messages come a little late."""
    stage.work("jst", [stage.core] * 4, 5, stage.accept("jst", 1000, 6, rate=RATE))
    row = f"JST at {RATE:,} messages/s, four workers, the busiest 4 s, messages/s"
    stage.found(row, ask(stage.vendors, "busiest"))


def _killed(stage: Stage) -> None:
    """Kill a worker (-9) amid a thousand single calls, and start another after it."""
    accepted = stage.accept("dinisoft", KILLED, 1, concurrency=100, otp_share=0)
    process, pipe = stage.worker("dinisoft", stage.core, 2)
    pipe.send("go")
    stage.wait_taken(KILLED_AT)
    process.kill()
    process.join()
    ask(stage.aws, "again")
    _, pipe = stage.worker("dinisoft", stage.core, 2)
    pipe.send("go")
    heard(pipe)
    statuses = ask(stage.aws, "told", vendor="dinisoft")["statuses"]
    doubt = statuses.get("submitting", 0)
    if statuses != {"submitted": accepted - doubt} | ({"submitting": doubt} if doubt else {}):
        raise RuntimeError(f"after the kill a message is lost: {statuses}")
    twice = ask(stage.vendors, "told")["twice"]
    stage.found(f"sent twice after kill -9, of {KILLED:,}", twice)
    stage.found(f"held in doubt after kill -9, of {KILLED:,}", doubt)


def _kannel(stage: Stage) -> str:
    """Kannel against the same vendor, where it is installed; what is to be said of it."""
    version = kannel.version()
    if version is None:
        return "Kannel is not installed (`apt-get install kannel`): it was not measured."
    ways = (("as installed", kannel.INSTALLED, KILLED), ("tuned", kannel.TUNED, TUNED_MESSAGES))
    for name, pending, messages in ways:
        got = kannel.Kannel(stage, pending, messages).run()
        stage.speed(f"Kannel {version}, {name}, one by one", got)
        sent = kannel.Kannel(stage, pending, KILLED).run(KILLED_AT)
        never = KILLED - sent["numbers"]
        row = f"Kannel, {name}, after kill -9, of {KILLED:,}"
        stage.found(f"{row}: sent twice", sent["twice"])
        if never:
            stage.found(f"{row}: never sent", never)
    return (
        f"Kannel {version} from Debian, on the worker's CPU, with a file store, filled before, and "
        f"the same Dinisoft vendor: as installed it has {kannel.INSTALLED} calls in the air, tuned "
        f"{kannel.TUNED}. It keeps its queue in memory and writes to its store behind."
    )


HOW = f"""\
One worker is the dispatch function's own handler in a process of its own, bound to one CPU, given
events of ten queue messages until its queue is empty. It calls the simulated vendors, each answer
{VENDOR_WAIT * 1000:.0f} ms after the request, the table (5 ms) and queues (10 ms) over loopback
HTTP on kept connections; they share the other CPU. Not in the figures: TLS, and Lambda's own time
to hand over an event. A run fails when a message is lost, sent twice or not recorded. Ten workers
are held back by an account's ten calls at once, one each; what is missing to ten times is their
waiting for the servers' CPU. After `kill -9` at {KILLED_AT} of {KILLED:,} messages those in doubt,
claimed and without a record of the answer, are not sent again by themselves."""
