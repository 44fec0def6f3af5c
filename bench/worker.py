"""One dispatch worker, as Lambda runs it: the function's own handler, one event after the other.

python -m bench.worker <AWS's address> <queue>. It warms up with one record, prints `ready`, begins
at a line on its standard input, ends when the queue is empty, and prints what it took.
"""

import http.client
import json
import resource
import sys
import time
from contextlib import redirect_stdout
from io import StringIO
from pathlib import Path
from types import SimpleNamespace
from typing import Any

BATCH_SIZE = 10  # as the template's event sources
TIMEOUT = 120.0  # seconds, as the template's function
PAUSE = 0.05  # seconds between two looks into an empty queue


class EventSource:
    """The queue, as Lambda's poller hands it out."""

    def __init__(self, address: str, queue: str) -> None:
        self._http = http.client.HTTPConnection(address)
        self._queue = queue

    def receive(self, most: int = BATCH_SIZE) -> tuple[list[Any], int]:
        """Return the next records, and how many others there are."""
        found = self._ask(f"/_receive?queue={self._queue}&most={most}", "")
        return found["Records"], found["left"]

    def done(self, records: list[Any]) -> None:
        """Take records out of the queue."""
        self._ask("/_done", json.dumps([one["messageId"] for one in records]))

    def _ask(self, path: str, body: str) -> Any:
        self._http.request("POST", path, body)
        return json.loads(self._http.getresponse().read())


def main(address: str, queue: str) -> None:
    """Work until nothing is left."""
    sys.path.insert(0, str(Path(__file__).parent.parent / "functions" / "dispatch"))
    from sms_gateway.entry import handler

    source = EventSource(address, queue)

    def invoke(records: list[Any]) -> int:
        end = time.monotonic() + TIMEOUT
        left = SimpleNamespace(
            get_remaining_time_in_millis=lambda: int((end - time.monotonic()) * 1000)
        )
        with redirect_stdout(StringIO()):  # metrics
            failed = handler({"Records": records}, left)["batchItemFailures"]
        if failed:
            raise RuntimeError(f"{len(failed)} records failed")
        source.done(records)
        return sum(int(one["body"].rpartition(" ")[2]) for one in records)

    invoke(source.receive(1)[0])
    print("ready", flush=True)
    sys.stdin.readline()
    started, cpu, messages = time.time(), time.process_time(), 0
    while True:
        records, left = source.receive()
        if records:
            messages += invoke(records)
        elif left == 0:
            break
        else:
            time.sleep(PAUSE)
    told = {
        "seconds": time.time() - started,
        "cpu": time.process_time() - cpu,
        "messages": messages,
        "resident": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,  # MB
    }
    print(json.dumps(told), flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
