"""`make run`: run the gateway on this machine, and send one message through each vendor.

With ONCE=1 it stops after the demonstration, with status 0 only if all were delivered.
"""

import json
import os
import signal
import sys
import time
from pathlib import Path
from types import FrameType
from typing import Any

import urllib3

from local.processes import StackError
from local.simulators.registry import SIMULATORS, vendor_number
from local.stack import LocalStack, running

FOLDER = Path(".local")
NUMBERS = {vendor: vendor_number(vendor) for vendor in SIMULATORS}
DELIVERY_TIMEOUT_SECONDS = 240  # for all vendors; the scheduler runs once a minute


def main() -> int:
    """Run until Ctrl-C, and return the exit status."""
    signal.signal(signal.SIGTERM, _interrupt)
    started = time.monotonic()

    def say(line: str) -> None:
        print(f"[{time.monotonic() - started:5.1f} s] {line}", flush=True)

    try:
        stack = LocalStack(
            FOLDER / "run", _port("GATEWAY_PORT", 4566), _port("SIMULATOR_PORT", 8800), say=say
        )
        with running(stack):
            (FOLDER / "stack.json").write_text(json.dumps(stack.facts, indent=2) + "\n")
            all_delivered = demonstrate(stack, say)
            if os.environ.get("ONCE") == "1":
                return 0 if all_delivered else 1
            _print_usage(stack)
            while True:
                signal.pause()
    except StackError as error:
        print(f"make run: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("\nstopped", flush=True)
        return 130 if os.environ.get("ONCE") == "1" else 0


def _interrupt(_number: int, _frame: FrameType | None) -> None:
    raise KeyboardInterrupt


def _port(variable: str, default: int) -> int:
    written = os.environ.get(variable) or str(default)
    if not written.isdigit() or not 1 <= int(written) <= 65535:
        raise StackError(f"{variable} must be a port from 1 to 65535, not {written!r}")
    return int(written)


def demonstrate(stack: LocalStack, say: Any) -> bool:
    """Send one message through each vendor, print the timelines as they grow.

    Return whether all were delivered.
    """
    say("sending one message through each vendor")
    waiting = _send_messages(stack, say)
    if waiting is None:
        return False
    delivered = _print_timelines(stack, say, waiting)
    say(f"{delivered} of {len(NUMBERS)} delivered")
    return delivered == len(NUMBERS)


def _send_messages(stack: LocalStack, say: Any) -> dict[str, str] | None:
    """Send the messages, and return their ids by vendor; None when one is refused."""
    sent: dict[str, str] = {}
    for vendor, number in NUMBERS.items():
        status, body = call(
            stack, "POST", "/messages", {"to": number, "text": f"Hello through {vendor}"}
        )
        if status != 202:
            say(f"{vendor:10}  refused: {body.get('title')}: {body.get('detail')}")
            return None
        sent[vendor] = body["messages"][0]["id"]
    return sent


def _print_timelines(stack: LocalStack, say: Any, waiting: dict[str, str]) -> int:
    """Print timelines until all messages are final, and return how many were delivered."""
    printed = dict.fromkeys(waiting, 0)
    delivered = 0
    deadline = time.monotonic() + DELIVERY_TIMEOUT_SECONDS
    while waiting and time.monotonic() < deadline:
        for vendor, identifier in list(waiting.items()):
            _, message = call(stack, "GET", f"/messages/{identifier}")
            steps = message["timeline"]
            for step in steps[printed[vendor] :]:
                details = (step["vendor_code"], step["vendor_text"], step["note"])
                text = " ".join(detail for detail in details if detail)
                say(f"{vendor:10}  {step['status']:10}  by {step['source']:8}  {text}")
            printed[vendor] = len(steps)
            if message["final"]:
                del waiting[vendor]
                delivered += message["status"] == "delivered"
        time.sleep(0.5)
    for vendor in waiting:
        say(f"{vendor:10}  not final after {DELIVERY_TIMEOUT_SECONDS} s")
    return delivered


def call(
    stack: LocalStack, method: str, path: str, body: object = None, key: str | None = None
) -> tuple[int, dict[str, Any]]:
    """Call the API, and return the answer's status and body."""
    answer = urllib3.request(
        method,
        stack.facts["url"] + path,
        headers={"Authorization": f"Bearer {key or stack.facts['key']}"},
        json=body,
        retries=False,
        timeout=40,
    )
    return answer.status, answer.json()


def _print_usage(stack: LocalStack) -> None:
    facts = stack.facts
    print(
        f"""
The gateway is up; Ctrl-C stops it. Its URLs and keys are in {FOLDER / "stack.json"}.

  base URL  {facts["url"]}
  key       {facts["key"]}

  curl -s {facts["url"]}/messages \\
    -H 'Authorization: Bearer {facts["key"]}' \\
    -d '{{"to": "+8801000000001", "text": "Your code is 1234"}}'
""",
        flush=True,
    )


if __name__ == "__main__":
    sys.exit(main())
