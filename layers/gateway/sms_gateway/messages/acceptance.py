"""Records what is accepted and hands it to the dispatchers.

The order of writes is the guarantee: messages and submissions first, the batch's own item last.
Nothing is sent for a batch whose item is missing, so a crash before it leaves nothing behind, and
a crash after it leaves what the clock finds and finishes.
"""

from collections import defaultdict
from collections.abc import Sequence
from datetime import UTC, datetime
from math import ceil
from typing import Any

import msgspec

from sms_gateway.core.problems import ServiceUnavailableError
from sms_gateway.core.status import Status
from sms_gateway.core.timestamps import epoch_seconds
from sms_gateway.core.ulids import ulid_ms
from sms_gateway.core.value_object import ValueObject
from sms_gateway.messages import queue
from sms_gateway.messages.planning import PlannedRecipient
from sms_gateway.storage import dynamodb
from sms_gateway.storage.items import Item, batch_item, message_item, submission_item
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


class AcceptedMessage(ValueObject, frozen=True):
    """What a caller is told of one accepted recipient."""

    index: int
    id: str
    status: Status
    planned: PlannedRecipient


class BuiltBatch(ValueObject, frozen=True):
    """A batch as it will be written: `items` first, then `head`, whose writing accepts it."""

    tenant: str
    messages: Sequence[AcceptedMessage]
    submissions: Sequence[Submission]
    items: Sequence[Item]
    head: Item


def build_batch(
    tenant: str,
    batch: str,
    accepted: Sequence[PlannedRecipient],
    retention: int,
    campaign: str | None = None,
) -> BuiltBatch:
    """Makes a batch under its ULID, whose time is the batch's; `campaign` is the id of the campaign
    that it is a part of. Its messages stay readable for `retention` seconds after they leave."""
    now = ulid_ms(batch) // 1000
    sends = [one.content.send_at for one in accepted if one.content.send_at]
    ttl = max([now, *(epoch_seconds(when) for when in sends)]) + retention
    day = datetime.fromtimestamp(now, UTC).date().isoformat()
    groups = _group_by_submission(accepted)
    ordered = [one for group in groups for one in group]
    submissions = []
    position = 0
    for group in groups:
        submissions.append(_submission(batch, position, group, tenant, alone=len(ordered) == 1))
        position += len(group)
    if len(ordered) == 1:
        alone = msgspec.structs.replace(submissions[0], campaign=campaign)
        items, head = [], submission_item(alone, ttl, day)
    else:
        shared, own = _shared_content([one.content for one in ordered])
        items = _items(batch, submissions, own, ttl)
        head = batch_item(Batch(batch, tenant, len(ordered), shared, campaign), day, ttl)
    receipts = []
    for submission, group in zip(submissions, groups, strict=True):
        for offset, one in enumerate(group):
            identifier = message_id(batch, submission.key.position + offset)
            receipts.append(AcceptedMessage(one.index, identifier, submission.status, one))
    receipts.sort(key=lambda receipt: receipt.index)
    return BuiltBatch(tenant, receipts, submissions, items, head)


def store_batch(prepared: BuiltBatch) -> None:
    """Writes a batch and enqueues what is to leave now. Raises Unavailable before anything is
    promised."""
    if prepared.items:
        dynamodb.put_all(prepared.items)
    if not dynamodb.put_new(prepared.head):
        raise ServiceUnavailableError("This batch is recorded already; try again.")
    _enqueue(prepared.tenant, prepared.submissions)


def _group_by_submission(accepted: Sequence[PlannedRecipient]) -> list[list[PlannedRecipient]]:
    """Groups that each become one submission: one route, one time, one lifetime, and whatever the
    vendor itself needs to be alike."""
    alike: dict[Any, list[PlannedRecipient]] = defaultdict(list)
    for one in accepted:
        content = one.content
        alike[(one.vendors, content.send_at, one.validity, content.on_unknown)].append(one)
    groups = []
    for members in alike.values():
        adapter: Adapter = members[0].adapter
        numbered = {str(number): one for number, one in enumerate(members)}
        outgoing: list[OutgoingMessage] = [one.content.outgoing(n) for n, one in numbered.items()]
        groups += [[numbered[o.id] for o in packed] for packed in adapter.pack(outgoing)]
    return groups


def _submission(
    batch: str, position: int, group: Sequence[PlannedRecipient], tenant: str, *, alone: bool
) -> Submission:
    first = group[0]
    created = ulid_ms(batch)
    now = created // 1000
    send_at = first.content.send_at
    leaves = ceil(send_at.timestamp()) if send_at else now
    held = send_at is not None and not first.content.at_vendor
    status = Status.SCHEDULED if held else Status.ACCEPTED
    kind = "M" if len(group) == 1 else "S"
    return Submission(
        key=ItemKey(batch, f"{kind}#{position:03d}"),
        count=len(group),
        vendor=first.vendors[0],
        vendors=first.vendors,
        status=status,
        attempt=0,
        created=created,
        expires=leaves + first.validity,
        due=leaves if held else now + first.adapter.poll_after,
        polls=0,
        changed=now,
        result=None,
        timeline=(TimelineEntry(created, status, "api", first.vendors[0], note=first.reason),),
        tenant=tenant if alone else None,
        content=first.content if alone else None,
    )


def _shared_content(
    contents: Sequence[MessageContent],
) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """What all messages have alike, and what each one has of its own."""
    plain: list[dict[str, Any]] = [msgspec.to_builtins(content) for content in contents]
    first = plain[0]
    shared = {
        name: value
        for name, value in first.items()
        if all(other.get(name) == value for other in plain)
    }
    return shared, [{n: v for n, v in one.items() if n not in shared} for one in plain]


def _items(
    batch: str, submissions: Sequence[Submission], own: Sequence[dict[str, Any]], ttl: int
) -> list[Item]:
    items = []
    position = 0
    for submission in submissions:
        messages = [
            message_item(batch, place, own[place], ttl)
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
    ready: dict[str, list[tuple[ItemKey, int]]] = defaultdict(list)
    for submission in submissions:
        if submission.status is Status.ACCEPTED:
            ready[submission.vendor].append((submission.key, submission.count))
    for vendor, keys in ready.items():
        queue.enqueue_submissions(vendor, keys, tenant)
