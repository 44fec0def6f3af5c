"""What the bus and webhooks must have been told when a scenario is over: every step of every
message, each under the one id that docs/guides/events.md gives it."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

NUMBERS = {
    "accepted": 1,
    "submitted": 2,
    "unknown": 3,
    **dict.fromkeys(("delivered", "undelivered", "rejected", "expired", "cancelled"), 4),
}


def due(views: Iterable[Mapping[str, Any]]) -> dict[str, str]:
    """The types of the events that messages, as the API shows them, must have caused, by id. All
    messages of each batch are to be given, and all are final."""
    wanted = {}
    for view in views:
        for status in [step["status"] for step in view["timeline"]]:
            if status in NUMBERS:
                wanted[f"{view['id']}-{NUMBERS[status]}"] = f"Message{status.title()}"
        wanted[f"{view['batch_id']}-completed"] = "BatchCompleted"
    return wanted


def faults(wanted: Mapping[str, str], got: Sequence[Mapping[str, Any]]) -> list[str]:
    """What is wrong with the documents that somebody was told, in a sentence each: an event that is
    missing, one that nothing explains, one id with two meanings. Twice the same is no fault."""
    by_id: dict[str, Mapping[str, Any]] = {}
    found = []
    for one in got:
        if by_id.setdefault(one["id"], one) != one:
            found.append(f"{one['id']} was told with two meanings")
    found += [f"{one} ({wanted[one]}) was not told" for one in wanted if one not in by_id]
    for identifier, one in by_id.items():
        number = NUMBERS.get(str(one["data"].get("status")))
        if wanted.get(identifier) != one["type"]:
            found.append(f"{identifier} ({one['type']}) was told, and did not happen")
        elif one.get("sequence") != number:
            found.append(f"{identifier} has the number {one.get('sequence')}")
    return found
