"""The one module that talks to DynamoDB; docs/data-model.md lists its items and access paths.

Every change of state is one conditional write. Raises Unavailable when DynamoDB does not answer.
"""

import os
import time
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import cache
from typing import TYPE_CHECKING, Any, Self
from zlib import crc32

import boto3
import msgspec
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from sms_gateway.problems import Unavailable
from sms_gateway.records import (
    Batch,
    Content,
    Entry,
    Key,
    Message,
    Result,
    Submission,
    is_ulid,
)
from sms_gateway.status import Status

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient
    from mypy_boto3_dynamodb.type_defs import ConditionCheckTypeDef

Item = dict[str, Any]

SHARDS = tuple(f"{number:02d}" for number in range(16))
DAY = 86_400  # seconds
LONGEST_LOG = 40  # steps of a timeline
WRITERS = 16  # parallel BatchWriteItem and UpdateItem calls

_content = msgspec.json.Decoder(Content)
_entry = msgspec.json.Decoder(Entry)
_result = msgspec.json.Decoder(Result)
_encode = msgspec.json.Encoder().encode


@cache
def client() -> "DynamoDBClient":
    """The one client of this process: bounded time-outs and retries, connections kept."""
    return boto3.client(
        "dynamodb",
        config=Config(
            connect_timeout=2,
            read_timeout=5,
            retries={"mode": "standard", "total_max_attempts": 4},
            max_pool_connections=2 * WRITERS,
            tcp_keepalive=True,
        ),
    )


def name() -> str:
    """The table's name."""
    return os.environ["TABLE_NAME"]


def shard_of(batch: str) -> str:
    """The partition of the due index that a batch's submissions stand in."""
    return SHARDS[crc32(batch.encode()) % len(SHARDS)]


@contextmanager
def _answering() -> Iterator[None]:
    try:
        yield
    except ClientError as error:
        if failed_condition(error):
            raise
        code = error.response.get("Error", {}).get("Code", "error")
        raise Unavailable(f"The table refused a request ({code}); try again.") from error
    except BotoCoreError as error:
        raise Unavailable("The table does not answer; try again.") from error


def failed_condition(error: ClientError) -> bool:
    """Whether a write was refused because its condition did not hold."""
    code = error.response.get("Error", {}).get("Code")
    if code == "TransactionCanceledException":
        reasons = error.response.get("CancellationReasons", [])
        return any(reason.get("Code") == "ConditionalCheckFailed" for reason in reasons)
    return code == "ConditionalCheckFailedException"


# What an item looks like


def _text(data: object) -> Item:
    return {"S": _encode(data).decode()}


def _number(value: int) -> Item:
    return {"N": str(value)}


def _log(entries: Iterable[Entry]) -> Item:
    return {"L": [_text(entry) for entry in entries]}


def batch_item(batch: Batch, day: str, ttl: int) -> Item:
    """The item whose writing makes a batch of many accepted."""
    return {
        "pk": {"S": batch.id},
        "sk": {"S": "B"},
        "tenant": {"S": batch.tenant},
        "day": {"S": f"{batch.tenant}#{day}"},
        "count": _number(batch.count),
        "data": _text(batch.shared),
        "ttl": _number(ttl),
    }


def message_item(batch: str, position: int, own: dict[str, Any], ttl: int) -> Item:
    """A message of a batch of many, with what is its own; its status is its submission's."""
    return {
        "pk": {"S": batch},
        "sk": {"S": f"M#{position:03d}"},
        "data": _text(own),
        "ttl": _number(ttl),
    }


def submission_item(submission: Submission, ttl: int, day: str | None = None) -> Item:
    """A submission's item; with its message's content and tenant in it for a batch of one."""
    item: Item = {
        "pk": {"S": submission.key.batch},
        "sk": {"S": submission.key.sort},
        "count": _number(submission.count),
        "vendor": {"S": submission.vendor},
        "vendors": {"S": ",".join(submission.vendors)},
        "status": {"S": submission.status},
        "attempt": _number(submission.attempt),
        "created": _number(submission.created),
        "expires": _number(submission.expires),
        "changed": _number(submission.changed),
        "log": _log(submission.log),
        "ttl": _number(ttl),
    }
    if submission.due is not None:
        item["due"] = _number(submission.due)
        item["shard"] = {"S": shard_of(submission.key.batch)}
    if submission.content is not None and submission.tenant is not None:
        item["data"] = _text(submission.content)
        item["tenant"] = {"S": submission.tenant}
        item["day"] = {"S": f"{submission.tenant}#{day}"}
    return item


