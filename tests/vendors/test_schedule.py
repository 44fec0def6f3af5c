"""Times on the wire: what a vendor is asked to hold comes back as `send_at`, rounded up, whatever
offset it was written with and whatever the clocks do that night."""

import json
from datetime import UTC, datetime, timedelta, timezone
from urllib.parse import parse_qs
from zoneinfo import ZoneInfo

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from sms_gateway.vendors.registry import VENDORS
from sms_gateway.vendors.types import OutgoingMessage
from testing.vendor_cases import adapter

ACCOUNTS = {vendor: adapter(vendor, schedule_at_vendor=True) for vendor in VENDORS}
ZURICH = ZoneInfo("Europe/Zurich")
UNITS = {  # how exactly a vendor can say it
    "jst": timedelta(minutes=1),
    "rajasms": timedelta(seconds=1),
    "server2sms": timedelta(seconds=1),
}
NUMBERS = {"jst": "+911000000001", "rajasms": "+628000000001", "server2sms": "+447700900001"}


def swiss_changes(year: int) -> list[datetime]:
    """When Swiss clocks change: the last Sundays of March and October, at 01:00 UTC."""
    lasts = [datetime(year, month, 31, 1, tzinfo=UTC) for month in (3, 10)]
    return [last - timedelta(days=(last.weekday() + 1) % 7) for last in lasts]


CHANGES = [change for year in range(2025, 2038) for change in swiss_changes(year)]
OFFSETS = st.integers(-23 * 60 - 59, 23 * 60 + 59).map(lambda m: timezone(timedelta(minutes=m)))
ZONES = st.sampled_from(["Europe/Zurich", "Asia/Kolkata", "Asia/Jakarta", "America/Santiago"])
NEAR = st.builds(
    lambda change, away: change + away,
    st.sampled_from(CHANGES),
    st.timedeltas(timedelta(hours=-3), timedelta(hours=3)),
)
ANY = st.datetimes(datetime(2025, 1, 1), datetime(2037, 12, 31)).map(
    lambda d: d.replace(tzinfo=UTC)
)
TIMES = st.builds(
    lambda when, zone: when.astimezone(zone), NEAR | ANY, OFFSETS | ZONES.map(ZoneInfo)
)


def on_the_wire(vendor: str, send_at: datetime) -> str:
    """What the vendor is told."""
    message = OutgoingMessage(
        "01J8Z3K4M5N6P7Q8R9S0T1V2W3001", NUMBERS[vendor], "Hi", send_at=send_at
    )
    (call,) = ACCOUNTS[vendor].submit([message], None)
    if vendor == "jst":
        form = parse_qs(call.request.body.decode())
        assert form["scheduled_sms"] == ["1"]
        return form["scheduled_datetime"][0]
    body = json.loads(call.request.body)
    if vendor == "rajasms":
        return str(body["datapacket"][0]["sendingdatetime"])
    return str(body["DeferredDeliveryTime"])


def understood(vendor: str, written: str) -> datetime:
    """When the vendor sends: its document's format, in the time of its country."""
    form, zone = {
        "jst": ("%Y-%m-%d %H:%M", "Asia/Kolkata"),
        "rajasms": ("%Y-%m-%d %H:%M:%S", "Asia/Jakarta"),
        "server2sms": ("%d%m%Y%H%M%S", "Europe/Zurich"),
    }[vendor]
    return datetime.strptime(written, form).replace(tzinfo=ZoneInfo(zone)).astimezone(UTC)


@pytest.mark.parametrize("vendor", UNITS)
@given(send_at=TIMES)
@example(send_at=datetime(2026, 12, 31, 23, 59, 59, 1, tzinfo=UTC))
@example(send_at=datetime(2028, 2, 28, 18, 29, 30, tzinfo=UTC))
def test_a_vendor_sends_at_send_at_rounded_up_and_never_before(
    vendor: str, send_at: datetime
) -> None:
    if not ACCOUNTS[vendor].holds(send_at):
        return
    sends = understood(vendor, on_the_wire(vendor, send_at))
    late = sends - send_at
    assert timedelta() <= late < UNITS[vendor]
    assert (sends - datetime(1970, 1, 1, tzinfo=UTC)) % UNITS[vendor] == timedelta()


@given(TIMES)
def test_only_the_hour_that_comes_twice_is_not_left_with_server2sms(send_at: datetime) -> None:
    autumn = [change for change in CHANGES if change.month == 10]
    second = timedelta(seconds=1)
    twice = any(
        change - timedelta(hours=1) - second < send_at <= change + timedelta(hours=1) - second
        for change in autumn
    )
    assert ACCOUNTS["server2sms"].holds(send_at) is not twice


@pytest.mark.parametrize("change", CHANGES)
def test_the_days_on_which_swiss_clocks_change_are_those_of_the_zone(change: datetime) -> None:
    before, after = (change + timedelta(seconds=s) for s in (-1, 0))
    assert before.astimezone(ZURICH).utcoffset() != after.astimezone(ZURICH).utcoffset()


@pytest.mark.parametrize("vendor", VENDORS)
@given(send_at=TIMES)
def test_a_vendor_holds_what_it_says_that_it_can(vendor: str, send_at: datetime) -> None:
    can = ACCOUNTS[vendor].capabilities.schedule
    assert can or not ACCOUNTS[vendor].holds(send_at)
    if vendor in ("jst", "rajasms"):
        assert ACCOUNTS[vendor].holds(send_at)
