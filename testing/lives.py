"""Messages' lives, written into the table as the gateway writes them, and a naive recount."""

import json
from bisect import bisect_left
from collections import Counter
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from random import Random
from typing import Any

import phonenumbers
from ulid import ULID

from sms_gateway.core.timestamps import epoch_ms, epoch_seconds
from sms_gateway.messages.send import send
from sms_gateway.messages.views import message_view
from sms_gateway.reports.figures import BUCKETS
from sms_gateway.storage import dynamodb, message_repository
from testing.numbers import number

VENDORS = ("jst", "dinisoft", "rajasms", "server2sms")
ENDS = {
    **{"delivered": 80, "undelivered": 6, "rejected": 3, "expired": 2, "cancelled": 2},
    **{"unknown": 7},
}
PRICES = (None, "0.25", "1.5")
Row = dict[str, Any]


def accepted(
    when: datetime, *to: str, tenant: str = "acme", test: bool = False, **fields: Any
) -> str:
    """Accept a batch at a time; its id."""
    body = {"to": list(to) or [number("jst")], "text": "Hello", **fields}
    return str(send(tenant, json.dumps(body).encode(), when, test=test)["batch_id"])


def stepped(item: Row, status: str, when: datetime, source: str) -> None:
    """Give an item a status and its step."""
    vendor = item.get("vendor", {}).get("S")
    step = [epoch_ms(when), status, source, vendor, 1, None, None, None]
    item.setdefault("timeline", {"L": []})["L"].append({"S": json.dumps(step)})
    item["status"] = {"S": status}


def submitted(items: Sequence[Row], when: datetime, price: str | None = None) -> None:
    """Have a vendor take all of a batch; in the currency of India, where it tells a price."""
    result: Row = {"own_ids": True, **({"price": [price, "INR"]} if price else {})}
    for item in items:
        if "vendor" in item and item["status"]["S"] == "accepted":
            stepped(item, "submitted", when, "dispatch")
            item |= {"attempt": {"N": "1"}, "result": {"S": json.dumps(result)}}


def received(item: Row, status: str, when: datetime) -> None:
    """Write a receipt, or the clock's word where nobody can have told."""
    source = "callback" if status in ("delivered", "undelivered") else "clock"
    stepped(item, status, when, source)
    item.pop("due", None)
    item.pop("shard", None)


def items_of(batch: str) -> list[Row]:
    """Return a batch's items, to be changed and put back."""
    return list(message_repository.query_batch(batch))


def coded(batch: str, until: datetime, *, approved: bool) -> None:
    """Make a batch of one a verification that ends at a time."""
    (item,) = items_of(batch)
    spec = {"mask": "[0-9]{6}", "ttl": 300, "nonce": "00" * 16}
    data = json.loads(item["data"]["S"]) | {"category": "otp", "code_spec": spec}
    item["data"] = {"S": json.dumps(data, separators=(",", ":"))}
    verification = {
        **{"pk": {"S": batch}, "sk": {"S": "V"}, "ttl": item["ttl"]},
        "expires": {"N": str(epoch_seconds(until))},
        **({"approved": {"N": "1"}} if approved else {}),
    }
    dynamodb.put_all([item, verification])


def live_on(batch: str, now: datetime, random: Random) -> None:
    """Let some of a batch's messages end, and of those that are unknown some be told of late."""
    items = items_of(batch)
    submitted(items, now - timedelta(seconds=random.uniform(1, 300)), random.choice(PRICES))
    for item in items:
        status = item.get("status", {}).get("S", "submitted")
        if item["sk"]["S"][:2] != "M#":
            continue
        if status == "unknown" and random.random() < 0.2:
            received(item, "delivered", now)
        elif status in ("accepted", "submitted") and random.random() < 0.6:
            received(item, random.choices([*ENDS], [*ENDS.values()])[0], now)
    dynamodb.put_all(items)


