"""`smsgw status`: how the gateway stands, on one screen."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from typing import Any

import click

from sms_gateway.core.timestamps import rfc3339, utc_now
from smsgw.audit_log import caller
from smsgw.line import Command, given
from smsgw.outcomes import MAX_BATCHES, recent_outcomes
from smsgw.resources import Resources, last_tick
from smsgw.stack import Stack, pass_stack
from smsgw.tables import show_table
from smsgw.terminal import heading, say, say_json
from smsgw.vendor_states import Asked, vendor_rows
from smsgw.vendors import read_accounts

FAILED = ("undelivered", "rejected", "expired", "unknown")
FINAL = ("delivered", "cancelled", *FAILED)
VENDORS = {
    **{"vendor": "VENDOR", "state": "LOGIN", "circuit": "CIRCUIT", "balance": "BALANCE"},
    **{"delivered": "DELIVERED", "open": "OPEN", "failed": "FAILED", "detail": ""},
}
QUEUES = {"queue": "QUEUE", "waiting": "WAITING", "at_work": "AT WORK", "age": "OLDEST"}


@click.command(
    "status",
    cls=Command,
    help="Show how the gateway stands: vendors and what became of the last hour's messages, "
    "queues, dead letters, alarms, the scheduler's last run. Asks each vendor for its balance, "
    "at most once a minute.",
    reads=True,
    lists=True,
    examples=("smsgw status", "watch -n 30 smsgw status --local"),
)
@click.option("--no-check", is_flag=True, help="Ask no vendor.")
@pass_stack
def COMMAND(stack: Stack, no_check: bool) -> None:  # noqa: N802 - one name in each module
    """Print the screen."""
    found = look(stack, Asked.NOT if no_check else Asked.NOW)
    if given("json"):
        say_json(found)
    else:
        _print(stack, found)


def look(stack: Stack, asked: Asked) -> dict[str, Any]:
    """Return all that `smsgw status` shows; its parts are asked for at the same time."""
    now = utc_now()
    parts: dict[str, Callable[[], Any]] = {
        "account": lambda: caller().split(":")[4],
        "vendors": lambda: vendor_rows(stack, read_accounts(stack), asked),
        "outcomes": lambda: recent_outcomes(now),
        "queues": lambda: resources.result().queues(),
        "alarms": lambda: resources.result().alarms(),
        "tick": lambda: last_tick(stack),
    }
    with ThreadPoolExecutor(1 + len(parts)) as pool:
        resources = pool.submit(Resources, stack)
        running = {name: pool.submit(part) for name, part in parts.items()}
        facts = {name: one.result() for name, one in running.items()}
    outcomes, cut = facts["outcomes"]
    return {
        **{"stack": stack.name, "region": stack.region, "endpoint": stack.endpoint},
        **{"account": facts["account"], "at": rfc3339(now)},
        "vendors": [row | _ends(outcomes.get(row["vendor"], {})) for row in facts["vendors"]],
        "newest_only": cut,
        "queues": [one for one in facts["queues"] if not one["dead"]],
        "dead_letters": {
            one["queue"]: one["waiting"]
            for one in facts["queues"]
            if one["dead"] and one["waiting"]
        },
        "alarms": [_alarm(one) for one in facts["alarms"]],
        "scheduler_ran_at": rfc3339(facts["tick"]) if facts["tick"] else None,
        "scheduler_ran_seconds_ago": _seconds(facts["tick"], now),
    }


def _ends(counts: dict[str, int]) -> dict[str, Any]:
    """Add up the statuses of a vendor's messages."""
    return {
        "outcomes": dict(counts),
        "delivered": counts.get("delivered", 0),
        "open": sum(count for status, count in counts.items() if status not in FINAL),
        "failed": sum(counts.get(status, 0) for status in FAILED),
    }


def _alarm(alarm: dict[str, Any]) -> dict[str, Any]:
    since = alarm["since"]
    return {**alarm, "since": since.isoformat() if since else None}


def _seconds(at: datetime | None, now: datetime) -> int | None:
    return max(0, int((now - at).total_seconds())) if at else None


def _print(stack: Stack, found: dict[str, Any]) -> None:
    say(f"{stack.place}, account {found['account']}, {found['at']}")
    heading("Vendors, and the messages of the last hour")
    show_table(found["vendors"], VENDORS)
    if found["newest_only"]:
        say(f"Counted: the newest {MAX_BATCHES} batches; there are more.")
    heading("Queues")
    busy = [one for one in found["queues"] if one["waiting"] or one["at_work"]]
    if busy:
        show_table([one | {"age": age(one["oldest"])} for one in busy], QUEUES)
    else:
        say(f"All {len(found['queues'])} are empty.")
    dead = found["dead_letters"]
    letters = ", ".join(f"{name} {count}" for name, count in dead.items())
    say(f"Dead letters: {letters}; smsgw dlq list" if dead else "Dead letters: none")
    raised = [one["alarm"] for one in found["alarms"] if one["state"] == "ALARM"]
    names = ", ".join(raised) or f"none of {len(found['alarms'])}"
    say(f"Alarms: {names}" + ("; docs/guides/operate.md#alarms" if raised else ""))
    ago = found["scheduler_ran_seconds_ago"]
    if ago is not None:
        say(f"Scheduler: ran in the minute that began {age(ago)} ago")
    elif stack.endpoint:
        say("Scheduler: an emulator does not tell when its schedule ran it")
    else:
        say("Scheduler: did not run lately; smsgw doctor")


def age(seconds: int | None) -> str | None:
    """Return seconds for a person; None for None."""
    if seconds is None:
        return None
    if seconds < 120:
        return f"{seconds} s"
    return f"{seconds // 60} min" if seconds < 7200 else f"{seconds // 3600} h"
