"""The events of a balance: what its item says was announced, and did not say before."""

from collections.abc import Iterator
from typing import Any

from sms_gateway.core.event import Event, EventType
from sms_gateway.storage.balances import PREFIX, Row, read_kept
from sms_gateway.storage.items import Item

KINDS = {
    "topped_up": EventType.BALANCE_TOPPED_UP,
    "low": EventType.BALANCE_LOW,
    "runs_out": EventType.BALANCE_RUNS_OUT,
}


def balance_events(old: Item, new: Item) -> Iterator[Event]:
    """Yield an event for each thing newly announced of a product."""
    vendor = new["pk"]["S"].removeprefix(PREFIX)
    before = (
        {row["product"]: row.get("announced", {}) for row in read_kept(old).rows} if old else {}
    )
    for row in read_kept(new).rows:
        for name, announced in row.get("announced", {}).items():
            if before.get(row["product"], {}).get(name) != announced:
                identifier = f"balance-{vendor}-{row['product'] or 'all'}-{name}-{announced['at']}"
                data = _common(vendor, row) | _own(name, row, announced)
                yield Event(identifier, KINDS[name], announced["at"] * 1000, None, data)


def _common(vendor: str, row: Row) -> dict[str, Any]:
    shown = ("product", "amount", "unit", "checked_at")
    return {"vendor": vendor, **{name: row[name] for name in shown}}


def _own(name: str, row: Row, announced: dict[str, Any]) -> dict[str, Any]:
    if name == "low":
        return {"threshold": announced["threshold"]}
    if name == "topped_up":
        return {"amount_before": announced["before"]}
    found = row["forecast"]
    return {
        "within_hours": announced["hours"],
        "per_day": found["per_day"],
        "empty_at": found["empty_at"],
        "ends_by": found["basis"]["ends_by"],
    }
