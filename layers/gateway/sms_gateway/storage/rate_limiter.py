"""A vendor account's rate over all workers: one stored clock an account. All times are ms.

`booked` is until when the rate is given out. Whoever must wait long takes a place in the line,
which ends at `line`, and books only as it leaves. An urgent submission books ahead of the line;
`passed` sums up what such took, and by that much everybody in the line is later. A place does not
know whether anybody still stands before it: where nobody leaves for a while, the line ends now.
`served` is until when those in the line had the rate, later by what urgent ones took since.
"""

from typing import Any

from sms_gateway.core.problems import ServiceUnavailableError
from sms_gateway.core.value_object import ValueObject
from sms_gateway.storage.dynamodb import (
    ConditionFailedError,
    client,
    get,
    table_name,
    translate_errors,
)
from sms_gateway.storage.items import Item, number_attribute
from sms_gateway.storage.models import ItemKey

IDLE_MS = 60_000  # in which nobody leaves, and so nobody stands where the line begins
MAX_LATE_MS = 900_000  # that who lost its turn waits for the next
NOBODY_WAITS = "(attribute_not_exists(line) OR line <= :now OR served <= :idle)"
ITS_TURN = "(attribute_not_exists(passed) OR passed <= :turn)"
PASSING = "".join(
    f", {name} = if_not_exists({name}, :zero) + :cost" for name in ("line", "served", "passed")
)
LEAVING = ", served = {end}"


class Place(ValueObject, frozen=True):
    """A place in the line, and when its turn comes if nobody passes from now on.

    The place stays the same however many pass.
    """

    number: int
    turn: int


def book_urgent(vendor: str, now: int, cost: int, latest: int) -> int | None:
    """Book a vendor's next free time, ahead of the line.

    Returns when it begins; None when that is after `latest`.
    """
    return _book(vendor, now, cost, latest, PASSING, "", {":zero": 0})[0]


def leave(vendor: str, now: int, cost: int, latest: int, place: int | None) -> tuple[int, bool]:
    """Book a vendor's time for a submission whose turn comes by `latest`.

    Without a place it is its turn only while nobody waits. Returns when its time begins and True;
    or when its turn may come, and False: then nothing is booked. Who lost its turn waits a quarter
    of the time by which it is late: where many did, they would come back in vain for each other.
    """
    if place is None:
        values = {":idle": now - IDLE_MS}
        start, clock = _book(
            vendor, now, cost, latest, f"{LEAVING}, line = :now", NOBODY_WAITS, values
        )
    else:
        start, clock = _book(
            vendor, now, cost, latest, LEAVING, ITS_TURN, {":turn": latest - place}
        )
    if start is not None:
        return start, True
    if place is None:
        return max(clock["booked"], clock["line"]), False
    mine = place + clock["passed"]
    return max(clock["booked"], mine, now + min((now - mine) // 4, MAX_LATE_MS)), False


def line_ms(vendor: str, now: int) -> int:
    """Return how long a vendor's rate is given out, or waited for. Raises ServiceUnavailableError.

    As in `leave`, nobody stands in a line from which nobody leaves.
    """
    clock = _clock(get(ItemKey(f"RATE#{vendor}", "RATE"), consistent=False) or {})
    nobody = clock["served"] <= now - IDLE_MS
    return max(0, (clock["booked"] if nobody else max(clock["booked"], clock["line"])) - now)


def join(vendor: str, cost: int) -> Place:
    """Take the last place of a vendor's line. Raises ServiceUnavailableError."""
    behind = ("line = line + :cost", "line >= booked")
    first = (
        "line = booked + :cost, served = booked",
        "attribute_not_exists(line) OR line < booked",
    )
    for change, condition in (behind, first, behind, first):  # others may move it in between
        clock, taken = _update(vendor, change, condition, {":cost": cost})
        if taken:
            turn = clock["line"] - cost
            return Place(turn - clock["passed"], turn)
    raise ServiceUnavailableError("Others are taking places in this line; try again.")


def _book(
    vendor: str,
    now: int,
    cost: int,
    latest: int,
    also: str,
    condition: str,
    more: dict[str, int],
) -> tuple[int | None, dict[str, int]]:
    """Book from now on, or from where `booked` ends; return the beginning, and the clock."""
    values = {":now": now, ":cost": cost, ":end": now + cost, ":latest": latest, **more}
    turn = f" AND {condition}" if condition else ""
    clock, booked = _update(
        vendor,
        f"booked = :end{also.format(end=':end')}",
        f"(attribute_not_exists(booked) OR booked <= :now){turn}",
        values,
    )
    if booked:
        return now, clock
    if not now < clock["booked"] <= latest:
        return None, clock
    later = also.format(end="booked + :cost")
    clock, booked = _update(
        vendor, f"booked = booked + :cost{later}", f"booked <= :latest{turn}", values
    )
    return (clock["booked"] - cost if booked else None), clock


def _update(
    vendor: str, change: str, condition: str, values: dict[str, int]
) -> tuple[dict[str, int], bool]:
    """Change a clock if a condition holds; return the clock as it is then, and whether it did."""
    written = f"{change} {condition}"
    options: Any = {
        "ExpressionAttributeValues": {
            name: number_attribute(value) for name, value in values.items() if name in written
        }
    }
    try:
        with translate_errors():
            answer = client().update_item(
                TableName=table_name(),
                Key={"pk": {"S": f"RATE#{vendor}"}, "sk": {"S": "RATE"}},
                UpdateExpression=f"SET {change}",
                ConditionExpression=condition,
                ReturnValues="ALL_NEW",
                ReturnValuesOnConditionCheckFailure="ALL_OLD",
                **options,
            )
    except ConditionFailedError as error:
        return _clock(error.item), False
    return _clock(answer["Attributes"]), True


def _clock(item: Item) -> dict[str, int]:
    return {
        name: int(item[name]["N"]) if name in item else 0
        for name in ("booked", "line", "passed", "served")
    }
