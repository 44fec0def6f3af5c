"""Store accepted messages and enqueue their submissions.

The messages and submissions are written first, the batch's item (the head) last. Without a head
nothing is sent, so that a crash before it leaves no batch; after it the scheduler finishes the
batch.
"""

from collections import defaultdict
from collections.abc import Sequence
from datetime import UTC, datetime
from math import ceil
from typing import Any

import msgspec

from sms_gateway.core.derived_keys import Secret
from sms_gateway.core.problems import NoAnswerError, ServiceUnavailableError
from sms_gateway.core.sandbox import is_sandbox
from sms_gateway.core.status import Status
from sms_gateway.core.timestamps import epoch_seconds
from sms_gateway.core.ulids import ulid_ms
from sms_gateway.core.value_object import ValueObject
from sms_gateway.messages import queue
from sms_gateway.messages.dashboard_lines import report_accepted
from sms_gateway.messages.planning import PlannedRecipient
from sms_gateway.messages.sealed_text import new_seed, seal, without_text
from sms_gateway.messages.search_marks import MAX_MARKS, marks_of
from sms_gateway.storage import dynamodb
from sms_gateway.storage.items import (
    MARK_BYTES,
    Item,
    batch_item,
    marks_item,
    message_item,
    submission_item,
)
from sms_gateway.storage.models import (
    Batch,
    ItemKey,
    MessageContent,
    Submission,
    TimelineEntry,
    message_id,
)
from sms_gateway.vendors.adapter import Adapter
from sms_gateway.vendors.types import OutgoingMessage

MAX_TURN_SECONDS = 2.0  # of the vendor's rate that a submission takes: a code may wait for it


class AcceptedMessage(ValueObject, frozen=True):
    """One accepted recipient."""

    index: int
    id: str
    status: Status
    planned: PlannedRecipient


class BuiltBatch(ValueObject, frozen=True):
    """A batch ready to store: `items` first, then `head`, whose write accepts the batch."""

    tenant: str
    messages: Sequence[AcceptedMessage]
    submissions: Sequence[Submission]
    items: Sequence[Item]
    head: Item

    @property
    def id(self) -> str:
        """The batch's ULID."""
        return str(self.head["pk"]["S"])


def build_batch(
    tenant: str,
    batch: str,
    recipients: Sequence[PlannedRecipient],
    retention: int,
    key: Secret,
    campaign: str | None = None,
    key_id: str | None = None,
    *,
    test: bool = False,
    counted: str = "",
) -> BuiltBatch:
    """Build a batch under its ULID, whose time is the batch's.

    `campaign` or `key_id` is the id of the campaign or the API key that it comes from. Messages
    stay readable for `retention` seconds after their time of sending; the texts of category `otp`
    are sealed with `key`. With `test` it is a test key's; raises ValueError where that does not fit
    the recipients' vendors. `counted` is under whose limits it was counted.
    """
    if any(is_sandbox(vendor) != test for planned in recipients for vendor in planned.vendors):
        raise ValueError("a test message goes to the sandbox, and no other does")
    now = ulid_ms(batch) // 1000
    send_times = [planned.content.send_at for planned in recipients if planned.content.send_at]
    ttl = max([now, *(epoch_seconds(when) for when in send_times)]) + retention
    day = datetime.fromtimestamp(now, UTC).date().isoformat()
    groups = _group_by_submission(recipients)
    contents = [planned.content for group in groups for planned in group]
    marks = marks_of(tenant, contents, key)
    submissions: list[Submission] = []
    sealed: list[bytes | None] = []
    for group in groups:
        position, single = len(sealed), len(contents) == 1
        submission = _submission(batch, position, group, tenant, counted, single=single, test=test)
        submissions.append(submission)
        sealed += [
            seal(planned.content, message_id(batch, place), submission.seed or b"", key)
            for place, planned in enumerate(group, position)
        ]
    if len(contents) == 1:
        single_item = msgspec.structs.replace(
            submissions[0], campaign=campaign, key_id=key_id, sealed=sealed[0]
        )
        items, head = [], submission_item(single_item, ttl, day, marks)
    else:
        shared, own = _shared_content([without_text(content) for content in contents])
        items = _items(batch, submissions, own, sealed, ttl)
        if marks is not None and len(marks) > MAX_MARKS * MARK_BYTES:
            items.append(marks_item(batch, marks, ttl))
            marks = None
        owner = Batch(batch, tenant, len(contents), shared, campaign, key_id, test)
        head = batch_item(owner, day, ttl, marks)
    messages = _accepted_messages(batch, submissions, groups)
    return BuiltBatch(tenant, messages, submissions, items, head)


def store_batch(batch: BuiltBatch, *, repeatable: bool = True) -> None:
    """Write a batch and enqueue what is due now.

    `repeatable` is whether a repeated request makes no second batch. Raises
    ServiceUnavailableError; then the batch is not accepted, or its last write is in doubt and may
    be repeated. In doubt and not repeatable, raises NoAnswerError.
    """
    if batch.items:
        dynamodb.put_all(batch.items)
    try:
        recorded = dynamodb.put_new(batch.head)
    except ServiceUnavailableError as error:
        if repeatable:
            raise
        raise NoAnswerError(
            "It is not known whether this was accepted: look for it with GET /messages before you "
            "send it again. With an Idempotency-Key a repeat is safe."
        ) from error
    if not recorded:
        raise ServiceUnavailableError("This batch is recorded already; try again.")
    report_accepted(batch.submissions)
    _enqueue(batch.tenant, batch.submissions)