def _read_submission(item: Item) -> Submission:
    def number(attribute: str) -> int:
        return int(item[attribute]["N"])

    tenant = item.get("tenant", {}).get("S")
    return Submission(
        key=Key(item["pk"]["S"], item["sk"]["S"]),
        count=number("count"),
        vendor=item["vendor"]["S"],
        vendors=tuple(item["vendors"]["S"].split(",")),
        status=Status(item["status"]["S"]),
        attempt=number("attempt"),
        created=number("created"),
        expires=number("expires"),
        due=number("due") if "due" in item else None,
        polls=number("polls") if "polls" in item else 0,
        changed=number("changed"),
        result=_result.decode(item["result"]["S"]) if "result" in item else None,
        log=_read_log(item),
        refused=tuple(item["refused"]["S"].split(",")) if "refused" in item else (),
        unsettled="unsettled" in item,
        doubt="doubt" in item,
        tenant=tenant,
        content=_content.decode(item["data"]["S"]) if tenant else None,
    )


def _read_log(item: Item) -> tuple[Entry, ...]:
    return tuple(_entry.decode(entry["S"]) for entry in item.get("log", {}).get("L", []))


def _read_batch(item: Item) -> Batch:
    """A batch from its own item, or from the only item of a batch of one."""
    alone = item["sk"]["S"] != "B"
    return Batch(
        item["pk"]["S"],
        item["tenant"]["S"],
        int(item["count"]["N"]),
        {} if alone else msgspec.json.decode(item["data"]["S"]),
    )


def _read_message(item: Item, shared: Any) -> Message:
    data = item["data"]["S"]
    content = (
        msgspec.convert({**shared, **msgspec.json.decode(data)}, Content)
        if shared
        else _content.decode(data)
    )
    status = Status(item["status"]["S"]) if "status" in item else None
    return Message(Key(item["pk"]["S"], item["sk"]["S"]), content, status, _read_log(item))


def _key(key: Key) -> Item:
    return {"pk": {"S": key.batch}, "sk": {"S": key.sort}}


# Accepting


def put_all(items: Sequence[Item]) -> None:
    """Writes items that have no condition, 25 a call, calls in parallel, until none is left."""
    pages = [items[start : start + 25] for start in range(0, len(items), 25)]
    if len(pages) == 1:
        _put_page(pages[0])
        return
    with ThreadPoolExecutor(min(WRITERS, max(1, len(pages)))) as pool:
        for _ in pool.map(_put_page, pages):
            pass


def _put_page(page: Sequence[Item]) -> None:
    left: Any = {name(): [{"PutRequest": {"Item": item}} for item in page]}
    for attempt in range(6):
        with _answering():
            left = client().batch_write_item(RequestItems=left).get("UnprocessedItems")
        if not left:
            return
        time.sleep(0.05 * 2**attempt)
    raise Unavailable("The table takes no more writes now; try again.")


def put_new(item: Item) -> bool:
    """Writes an item that must not be there yet; False when another one is."""
    try:
        with _answering():
            client().put_item(
                TableName=name(),
                Item=item,
                ConditionExpression="attribute_not_exists(pk)",
                ReturnValuesOnConditionCheckFailure="ALL_OLD",
            )
    except ClientError as error:
        # botocore asks again when an answer got lost: what stands there may be this very item.
        return error.response.get("Item") == item
    return True


# Reading


def get(key: Key) -> Item | None:
    """One item, consistently."""
    with _answering():
        found = client().get_item(TableName=name(), Key=_key(key), ConsistentRead=True)
    return found.get("Item")


def _get_all(keys: Sequence[Item]) -> list[Item]:
    """The items that are there, consistently, asked for until DynamoDB has looked at every key."""
    found: list[Item] = []
    left: Any = {name(): {"Keys": keys, "ConsistentRead": True}}
    for attempt in range(6):
        with _answering():
            answer = client().batch_get_item(RequestItems=left)
        found += answer["Responses"].get(name(), [])
        left = answer.get("UnprocessedKeys")
        if not left:
            return found
        time.sleep(0.05 * 2**attempt)
    raise Unavailable("The table takes no more reads now; try again.")


