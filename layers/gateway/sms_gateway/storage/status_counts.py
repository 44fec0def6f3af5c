"""Count a batch's messages by status, without their texts and timelines."""

from bisect import bisect_right
from collections import Counter

from sms_gateway.core.status import Status
from sms_gateway.storage.dynamodb import query
from sms_gateway.storage.items import MARKS, read_submission
from sms_gateway.storage.message_state import shared_status
from sms_gateway.storage.models import Submission

_READ = (
    *("pk", "sk", "count", "vendor", "vendors", "status", "attempt"),
    *("created", "expires", "changed", "result", "refused"),
)


def count_statuses(batch: str) -> Counter[str]:
    """Return how many messages of a batch stand where; read as of a moment ago, at half price."""
    names = {f"#{name}": name for name in _READ}
    items = query(
        "pk = :pk AND sk < :marks",
        {":pk": {"S": batch}, ":marks": {"S": MARKS}},
        ProjectionExpression=", ".join(names),
        ExpressionAttributeNames=names,
    )
    counts: Counter[str] = Counter()
    submissions: list[Submission] = []
    sharing: list[int] = []  # positions of messages without a status of their own
    for item in items:
        sort = item["sk"]["S"]
        position = int(sort[2:]) if sort[0] == "M" else -1
        if "vendor" in item:
            sub = read_submission(item)
            if position >= 0:
                counts[shared_status(position, sub)] += 1
            else:
                submissions.append(sub)
        elif "status" in item:
            counts[Status(item["status"]["S"])] += 1
        elif position >= 0:
            sharing.append(position)
    firsts = [sub.key.position for sub in submissions]
    for position in sharing:
        if place := bisect_right(firsts, position):
            counts[shared_status(position, submissions[place - 1])] += 1
    return counts
