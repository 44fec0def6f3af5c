"""The events that the gateway tells: their kinds, ids and form. docs/events.md is the catalogue.

An event's id follows from what it tells, so that the same fact told twice has one id. A message's
events have a sequence number: its status only moves forward, so that the kind alone gives it.
"""

from collections.abc import Mapping
from enum import StrEnum
from typing import Any

import msgspec

from sms_gateway.core.status import Status
from sms_gateway.core.timestamps import from_ms, rfc3339
from sms_gateway.core.value_object import ValueObject

VERSION = "1"
MAX_EVENT_BYTES = 20_000  # bytes of an event as JSON


class EventType(StrEnum):
    """What an event tells; also EventBridge's detail-type and a webhook's type."""

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
    OPENED = "VendorCircuitOpened"
    CLOSED = "VendorCircuitClosed"
    LOW = "BalanceLow"
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
# A message has at most one event of each number: of the ends, one wins, and only `unknown` is
# followed by another.
SEQUENCE: Mapping[EventType, int] = {
    EventType.ACCEPTED: 1,
    EventType.SUBMITTED: 2,
    EventType.UNKNOWN: 3,
    **{
        kind: 4
        for kind in EVENT_OF_STATUS.values()
        if kind not in (EventType.SUBMITTED, EventType.UNKNOWN)
    },
}
TENANT_EVENTS = (
    *SEQUENCE,
    EventType.COMPLETED,
    EventType.APPROVED,
)  # the other kinds are the operator's


class Event(ValueObject, frozen=True):
    """One event. `at` is epoch milliseconds; `tenant` is None for what concerns the operator only;
    `status_url` is where this message's sender also wants to be told, and is not told itself."""

    id: str
    type: EventType
    at: int
    tenant: str | None
    data: Mapping[str, Any]
    status_url: str | None = None

    def to_dict(self) -> dict[str, Any]:
        """The event as it is told, on the bus and to webhooks alike."""
        made = {
            "id": self.id,
            "type": self.type,
            "version": VERSION,
            "timestamp": rfc3339(from_ms(self.at)),
            "tenant": self.tenant,
            "sequence": SEQUENCE.get(self.type),
            "data": self.data,
        }
        return {name: value for name, value in made.items() if value is not None}

    def to_json(self) -> str:
        """The document as JSON of at most LARGEST bytes: a long text is cut, and `text_cut` says
        so."""
        encoded = msgspec.json.encode(self.to_dict())
        if len(encoded) > MAX_EVENT_BYTES and "text" in self.data:
            # JSON writes a character in at most 6 bytes, so that this many surely fit.
            data = {**self.data, "text": self.data["text"][:1000], "text_cut": True}
            encoded = msgspec.json.encode({**self.to_dict(), "data": data})
        return encoded.decode()
