"""What a report may be asked for, and what it says to whoever asks for something else."""

from datetime import date

import pytest

from sms_gateway.core.problems import InvalidRequestError
from sms_gateway.reports.query import ReportQuery, parse_query

TODAY = date(2026, 11, 28)


def test_a_week_up_to_today_is_the_default() -> None:
    assert parse_query({}, TODAY) == ReportQuery(date(2026, 11, 22), TODAY)


def test_dimensions_are_taken_once_in_their_order() -> None:
    query = parse_query(
        {"from": "2026-11-01", "to": "2026-11-02", "by": "vendor,day,vendor"}, TODAY
    )
    assert query == ReportQuery(date(2026, 11, 1), date(2026, 11, 2), ("vendor", "day"))
    assert query.days == [date(2026, 11, 1), date(2026, 11, 2)]


def test_ninety_two_days_are_the_most() -> None:
    assert len(parse_query({"from": "2026-08-29"}, TODAY).days) == 92


@pytest.mark.parametrize(
    ("parameters", "slug", "says"),
    [
        ({"from": "2026-11-02", "to": "2026-11-01"}, "period-reversed", "Exchange them"),
        ({"from": "2026-08-28"}, "period-too-long", "at most 92 at once"),
        ({"from": "0001-01-01"}, "invalid-parameter", "from 2000 on"),
        ({"to": "2026-11-31"}, "invalid-parameter", "such as 2026-12-01"),
        ({"to": "20261101"}, "invalid-parameter", "such as 2026-12-01"),
        ({"by": "moon"}, "unknown-dimension", "day, hour, vendor, country, category"),
        ({"by": "day,"}, "unknown-dimension", "with commas"),
        ({"by": "tenant"}, "unknown-dimension", "`smsgw reports`"),
        ({"days": "7"}, "unknown-parameter", "by, from, to"),
    ],
)
def test_what_is_wrong_says_what_to_do(parameters: dict[str, str], slug: str, says: str) -> None:
    with pytest.raises(InvalidRequestError) as raised:
        parse_query(parameters, TODAY)
    assert raised.value.slug == slug
    assert says in raised.value.detail
