"""A message's statuses: one vocabulary for the API, the table and the metrics."""

from enum import StrEnum


class Status(StrEnum):
    """A message's status. A final one stays, except that a late receipt replaces `unknown`."""

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
        """Whether the status is final."""
        return self not in _OPEN


_OPEN = (Status.SCHEDULED, Status.ACCEPTED, Status.SUBMITTING, Status.SUBMITTED)
