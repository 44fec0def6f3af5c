"""The one vocabulary for what became of a message."""

from enum import StrEnum


class Status(StrEnum):
    """A message's status. A final one never changes, but a late receipt settles `unknown`."""

    SCHEDULED = "scheduled"
    ACCEPTED = "accepted"
    SUBMITTING = "submitting"
    SUBMITTED = "submitted"
    DELIVERED = "delivered"
    UNDELIVERED = "undelivered"
    REJECTED = "rejected"
    EXPIRED = "expired"
    CANCELLED = "cancelled"
    UNKNOWN = "unknown"

    @property
    def final(self) -> bool:
        """Whether the message's life is over."""
        return self not in _OPEN


_OPEN = (Status.SCHEDULED, Status.ACCEPTED, Status.SUBMITTING, Status.SUBMITTED)
