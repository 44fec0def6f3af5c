"""One-time codes: masks, codes, their hashes, and what state a verification is in. No I/O.

A code of ours is stored nowhere. A verification's message keeps a random nonce; the code is drawn
from HMAC(key, nonce and id) whenever it is needed, so that a worker that comes after a crash sends
the same one, and who reads the table alone learns nothing. A check compares keyed hashes.
"""

from enum import StrEnum
from typing import Any

import msgspec

from sms_gateway.core.timestamps import from_ms, rfc3339
from sms_gateway.storage.models import message_id

MIN_CODE_LENGTH, MAX_CODE_LENGTH = 4, 10  # drawn characters of a code


class VerificationState(StrEnum):
    """What a verification has come to."""

    PENDING = "pending"
    APPROVED = "approved"
    EXPIRED = "expired"
    EXHAUSTED = "exhausted"


class StoredAnswer(msgspec.Struct, frozen=True, array_like=True):
    """The answer to a check that carried an Idempotency-Key; `body` is a keyed hash."""

    body: str
    state: VerificationState
    left: int


class Details(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What never changes. `vendor` made the code and alone can judge it; without one `digest` is
    the keyed hash of ours."""

    to: str
    mask: str
    max_checks: int
    case_sensitive: bool = False
    vendor: str | None = None
    digest: str | None = None
    reference: str | None = None


class Verification(msgspec.Struct, frozen=True, kw_only=True):
    """A verification: `id` is its message's batch. `expires` and `busy` are epoch seconds.

    `turn` counts the writes, each of which is conditional on it. `doubt` has the hashes of codes
    that a vendor was asked about without a known answer; `busy` is until when a check may be at
    work; `answers` are by the hash of their Idempotency-Keys.
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

    @property
    def left(self) -> int:
        """How many checks are left."""
        return max(0, self.details.max_checks - self.checks)

    @property
    def message_id(self) -> str:
        """The message that brings the code."""
        return message_id(self.id, 0)

    def state(self, now: int) -> VerificationState:
        """What it has come to by `now`, epoch seconds."""
        if self.approved:
            return VerificationState.APPROVED
        if not self.left and self.busy_until <= now:
            return VerificationState.EXHAUSTED
        return VerificationState.EXPIRED if self.expires <= now else VerificationState.PENDING

    def view(self, now: int) -> dict[str, Any]:
        """As the API shows it."""
        return {
            "id": self.id,
            "to": self.details.to,
            "status": self.state(now),
            "expires_at": rfc3339(from_ms(self.expires * 1000)),
            "checks_left": self.left,
            "message_id": self.message_id,
            "reference": self.details.reference,
        }
