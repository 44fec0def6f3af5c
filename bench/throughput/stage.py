"""The processes of the throughput benchmark: vendors and AWS on one core, workers on another."""

import http.client
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Self
from urllib.parse import urlencode

from ulid import ULID

from local.simulators.registry import accounts

ROOT = Path(__file__).parent.parent.parent
VENDOR_WAIT = 0.05  # seconds
TABLE_WAIT = 0.005  # seconds; "single-digit milliseconds" is what DynamoDB's own page promises
QUEUE_WAIT = 0.01  # seconds
PATIENCE = 60  # seconds for anything at all
TEXT = "Your parcel is on its way; it arrives between nine and twelve."
FIRST = {  # the first of the numbers that can't be anybody's, by vendor
    "jst": 911000000001,
    "dinisoft": 8801000000001,
    "server2sms": 447700900001,
    "rajasms": 628000000001,
}
ROUTES = {
    "routes": [
        {"prefix": "+91", "vendors": ["jst"], "region": "IN"},
        {"prefix": "+880", "vendors": ["dinisoft"], "region": "BD"},
        {"prefix": "+62", "vendors": ["rajasms"], "region": "ID"},
        {"prefix": "+", "vendors": ["server2sms"]},
    ]
}
AWS = {  # as the functions have it
    "AWS_ACCESS_KEY_ID": "bench",
    "AWS_SECRET_ACCESS_KEY": "bench",
    "AWS_DEFAULT_REGION": "eu-central-1",
    "AWS_REGION": "eu-central-1",
    "AWS_EC2_METADATA_DISABLED": "true",
    "STACK_NAME": "bench",
    "TABLE_NAME": "bench",
    "ACCOUNTS_SECRET": "bench/vendors",
    "WEBHOOK_SECRET": "bench/webhooks",
    "ROUTES_PARAMETER": "/bench/routes",
    "REQUEUE_AFTER": "60",
    "INTERRUPTED_AFTER": "150",
    "RECEIPT_DEADLINE": "259200",
    "RETENTION_DAYS": "90",
    "CALLBACK_URL": "https://api.example.com/v1/callbacks",
    "POWERTOOLS_SERVICE_NAME": "sms-gateway",
    "POWERTOOLS_LOG_LEVEL": "ERROR",
}


@dataclass
class Told:
    """What workers and vendors say of one run. Times are seconds, `rate` messages a second."""

    messages: int
    rate: float
    cpu: float  # of a worker, for a message
    resident: float  # MB, the most of any worker
    vendor: dict[str, Any] = field(repr=False)
    cloud: dict[str, Any] = field(repr=False)
    vendor_share: float  # of a core


class Worker:
    """A dispatch worker in a process of its own, warm and waiting for its start."""

    def __init__(self, stage: "Stage", vendor: str, core: int, workers: int) -> None:
        self.place = stage.folder / f"worker-{ULID()}"
        heard, said = os.pipe()
        self._process = stage.spawn(
            core,
            ["-m", "bench.throughput.worker", stage.cloud.address, vendor, str(self.place)],
            {"DISPATCH_WORKERS": str(workers), "BENCH_CONTROL": str(said)},
            (said,),
        )
        os.close(said)
        self._heard = os.fdopen(heard)

    def wait_ready(self) -> None:
        """Until it has worked on its first event. Raises RuntimeError when it died."""
        if self._heard.readline() != "ready\n":
            raise RuntimeError("a worker ended before it was ready")
        self._heard.close()

    def start(self) -> None:
        """Lets it work until its queue is empty."""
        assert self._process.stdin is not None  # noqa: S101 - for the type checker
        self._process.stdin.write("go\n")
        self._process.stdin.flush()

    def result(self) -> dict[str, Any]:
        """What it took. Raises RuntimeError when it failed."""
        if self._process.wait(PATIENCE):
            raise RuntimeError("a worker failed")
        told: dict[str, Any] = json.loads(self.place.read_text())
        return told

    def kill(self) -> None:
        """kill -9."""
        self._process.kill()
        self._process.wait()


