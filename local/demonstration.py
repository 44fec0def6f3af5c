"""The demonstration: one message through each vendor, and what becomes of it."""

import time
from typing import Any

import urllib3

from local.simulators.registry import SIMULATORS, vendor_number
from local.stack import LocalStack, Say

NUMBERS = {vendor: vendor_number(vendor) for vendor in SIMULATORS}
DELIVERY_TIMEOUT_SECONDS = 240  # for all vendors


def demonstrate(stack: LocalStack, say: Say) -> bool:
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


def _send_messages(stack: LocalStack, say: Say) -> dict[str, str] | None:
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


def _print_timelines(stack: LocalStack, say: Say, waiting: dict[str, str]) -> int:
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