def recounted(tenant: str, first: datetime, last: datetime, by: Sequence[str]) -> list[Row]:
    """Sum what GET /messages/{id} shows of each message: slow, and by no code of the reports."""
    items = dynamodb.client().scan(TableName=dynamodb.table_name())["Items"]
    batches = {item["pk"]["S"] for item in items if item.get("tenant", {}).get("S") == tenant}
    approved = {item["pk"]["S"] for item in items if "approved" in item}
    used = {
        item["pk"]["S"] + item["sk"]["S"][2:]
        for item in items
        if item.get("feedback", {}).get("S", "").startswith("used")
    }
    rows: dict[tuple[str, ...], list[Row]] = {}
    for batch in batches:
        found = message_repository.whole_batch(batch)
        assert found
        when = ULID.from_str(batch).datetime.astimezone(UTC)
        if found[0].test or not first <= when < last:
            continue
        for one in found[1]:
            view = message_view(found[0], *one)
            values = {
                "day": when.date().isoformat(),
                "hour": when.strftime("%Y-%m-%dT%H:00:00.000Z"),
                "vendor": view["vendor"],
                "category": view["category"],
                "country": _country(view["to"]),
            }
            view["approved"] = batch in approved or view["id"] in used
            rows.setdefault(tuple(values[name] for name in by), []).append(view)
    return [dict(zip(by, key, strict=True)) | _sums(views) for key, views in sorted(rows.items())]


def _country(number: str) -> str:
    parsed = phonenumbers.parse(number)
    regions = phonenumbers.COUNTRY_CODE_TO_REGION_CODE[parsed.country_code or 0]
    return str(phonenumbers.region_code_for_number(parsed) or regions[0])


def _sums(views: Sequence[Row]) -> Row:
    statuses = Counter(str(view["status"]) for view in views)
    prices = [view["price"] for view in views if view["price"]]
    amounts = sorted({price["currency"] for price in prices})
    waits = sorted(wait for view in views if (wait := _wait(view)) is not None)
    return {
        "accepted": len(views),
        "waiting": sum(not view["final"] for view in views),
        **{name: statuses[name] for name in ENDS},
        "segments": sum(view["segments"] for view in views),
        "price": [
            {
                "amount": sum(
                    Decimal(price["amount"]) for price in prices if price["currency"] == currency
                ),
                "currency": currency,
                "messages": sum(price["currency"] == currency for price in prices),
            }
            for currency in amounts
        ],
        "waits": waits,
        "codes": {
            "sent": sum(view["text_withheld"] for view in views),
            "approved": sum(view["approved"] for view in views),
        },
    }


def _wait(view: Row) -> float | None:
    if view["status"] not in ("delivered", "undelivered"):
        return None
    steps = view["timeline"]
    taken = [step for step in steps if step["status"] in ("submitted", "submitting")]
    begin = taken[-1]["at"] if taken else view["created_at"]
    (end, *_) = [step["at"] for step in steps if step["status"] == view["status"]]
    passed = datetime.fromisoformat(end) - datetime.fromisoformat(begin)
    return max(0.0, passed / timedelta(seconds=1))


def comparable(row: Row) -> Row:
    """Return a report's row in the form of a recounted one, with what it says of waits checked.

    A recount knows each wait: the report's buckets are then those of the waits.
    """
    seconds = row["receipt_seconds"]
    return {
        **{name: value for name, value in row.items() if name != "receipt_seconds"},
        "price": [one | {"amount": Decimal(one["amount"])} for one in row["price"]],
        "buckets": {one["up_to"]: one["messages"] for one in seconds["buckets"]},
        "p50": seconds["p50"],
        "p95": seconds["p95"],
    }


def bucketed(row: Row) -> Row:
    """Return a recounted row with its waits in buckets."""
    bounds = (*BUCKETS, None)
    waits = [bounds[bisect_left(BUCKETS, wait)] for wait in row["waits"]]
    return {
        **{name: value for name, value in row.items() if name != "waits"},
        "buckets": dict(Counter(waits)),
        "p50": _nearest(waits, 50),
        "p95": _nearest(waits, 95),
    }


def _nearest(waits: Sequence[int | None], share: int) -> int | None:
    """Return the percentile by the nearest rank (waits are in order)."""
    return waits[-(-len(waits) * share // 100) - 1] if waits else None
