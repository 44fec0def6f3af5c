"""What a report is asked for."""

from datetime import date, timedelta

from sms_gateway.core.problems import InvalidRequestError
from sms_gateway.core.value_object import ValueObject
from sms_gateway.http_api.query_params import parse_day, read_param, reject_unknown

DIMENSIONS = ("day", "hour", "vendor", "country", "category")
MAX_DAYS = 92
DEFAULT_DAYS = 7


class ReportQuery(ValueObject, frozen=True):
    """Days from `first` to `last`, both in it, in UTC; one row for each value of `by`."""

    first: date
    last: date
    by: tuple[str, ...] = ()

    @property
    def days(self) -> list[date]:
        """Return its days, the oldest first."""
        return [self.first + timedelta(nth) for nth in range((self.last - self.first).days + 1)]


def parse_query(parameters: dict[str, str], today: date) -> ReportQuery:
    """Parse the query parameters. Raises InvalidRequestError that says what to do."""
    reject_unknown(parameters, {"from", "to", "by"})
    last = read_param(parameters, "to", parse_day) or today
    first = read_param(parameters, "from", parse_day) or last - timedelta(DEFAULT_DAYS - 1)
    return make_query(first, last, parameters.get("by", ""), DIMENSIONS)


def make_query(first: date, last: date, by: str, dimensions: tuple[str, ...]) -> ReportQuery:
    """Make a query of days and of dimensions with commas. Raises InvalidRequestError."""
    if first > last:
        raise InvalidRequestError(
            f"The report would end before it begins: `from` is {first}, `to` is {last}. Exchange "
            "them.",
            slug="period-reversed",
        )
    if (last - first).days >= MAX_DAYS:
        raise InvalidRequestError(
            f"The report would have {(last - first).days + 1} days: ask for at most {MAX_DAYS} at "
            "once, and for the others after them.",
            slug="period-too-long",
        )
    wanted = tuple(dict.fromkeys(by.split(","))) if by else ()
    for one in wanted:
        if one not in dimensions:
            whose = (
                " Rows by tenant are the operator's: `smsgw reports`." if one == "tenant" else ""
            )
            raise InvalidRequestError(
                f"`by` names {one[:40]!r}: it has one or more of {', '.join(dimensions)}, with "
                f"commas.{whose}",
                slug="unknown-dimension",
            )
    return ReportQuery(first, last, wanted)
