"""One dispatch worker, as Lambda runs it: the function's own handler, one event after the other."""

import os
import resource
import sys
import time
from contextlib import redirect_stdout
from io import StringIO
from multiprocessing.connection import Connection
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import urllib3

BATCH_SIZE = 10  # as the template's event sources
TIMEOUT = 120.0  # seconds, as the template's function
PAUSE = 0.05  # seconds between two looks into an empty queue
PATIENCE = 60  # seconds for anything at all


def ask(address: str, name: str, **given: object) -> Any:
    """Call a method of one of bench/servers.py."""
    answer = urllib3.request("POST", f"{address}/_/{name}", json=given, timeout=PATIENCE)
    return answer.json()


def work(pipe: Connection, address: str, queue: str, workers: int) -> None:
    """Work until the queue is empty, as one of so many workers.

    Say `ready` after one record that warms up, begin when told, and tell what it took.
    """
    os.environ["DISPATCH_WORKERS"] = str(workers)
    sys.path.insert(0, str(Path(__file__).parent.parent / "functions" / "dispatch"))
    from sms_gateway.entry import handler
    from sms_gateway.messages.queue import SubmissionTask

    def invoke(records: list[Any]) -> int:
        end = time.monotonic() + TIMEOUT
        left = SimpleNamespace(
            get_remaining_time_in_millis=lambda: int((end - time.monotonic()) * 1000)
        )
        with redirect_stdout(StringIO()):  # metrics
            failed = handler({"Records": records}, left)["batchItemFailures"]
        if failed:
            raise RuntimeError(f"{len(failed)} records failed")
        ask(address, "done", messages=[one["messageId"] for one in records])
        return sum(SubmissionTask.parse(one["body"]).messages for one in records)

    invoke(ask(address, "take", queue=queue, most=1)["Records"])
    pipe.send("ready")
    pipe.recv()
    started, cpu, messages = time.time(), time.process_time(), 0
    while True:
        found = ask(address, "take", queue=queue, most=BATCH_SIZE)
        if found["Records"]:
            messages += invoke(found["Records"])
        elif found["left"] == 0:
            break
        else:
            time.sleep(PAUSE)
    got = {
        "seconds": time.time() - started,
        "cpu": time.process_time() - cpu,
        "messages": messages,
        "resident": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,  # MB
    }
    pipe.send(got)
