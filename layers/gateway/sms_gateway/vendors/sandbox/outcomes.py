"""What becomes of a test message, by its number: docs/guides/testing.md is the document. No I/O."""

from enum import StrEnum

SLOW_SECONDS = 60  # until the receipt of a slow message
RECEIPT_SECONDS = 180  # after which a test message without a receipt is unknown
LATE_SECONDS = 240  # until the receipt of a message that is unknown by then
LAST_LOOK_SECONDS = 480  # after which no receipt is looked for any more


class Outcome(StrEnum):
    """What becomes of a test message."""

    DELIVERED = "delivered"
    UNDELIVERED = "undelivered"
    SILENT = "silent"  # the call gets no answer, and there never is a receipt
    LATE = "late"  # the receipt comes when the message is unknown already
    SLOW = "slow"
    REFUSED_ONCE = "refused-once"  # by the first vendor
    REFUSED = "refused"
    NO_CREDIT = "no-credit"  # at the first vendor


BY_ENDING = {
    "98": Outcome.UNDELIVERED,
    "97": Outcome.SILENT,
    "96": Outcome.LATE,
    "95": Outcome.SLOW,
    "94": Outcome.REFUSED_ONCE,
    "93": Outcome.REFUSED,
    "92": Outcome.NO_CREDIT,
}


def outcome_of(number: str) -> Outcome:
    """Return what becomes of a message to an E.164 number."""
    return BY_ENDING.get(number[-2:], Outcome.DELIVERED)