def submission(key: Key, claim: str | None = None) -> Submission | None:
    """A submission by its key; if `claim` is given, only while it is held under that claim."""
    item = get(key)
    if item is None or "vendor" not in item:
        return None
    if claim is not None and item.get("claim", {}).get("S") != claim:
        return None
    return _read_submission(item)


def batch(identifier: str) -> Batch | None:
    """A batch by its id: from its own item, or from the only item of a batch of one."""
    item = get(Key(identifier, "B")) or get(Key(identifier, "M#000"))
    return _read_batch(item) if item and "tenant" in item else None


def find(key: Key) -> tuple[Batch, Message, Submission] | None:
    """A message with its batch and the submission that it stands in: two reads."""
    found = _get_all([_key(key), _key(Key(key.batch, "B"))])
    items = {item["sk"]["S"]: item for item in found}
    item = items.get(key.sort)
    head = items.get("B", item)
    if item is None or head is None or "tenant" not in head:
        return None
    owner = _read_batch(head)
    message = _read_message(item, owner.shared)
    if "vendor" in item:
        return owner, message, _read_submission(item)
    covering = _query(
        "pk = :pk AND sk BETWEEN :low AND :high",
        {
            ":pk": {"S": key.batch},
            ":low": {"S": "S#000"},
            ":high": {"S": f"S#{key.position:03d}"},
        },
        ScanIndexForward=False,
        Limit=1,
    )
    for one in covering:
        return owner, message, _read_submission(one)
    return None


def members(sub: Submission) -> tuple[Batch, list[Message]]:
    """A submission's messages and what they share, consistently read. Raises LookupError for one
    whose batch was never accepted."""
    if sub.content is not None and sub.tenant is not None:
        alone = Batch(sub.key.batch, sub.tenant, 1)
        return alone, [Message(sub.key, sub.content, None, sub.log)]
    owner = batch(sub.key.batch)
    if owner is None:
        raise LookupError("the batch was never accepted")
    first = sub.key.position
    items = _query(
        "pk = :pk AND sk BETWEEN :low AND :high",
        {
            ":pk": {"S": sub.key.batch},
            ":low": {"S": f"M#{first:03d}"},
            ":high": {"S": f"M#{first + sub.count - 1:03d}"},
        },
        ConsistentRead=True,
    )
    found = [_read_message(item, owner.shared) for item in items]
    if sub.own_item:
        found = [Message(one.key, one.content, None, one.log) for one in found]
    return owner, found


def whole_batch(identifier: str) -> tuple[Batch, list[tuple[Message, Submission]]] | None:
    """Everything of a batch, in the order of its positions."""
    if not is_ulid(identifier):
        return None  # other kinds of items have partitions too
    items = list(_query("pk = :pk", {":pk": {"S": identifier}}, ConsistentRead=True))
    heads = [item for item in items if "tenant" in item]
    if not heads:
        return None
    owner = _read_batch(heads[0])
    groups = [_read_submission(item) for item in items if item["sk"]["S"].startswith("S#")]
    found = []
    for item in items:
        if not item["sk"]["S"].startswith("M#"):
            continue
        message = _read_message(item, owner.shared)
        if "vendor" in item:
            found.append((message, _read_submission(item)))
            continue
        position = message.key.position
        covering = [group for group in groups if group.key.position <= position]
        if covering:
            found.append((message, covering[-1]))
    return owner, found


def tenant_batches(tenant: str, day: str, before: str | None, limit: int) -> list[str]:
    """Ids of a tenant's batches of one day (YYYY-MM-DD, UTC), newest first, older than `before`."""
    values: Item = {":day": {"S": f"{tenant}#{day}"}}
    condition = "#day = :day"
    if before:
        condition += " AND pk < :before"
        values[":before"] = {"S": before}
    found = _query(
        condition,
        values,
        IndexName="by_tenant",
        ExpressionAttributeNames={"#day": "day"},
        ScanIndexForward=False,
        Limit=limit,
    )
    ids: list[str] = []
    for item in found:
        ids.append(item["pk"]["S"])
        if len(ids) == limit:
            break
    return ids


