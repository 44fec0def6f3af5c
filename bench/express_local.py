"""The same on the local stack: real queues' polling and processes, with a short campaign."""

import threading
import time
from contextlib import suppress
from datetime import datetime
from pathlib import Path
from tempfile import TemporaryDirectory

import urllib3

from local.processes import StackError
from local.simulators.registry import vendor_number
from local.stack import LocalStack, running
from testing.deployed import Api
from testing.waiting import free_port, until

ROWS, RATE, EVERY, CODES = 4_000, 50, 4.0, 15
VENDOR = "rajasms"


def waits() -> list[float]:
    """Return the seconds from a code's 202 to the vendor's call, sorted."""
    with TemporaryDirectory() as folder:
        stack = LocalStack(Path(folder), free_port(), free_port(), delay=3600, say=lambda _: None)
        with running(stack):
            stack.set_accounts({VENDOR: {"rate": RATE}})
            return _measure(stack)


def _measure(stack: LocalStack) -> list[float]:
    api = Api(stack, stack.facts["key"])
    over = threading.Event()
    threading.Thread(target=_clock, args=(stack, over), daemon=True).start()
    api.send(_code(0))  # warms up
    rows = "".join(f'{vendor_number(VENDOR, nth)},"Ani",Hello\r\n' for nth in range(ROWS))
    stack.client("s3").put_object(
        Bucket=stack.facts["campaigns_bucket"],
        Key="campaigns/demo/bench.csv",
        Body=b"to,name,template\r\n" + rows.encode(),
    )
    until(lambda: _calls(stack, 1_000), 120, 0.5)
    accepted: dict[str, float] = {}
    for nth in range(1, CODES + 1):
        api.send(body := _code(nth))
        accepted[body["to"]] = time.time()
        time.sleep(EVERY)
    until(lambda: accepted.keys() <= _calls(stack, 1).keys(), 120, 0.5)
    over.set()
    calls = _calls(stack, 1)
    return sorted(calls[to] - at for to, at in accepted.items())


def _code(nth: int) -> dict[str, str]:
    to = vendor_number(VENDOR, ROWS + 100 + nth)
    return {"to": to, "text": f"Your code is {123456 + nth}.", "category": "otp"}


def _calls(stack: LocalStack, least: int) -> dict[str, float]:
    """Return when the vendor took each number; none while they are fewer than `least`."""
    ledger = urllib3.request("GET", f"{stack.simulators}/_ledger?vendor={VENDOR}").json()
    taken = {
        f"+{message['number'].removeprefix('+')}": datetime.fromisoformat(one["at"]).timestamp()
        for one in ledger["submissions"]
        for message in one["messages"]
    }
    return taken if len(taken) >= least else {}


def _clock(stack: LocalStack, over: threading.Event) -> None:
    """Run the scheduler as often as on AWS."""
    while not over.wait(60):
        with suppress(StackError):
            stack.tick()
