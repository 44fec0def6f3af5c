"""The one module that talks to DynamoDB; docs/data-model.md lists its access paths,
items.py its items.

Every change of state is one conditional write. Raises Unavailable when DynamoDB does not answer.
"""

import os
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from itertools import islice
from typing import TYPE_CHECKING, Any

import msgspec
from botocore.exceptions import BotoCoreError, ClientError

from sms_gateway.aws import clients
from sms_gateway.core.problems import Unavailable
from sms_gateway.core.status import Status
from sms_gateway.storage.items import (
    Item,
    key_of,
    number,
    read_batch,
    read_message,
    read_submission,
    text,
)
from sms_gateway.storage.models import Batch, Key, Message, Submission, is_ulid
from sms_gateway.storage.update_expression import Update

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient
    from mypy_boto3_dynamodb.type_defs import ConditionCheckTypeDef

WRITERS = 16  # parallel BatchWriteItem and UpdateItem calls


def client() -> "DynamoDBClient":
    """The one client of this process: bounded time-outs and retries, connections kept."""
    made: DynamoDBClient = clients.client("dynamodb")
    return made


def name() -> str:
    """The table's name."""
    return os.environ["TABLE_NAME"]


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


def put(item: Item, condition: str, **expression: Any) -> Item | None:
    """Writes an item if a condition holds: None, or else what stands there instead ({} when nothing
    does). What stands there may be this very item: botocore asks again when an answer got lost."""
    try:
        with _answering():
            client().put_item(
                TableName=name(),
                Item=item,
                ConditionExpression=condition,
                ReturnValuesOnConditionCheckFailure="ALL_OLD",
                **expression,
            )
    except ClientError as error:
        there: Any = error.response.get("Item", {})
        return dict(there)
    return None


def put_new(item: Item) -> bool:
    """Writes an item that must not be there yet; False when another one is."""
    return put(item, "attribute_not_exists(pk)") in (None, item)


def put_while(check: Update, item: Item, condition: str, **expression: Any) -> bool:
    """Writes an item if a condition holds, and only while those of `check` do on another item: one
    transaction. Whether it was written; asked twice, the SDK's token makes it once."""
    put_it: Any = {"TableName": name(), "Item": item, "ConditionExpression": condition}
    asked: Any = [
        {"ConditionCheck": {"TableName": name(), **check.conditions()}},
        {"Put": put_it | expression},
    ]
    return _written(lambda: client().transact_write_items(TransactItems=asked)) is not None


def _written[T](write: Callable[[], T]) -> T | None:
    """What a conditional write answers, None when a condition does not hold. It is tried again
    while a transaction and another write want the same item at once."""
    for attempt in range(6):
        try:
            with _answering():
                return write()
        except ClientError:
            return None
        except Unavailable as error:
            if not _in_conflict(error):
                raise
            time.sleep(0.05 * 2**attempt)
    raise Unavailable("Others are writing what this is about; try again.")


def _in_conflict(error: Unavailable) -> bool:
    cause = error.__cause__
    if not isinstance(cause, ClientError):
        return False
    reasons: Any = cause.response.get("CancellationReasons", [])
    codes = [cause.response["Error"]["Code"], *(reason.get("Code") for reason in reasons)]
    return not {"TransactionConflict", "TransactionConflictException"}.isdisjoint(codes)


# Reading


def get(key: Key) -> Item | None:
    """One item, consistently."""
    with _answering():
        found = client().get_item(TableName=name(), Key=key_of(key), ConsistentRead=True)
    return found.get("Item")


def get_all(keys: Sequence[Item]) -> list[Item]:
    """The items that are there, consistently, 100 keys a call."""
    return [item for start in range(0, len(keys), 100) for item in _get_page(keys[start:][:100])]


def _get_page(keys: Sequence[Item]) -> list[Item]:
    """Asks until DynamoDB has looked at every key."""
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


def get_many(keys: Sequence[Key]) -> dict[Key, Item]:
    """The items that are there, consistently, by their keys."""
    found = get_all([key_of(key) for key in keys])
    return {Key(item["pk"]["S"], item["sk"]["S"]): item for item in found}


def some(
    partition: str,
    low: str,
    high: str,
    limit: int,
    *,
    newest_first: bool = False,
    consistent: bool = True,
) -> list[Item]:
    """At most `limit` items of a partition whose sort keys lie from `low` to `high`, in order."""
    found = query(
        "pk = :pk AND sk BETWEEN :low AND :high",
        {":pk": {"S": partition}, ":low": {"S": low}, ":high": {"S": high}},
        ConsistentRead=consistent,
        ScanIndexForward=not newest_first,
        Limit=limit,
    )
    return list(islice(found, limit))


def remove(key: Key) -> bool:
    """Removes an item; whether it was there."""
    with _answering():
        gone = client().delete_item(TableName=name(), Key=key_of(key), ReturnValues="ALL_OLD")
    return "Attributes" in gone


def submission(key: Key, claim: str | None = None) -> Submission | None:
    """A submission by its key; if `claim` is given, only while it is held under that claim."""
    item = get(key)
    if item is None or "vendor" not in item:
        return None
    if claim is not None and item.get("claim", {}).get("S") != claim:
        return None
    return read_submission(item)