def due(shard: str, now: int, limit: int) -> list[Key]:
    """The keys of what is due in one partition of the due index, longest due first."""
    found = _query(
        "#shard = :shard AND due <= :now",
        {":shard": {"S": shard}, ":now": _number(now)},
        IndexName="due",
        ExpressionAttributeNames={"#shard": "shard"},
        Limit=limit,
    )
    keys: list[Key] = []
    for item in found:
        keys.append(Key(item["pk"]["S"], item["sk"]["S"]))
        if len(keys) == limit:
            break
    return keys


def _query(condition: str, values: Item, **options: Any) -> Iterator[Item]:
    start: Item = {}
    while True:
        with _answering():
            page = client().query(
                TableName=name(),
                KeyConditionExpression=condition,
                ExpressionAttributeValues=values,
                **options,
                **start,
            )
        yield from page["Items"]
        if "LastEvaluatedKey" not in page:
            return
        start = {"ExclusiveStartKey": page["LastEvaluatedKey"]}


# Moving a submission, or a message, forward


class Change:
    """One conditional update, put together part by part and written by `apply`."""

    def __init__(self, key: Key) -> None:
        self._key = key
        self._sets: list[str] = []
        self._removes: list[str] = []
        self._when: list[str] = ["attribute_exists(pk)"]
        self._names: dict[str, str] = {}
        self._values: Item = {}
        self._notes: list[Entry] = []
        self._folded: tuple[Entry, ...] = ()

    def _name(self, attribute: str) -> str:
        self._names[f"#{attribute}"] = attribute
        return f"#{attribute}"

    def _value(self, value: Item) -> str:
        placeholder = f":v{len(self._values)}"
        self._values[placeholder] = value
        return placeholder

    def put(self, attribute: str, value: str | int | msgspec.Struct) -> Self:
        """Sets an attribute; a struct is stored as JSON."""
        if isinstance(value, msgspec.Struct):
            written = _text(value)
        else:
            written = _number(value) if isinstance(value, int) else {"S": str(value)}
        self._sets.append(f"{self._name(attribute)} = {self._value(written)}")
        return self

    def add(self, attribute: str, amount: int) -> Self:
        """Adds to a number that is there."""
        place = self._name(attribute)
        self._sets.append(f"{place} = {place} + {self._value(_number(amount))}")
        return self

    def drop(self, *attributes: str) -> Self:
        """Removes attributes."""
        self._removes += [self._name(attribute) for attribute in attributes]
        return self

    def fold(self, log: Sequence[Entry]) -> Self:
        """Rewrites a timeline that has grown long without its middle, for what is noted next: a
        vendor that is down for days must not make every write dearer."""
        if len(log) > LONGEST_LOG:
            end = len(log) - 8
            while end > 4 and not log[end].attempt:
                end -= 1  # calls behind the gap are counted from a numbered one
            self._folded = (*log[:4], *log[end:])
        return self

    def note(self, *entries: Entry) -> Self:
        """Adds to the timeline."""
        self._notes += entries
        return self

    def _write_notes(self) -> None:
        if not self._notes:
            return
        log, notes = self._name("log"), self._notes
        if self._folded:
            self._sets.append(f"{log} = {self._value(_log([*self._folded, *notes]))}")
        else:
            empty, more = self._value({"L": []}), self._value(_log(notes))
            self._sets.append(f"{log} = list_append(if_not_exists({log}, {empty}), {more})")
        self._notes, self._folded = [], ()

    def look_at(self, when: int | None) -> Self:
        """Sets when the clock looks next (epoch seconds), or takes it out of the due index."""
        if when is None:
            return self.drop("due", "shard")
        return self.put("due", when).put("shard", shard_of(self._key.batch))

    def when(self, attribute: str, *values: str | int) -> Self:
        """Only if the attribute has one of the values."""
        written = [
            self._value(_number(value) if isinstance(value, int) else {"S": str(value)})
            for value in values
        ]
        self._when.append(f"{self._name(attribute)} IN ({', '.join(written)})")
        return self

    def when_open(self, *, or_unknown: bool) -> Self:
        """Only if the item has no status of its own, or an open one."""
        values = [Status.SCHEDULED, Status.ACCEPTED, Status.SUBMITTING, Status.SUBMITTED]
        if or_unknown:
            values.append(Status.UNKNOWN)
        written = ", ".join(self._value({"S": value}) for value in values)
        status = self._name("status")
        self._when.append(f"(attribute_not_exists({status}) OR {status} IN ({written}))")
        return self

    def when_bare(self) -> Self:
        """Only if the item has no status of its own."""
        return self.when_missing("status")

    def when_missing(self, attribute: str) -> Self:
        """Only if the item has no such attribute."""
        self._when.append(f"attribute_not_exists({self._name(attribute)})")
        return self

    def after(self, attribute: str, moment: int) -> Self:
        """Only if the attribute is a later time than `moment`."""
        self._when.append(f"{self._name(attribute)} > {self._value(_number(moment))}")
        return self

    def request(self) -> Any:
        """The parameters of UpdateItem."""
        self._write_notes()
        parts = []
        if self._sets:
            parts.append("SET " + ", ".join(self._sets))
        if self._removes:
            parts.append("REMOVE " + ", ".join(self._removes))
        made: Item = {
            "TableName": name(),
            "Key": _key(self._key),
            "UpdateExpression": " ".join(parts),
            "ConditionExpression": " AND ".join(self._when),
        }
        if self._names:
            made["ExpressionAttributeNames"] = self._names
        if self._values:
            made["ExpressionAttributeValues"] = self._values
        return made

    def apply(self) -> Item | None:
        """Writes; the whole new item, or None when a condition does not hold."""
        try:
            with _answering():
                answer = client().update_item(**self.request(), ReturnValues="ALL_NEW")
        except ClientError:
            return None
        return answer["Attributes"]

    def move(self) -> Submission | None:
        """Writes; the submission as it now is, or None when a condition does not hold."""
        item = self.apply()
        return _read_submission(item) if item else None


