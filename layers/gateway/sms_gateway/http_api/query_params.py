"""Parse the query parameters of lists."""

from collections.abc import Callable, Collection, Iterable, Mapping
from datetime import UTC, date, datetime

from sms_gateway.core.problems import InvalidRequestError


def reject_unknown(parameters: Mapping[str, str], known: Collection[str]) -> None:
    """Raise InvalidRequestError for a parameter that is not known."""
    unknown = sorted(set(parameters).difference(known))
    if unknown:
        raise InvalidRequestError(
            f"There is no query parameter {unknown[0][:40]!r}; there are "
            f"{', '.join(sorted(known)) or 'none'}.",
            slug="unknown-parameter",
        )


def read_param[T](
    parameters: Mapping[str, str], name: str, convert: Callable[[str], T]
) -> T | None:
    """Convert a parameter; None when it is not parameters.

    Raises InvalidRequestError with its name and the message of `convert`'s ValueError.
    """
    if name not in parameters:
        return None
    try:
        return convert(parameters[name])
    except ValueError as error:
        raise InvalidRequestError(
            f"The query parameter {name} is not valid: {error}.", slug="invalid-parameter"
        ) from None


def one_of[W: str](words: Iterable[W]) -> Callable[[str], W]:
    """Make a reader of one of some words, which raises ValueError with all of them."""
    known = {str(word): word for word in words}

    def read(text: str) -> W:
        if text not in known:
            raise ValueError(f"there are {', '.join(known)}")
        return known[text]

    return read


def parse_limit(text: str) -> int:
    """Parse a page's size. Raises ValueError."""
    if not (text.isascii() and text.isdigit() and 1 <= int(text) <= 100):
        raise ValueError("it is a number from 1 to 100")
    return int(text)


def check_period(start: datetime | None, end: datetime | None) -> None:
    """Raise InvalidRequestError for a period that ends before it begins."""
    if start is not None and end is not None and end < start:
        raise InvalidRequestError(
            "The query parameter created_to is not valid: it is before created_from.",
            slug="invalid-parameter",
        )


def parse_time(text: str) -> datetime:
    """Parse an ISO 8601 time with an offset, as aware UTC. Raises ValueError."""
    try:
        when = datetime.fromisoformat(text.replace(" ", "+"))  # an unescaped + arrives as a space
    except ValueError:
        raise ValueError("it is a time such as 2026-12-01T09:30:00Z") from None
    if when.tzinfo is None:
        raise ValueError("it needs an offset or Z")
    try:
        return when.astimezone(UTC)
    except OverflowError:
        raise ValueError("it is beyond the calendar") from None


def parse_day(text: str) -> date:
    """Parse a day, YYYY-MM-DD, from 2000 to 2999. Raises ValueError."""
    try:
        day = date.fromisoformat(text)
    except ValueError:
        raise ValueError("it is a day (UTC) such as 2026-12-01") from None
    if len(text) != len("2026-12-01") or not 2000 <= day.year < 3000:
        raise ValueError("it is a day (UTC) such as 2026-12-01, from 2000 on")
    return day