def batch(identifier: str) -> Batch | None:
    """A batch by its id: from its own item, or from the only item of a batch of one."""
    item = get(Key(identifier, "B")) or get(Key(identifier, "M#000"))
    return read_batch(item) if item and "tenant" in item else None


def find(key: Key) -> tuple[Batch, Message, Submission] | None:
    """A message with its batch and the submission that it stands in: one or two reads."""
    if key.position == 0:
        # Side by side, and so read as one; mostly there is no B, and asking for it has its price.
        found = list(_between(key.batch, "B", key.sort))
    else:
        found = get_all([key_of(key), key_of(Key(key.batch, "B"))])
    items = {item["sk"]["S"]: item for item in found}
    item = items.get(key.sort)
    head = items.get("B", item)
    if item is None or head is None or "tenant" not in head:
        return None
    owner = read_batch(head)
    message = read_message(item, owner.shared)
    if "vendor" in item:
        return owner, message, read_submission(item)
    values = {
        ":pk": {"S": key.batch},
        ":low": {"S": "S#000"},
        ":high": {"S": f"S#{key.position:03d}"},
    }
    for consistent in (False, True):  # what was written just now may be missing in the first
        covering = query(
            "pk = :pk AND sk BETWEEN :low AND :high",
            values,
            ScanIndexForward=False,
            Limit=1,
            ConsistentRead=consistent,
        )
        for one in covering:
            return owner, message, read_submission(one)
    return None


def members(sub: Submission) -> tuple[Batch, list[Message]]:
    """A submission's messages and what they share, consistently read. Raises LookupError for one
    whose batch was never accepted."""
    if sub.content is not None and sub.tenant is not None:
        alone = Batch(sub.key.batch, sub.tenant, 1, campaign=sub.campaign)
        return alone, [Message(sub.key, sub.content, None, sub.log)]
    owner = batch(sub.key.batch)
    if owner is None:
        raise LookupError("the batch was never accepted")
    first = sub.key.position
    items = _between(sub.key.batch, f"M#{first:03d}", f"M#{first + sub.count - 1:03d}")
    found = [read_message(item, owner.shared) for item in items]
    if sub.own_item:
        found = [Message(one.key, one.content, None, one.log) for one in found]
    return owner, found


def whole_batch(identifier: str) -> tuple[Batch, list[tuple[Message, Submission]]] | None:
    """Everything of a batch, in the order of its positions."""
    if not is_ulid(identifier):
        return None  # other kinds of items have partitions too
    items = []
    for item in query("pk = :pk", {":pk": {"S": identifier}}, ConsistentRead=True):
        if item["sk"]["S"] == "C":
            return None  # a campaign, with up to a thousand chunks behind
        items.append(item)
    heads = [item for item in items if "tenant" in item]
    if not heads:
        return None
    owner = read_batch(heads[0])
    groups = [read_submission(item) for item in items if item["sk"]["S"].startswith("S#")]
    found = []
    for item in items:
        if not item["sk"]["S"].startswith("M#"):
            continue
        message = read_message(item, owner.shared)
        if "vendor" in item:
            found.append((message, read_submission(item)))
            continue
        position = message.key.position
        covering = [group for group in groups if group.key.position <= position]
        if covering:
            found.append((message, covering[-1]))
    return owner, found


def submissions_of(identifier: str) -> list[Item]:
    """The submissions of a batch, those that stand in a message's item as well."""
    return [
        item
        for item in query("pk = :pk", {":pk": {"S": identifier}}, ConsistentRead=True)
        if "vendor" in item
    ]


def open_message(batch: str, first: int, limit: int) -> bool | None:
    """Whether one of the `limit` messages of a batch from position `first` on is not final: True
    when there is one, False when all those are final, None when the batch has none there."""
    items = some(batch, f"M#{first:03d}", "M#999", limit)
    groups: list[tuple[str, Status]] | None = None
    for item in items:
        if "status" in item:
            status = Status(item["status"]["S"])
        else:
            if groups is None:
                found = some(batch, "S#000", "S#999", 1000)
                groups = [(one["sk"]["S"], Status(one["status"]["S"])) for one in found]
            place = f"S#{item['sk']['S'][2:]}"
            covering = [state for sort, state in groups if sort <= place]
            status = covering[-1] if covering else Status.ACCEPTED
        if not status.final:
            return True
    return False if items else None


