"""ULIDs sort by time."""

from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from sms_gateway.core.ulids import first_ulid, new_ulid


@given(when=st.datetimes(datetime(2000, 1, 1), datetime(3000, 1, 1), timezones=st.just(UTC)))
def test_the_first_ulid_of_a_time_parts_those_before_from_those_after(when: datetime) -> None:
    assert new_ulid(when - timedelta(milliseconds=1)) < first_ulid(when)
    assert first_ulid(when) <= new_ulid(when + timedelta(milliseconds=1))


def test_any_time_has_a_first_ulid() -> None:
    for when in (datetime(1, 1, 2, tzinfo=UTC), datetime(9999, 12, 31, tzinfo=UTC)):
        assert len(first_ulid(when)) == 26
