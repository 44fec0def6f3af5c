"""Build the events of messages, batches, campaigns, verifications and webhooks."""

from collections.abc import Mapping
from typing import Any

from sms_gateway.campaigns.model import Campaign
from sms_gateway.core.event import EVENT_OF_STATUS, SEQUENCE, Event, EventType
from sms_gateway.core.status import Status
from sms_gateway.core.timestamps import from_ms, rfc3339
from sms_gateway.storage.models import Batch, MessageContent, TimelineEntry, message_id


def message_event(
    batch: Batch,
    message: str,
    content: MessageContent,
    status: Status,
    entry: TimelineEntry,
    *,
    full: bool,
) -> Event:
    """Build the event of a message's timeline step; `message` is the id.

    With `full` the number is not masked and the text is included, but never that of an `otp`.
    """
    event_type = EVENT_OF_STATUS.get(status, EventType.ACCEPTED)
    data: dict[str, Any] = {
        "message_id": message,
        "batch_id": batch.id,
        "reference": content.reference,
        "to": content.to if full else mask_number(content.to),
        "status": status,
        "vendor": entry.vendor,
        "vendor_code": entry.code,
        "source": entry.source,
        **_campaign_data(batch),
    }
    if full:
        data["text"] = None if content.withheld else content.text
        data["text_withheld"] = content.withheld
    identifier = f"{message}-{SEQUENCE[event_type]}"
    return Event(
        identifier,
        event_type,
        entry.at,
        batch.tenant,
        data,
        content.status_url,
        batch.test,
    )


def batch_event(batch: Batch, counts: Mapping[str, int], at: int) -> Event:
    """Build the event of a batch whose messages all have a final status."""
    data = {
        "batch_id": batch.id,
        **_campaign_data(batch),
        "total": sum(counts.values()),
        "counts": dict(counts),
    }
    identifier = f"{batch.id}-completed"
    return Event(identifier, EventType.COMPLETED, at, batch.tenant, data, test=batch.test)


def campaign_event(campaign: Campaign, counts: Mapping[str, int], at: int) -> Event:
    """Build the event of a campaign whose messages all have a final status.

    A campaign resumed afterwards ends again, under another version and so another id.
    """
    data = {
        "batch_id": campaign.id,
        "campaign_id": campaign.id,
        "total": campaign.sent,
        "counts": dict(counts),
        "state": campaign.state,
        "rows_refused": campaign.refused,
    }
    return Event(
        f"{campaign.id}-completed-{campaign.version}",
        EventType.COMPLETED,
        at,
        campaign.tenant,
        data,
    )


def braked_event(campaign: Campaign, at: int) -> Event:
    """Build the event of a campaign that its brake paused; another one braked later has its own."""
    stood = campaign.braked
    data = {
        "campaign_id": campaign.id,
        "name": campaign.options.name,
        "rows_read": campaign.row,
        "rows_refused": campaign.refused,
        "reason": (campaign.problem or {}).get("detail"),
        **({"ended": stood.ended, "undelivered": stood.undelivered} if stood else {}),
    }
    identifier = f"{campaign.id}-braked-{campaign.row}"
    return Event(identifier, EventType.BRAKED, at, campaign.tenant, data)


def _campaign_data(batch: Batch) -> dict[str, str]:
    return {"campaign_id": batch.campaign} if batch.campaign else {}


def verification_event(
    identifier: str,
    tenant: str,
    to: str,
    reference: str | None,
    at: int,
    *,
    full: bool,
    test: bool = False,
) -> Event:
    """Build the event of an approved verification; its id is its message's batch."""
    data = {
        "verification_id": identifier,
        "message_id": message_id(identifier, 0),
        "reference": reference,
        "to": to if full else mask_number(to),
    }
    return Event(f"{identifier}-approved", EventType.APPROVED, at, tenant, data, test=test)


def webhook_disabled_event(identifier: str, tenant: str, reason: str, at: int) -> Event:
    """Build the event of a webhook that was disabled at an epoch second."""
    data = {"webhook_id": identifier, "reason": reason, "disabled_at": rfc3339(from_ms(at * 1000))}
    event_type = EventType.WEBHOOK_DISABLED
    return Event(f"{identifier}-disabled-{at}", event_type, at * 1000, tenant, data)


def mask_number(number: str) -> str:
    """Mask a number except its first two digits and its last two."""
    return f"{number[:3]}{'*' * max(0, len(number) - 5)}{number[-2:]}"
