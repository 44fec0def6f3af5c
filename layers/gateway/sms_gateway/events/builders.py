"""Events of messages, batches, campaigns and verifications."""

from collections.abc import Mapping
from typing import Any

from sms_gateway.campaigns.model import Campaign
from sms_gateway.core.event import OF_STATUS, SEQUENCE, Event, Kind
from sms_gateway.core.status import Status
from sms_gateway.storage.models import Batch, Content, Entry, message_id


def message_event(
    owner: Batch, message: str, content: Content, status: Status, entry: Entry, *, full: bool
) -> Event:
    """What the step `entry` made of a message (its id). With `full` the number is not masked, and
    the text is told."""
    kind = OF_STATUS.get(status, Kind.ACCEPTED)
    data: dict[str, Any] = {
        "message_id": message,
        "batch_id": owner.id,
        "reference": content.reference,
        "to": content.to if full else masked(content.to),
        "status": status,
        "vendor": entry.vendor,
        "vendor_code": entry.code,
        "source": entry.source,
        **_part_of(owner),
    }
    if full:
        data["text"] = content.text
    identifier = f"{message}-{SEQUENCE[kind]}"
    return Event(identifier, kind, entry.at, owner.tenant, data, content.status_url)


def batch_event(owner: Batch, counts: Mapping[str, int], at: int) -> Event:
    """Every message of a batch has a final status."""
    data = {
        "batch_id": owner.id,
        **_part_of(owner),
        "total": sum(counts.values()),
        "counts": dict(counts),
    }
    return Event(f"{owner.id}-completed", Kind.COMPLETED, at, owner.tenant, data)


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
    return Event(f"{one.id}-completed-{one.turn}", Kind.COMPLETED, at, one.tenant, data)


def _part_of(owner: Batch) -> dict[str, str]:
    return {"campaign_id": owner.campaign} if owner.campaign else {}


def verification_event(
    identifier: str, tenant: str, to: str, reference: str | None, at: int, *, full: bool
) -> Event:
    """The right code of a verification was given. Its id is its message's batch."""
    data = {
        "verification_id": identifier,
        "message_id": message_id(identifier, 0),
        "reference": reference,
        "to": to if full else masked(to),
    }
    return Event(f"{identifier}-approved", Kind.APPROVED, at, tenant, data)


def masked(number: str) -> str:
    """A number of which only the first two digits and the last two are shown."""
    return f"{number[:3]}{'*' * max(0, len(number) - 5)}{number[-2:]}"
