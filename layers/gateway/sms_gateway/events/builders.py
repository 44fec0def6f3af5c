"""Events of messages, batches, campaigns and verifications."""

from collections.abc import Mapping
from typing import Any

from sms_gateway.campaigns.model import Campaign
from sms_gateway.core.event import EVENT_OF_STATUS, SEQUENCE, Event, EventType
from sms_gateway.core.status import Status
from sms_gateway.storage.models import Batch, MessageContent, TimelineEntry, message_id


def message_event(
    owner: Batch,
    message: str,
    content: MessageContent,
    status: Status,
    entry: TimelineEntry,
    *,
    full: bool,
) -> Event:
    """What the step `entry` made of a message (its id). With `full` the number is not masked, and
    the text is told."""
    kind = EVENT_OF_STATUS.get(status, EventType.ACCEPTED)
    data: dict[str, Any] = {
        "message_id": message,
        "batch_id": owner.id,
        "reference": content.reference,
        "to": content.to if full else mask_number(content.to),
        "status": status,
        "vendor": entry.vendor,
        "vendor_code": entry.code,
        "source": entry.source,
        **_campaign_data(owner),
    }
    if full:
        data["text"] = content.text
    identifier = f"{message}-{SEQUENCE[kind]}"
    return Event(identifier, kind, entry.at, owner.tenant, data, content.status_url)


def batch_event(owner: Batch, counts: Mapping[str, int], at: int) -> Event:
    """Every message of a batch has a final status."""
    data = {
        "batch_id": owner.id,
        **_campaign_data(owner),
        "total": sum(counts.values()),
        "counts": dict(counts),
    }
    return Event(f"{owner.id}-completed", EventType.COMPLETED, at, owner.tenant, data)


def campaign_event(one: Campaign, counts: Mapping[str, int], at: int) -> Event:
    """Every message of a campaign has a final status. One that is resumed afterwards comes to
    another end, under another id: each is another turn."""
    data = {
        "batch_id": one.id,
        "campaign_id": one.id,
        "total": one.sent,
        "counts": dict(counts),
        "state": one.state,
        "rows_refused": one.refused,
    }
    return Event(f"{one.id}-completed-{one.version}", EventType.COMPLETED, at, one.tenant, data)


def _campaign_data(owner: Batch) -> dict[str, str]:
    return {"campaign_id": owner.campaign} if owner.campaign else {}


def verification_event(
    identifier: str, tenant: str, to: str, reference: str | None, at: int, *, full: bool
) -> Event:
    """The right code of a verification was given. Its id is its message's batch."""
    data = {
        "verification_id": identifier,
        "message_id": message_id(identifier, 0),
        "reference": reference,
        "to": to if full else mask_number(to),
    }
    return Event(f"{identifier}-approved", EventType.APPROVED, at, tenant, data)


def mask_number(number: str) -> str:
    """A number of which only the first two digits and the last two are shown."""
    return f"{number[:3]}{'*' * max(0, len(number) - 5)}{number[-2:]}"
