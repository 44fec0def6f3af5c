"""Cancel what is unsent of a batch, submission by submission, and give back what counted it."""

import time
from collections import defaultdict
from collections.abc import Callable, Collection
from itertools import batched

from sms_gateway.config.stack_keys import message_key
from sms_gateway.core.status import Status
from sms_gateway.core.timestamps import from_ms, utc_now
from sms_gateway.messages.dashboard_lines import report_ended
from sms_gateway.policies import door
from sms_gateway.storage import dynamodb, message_repository
from sms_gateway.storage.message_updates import MessageUpdate
from sms_gateway.storage.models import ItemKey, MessageContent, Source, TimelineEntry

WRITES_PER_PAGE = 10 * dynamodb.MAX_PARALLEL_WRITES  # writes between two checks of the time left
PAGE_SECONDS = 10.0  # seconds that reading a batch, or writing a page, may take at most

HasTimeFor = Callable[[float], bool]


def cancel_unsent_of(
    batch: str, has_time_for: HasTimeFor, source: Source = "operator"
) -> int | None:
    """Cancel the unsent submissions of a batch; return how many messages they have.

    `source` is who does so, as the timelines show it.

    Return None when time ran out. The condition spares what a vendor has, or may have, so that it
    is safe to repeat.
    """
    now = time.time()
    entry = TimelineEntry(int(now * 1000), Status.CANCELLED, source)
    unsent = [
        item
        for item in message_repository.submissions_of(batch)
        if item["status"]["S"] in (Status.SCHEDULED, Status.ACCEPTED)
    ]
    changes = [
        MessageUpdate(ItemKey(item["pk"]["S"], item["sk"]["S"]))
        .set("status", Status.CANCELLED)
        .set("changed", int(now))
        .append_timeline(entry)
        .schedule_check(None)
        .if_in("status", Status.SCHEDULED, Status.ACCEPTED)
        .if_missing("in_doubt")
        for item in unsent
    ]
    messages = 0
    counted: set[ItemKey] = set()
    complete = True
    for page in batched(zip(unsent, changes, strict=True), WRITES_PER_PAGE, strict=False):
        if not has_time_for(PAGE_SECONDS):
            complete = False
            break
        written = dynamodb.apply_all([change for _, change in page])
        for (item, _), cancelled in zip(page, written, strict=True):
            if cancelled:
                count = int(item["count"]["N"])
                report_ended(item["vendor"]["S"], Status.CANCELLED, count)
                messages += count
                if "counted" in item:
                    counted.add(ItemKey(item["pk"]["S"], item["sk"]["S"]))
    if counted:
        _give_back(batch, counted)
    return messages if complete else None


def _give_back(batch: str, cancelled: Collection[ItemKey]) -> None:
    """Give back a batch's submissions, but for messages that were given back one by one."""
    stored = message_repository.whole_batch(batch)
    if stored is None:  # never accepted
        return
    owner, members = stored
    parts: dict[str, list[door.Send]] = defaultdict(list)
    accepted = 0
    for message, sub in members:
        if sub.key in cancelled and (sub.is_single or message.status is None):
            parts[sub.counted].append(counted_part(message.content))
            accepted = sub.created
    for under, cancelled_parts in parts.items():
        door.give_back_messages(
            under,
            owner.tenant,
            owner.key_id,
            cancelled_parts,
            from_ms(accepted),
            utc_now(),
            message_key,
        )


def counted_part(content: MessageContent) -> door.Send:
    """Return what a message was counted as; the text of a code is not known any more."""
    return content.to, content.segments, (), None if content.withheld else content.text