class Server:
    """One of the benchmark's servers, and its routes."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        assert process.stdout is not None  # noqa: S101 - for the type checker
        self.port = int(process.stdout.readline() or 0)
        if not self.port:
            raise RuntimeError("a server did not start")
        self.address = f"127.0.0.1:{self.port}"

    def ask(self, path: str, body: str = "", **fields: str) -> Any:
        """Asks one of the routes that begin with `/_`."""
        connection = http.client.HTTPConnection(self.address, timeout=PATIENCE)
        try:
            connection.request("POST", f"{path}?{urlencode(fields)}", body)
            return json.loads(connection.getresponse().read())
        finally:
            connection.close()


class Stage:
    """Starts the servers, accepts messages with the gateway's own code, and runs workers. As a
    context manager it ends whatever it started. Raises RuntimeError on a machine of one core."""

    def __init__(self) -> None:
        cores = sorted(os.sched_getaffinity(0))
        if len(cores) < 2:
            raise RuntimeError("the worker needs one CPU and the vendor another: there is only one")
        self.core, self.other = cores[0], cores[-1]
        self._cores = set(cores)
        self._open = ExitStack()

    def __enter__(self) -> Self:
        try:
            self.folder = Path(self._open.enter_context(tempfile.TemporaryDirectory()))
            os.sched_setaffinity(0, {self.other})
            self._open.callback(os.sched_setaffinity, 0, self._cores)
            waits = [str(TABLE_WAIT), str(QUEUE_WAIT)]
            self.vendor = self._server("vendor", str(VENDOR_WAIT))
            self.cloud = self._server("cloud", *waits)
        except BaseException:
            self._open.close()
            raise
        os.environ.update(AWS | self._addresses())
        return self

    def __exit__(self, *_: object) -> None:
        self._open.close()

    def spawn(
        self,
        core: int,
        arguments: Sequence[str],
        environment: Mapping[str, str] | None = None,
        passed: Sequence[int] = (),
        program: str = sys.executable,
        folder: Path = ROOT,
        output: int = subprocess.DEVNULL,
    ) -> subprocess.Popen[str]:
        """A process on one core, ended with the stage."""
        os.sched_setaffinity(0, {core})  # a child begins with its parent's
        try:
            process = subprocess.Popen(  # noqa: S603 - our own programs, and Kannel's
                [program, *arguments],
                stdin=subprocess.PIPE,
                stdout=output,
                text=True,
                cwd=folder,
                env={**os.environ, **(environment or {})},
                pass_fds=passed,
            )
        finally:
            os.sched_setaffinity(0, {self.other})
        self._open.callback(_end, process)
        return process

    def _server(self, name: str, *arguments: str) -> Server:
        command = ["-m", f"bench.throughput.{name}", *arguments]
        return Server(self.spawn(self.other, command, output=subprocess.PIPE))

    def _addresses(self) -> dict[str, str]:
        url = f"http://{self.cloud.address}"
        queues = {f"QUEUE_{one.upper()}": f"{url}/{one}" for one in FIRST}
        return {"AWS_ENDPOINT_URL": url, **queues}

    def accept(self, vendor: str, recipients: int, copies: int, **settings: object) -> int:
        """Clears the stage, accepts one batch as the API does and copies it; the account gets
        `settings`. Returns the count of messages."""
        from sms_gateway.config import cached_setting  # they read the environment
        from sms_gateway.messages.send import send

        self.vendor.ask("/_forget")
        self.cloud.ask("/_forget")
        kept: dict[str, Any] = {**accounts(f"http://{self.vendor.address}")}
        kept[vendor] = kept[vendor] | settings
        kept["callback_key"] = "0123456789abcdef" * 3
        self.cloud.ask("/_set", json.dumps({"accounts": kept, "routes": ROUTES}))
        cached_setting.reset_all()  # of the run before
        numbers = [f"+{FIRST[vendor] + nth}" for nth in range(recipients)]
        body = json.dumps({"to": numbers, "text": TEXT}).encode()
        answer = send("bench", body, datetime.now(UTC))
        if answer["rejected"]:
            raise RuntimeError("not every recipient was accepted")
        for _ in range(copies - 1):
            self.cloud.ask("/_copy", batch=answer["batch_id"], to=str(ULID()), queue=vendor)
        return recipients * copies

    def work(self, vendor: str, cores: Sequence[int], sharing: int, accepted: int) -> Told:
        """One worker on each of `cores`, of `sharing` that share the account. Raises RuntimeError
        when a message was lost or sent twice."""
        workers = [Worker(self, vendor, core, sharing) for core in cores]
        for worker in workers:
            worker.wait_ready()
        self.vendor.ask("/_mark")
        for worker in workers:
            worker.start()
            # Apart, as they come: in step they would all wait, and then all want the CPU.
            time.sleep(VENDOR_WAIT / len(workers))
        results = [worker.result() for worker in workers]
        vendors, cloud = self.vendor.ask("/_told"), self.cloud.ask("/_told", vendor=vendor)
        if vendors["messages"] != accepted or vendors["most"] != vendors["least"]:
            raise RuntimeError(f"of {accepted} messages {vendors['messages']} arrived")
        if cloud["statuses"] != {"submitted": accepted}:
            raise RuntimeError(f"not every message is submitted: {cloud['statuses']}")
        messages = sum(one["messages"] for one in results)
        seconds = max(one["ended"] for one in results) - min(one["started"] for one in results)
        return Told(
            messages=messages,
            rate=sum(one["messages"] / (one["ended"] - one["started"]) for one in results),
            cpu=sum(one["cpu"] for one in results) / messages,
            resident=max(one["resident"] for one in results),
            vendor=vendors,
            cloud=cloud,
            vendor_share=vendors["cpu"] / seconds,
        )

    def wait_taken(self, messages: int) -> None:
        """Until the vendor has taken so many. Raises RuntimeError when that takes too long."""
        end = time.monotonic() + PATIENCE
        while self.vendor.ask("/_told")["messages"] < messages:
            if time.monotonic() > end:
                raise RuntimeError("the vendor was not called")
            time.sleep(0.02)


def _end(process: subprocess.Popen[str]) -> None:
    process.terminate()
    try:
        process.wait(5)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
    for pipe in (process.stdin, process.stdout):
        if pipe is not None:
            pipe.close()
