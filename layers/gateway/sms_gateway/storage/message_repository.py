"""Batches, submissions and messages; docs/data-model.md lists the access paths."""

from collections.abc import Iterator, Sequence
from copy import replace
from itertools import islice
from typing import TYPE_CHECKING, Any

from sms_gateway.core.status import Status
from sms_gateway.core.ulids import is_ulid
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
from sms_gateway.storage.items import (
    MARKS,
    Item,
    key_of,
    read_batch,
    read_message,
    read_sealed,
    read_submission,
)
from sms_gateway.storage.models import Batch, ItemKey, Message, Submission

if TYPE_CHECKING:
    from mypy_boto3_dynamodb.type_defs import ConditionCheckTypeDef


def find_submission(key: ItemKey, claim: str | None = None) -> Submission | None:
    """Return a submission; with `claim`, only while that claim holds it."""
    item = get(key)
    if item is None or "vendor" not in item:
        return None
    if claim is not None and item.get("claim", {}).get("S") != claim:
        return None
    return read_submission(item)


def find_batch(identifier: str) -> Batch | None:
    """Return a batch, from its own item or from the only item of a batch of one."""
    item = get(ItemKey(identifier, "B")) or get(ItemKey(identifier, "M#000"))
    return read_batch(item) if item and "tenant" in item else None


def tenant_of(sub: Submission) -> str | None:
    """Return a submission's tenant; None when its batch was never accepted."""
    if sub.tenant is not None:
        return sub.tenant
    batch = find_batch(sub.key.batch)
    return batch.tenant if batch else None


def find_message(key: ItemKey) -> tuple[Batch, Message, Submission] | None:
    """Return a message with its batch and its submission: one or two reads."""
    if key.position == 0:
        # Adjacent, so one query; a get of B would mostly be billed for nothing.
        nearby = list(_query_between(key.batch, "B", key.sort))
    else:
        nearby = get_all([key_of(key), key_of(ItemKey(key.batch, "B"))])
    items = {item["sk"]["S"]: item for item in nearby}
    item = items.get(key.sort)
    head = items.get("B", item)
    if item is None or head is None or "tenant" not in head:
        return None
    batch = read_batch(head)
    if "vendor" in item:
        sub = read_submission(item)
        return batch, read_message(item, batch.shared, sub.seed), sub
    range_values = {
        ":pk": {"S": key.batch},
        ":low": {"S": "S#000"},
        ":high": {"S": f"S#{key.position:03d}"},
    }
    for consistent in (False, True):  # the first may miss what was just written
        submissions = query(
            "pk = :pk AND sk BETWEEN :low AND :high",
            range_values,
            ScanIndexForward=False,
            Limit=1,
            ConsistentRead=consistent,
        )
        for submission in submissions:
            sub = read_submission(submission)
            return batch, read_message(item, batch.shared, sub.seed), sub
    return None


def load_messages(sub: Submission) -> tuple[Batch, list[Message]]:
    """Read a submission's batch and messages, consistently.

    Raises LookupError when the batch was never accepted.
    """
    if sub.content is not None and sub.tenant is not None:
        single = Batch(
            sub.key.batch, sub.tenant, 1, campaign=sub.campaign, key_id=sub.key_id, test=sub.test
        )
        sealed = read_sealed(sub.seed, sub.sealed)
        return single, [Message(sub.key, sub.content, None, sub.timeline, sealed)]
    batch = find_batch(sub.key.batch)
    if batch is None:
        raise LookupError("the batch was never accepted")
    first = sub.key.position
    items = _query_between(sub.key.batch, f"M#{first:03d}", f"M#{first + sub.count - 1:03d}")
    messages = [read_message(item, batch.shared, sub.seed) for item in items]
    if sub.is_single:
        messages = [replace(message, status=None) for message in messages]
    return batch, messages


def whole_batch(identifier: str) -> tuple[Batch, list[tuple[Message, Submission]]] | None:
    """Read a batch and all its messages, each with its submission, in order of position."""
    if not is_ulid(identifier):
        return None  # another kind of partition
    items = []
    for item in query_batch(identifier):
        if item["sk"]["S"] == "C":
            return None  # a campaign, with up to a thousand chunks
        items.append(item)
    heads = [item for item in items if "tenant" in item]
    if not heads:
        return None
    batch = read_batch(heads[0])
    return batch, members_of(batch, items)


