"""Batches, submissions and messages in the table: docs/data-model.md lists the access paths."""

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from sms_gateway.core.status import Status
from sms_gateway.core.ulids import is_ulid
from sms_gateway.storage.items import (
    Item,
    key_of,
    read_batch,
    read_message,
    read_submission,
)
from sms_gateway.storage.models import Batch, ItemKey, Message, Submission

if TYPE_CHECKING:
    from mypy_boto3_dynamodb.type_defs import ConditionCheckTypeDef
from sms_gateway.storage.dynamodb import (
    ItemUpdate,
    client,
    conditional_write,
    get,
    get_all,
    query,
    query_range,
    table_name,
)


def find_submission(key: ItemKey, claim: str | None = None) -> Submission | None:
    """A submission by its key; if `claim` is given, only while it is held under that claim."""
    item = get(key)
    if item is None or "vendor" not in item:
        return None
    if claim is not None and item.get("claim", {}).get("S") != claim:
        return None
    return read_submission(item)


def find_batch(identifier: str) -> Batch | None:
    """A batch by its id: from its own item, or from the only item of a batch of one."""
    item = get(ItemKey(identifier, "B")) or get(ItemKey(identifier, "M#000"))
    return read_batch(item) if item and "tenant" in item else None


def find_message(key: ItemKey) -> tuple[Batch, Message, Submission] | None:
    """A message with its batch and the submission that it stands in: one or two reads."""
    if key.position == 0:
        # Side by side, and so read as one; mostly there is no B, and asking for it has its price.
        found = list(_between(key.batch, "B", key.sort))
    else:
        found = get_all([key_of(key), key_of(ItemKey(key.batch, "B"))])
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


def load_messages(sub: Submission) -> tuple[Batch, list[Message]]:
    """A submission's messages and what they share, consistently read. Raises LookupError for one
    whose batch was never accepted."""
    if sub.content is not None and sub.tenant is not None:
        alone = Batch(sub.key.batch, sub.tenant, 1, campaign=sub.campaign)
        return alone, [Message(sub.key, sub.content, None, sub.timeline)]
    owner = find_batch(sub.key.batch)
    if owner is None:
        raise LookupError("the batch was never accepted")
    first = sub.key.position
    items = _between(sub.key.batch, f"M#{first:03d}", f"M#{first + sub.count - 1:03d}")
    found = [read_message(item, owner.shared) for item in items]
    if sub.is_single:
        found = [Message(one.key, one.content, None, one.timeline) for one in found]
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


def has_open_message(batch: str, first: int, limit: int) -> bool | None:
    """Whether one of the `limit` messages of a batch from position `first` on is not final: True
    when there is one, False when all those are final, None when the batch has none there."""
    items = query_range(batch, f"M#{first:03d}", "M#999", limit)
    groups: list[tuple[str, Status]] | None = None
    for item in items:
        if "status" in item:
            status = Status(item["status"]["S"])
        else:
            if groups is None:
                found = query_range(batch, "S#000", "S#999", 1000)
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


def _between(batch: str, low: str, high: str) -> Iterator[Item]:
    return query(
        "pk = :pk AND sk BETWEEN :low AND :high",
        {":pk": {"S": batch}, ":low": {"S": low}, ":high": {"S": high}},
        ConsistentRead=True,
    )


def cancel_message_in_submission(group: ItemKey, message: ItemUpdate) -> bool:
    """Cancels one message of a group that has not left: one transaction, so that a dispatcher
    that takes the group afterwards is sure to see it."""
    check: ConditionCheckTypeDef = {
        "TableName": table_name(),
        "Key": key_of(group),
        "ConditionExpression": "#status IN (:scheduled, :accepted) AND attribute_not_exists(doubt)",
        "ExpressionAttributeNames": {"#status": "status"},
        "ExpressionAttributeValues": {
            ":scheduled": {"S": Status.SCHEDULED},
            ":accepted": {"S": Status.ACCEPTED},
        },
    }
    asked: Any = [{"ConditionCheck": check}, {"Update": message.parameters()}]
    return conditional_write(lambda: client().transact_write_items(TransactItems=asked)) is not None