def apply_all(changes: Sequence[Change]) -> list[bool]:
    """Writes changes side by side; whether each one's condition held."""
    if len(changes) < 2:
        return [change.apply() is not None for change in changes]
    with ThreadPoolExecutor(min(WRITERS, len(changes))) as pool:
        return [done is not None for done in pool.map(Change.apply, changes)]


def cancel_member(group: Key, message: Change) -> bool:
    """Cancels one message of a group that has not left: one transaction, so that a dispatcher
    that takes the group afterwards is sure to see it."""
    check: ConditionCheckTypeDef = {
        "TableName": name(),
        "Key": _key(group),
        "ConditionExpression": "#status IN (:scheduled, :accepted) AND attribute_not_exists(doubt)",
        "ExpressionAttributeNames": {"#status": "status"},
        "ExpressionAttributeValues": {
            ":scheduled": {"S": Status.SCHEDULED},
            ":accepted": {"S": Status.ACCEPTED},
        },
    }
    try:
        with _answering():
            client().transact_write_items(
                TransactItems=[{"ConditionCheck": check}, {"Update": message.request()}]
            )
    except ClientError:
        return False
    return True


# Requests that carry an Idempotency-Key


def get_request(key: str) -> Item | None:
    """The record of an Idempotency-Key."""
    return get(Key(key, "REQUEST"))


def put_request(key: str, attributes: Item, now: int, instead_of: str | None) -> bool:
    """Writes a record if there is none that lives, or only the one of the batch `instead_of`."""
    condition, values = "attribute_not_exists(pk) OR #ttl <= :now", {":now": _number(now)}
    if instead_of is not None:
        condition, values = "batch = :old", {":old": {"S": instead_of}}
    try:
        with _answering():
            client().put_item(
                TableName=name(),
                Item={"pk": {"S": key}, "sk": {"S": "REQUEST"}, **attributes},
                ConditionExpression=condition.replace("batch", "#batch"),
                ExpressionAttributeNames=(
                    {"#batch": "batch"} if instead_of is not None else {"#ttl": "ttl"}
                ),
                ExpressionAttributeValues=values,
                ReturnValuesOnConditionCheckFailure="ALL_OLD",
            )
    except ClientError as error:
        # botocore asks again when an answer got lost: what stands there may be this very record.
        there: Any = error.response.get("Item") or {}
        return bool(there.get("batch") == attributes["batch"])
    return True


# Where only the vendor's id is known


def point(vendor: str, pointers: Sequence[tuple[str, Key]], ttl: int) -> None:
    """Remembers which message a vendor's id means, for a vendor whose callbacks name nothing
    else."""
    put_all(
        [
            {
                "pk": {"S": f"V#{vendor}#{vendor_id}"},
                "sk": {"S": "V"},
                "message": {"S": str(key)},
                "ttl": _number(ttl),
            }
            for vendor_id, key in pointers
        ]
    )


