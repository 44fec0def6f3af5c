"""ULIDs (github.com/ulid/spec): ids of 26 letters and digits that sort by time."""

from datetime import datetime

from sms_gateway.core.timestamps import from_ms

_LETTERS = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
_CROCKFORD = {letter: value for value, letter in enumerate(_LETTERS)}


def new_ulid(now: datetime) -> str:
    """Make a ULID of the time `now`."""
    from ulid import ULID  # saves start-up time: most functions make none

    return str(ULID.from_datetime(now))


def is_ulid(text: str) -> bool:
    """Whether a text is a ULID of a time before the year 3084.

    These begin with 0, by which the functions' roles tell batches from the table's other items.
    """
    return len(text) == 26 and text[0] == "0" and all(letter in _CROCKFORD for letter in text)


def ulid_ms(ulid: str) -> int:
    """Return a ULID's time in epoch milliseconds."""
    total = 0
    for letter in ulid[:10]:
        total = total * 32 + _CROCKFORD[letter]
    return total


def marked(ulid: str, mark: bytes) -> str:
    """Return a ULID with eight letters from `mark` in place of the first random ones.

    The last ones stay: they differ between ULIDs of the same millisecond.
    """
    return ulid[:10] + "".join(_LETTERS[value & 31] for value in mark[:8]) + ulid[18:]


def first_ulid(when: datetime) -> str:
    """Return the lowest ULID of a time or later; no earlier one is as high."""
    ms = min(max(0, -int(-when.timestamp() * 1000 // 1)), 2**48 - 1)
    digits = "".join(_LETTERS[ms >> shift & 31] for shift in range(45, -1, -5))
    return digits + "0" * 16


def created_at(ulid: str) -> datetime:
    """Return a ULID's time."""
    return from_ms(ulid_ms(ulid))
