"""A verification, its state, and how the API shows it. No I/O."""

from enum import StrEnum
from typing import Any

import msgspec

from sms_gateway.core.sandbox import mark
from sms_gateway.core.timestamps import from_ms, rfc3339
from sms_gateway.storage.models import message_id

MIN_CODE_LENGTH, MAX_CODE_LENGTH = 4, 10  # drawn characters of a code


class VerificationState(StrEnum):
    """The state of a verification."""

    PENDING = "pending"
    APPROVED = "approved"
    EXPIRED = "expired"
    EXHAUSTED = "exhausted"


class StoredAnswer(msgspec.Struct, frozen=True, array_like=True):
    """The answer to a check with an Idempotency-Key; `body` is a keyed hash."""

    body: str
    state: VerificationState
    checks_left: int


class Details(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The part of a verification that never changes.

    `vendor` made the code and alone can judge it; without one `digest` is the keyed hash of our
    own code. `guarded_by` names what the guard counts it by; nothing for one that is not guarded.
    """

    to: str
    mask: str
    max_checks: int
    case_sensitive: bool = False
    vendor: str | None = None
    digest: str | None = None
    reference: str | None = None
    guarded_by: tuple[str, ...] = ()


class Verification(msgspec.Struct, frozen=True, kw_only=True):
    """A verification; `id` is its message's batch.

    `expires` and `busy_until`, the end of a check in progress, are epoch seconds. `version` counts
    the writes, each of which is conditional on it; `claim` is the last write's random mark.
    `unknown_checks` has the hashes of codes on which the vendor's answer was lost; `answers` are by
    the hash of their Idempotency-Keys. `key_id` is the id of the API key that began it, `test`
    whether it is a test key.
    """

    id: str
    tenant: str
    details: Details
    expires: int
    version: int = 0
    checks: int = 0
    approved: bool = False
    unknown_checks: tuple[str, ...] = ()
    busy_until: int = 0
    answers: dict[str, StoredAnswer] = {}
    claim: str = ""
    key_id: str | None = None
    test: bool = False

    @property
    def checks_left(self) -> int:
        """The number of checks left."""
        return max(0, self.details.max_checks - self.checks)

    @property
    def approved_by(self) -> tuple[str, ...]:
        """What the guard counts the approval by."""
        return self.details.guarded_by if self.approved else ()

    @property
    def message_id(self) -> str:
        """The id of the message with the code."""
        return message_id(self.id, 0)

    def state(self, now: int) -> VerificationState:
        """Return the state at `now`, epoch seconds."""
        if self.approved:
            return VerificationState.APPROVED
        if not self.checks_left and self.busy_until <= now:
            return VerificationState.EXHAUSTED
        return VerificationState.EXPIRED if self.expires <= now else VerificationState.PENDING

    def view(self, now: int) -> dict[str, Any]:
        """Render it for the API."""
        return {
            "id": self.id,
            "to": self.details.to,
            "status": self.state(now),
            "expires_at": rfc3339(from_ms(self.expires * 1000)),
            "checks_left": self.checks_left,
            "message_id": self.message_id,
            "reference": self.details.reference,
            "key_id": self.key_id,
            **mark(test=self.test),
        }
