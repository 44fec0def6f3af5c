"""Read a batch's messages in pages, so that no request reads a whole batch of a thousand."""

from sms_gateway.core.ulids import is_ulid
from sms_gateway.core.value_object import ValueObject
from sms_gateway.storage.dynamodb import get, query, query_range
from sms_gateway.storage.items import Item, read_batch, read_message, read_submission
from sms_gateway.storage.models import Batch, ItemKey, Message, Submission

LAST_POSITION = 999
LAST = f"M#{LAST_POSITION}"


class MessagePage(ValueObject, frozen=True):
    """Messages of a batch, in order of position, each with its submission.

    One whose submission is gone, as when DynamoDB has begun to remove the batch, is left out.
    `last` is the position of the last message that was read; `read` is how many items that took;
    `complete` says that the batch has none behind them.
    """

    batch: Batch
    members: list[tuple[Message, Submission]]
    last: int
    read: int
    complete: bool


def message_page(identifier: str, after: int, limit: int) -> MessagePage | None:
    """Read at most `limit` messages of a batch behind the position `after`, -1 for the first.

    None when there is no batch, as for a campaign: that is another kind of partition.
    """
    if not is_ulid(identifier):
        return None
    if after < 0:
        # The batch's own item stands right before its messages.
        items = query_range(identifier, "B", LAST, limit + 1)
    else:
        head = get(ItemKey(identifier, "B"))
        items = query_range(identifier, f"M#{after + 1:03d}", LAST, limit) if head else []
        items = [head, *items] if head else []
    heads = [item for item in items if "tenant" in item]
    if not heads or any(item["sk"]["S"] == "C" for item in items):
        return None
    batch = read_batch(heads[0])
    messages = [item for item in items if item["sk"]["S"].startswith("M#")]
    submissions = _submissions_of(identifier, messages)
    members = []
    for item in messages:
        position = int(item["sk"]["S"][2:])
        message = read_message(item, batch.shared)
        if "vendor" in item:
            members.append((message, read_submission(item)))
        elif covering := [one for one in submissions if one.key.position <= position]:
            members.append((message, covering[0]))
    last = int(messages[-1]["sk"]["S"][2:]) if messages else after
    complete = not messages or batch.count <= last + 1
    return MessagePage(batch, members, last, len(items) + len(submissions), complete)


def _submissions_of(identifier: str, messages: list[Item]) -> list[Submission]:
    """Return the submissions of consecutive messages that are not their own, last first."""
    grouped = [int(item["sk"]["S"][2:]) for item in messages if "vendor" not in item]
    if not grouped:
        return []
    values = {
        ":pk": {"S": identifier},
        ":low": {"S": "S#000"},
        ":high": {"S": f"S#{grouped[-1]:03d}"},
    }
    found = []
    for item in query(
        "pk = :pk AND sk BETWEEN :low AND :high",
        values,
        ConsistentRead=True,
        ScanIndexForward=False,
        Limit=len(grouped) + 1,  # each has a message at least
    ):
        found.append(read_submission(item))
        if found[-1].key.position <= grouped[0]:
            break
    return found