def pointed(vendor: str, vendor_id: str) -> Key | None:
    """The message that a vendor's id means."""
    item = get(Key(f"V#{vendor}#{vendor_id}", "V"))
    return Key.parse(item["message"]["S"]) if item else None


# What is kept for a while


def kept(names: Sequence[str]) -> dict[str, tuple[int, Any]]:
    """Values by name, each with the epoch second at which it was kept."""
    if not names:
        return {}
    found = _get_all([{"pk": {"S": one}, "sk": {"S": "KEPT"}} for one in names])
    return {
        item["pk"]["S"]: (int(item["at"]["N"]), msgspec.json.decode(item["data"]["S"]))
        for item in found
    }


def keep(key: str, now: int, value: object) -> None:
    """Keeps a value under a name."""
    with _answering():
        client().put_item(
            TableName=name(),
            Item={
                "pk": {"S": key},
                "sk": {"S": "KEPT"},
                "at": _number(now),
                "data": _text(value),
            },
        )


# The vendors' circuits

CIRCUITS = "CIRCUIT"  # the partition in which the circuit breaker keeps its states


def circuits(vendors: Sequence[str]) -> dict[str, str]:
    """The stored state of each vendor's circuit; one that never opened has none."""
    keys = [{"pk": {"S": CIRCUITS}, "sk": {"S": vendor}} for vendor in vendors]
    with _answering():
        found = client().batch_get_item(RequestItems={name(): {"Keys": keys}})
    return {item["sk"]["S"]: item["state"]["S"] for item in found["Responses"][name()]}


# The clock's leases


def lease(shard: str, now: int, seconds: int) -> bool:
    """Takes one partition of the due index for a while, so that no two workers look at it."""
    try:
        with _answering():
            client().update_item(
                TableName=name(),
                Key={"pk": {"S": "CLOCK"}, "sk": {"S": shard}},
                UpdateExpression="SET leased = :until",
                ConditionExpression="attribute_not_exists(leased) OR leased <= :now",
                ExpressionAttributeValues={":until": _number(now + seconds), ":now": _number(now)},
            )
    except ClientError:
        return False
    return True


def release(shard: str) -> None:
    """Gives a partition back before its lease ends."""
    with _answering():
        client().update_item(
            TableName=name(),
            Key={"pk": {"S": "CLOCK"}, "sk": {"S": shard}},
            UpdateExpression="SET leased = :free",
            ExpressionAttributeValues={":free": _number(0)},
        )


# A vendor's rate


def reserve(vendor: str, now: int, cost: int, horizon: int) -> int | None:
    """Reserves a vendor's time over all workers (all in ms): when the reserved span begins, or
    None when that would be more than `horizon` ahead."""
    key = {"pk": {"S": f"RATE#{vendor}"}, "sk": {"S": "RATE"}}
    try:
        with _answering():
            client().update_item(
                TableName=name(),
                Key=key,
                UpdateExpression="SET booked = :end",
                ConditionExpression="attribute_not_exists(booked) OR booked <= :now",
                ExpressionAttributeValues={":end": _number(now + cost), ":now": _number(now)},
            )
        return now
    except ClientError:
        pass
    try:
        with _answering():
            answer = client().update_item(
                TableName=name(),
                Key=key,
                UpdateExpression="SET booked = booked + :cost",
                ConditionExpression="booked <= :latest",
                ExpressionAttributeValues={
                    ":cost": _number(cost),
                    ":latest": _number(now + horizon),
                },
                ReturnValues="UPDATED_NEW",
            )
    except ClientError:
        return None
    return int(answer["Attributes"]["booked"]["N"]) - cost


# API keys


def get_key(digest: str) -> Item | None:
    """An API key's item by the SHA-256 of the key."""
    return get(Key("KEYS", digest))


def put_key(item: Item) -> bool:
    """Stores an API key; False when it is there already."""
    return put_new(item)


def all_keys() -> list[Item]:
    """Every API key's item."""
    return list(_query("pk = :pk", {":pk": {"S": "KEYS"}}))


def revoke_key(digest: str, when: int) -> bool:
    """Marks a key as revoked (epoch seconds); False when there is none."""
    return Change(Key("KEYS", digest)).put("revoked", when).apply() is not None
