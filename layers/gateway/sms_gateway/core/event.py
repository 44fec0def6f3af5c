"""Events: their types, sequence numbers and form. docs/guides/events.md is the catalogue.

An event's id is derived from its fact, so that a repeated event has the same id. A message's status
only moves forward, so that the type alone gives the sequence number.
"""

from collections.abc import Mapping
from enum import StrEnum
from typing import Any

import msgspec

from sms_gateway.core.sandbox import mark
from sms_gateway.core.status import Status
from sms_gateway.core.timestamps import from_ms, rfc3339
from sms_gateway.core.value_object import ValueObject

VERSION = "1"
MAX_EVENT_BYTES = 20_000  # as JSON


class EventType(StrEnum):
    """An event's type; also its EventBridge detail-type."""

    ACCEPTED = "MessageAccepted"
    SUBMITTED = "MessageSubmitted"
    DELIVERED = "MessageDelivered"
    UNDELIVERED = "MessageUndelivered"
    REJECTED = "MessageRejected"
    EXPIRED = "MessageExpired"
    CANCELLED = "MessageCancelled"
    UNKNOWN = "MessageUnknown"
    COMPLETED = "BatchCompleted"
    APPROVED = "VerificationApproved"
    BLOCKED = "VerificationBlocked"
    QUOTA_REACHED = "QuotaReached"
    OPENED = "VendorCircuitOpened"
    CLOSED = "VendorCircuitClosed"
    BALANCE_LOW = "BalanceLow"
    BALANCE_RUNS_OUT = "BalanceRunsOut"
    BALANCE_TOPPED_UP = "BalanceToppedUp"
    WEBHOOK_DISABLED = "WebhookDisabled"
    BRAKED = "CampaignBraked"
    TEST = "WebhookTest"


EVENT_OF_STATUS: Mapping[Status, EventType] = {
    Status.SUBMITTED: EventType.SUBMITTED,
    Status.DELIVERED: EventType.DELIVERED,
    Status.UNDELIVERED: EventType.UNDELIVERED,
    Status.REJECTED: EventType.REJECTED,
    Status.EXPIRED: EventType.EXPIRED,
    Status.CANCELLED: EventType.CANCELLED,
    Status.UNKNOWN: EventType.UNKNOWN,
}
# A message has at most one event of each number: it reaches one final status, and only `unknown`
# is followed by another.
SEQUENCE: Mapping[EventType, int] = {
    EventType.ACCEPTED: 1,
    EventType.SUBMITTED: 2,
    EventType.UNKNOWN: 3,
    **{
        event_type: 4
        for event_type in EVENT_OF_STATUS.values()
        if event_type not in (EventType.SUBMITTED, EventType.UNKNOWN)
    },
}
# The other types are the operator's.
TENANT_EVENTS = (
    *SEQUENCE,
    EventType.COMPLETED,
    EventType.APPROVED,
    EventType.BLOCKED,
    EventType.QUOTA_REACHED,
    EventType.WEBHOOK_DISABLED,
    EventType.BRAKED,
)


class Event(ValueObject, frozen=True):
    """One event.

    `at` is epoch milliseconds; `tenant` is None for an operator's event; `status_url` is the
    address that the message asks to notify too, which the event itself does not show; `test` is
    whether a test key caused it.
    """

    id: str
    type: EventType
    at: int
    tenant: str | None
    data: Mapping[str, Any]
    status_url: str | None = None
    test: bool = False

    def to_dict(self) -> dict[str, Any]:
        """Return the event as EventBridge and webhooks receive it."""
        members = {
            "id": self.id,
            "type": self.type,
            "version": VERSION,
            "timestamp": rfc3339(from_ms(self.at)),
            "tenant": self.tenant,
            "sequence": SEQUENCE.get(self.type),
            **mark(test=self.test),
            "data": self.data,
        }
        return {name: value for name, value in members.items() if value is not None}

    def to_json(self) -> str:
        """Encode as JSON of at most MAX_EVENT_BYTES: cut a long text and set `text_cut`."""
        encoded = msgspec.json.encode(self.to_dict())
        if len(encoded) > MAX_EVENT_BYTES and self.data.get("text"):
            # A character takes at most 6 bytes in JSON, so that these 1,000 fit.
            data = {**self.data, "text": self.data["text"][:1000], "text_cut": True}
            encoded = msgspec.json.encode({**self.to_dict(), "data": data})
        return encoded.decode()
