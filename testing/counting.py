"""Count what AWS is asked for and bills: every call of a boto3 client, by hooks on botocore.

Write units are DynamoDB's own (`ReturnConsumedCapacity`) where it is asked for them. Emulators tell
them wrongly, moto for writes and every one for reads: `writes` and `reads` are worked out as
DynamoDB bills them on demand, from the sizes of the items themselves (docs.aws.amazon.com, "Read
and write operations" and "Item sizes"):

- a write is a unit for each KB begun of the larger of the item before and after; each global index
  adds as much of its own entry where one is put or removed, twice where its key changes, and
  nothing where the entry stays as it is; a condition that fails is billed by the item that stands;
  a transaction costs double
- a consistent read is a unit for each 4 KB begun, an eventual one half; a query is billed by the
  sum of what it read, each item of a batch by itself; finding nothing costs the least there is
"""

import base64
import io
import json
import threading
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import (
    AbstractContextManager,
    ExitStack,
    contextmanager,
    nullcontext,
    redirect_stdout,
)
from dataclasses import dataclass, field
from math import ceil
from typing import Any

from sms_gateway.core.observability import logger
from testing.template import TABLE

Item = Mapping[str, Any]
Peek = Callable[[Item], Item | None]

INDEXES: dict[str, tuple[str, ...]] = {
    one["IndexName"]: tuple(key["AttributeName"] for key in one["KeySchema"])
    for one in TABLE["GlobalSecondaryIndexes"]
}
KEPT: dict[str, tuple[str, ...]] = {  # what an index keeps beside keys
    one["IndexName"]: tuple(one["Projection"].get("NonKeyAttributes", ()))
    for one in TABLE["GlobalSecondaryIndexes"]
}
LINE = 26  # bytes that CloudWatch Logs bills for each event beside its text
KEY = ("pk", "sk")
REPORTED = ("PutItem", "UpdateItem", "BatchWriteItem")  # transactions are told without indexes


def size_of(item: Item) -> int:
    """Return an item's bytes as DynamoDB counts them: the names and the values."""
    return sum(len(name.encode()) + _value_size(value) for name, value in item.items())


def _value_size(value: Item) -> int:
    ((kind, given),) = value.items()
    if kind == "S":
        return len(given.encode())
    if kind == "N":
        digits = given.lstrip("0")  # whole and positive, as all of ours are
        while digits.endswith("00"):  # kept in pairs, of which trailing zeros take no room
            digits = digits[:-2]
        return 1 + ceil(len(digits) / 2)
    if kind == "B":
        return len(given if isinstance(given, bytes) else base64.b64decode(given))
    if kind == "L":
        return 3 + sum(1 + _value_size(one) for one in given)
    raise ValueError(f"no item has a value of the type {kind}")


def write_units(before: Item | None, after: Item | None) -> int:
    """Return what a write costs that found `before` and left `after`, with the indexes."""
    total = _begun(max(size_of(before or {}), size_of(after or {})), 1024)
    for index in INDEXES:
        was, now = _entry(before, index), _entry(after, index)
        if was != now:
            total += sum(_begun(size_of(one), 1024) for one in (was, now) if one)
    return total


def _entry(item: Item | None, index: str) -> Item | None:
    if item is None or any(name not in item for name in INDEXES[index]):
        return None
    kept = (*INDEXES[index], *KEY, *KEPT[index])
    return {name: _reported_alike(item[name]) for name in kept if name in item}


def _reported_alike(value: Item) -> Item:
    """Bytes are bytes also where an emulator shows them as it was sent them, in base64."""
    ((kind, given),) = value.items()
    return {kind: base64.b64decode(given)} if kind == "B" and isinstance(given, str) else value


def _begun(size: int, unit: int) -> int:
    return max(1, ceil(size / unit))


def read_units(sizes: Sequence[int], *, consistent: bool) -> float:
    """Return what reading items of these sizes in one query, or one get, costs."""
    return _begun(sum(sizes), 4096) * (1.0 if consistent else 0.5)


@dataclass
class Tally:
    """What was asked for: calls, DynamoDB's units, items read, bytes, and what was logged.

    `consumed` has the write units that DynamoDB itself reports, and those worked out where it
    reports none; `differ` is the difference where it does.
    """

    calls: Counter[str] = field(default_factory=Counter)
    writes: float = 0
    reads: float = 0
    items: int = 0
    bytes_out: int = 0
    bytes_in: int = 0
    log_lines: int = 0
    log_bytes: int = 0
    consumed: float = 0
    differ: float = 0

    def __add__(self, other: "Tally") -> "Tally":
        return Tally(
            self.calls + other.calls,
            *(
                getattr(self, name) + getattr(other, name)
                for name in Tally.__dataclass_fields__
                if name != "calls"
            ),
        )


