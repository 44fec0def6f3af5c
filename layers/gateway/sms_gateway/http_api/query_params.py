"""What the query strings of lists have in common: how a word is read, and refused by its name."""

from collections.abc import Callable, Collection, Mapping
from datetime import UTC, datetime

from sms_gateway.core.problems import InvalidRequestError


def reject_unknown(given: Mapping[str, str], known: Collection[str]) -> None:
    """Raises Invalid for a parameter that is none of those known."""
    strange = sorted(set(given).difference(known))
    if strange:
        raise InvalidRequestError(
            f"There is no query parameter {strange[0][:40]!r}.", slug="unknown-parameter"
        )


def read_param[T](given: Mapping[str, str], name: str, convert: Callable[[str], T]) -> T | None:
    """A parameter, None when it is not given. Raises Invalid that names it and says what
    `convert`'s ValueError does."""
    if name not in given:
        return None
    try:
        return convert(given[name])
    except ValueError as error:
        raise InvalidRequestError(
            f"The query parameter {name} is not valid: {error}.", slug="invalid-parameter"
        ) from None


def parse_limit(written: str) -> int:
    """How many a page holds."""
    if not (written.isascii() and written.isdigit() and 1 <= int(written) <= 100):
        raise ValueError("it is a number from 1 to 100")
    return int(written)


def parse_time(written: str) -> datetime:
    """A time, in UTC."""
    when = datetime.fromisoformat(written.replace(" ", "+"))  # an unescaped + arrives as a space
    if when.tzinfo is None:
        raise ValueError("it needs an offset or Z")
    try:
        return when.astimezone(UTC)
    except OverflowError:
        raise ValueError("it is beyond the calendar") from None
