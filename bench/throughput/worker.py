"""One dispatch worker, as Lambda runs it: the function's own handler, one event after the other.

python -m bench.throughput.worker <cloud's address> <queue> <file for its result>. It warms up with
one record, says `ready`, begins at a line on its standard input and ends when the queue is empty.
"""

import http.client
import json
import os
import resource
import sys
import time
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

BATCH_SIZE = 10  # as the template's event sources
TIMEOUT = 120.0  # seconds, as the template's function
PAUSE = 0.05  # seconds between two looks into an empty queue

ROOT = Path(__file__).parent.parent.parent

Handler = Callable[[dict[str, Any], object], dict[str, Any]]


class EventSource:
    """The queue, as Lambda's poller hands it out."""

    def __init__(self, address: str, queue: str) -> None:
        self._http = http.client.HTTPConnection(address)
        self._queue = queue

    def receive(self, most: int = BATCH_SIZE) -> tuple[list[Any], int]:
        """The next records, and how many others there are."""
        found = self._ask(f"/_receive?queue={self._queue}&most={most}")
        return found["Records"], found["left"]

    def done(self, records: list[Any], answer: dict[str, Any]) -> None:
        """Takes the records that did not fail out of the queue."""
        failed = {one["itemIdentifier"] for one in answer["batchItemFailures"]}
        if failed:
            raise RuntimeError(f"{len(failed)} records failed")
        self._ask("/_done", json.dumps([one["messageId"] for one in records]))

    def _ask(self, path: str, body: str | None = None) -> Any:
        self._http.request("POST", path, body or "")
        return json.loads(self._http.getresponse().read())


def function() -> Handler:
    """The dispatch function, started as Lambda does it."""
    sys.path.insert(0, str(ROOT / "functions" / "dispatch"))
    from sms_gateway.entry import handler

    found: Handler = handler
    return found


def main(address: str, queue: str, place: Path) -> None:
    """Works until nothing is left, and writes what it took."""
    handler, source = function(), EventSource(address, queue)

    def invoke(records: list[Any]) -> None:
        end = time.monotonic() + TIMEOUT
        left = SimpleNamespace(
            get_remaining_time_in_millis=lambda: int((end - time.monotonic()) * 1000)
        )
        source.done(records, handler({"Records": records}, left))

    records, _ = source.receive(1)
    invoke(records)
    control = os.fdopen(int(os.environ["BENCH_CONTROL"]), "w")
    print("ready", file=control, flush=True)
    sys.stdin.readline()
    started, cpu, events, messages = time.time(), time.process_time(), 0, 0
    while True:
        records, left = source.receive()
        if records:
            events += 1
            messages += sum(int(one["body"].rpartition(" ")[2]) for one in records)
            invoke(records)
        elif left == 0:
            break
        else:
            time.sleep(PAUSE)
    told = {
        "started": started,
        "ended": time.time(),
        "cpu": time.process_time() - cpu,
        "events": events,
        "messages": messages,
        "resident": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,  # MB
    }
    place.write_text(json.dumps(told))


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], Path(sys.argv[3]))