class Meter:
    """Counts what the clients that it listens to do.

    `peek` reads an item past the counting, so that a change can be billed by the item before it;
    without it an update is billed by what it leaves alone. `ask` makes DynamoDB tell the units
    itself. `aside` is entered while it counts, for whoever measures time meanwhile.
    """

    def __init__(
        self,
        peek: Peek | None = None,
        *,
        ask: bool = False,
        aside: Callable[[], AbstractContextManager[None]] = nullcontext,
    ) -> None:
        self.total = Tally()
        self._aside = aside
        self._peek = peek
        self._ask = ask
        self._lock = threading.Lock()

    @contextmanager
    def listening(self, *clients: Any) -> Iterator["Meter"]:
        """Count the clients' calls, and what is printed."""
        hooks = [("provide-client-params", self._begins), ("after-call", self._ends)]
        with ExitStack() as stack:
            for client in clients:
                for event, hook in hooks:
                    client.meta.events.register(event, hook)
                    stack.callback(client.meta.events.unregister, event, hook)
            counted = _Counted(self)
            stack.enter_context(redirect_stdout(counted))
            handler: Any = logger.registered_handler
            stack.callback(handler.setStream, handler.setStream(counted))
            yield self

    @contextmanager
    def step(self) -> Iterator[Tally]:
        """Return what is counted within; it is in the total as well."""
        with self._lock:
            outer, self.total = self.total, Tally()
            inner = self.total
        try:
            yield inner
        finally:
            with self._lock:
                self.total = outer + inner

    def logged(self, text: str) -> None:
        """Count lines of the log."""
        lines = [line for line in text.split("\n") if line]
        with self._lock:
            self.total.log_lines += len(lines)
            self.total.log_bytes += sum(len(line.encode()) + LINE for line in lines)

    def _begins(self, params: dict[str, Any], model: Any, context: Any, **_: Any) -> None:
        context["counted"] = params
        if model.service_model.service_name != "dynamodb":
            return
        if self._ask:
            params["ReturnConsumedCapacity"] = "INDEXES"
        if self._peek and model.name == "UpdateItem":
            with self._aside():
                context["before"] = self._peek(params["Key"])

    def _ends(
        self, http_response: Any, parsed: dict[str, Any], model: Any, context: Any, **_: Any
    ) -> None:
        params, service = context["counted"], model.service_model.service_name
        with self._aside(), self._lock:
            total = self.total
            total.calls[f"{service}.{model.name}"] += 1
            total.bytes_out += len(json.dumps(params, default=repr))
            total.bytes_in += len(http_response.content)
            if service == "dynamodb":
                self._bill(total, model.name, params, parsed, context.get("before"))

    def _bill(  # noqa: C901 - a case an operation
        self, total: Tally, name: str, params: Any, parsed: dict[str, Any], before: Item | None
    ) -> None:
        failed = "Error" in parsed
        consistent = bool(params.get("ConsistentRead"))
        got = parsed.get("ConsumedCapacity") if name in REPORTED else None
        before_this = total.writes
        match name:
            case "PutItem":
                # All of ours are new, or fail and tell what is there.
                there = parsed.get("Item")
                total.writes += write_units(there, there if failed else params["Item"])
            case "UpdateItem":
                after = parsed.get("Attributes") or before
                total.writes += write_units(before, before if failed else after)
            case "BatchWriteItem":
                for requests in params["RequestItems"].values():
                    for one in requests:
                        total.writes += write_units(None, one["PutRequest"]["Item"])
            case "TransactWriteItems":
                for one in params["TransactItems"]:
                    ((_, part),) = one.items()
                    now = part["Item"] if "Item" in part else self._now(part)
                    total.writes += 2 * write_units(now if "Key" in part else None, now)
            case "GetItem":
                found = [parsed["Item"]] if "Item" in parsed else []
                total.items += len(found)
                total.reads += read_units([size_of(one) for one in found], consistent=consistent)
            case "BatchGetItem":
                for table, asked in params["RequestItems"].items():
                    found = parsed.get("Responses", {}).get(table, [])
                    missing = len(asked["Keys"]) - len(found)
                    total.items += len(found)
                    for size in [*(size_of(one) for one in found), *([0] * missing)]:
                        total.reads += read_units(
                            [size], consistent=bool(asked.get("ConsistentRead"))
                        )
            case "Query":
                found = parsed.get("Items", [])
                total.items += len(found)
                if "ProjectionExpression" in params and self._peek:  # billed by the whole items
                    keys = [{name: one[name] for name in KEY} for one in found]
                    found = [self._peek(key) or {} for key in keys]
                total.reads += read_units([size_of(one) for one in found], consistent=consistent)
            case _:
                raise ValueError(f"nobody knows what {name} costs")
        worked_out = total.writes - before_this
        if got and not failed:
            units = sum(one["CapacityUnits"] for one in (got if isinstance(got, list) else [got]))
            total.differ += abs(units - worked_out)
            total.consumed += units
        else:
            total.consumed += worked_out

    def _now(self, part: Any) -> Item | None:
        return self._peek(part["Key"]) if self._peek else None


class _Counted(io.TextIOBase):
    """Standard output that is counted instead of printed."""

    def __init__(self, meter: Meter) -> None:
        self._meter = meter

    def write(self, text: str) -> int:
        self._meter.logged(text)
        return len(text)
