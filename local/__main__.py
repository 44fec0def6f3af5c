"""`make run`: the whole gateway on this machine, and one message through each vendor.

With ONCE=1 it stops after the demonstration, with status 0 only if all arrived.
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

from local.simulators.registry import SIMULATORS, vendor_number
from local.stack import LocalStack, StackError, running

FOLDER = Path(".local")
NUMBERS = {vendor: vendor_number(vendor) for vendor in SIMULATORS}
PATIENCE = 240  # seconds for all to arrive; the clock ticks once a minute


def main() -> int:
    """Runs until Ctrl-C; returns the exit status."""
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
            arrived = demonstrate(stack, say)
            if os.environ.get("ONCE") == "1":
                return 0 if arrived else 1
            _invite(stack)
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
    """Sends one message through each vendor and prints each timeline as it grows; whether all
    were delivered."""
    say("sending one message through each vendor")
    waiting: dict[str, str] = {}
    seen: dict[str, int] = {}
    for vendor, number in NUMBERS.items():
        status, body = call(
            stack, "POST", "/messages", {"to": number, "text": f"Hello through {vendor}"}
        )
        if status != 202:
            say(f"{vendor:10}  refused: {body.get('title')}: {body.get('detail')}")
            return False
        waiting[vendor] = body["messages"][0]["id"]
        seen[vendor] = 0
    delivered = set()
    until = time.monotonic() + PATIENCE
    while waiting and time.monotonic() < until:
        for vendor, identifier in list(waiting.items()):
            _, message = call(stack, "GET", f"/messages/{identifier}")
            steps = message["timeline"]
            for step in steps[seen[vendor] :]:
                said = (step["vendor_code"], step["vendor_text"], step["note"])
                word = " ".join(part for part in said if part)
                say(f"{vendor:10}  {step['status']:10}  by {step['source']:8}  {word}")
            seen[vendor] = len(steps)
            if message["final"]:
                del waiting[vendor]
                if message["status"] == "delivered":
                    delivered.add(vendor)
        time.sleep(0.5)
    for vendor in waiting:
        say(f"{vendor:10}  not final after {PATIENCE} s")
    say(f"{len(delivered)} of {len(NUMBERS)} delivered")
    return len(delivered) == len(NUMBERS)


def call(
    stack: LocalStack, method: str, path: str, body: object = None, key: str | None = None
) -> tuple[int, dict[str, Any]]:
    """One call of the API; its status and its body."""
    answer = urllib3.request(
        method,
        stack.facts["url"] + path,
        headers={"Authorization": f"Bearer {key or stack.facts['key']}"},
        json=body,
        retries=False,
        timeout=40,
    )
    return answer.status, answer.json()


def _invite(stack: LocalStack) -> None:
    facts = stack.facts
    print(
        f"""
The gateway is up; Ctrl-C stops it. Its facts stand in {FOLDER / "stack.json"}.

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