def tenant_batches(tenant: str, day: str, before: str | None, limit: int) -> list[str]:
    """Ids of a tenant's batches of one day (YYYY-MM-DD, UTC), newest first, older than `before`."""
    values: Item = {":day": {"S": f"{tenant}#{day}"}}
    condition = "#day = :day"
    if before:
        condition += " AND pk < :before"
        values[":before"] = {"S": before}
    found = query(
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
    found = query(
        "#shard = :shard AND due <= :now",
        {":shard": {"S": shard}, ":now": number(now)},
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


def _between(batch: str, low: str, high: str) -> Iterator[Item]:
    return query(
        "pk = :pk AND sk BETWEEN :low AND :high",
        {":pk": {"S": batch}, ":low": {"S": low}, ":high": {"S": high}},
        ConsistentRead=True,
    )


def query(condition: str, values: Item, **options: Any) -> Iterator[Item]:
    """The items of a key condition, page by page as they are taken."""
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


class Change(Update):
    """An update that writes itself."""

    def parameters(self) -> Any:
        """The parameters of UpdateItem."""
        return {"TableName": name(), **self.request()}

    def apply(self) -> Item | None:
        """Writes; the whole new item, or None when a condition does not hold."""
        asked = self.parameters() | {"ReturnValues": "ALL_NEW"}
        answer = _written(lambda: client().update_item(**asked))
        return answer["Attributes"] if answer else None

    def move(self) -> Submission | None:
        """Writes; the submission as it now is, or None when a condition does not hold."""
        item = self.apply()
        return read_submission(item) if item else None


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
        "Key": key_of(group),
        "ConditionExpression": "#status IN (:scheduled, :accepted) AND attribute_not_exists(doubt)",
        "ExpressionAttributeNames": {"#status": "status"},
        "ExpressionAttributeValues": {
            ":scheduled": {"S": Status.SCHEDULED},
            ":accepted": {"S": Status.ACCEPTED},
        },
    }
    asked: Any = [{"ConditionCheck": check}, {"Update": message.parameters()}]
    return _written(lambda: client().transact_write_items(TransactItems=asked)) is not None


# Requests that carry an Idempotency-Key


def get_request(key: str) -> Item | None:
    """The record of an Idempotency-Key."""
    return get(Key(key, "REQUEST"))


def put_request(key: str, attributes: Item, now: int, instead_of: str | None) -> Item | None:
    """Writes a record if there is none that lives, or only the one of the batch `instead_of`: None,
    or else the record that stands there instead ({} when it has gone)."""
    if instead_of is None:
        condition, names = "attribute_not_exists(pk) OR #ttl <= :now", {"#ttl": "ttl"}
        values = {":now": number(now)}
    else:
        condition, names = "#batch = :old", {"#batch": "batch"}
        values = {":old": {"S": instead_of}}
    there = put(
        {**key_of(Key(key, "REQUEST")), **attributes},
        condition,
        ExpressionAttributeNames=names,
        ExpressionAttributeValues=values,
    )
    return None if there and there.get("batch") == attributes["batch"] else there


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
                "ttl": number(ttl),
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
    found = get_all([{"pk": {"S": one}, "sk": {"S": "KEPT"}} for one in names])
    return {item["pk"]["S"]: read_kept(item) for item in found}


def read_kept(item: Item) -> tuple[int, Any]:
    """A kept value, with the epoch second at which it was kept."""
    return int(item["at"]["N"]), msgspec.json.decode(item["data"]["S"])


def keep(key: str, now: int, value: object) -> None:
    """Keeps a value under a name."""
    with _answering():
        client().put_item(
            TableName=name(),
            Item={
                "pk": {"S": key},
                "sk": {"S": "KEPT"},
                "at": number(now),
                "data": text(value),
            },
        )


# The clock's leases

LEASES: Item = {"pk": {"S": "CLOCK"}, "sk": {"S": "LEASES"}}  # one item: a write for all shards


def lease(shards: Sequence[str], now: int, seconds: int) -> list[str]:
    """Takes partitions of the due index for a while, so that no two workers look at one; those
    that were free."""
    wanted = list(shards)
    for _ in range(4):  # each time another worker was faster with some
        if not wanted:
            break
        try:
            _set_leases(wanted, now + seconds, free_at=now)
        except ClientError as error:
            held: Any = error.response.get("Item", {})
            wanted = [one for one in wanted if int(held.get(one, {"N": "0"})["N"]) <= now]
        else:
            return wanted
    return []


def release(shards: Sequence[str]) -> None:
    """Gives partitions back before their lease ends."""
    _set_leases(shards, 0)


def _set_leases(shards: Sequence[str], until: int, free_at: int | None = None) -> None:
    values: Item = {":until": number(until)}
    options: Any = {}
    if free_at is not None:
        values[":now"] = number(free_at)
        free = [f"(attribute_not_exists(#s{one}) OR #s{one} <= :now)" for one in shards]
        options["ConditionExpression"] = " AND ".join(free)
        options["ReturnValuesOnConditionCheckFailure"] = "ALL_OLD"
    with _answering():
        client().update_item(
            TableName=name(),
            Key=LEASES,
            UpdateExpression="SET " + ", ".join(f"#s{one} = :until" for one in shards),
            ExpressionAttributeNames={f"#s{one}": one for one in shards},
            ExpressionAttributeValues=values,
            **options,
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
                ExpressionAttributeValues={":end": number(now + cost), ":now": number(now)},
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
                    ":cost": number(cost),
                    ":latest": number(now + horizon),
                },
                ReturnValues="UPDATED_NEW",
            )
    except ClientError:
        return None
    return int(answer["Attributes"]["booked"]["N"]) - cost
