"""The guard's rules: from counts to reasons, at and one over each limit."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sms_gateway.core.problems import InvalidRequestError
from sms_gateway.pumping_guard.client import Client, check_client, hashes, number_hash
from sms_gateway.pumping_guard.counters import names_of, see_country
from sms_gateway.pumping_guard.rules import (
    CountrySeen,
    KeySeen,
    Rules,
    Tally,
    has_few_users,
    judge_client,
    judge_country,
    judge_elsewhere,
    judge_prefix,
)
from sms_gateway.pumping_guard.settings import parse_guards
from testing.numbers import number

RULES = Rules()
NOON = datetime(2026, 11, 28, 12, 30, tzinfo=UTC)
SECRET = b"0123456789abcdef0123456789abcdef"


@pytest.mark.parametrize(
    ("hour", "day", "verified", "best", "reasons"),
    [
        (3, 20, 0, 0, []),
        (4, 20, 0, 0, ["country-hour"]),
        (3, 21, 0, 0, ["country-day"]),
        (4, 21, 0, 0, ["country-day", "country-hour"]),
        (20, 120, 600, 0, []),
        (20, 121, 600, 0, ["country-day"]),
        (21, 120, 600, 0, ["country-hour"]),
        (20, 120, 0, 600, []),
        (20, 121, 0, 600, ["country-day"]),
    ],
)
def test_a_country_has_a_limit_a_day_and_a_sixth_of_it_an_hour(
    hour: int, day: int, verified: int, best: int, reasons: list[str]
) -> None:
    seen = CountrySeen(hour, day, verified, best, verified_lately=100)
    assert judge_country(seen, RULES) == reasons


@pytest.mark.parametrize(
    ("hour", "verified_lately", "reasons"),
    [
        (6, 0, []),
        (7, 0, ["country-hour"]),
        (10, 40, []),
        (11, 40, ["country-hour"]),
        (20, 900, []),
        (21, 900, ["country-hour"]),
    ],
)
def test_a_quiet_hour_has_less_than_a_sixth_of_a_busy_countrys_day(
    hour: int, verified_lately: int, reasons: list[str]
) -> None:
    seen = CountrySeen(hour, hour, 600, 600, verified_lately=verified_lately)
    assert judge_country(seen, RULES) == reasons


@pytest.mark.parametrize(
    ("unverified", "verified", "reasons"),
    [
        (30, 0, []),
        (31, 0, ["country-fortnight"]),
        (200, 200, []),
        (201, 200, ["country-fortnight"]),
    ],
)
def test_most_of_a_countrys_codes_of_a_fortnight_are_typed_in(
    unverified: int, verified: int, reasons: list[str]
) -> None:
    seen = CountrySeen(1, 1, 0, 0, fortnight=unverified, verified_fortnight=verified)
    assert judge_country(seen, RULES) == reasons


@pytest.mark.parametrize(("best_before", "few"), [(0, True), (100, True), (101, False)])
def test_a_country_has_few_users_while_its_own_share_is_no_more_than_each_may_have(
    best_before: int, few: bool
) -> None:
    assert has_few_users(CountrySeen(1, 1, 500, 500, best_before), RULES) == few


@pytest.mark.parametrize(
    ("hour", "day", "verified", "reasons"),
    [
        (6, 40, 0, []),
        (7, 40, 0, ["elsewhere-hour"]),
        (6, 41, 0, ["elsewhere-day"]),
        (7, 41, 0, ["elsewhere-day", "elsewhere-hour"]),
        (20, 120, 600, []),
        (21, 121, 600, ["elsewhere-day", "elsewhere-hour"]),
    ],
)
def test_countries_with_few_users_share_a_limit(
    hour: int, day: int, verified: int, reasons: list[str]
) -> None:
    together = CountrySeen(hour, day, verified, best_day=5000)
    assert judge_elsewhere(CountrySeen(1, 1, 0, 0), together, RULES) == reasons
    # But who keeps within a fifth of its own verified codes does not pay for the others.
    assert judge_elsewhere(CountrySeen(1, 1, 5, 0), together, RULES) == []
    assert judge_elsewhere(CountrySeen(1, 2, 5, 0), together, RULES) == reasons


@pytest.mark.parametrize(
    ("unverified", "verified", "reasons"),
    [(5, 0, []), (6, 0, ["prefix-day"]), (8, 40, []), (9, 40, ["prefix-day"])],
)
def test_a_number_block_has_a_limit_a_day(
    unverified: int, verified: int, reasons: list[str]
) -> None:
    assert judge_prefix(KeySeen(unverified, verified), RULES) == reasons


@pytest.mark.parametrize("kind", ["ip", "device", "user"])
@pytest.mark.parametrize(
    ("unverified", "verified", "countries", "reasons"),
    [
        (10, 0, 3, []),
        (11, 0, 1, ["day"]),
        (20, 100, 1, []),
        (21, 100, 1, ["day"]),
        (1, 0, 4, ["countries"]),
        (11, 0, 4, ["day", "countries"]),
    ],
)
def test_a_client_has_a_limit_a_day_and_of_countries(
    kind: str, unverified: int, verified: int, countries: int, reasons: list[str]
) -> None:
    found = judge_client(kind, KeySeen(unverified, verified, countries), RULES)
    assert found == [f"{kind}-{one}" for one in reasons]


@given(st.integers(0, 2000), st.integers(0, 2000), st.integers(0, 5000), st.integers(0, 5000))
def test_more_verified_codes_never_refuse_what_fewer_let_go(
    hour: int, day: int, verified: int, more: int
) -> None:
    fewer = judge_country(CountrySeen(hour, day, verified, 0), RULES)
    assert set(judge_country(CountrySeen(hour, day, verified + more, 0), RULES)) <= set(fewer)


def test_what_was_refused_or_forgiven_is_not_unverified() -> None:
    assert Tally(started=10, approved=3, refused=2, forgiven=1).unverified == 4
    assert Tally(started=0, approved=5).unverified == 0  # its starts were lost


def item(**numbers: int) -> dict[str, Any]:
    return {name: {"N": str(n)} for name, n in numbers.items()}


def test_a_country_is_seen_over_24_hours_and_its_best_day_of_all() -> None:
    today, yesterday = NOON.date(), NOON.date() - timedelta(days=1)
    before = {
        yesterday: item(started12=50, started13=2, approved13=1, approved05=4),
        today - timedelta(days=9): item(approved00=30, approved23=3),
    }
    seen = see_country(item(started12=6, approved12=4, started00=1), before, NOON)
    assert seen == CountrySeen(
        hour=2,
        day=1 + 1 + 2,
        verified=5,
        best_day=33,
        best_before=33,
        fortnight=1 + 2 + 50 + 1,
        verified_fortnight=4 + 5 + 33,
        verified_lately=4,
    )
    after_midnight = see_country({}, {today: item(approved23=7)}, NOON + timedelta(hours=11.6))
    assert after_midnight.verified_lately == 7


def test_the_hours_are_utc_whatever_the_clock_says() -> None:
    elsewhere = NOON.astimezone(datetime.fromisoformat("2026-11-28T18:00:00+05:30").tzinfo)
    assert see_country(item(started12=6), {}, elsewhere).hour == 6


def test_a_code_is_counted_by_country_block_and_client() -> None:
    to = number("jst")
    names = names_of(to, {"ip": "ab", "user": "cd"})
    assert names[1:] == (f"prefix#{to[:-4]}", "ip#ab", "user#cd")
    assert names[0].startswith("country#")


def test_a_client_is_kept_as_keyed_hashes_of_its_tenant() -> None:
    client = Client(ip="192.0.2.7", device="phone-1")
    found = hashes(client, "acme", SECRET)
    assert set(found) == {"ip", "device"}
    assert "192.0.2.7" not in repr(client) + "".join(found.values())
    assert not set(found.values()) & set(hashes(client, "other", SECRET).values())
    assert not set(found.values()) & set(hashes(client, "acme", SECRET[::-1]).values())
    assert hashes(None, "acme", SECRET) == {}


def test_a_number_is_known_by_a_keyed_hash_of_its_tenant() -> None:
    to = number("jst")
    known = number_hash(to, "acme", SECRET)
    assert to[-6:] not in known
    assert known == number_hash(to, "acme", SECRET)
    others = [number_hash(to, "other", SECRET), number_hash(to, "acme", SECRET[::-1])]
    assert known not in [*others, number_hash(number("jst", 1), "acme", SECRET)]


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("2001:db8::1", "2001:db8::ffff:ffff:ffff:1"),
        ("::ffff:192.0.2.7", "192.0.2.7"),
        ("2001:0db8:0:0:0:0:0:1", "2001:db8::1"),
    ],
)
def test_one_address_is_counted_alike_however_it_is_written(one: str, other: str) -> None:
    """An IPv6 address is counted by its network, which its user has whole."""
    assert hashes(Client(ip=one), "acme", SECRET) == hashes(Client(ip=other), "acme", SECRET)


@pytest.mark.parametrize("bad", ["x" * 9, "192.0.2", "192.0.2.256", "192.0.2.0/24", "::g"])
def test_a_bad_address_is_refused_and_its_error_is_dropped(bad: str) -> None:
    with pytest.raises(InvalidRequestError) as refused:
        check_client(Client(ip=bad))
    assert refused.value.pointer == "/client/ip"
    assert refused.value.detail.startswith("`client.ip` is no address")
    assert refused.value.__suppress_context__


@pytest.mark.parametrize(
    "wrong",
    [
        "no JSON",
        '{"acme": {}}',
        '{"acme": {"mode": "of"}}',
        '{"acme": {"mode": "block", "more": 1}}',
        '{"acme": {"mode": "block", "countries": ["Bangladesh"]}}',
        '{"acme": {"mode": "block", "countries": ["XX"]}}',
        '{"acme": {"mode": "block", "safe": ["0171"]}}',
        '{"acme": {"mode": "block", "safe_networks": ["192.0.2.1/24"]}}',
        '{"acme": {"mode": "block", "rules": {"country_day": -1}}}',
        '{"acme": {"mode": "block", "rules": {"no_rule": 1}}}',
        '{"No Tenant": {"mode": "block"}}',
    ],
)
def test_a_wrong_setting_is_refused_whole(wrong: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        parse_guards(wrong)


def test_the_safe_list_has_beginnings_of_numbers_and_networks() -> None:
    written = '{"acme": {"mode": "block", "safe": ["+88017"], "safe_networks": ["192.0.2.0/24"]}}'
    guard = parse_guards(written)["acme"]
    assert guard.is_safe("+8801700000001", None)
    assert not guard.is_safe("+8801800000001", "198.51.100.1")
    assert guard.is_safe("+8801800000001", "192.0.2.9")
    assert not guard.is_safe("+8801800000001", "2001:db8::1")
