"""Ids and keys: what is written can be read, and nothing else."""

from datetime import datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st
from ulid import ULID

from sms_gateway.core.timestamps import from_ms, rfc3339
from sms_gateway.core.ulids import created_at, is_ulid
from sms_gateway.storage.models import ItemKey, SubmissionResult, message_id, split_id

moments = st.integers(1577836800000, 7258118400000)  # ms, from 2020 to 2200


@given(moments, st.integers(0, 999))
def test_a_messages_id_leads_to_its_item(when: int, position: int) -> None:
    batch = str(ULID.from_timestamp(when))
    identifier = message_id(batch, position)
    assert identifier.isalnum()
    assert split_id(identifier) == ItemKey(batch, f"M#{position:03d}")
    assert created_at(batch) == from_ms(when)


@given(st.text() | st.text("0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ", min_size=26, max_size=29))
def test_any_text_is_an_id_or_none(identifier: str) -> None:
    key = split_id(identifier)
    assert key is None or message_id(key.batch, key.position) == identifier


@pytest.mark.parametrize("first", "0123456789ABZ")
def test_only_what_the_functions_may_read_is_an_id(first: str) -> None:
    # Their roles know a batch's partition by its first letter: another one is no 503, but no id.
    batch = first + "1J0000000000000000000000A"
    assert is_ulid(batch) == (first == "0") == (split_id(f"{batch}000") is not None)


@pytest.mark.parametrize("sort", ["M#000", "S#999"])
def test_a_key_is_written_and_read(sort: str) -> None:
    key = ItemKey("01J0000000000000000000000A", sort)
    assert ItemKey.parse(str(key)) == key


@pytest.mark.parametrize("written", ["", "x", "x/", "x/B", "x/M#", "x/M#a", "/", "x/Q#000"])
def test_nothing_else_is_a_key(written: str) -> None:
    with pytest.raises(ValueError, match="key"):
        ItemKey.parse(written)


def test_times_are_written_in_utc_with_z() -> None:
    assert rfc3339(from_ms(1_790_000_000_123)) == "2026-09-21T14:13:20.123Z"
    india = datetime(2026, 1, 1, 5, 30, tzinfo=timezone(timedelta(hours=5, minutes=30)))
    assert rfc3339(india) == "2026-01-01T00:00:00.000Z"


def test_a_result_speaks_of_each_message() -> None:
    same = SubmissionResult(vendor_id="job", price=("320", "IDR"))
    assert [same.verdict(7), same.vendor_id_of(7)] == ["A", "job"]
    each = SubmissionResult("AR", vendor_ids=["1", None], prices=[("1", "IDR"), None])
    assert [each.verdict(1), each.vendor_id_of(1), each.price_of(1)] == ["R", None, None]
    assert each.vendor_id_of(0) == "1"