def _group_by_submission(recipients: Sequence[PlannedRecipient]) -> list[list[PlannedRecipient]]:
    """Group what one submission can carry: equal vendors, times and policies, packed by adapter."""
    candidates: dict[Any, list[PlannedRecipient]] = defaultdict(list)
    for planned in recipients:
        content = planned.content
        shared = (
            planned.vendors,
            content.send_at,
            planned.validity,
            content.on_unknown,
            content.withheld,
        )
        candidates[shared].append(planned)
    groups = []
    for members in candidates.values():
        adapter: Adapter = members[0].adapter
        by_id = {str(number): planned for number, planned in enumerate(members)}
        outgoing: list[OutgoingMessage] = [
            planned.content.outgoing(identifier) for identifier, planned in by_id.items()
        ]
        for pack in adapter.pack(outgoing):
            groups += _in_turns(adapter, [by_id[message.id] for message in pack])
    return groups


def _in_turns(adapter: Adapter, pack: list[PlannedRecipient]) -> list[list[PlannedRecipient]]:
    """Split what one submission can carry into parts that each take a short turn."""
    parts: list[list[PlannedRecipient]] = [[]]
    segments = 0
    for planned in pack:
        segments += planned.content.segments
        if parts[-1] and adapter.seconds(len(parts[-1]) + 1, segments) > MAX_TURN_SECONDS:
            parts.append([])
            segments = planned.content.segments
        parts[-1].append(planned)
    return parts


def _submission(
    batch: str,
    position: int,
    group: Sequence[PlannedRecipient],
    tenant: str,
    counted: str,
    *,
    single: bool,
    test: bool,
) -> Submission:
    first = group[0]
    created = ulid_ms(batch)
    now = created // 1000
    send_at = first.content.send_at
    send_time = ceil(send_at.timestamp()) if send_at else now
    scheduled_here = send_at is not None and not first.content.at_vendor
    status = Status.SCHEDULED if scheduled_here else Status.ACCEPTED
    prefix = "M" if len(group) == 1 else "S"
    return Submission(
        key=ItemKey(batch, f"{prefix}#{position:03d}"),
        count=len(group),
        vendor=first.vendors[0],
        vendors=first.vendors,
        status=status,
        attempt=0,
        created=created,
        expires=send_time + first.validity,
        due=send_time if scheduled_here else now + first.adapter.poll_after,
        polls=0,
        changed=now,
        result=None,
        timeline=(TimelineEntry(created, status, "api", first.vendors[0], note=first.reason),),
        tenant=tenant if single else None,
        content=without_text(first.content) if single else None,
        seed=new_seed() if any(planned.content.withheld for planned in group) else None,
        test=test,
        counted=counted,
        segments=_segments(group) if first.adapter.rate_unit == "segments" else 0,
    )


def _segments(group: Sequence[PlannedRecipient]) -> int:
    return sum(planned.content.segments for planned in group)


def _shared_content(
    contents: Sequence[MessageContent],
) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """Split contents into the fields that all messages share and each message's own."""
    fields: list[dict[str, Any]] = [msgspec.to_builtins(content) for content in contents]
    first = fields[0]
    shared = {
        name: value
        for name, value in first.items()
        if all(other.get(name) == value for other in fields)
    }
    return shared, [{n: v for n, v in own.items() if n not in shared} for own in fields]


def _accepted_messages(
    batch: str, submissions: Sequence[Submission], groups: Sequence[Sequence[PlannedRecipient]]
) -> list[AcceptedMessage]:
    """List the accepted messages in the order of the request."""
    messages = []
    for submission, group in zip(submissions, groups, strict=True):
        for offset, planned in enumerate(group):
            identifier = message_id(batch, submission.key.position + offset)
            messages.append(
                AcceptedMessage(planned.draft.index, identifier, submission.status, planned)
            )
    return sorted(messages, key=lambda message: message.index)


def _items(
    batch: str,
    submissions: Sequence[Submission],
    own: Sequence[dict[str, Any]],
    sealed: Sequence[bytes | None],
    ttl: int,
) -> list[Item]:
    items = []
    position = 0
    for submission in submissions:
        messages = [
            message_item(batch, place, own[place], ttl, sealed[place])
            for place in range(position, position + submission.count)
        ]
        state = submission_item(submission, ttl)
        if submission.is_single:
            items.append(messages[0] | state)
        else:
            items += [*messages, state]
        position += submission.count
    return items


def _enqueue(tenant: str, submissions: Sequence[Submission]) -> None:
    ready: dict[str, list[queue.SubmissionTask]] = defaultdict(list)
    for one in submissions:
        if one.status is Status.ACCEPTED:
            left = one.expires - one.changed
            task = queue.make_task(
                one.vendor, one.key, one.count, left, code=one.is_code, segments=one.segments
            )
            ready[one.vendor].append(task)
    for tasks in ready.values():
        queue.enqueue_submissions(tasks, tenant)