def members_of(batch: Batch, items: Sequence[Item]) -> list[tuple[Message, Submission]]:
    """Return a batch's messages from its items, each with its submission, in order of position."""
    submissions = [read_submission(item) for item in items if item["sk"]["S"].startswith("S#")]
    members = []
    for item in items:
        if not item["sk"]["S"].startswith("M#"):
            continue
        message = read_message(item, batch.shared)
        if "vendor" in item:
            members.append((message, read_submission(item)))
            continue
        position = message.key.position
        covering = [sub for sub in submissions if sub.key.position <= position]
        if covering:
            members.append((message, covering[-1]))
    return members


def submissions_of(identifier: str) -> list[Item]:
    """Return the items of a batch's submissions, those of single messages too."""
    return [item for item in query_batch(identifier) if "vendor" in item]


def query_batch(identifier: str, *, consistent: bool = True) -> Iterator[Item]:
    """Yield a batch's items, without its marks."""
    return query(
        "pk = :pk AND sk < :marks",
        {":pk": {"S": identifier}, ":marks": {"S": MARKS}},
        ConsistentRead=consistent,
    )


def has_open_message(batch: str, first: int, limit: int) -> bool | None:
    """Return whether one of `limit` messages of a batch, from position `first`, is not final.

    None when the batch has no messages there.
    """
    items = query_range(batch, f"M#{first:03d}", "M#999", limit)
    statuses: list[tuple[str, Status]] | None = None
    for item in items:
        if "status" in item:
            status = Status(item["status"]["S"])
        else:
            if statuses is None:
                submissions = query_range(batch, "S#000", "S#999", 1000)
                statuses = [
                    (submission["sk"]["S"], Status(submission["status"]["S"]))
                    for submission in submissions
                ]
            place = f"S#{item['sk']['S'][2:]}"
            covering = [state for sort, state in statuses if sort <= place]
            status = covering[-1] if covering else Status.ACCEPTED
        if not status.final:
            return True
    return False if items else None


def tenant_batches(tenant: str, day: str, before: str | None, limit: int) -> list[str]:
    """Return ids of a tenant's batches of a day (YYYY-MM-DD, UTC) before `before`, newest first."""
    entries = tenant_entries(tenant, day, before, limit)
    return [key.batch for key, _ in islice((one for one in entries if one[0].sort != "C"), limit)]


def tenant_entries(
    tenant: str, day: str, before: str | None, page: int
) -> Iterator[tuple[ItemKey, str | None]]:
    """Yield a day's batches and campaigns, newest first, each with the campaign it is a part of.

    Read `page` at a time.
    """
    values: Item = {":day": {"S": f"{tenant}#{day}"}}
    condition = "#day = :day"
    if before:
        condition += " AND pk < :before"
        values[":before"] = {"S": before}
    items = query(
        condition,
        values,
        IndexName="by_tenant",
        ExpressionAttributeNames={"#day": "day"},
        ScanIndexForward=False,
        Limit=page,
    )
    for item in items:
        yield ItemKey(item["pk"]["S"], item["sk"]["S"]), item.get("campaign", {}).get("S")


def _query_between(batch: str, low: str, high: str) -> Iterator[Item]:
    return query(
        "pk = :pk AND sk BETWEEN :low AND :high",
        {":pk": {"S": batch}, ":low": {"S": low}, ":high": {"S": high}},
        ConsistentRead=True,
    )


def cancel_message_in_submission(submission: ItemKey, message: ItemUpdate) -> bool:
    """Cancel one message of a submission that has not been sent.

    One transaction: a worker that claims the submission afterwards is sure to see it.
    """
    check: ConditionCheckTypeDef = {
        "TableName": table_name(),
        "Key": key_of(submission),
        "ConditionExpression": (
            "#status IN (:scheduled, :accepted) AND attribute_not_exists(in_doubt)"
        ),
        "ExpressionAttributeNames": {"#status": "status"},
        "ExpressionAttributeValues": {
            ":scheduled": {"S": Status.SCHEDULED},
            ":accepted": {"S": Status.ACCEPTED},
        },
    }
    items: Any = [{"ConditionCheck": check}, {"Update": message.parameters()}]
    return conditional_write(lambda: client().transact_write_items(TransactItems=items)) is not None
