"""Spend limits: exact money, counted by the dearest vendor of the route when a send is accepted."""

import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from sms_gateway.config.stack_keys import message_key
from sms_gateway.messages.cancel import cancel_message
from sms_gateway.messages.preview import preview
from sms_gateway.messages.send import send
from sms_gateway.policies import door, quota
from sms_gateway.policies.counters import month_key, numbers_of, of_day
from sms_gateway.policies.document import parse_policy
from sms_gateway.policies.limits import Part, QuotaExhaustedError, Scope
from sms_gateway.policies.quota import Counted, count_parts
from sms_gateway.storage import dynamodb, quotas
from sms_gateway.vendors.price_table import PriceTable
from sms_gateway.verifications.start import start_verification
from testing.gateway import Gateway
from testing.interleaved import interleaved
from testing.numbers import number
from testing.rights import acting_as
from testing.settings import ACCOUNTS, set_account, set_accounts, set_policy, set_routes

NOW = datetime(2026, 11, 28, 21, tzinfo=UTC)
UNIT = 10**9
ASSUMED = {"amount": "0.05", "currency": "USD"}
TABLE = {"currency": "USD", "per_segment": {"+": "0.25", number("jst", 1): "0.000000001"}}


def usd(amount: str) -> dict[str, str]:
    return {"amount": amount, "currency": "USD"}


def priced(segment: str) -> dict[str, Any]:
    return {"currency": "USD", "per_segment": {"+": segment}}


def limit(day: str | None = None, month: str | None = None, **others: Any) -> None:
    limits = {"spend_per_day": day, "spend_per_month": month}
    money = {name: usd(one) for name, one in limits.items() if one is not None}
    set_policy("acme", json.dumps({**money, "assumed_price": ASSUMED, **others}))


def body(*nth: int, text: str = "Hello", **fields: Any) -> bytes:
    return json.dumps({"to": [number("jst", n) for n in nth], "text": text, **fields}).encode()


def went(*nth: int, at: datetime = NOW, **fields: Any) -> int:
    try:
        return len(send("acme", body(*nth, **fields), at)["messages"])
    except QuotaExhaustedError:
        return 0


def refused(work: Callable[[], object]) -> dict[str, Any]:
    with pytest.raises(QuotaExhaustedError) as caught:
        work()
    return caught.value.to_dict()


def spend(name: str = "spend.USD", at: datetime = NOW) -> int:
    item = quotas.read(month_key("acme", at))
    return quotas.number_of(item, name if name.startswith("month") else of_day(name, at))


@settings(
    max_examples=6, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    seed=st.integers(0, 1_000_000),
    day=st.integers(0, 400),
    month=st.integers(0, 400),
    own=st.integers(0, 300),
    sizes=st.lists(st.lists(st.integers(1, 4), min_size=1, max_size=4), min_size=50, max_size=50),
)
def test_no_interleaving_spends_more_than_a_limit_or_refuses_below_it(
    gateway: Gateway, seed: int, day: int, month: int, own: int, sizes: list[list[int]]
) -> None:
    """A segment is 3 cents by the table, the key assumes 7 of another currency."""
    dynamodb.remove(month_key("acme", NOW))
    quota._known.clear()
    tenant = {"spend_per_day": usd(str(day)), "spend_per_month": usd(str(month))}
    key = {"amount": str(own), "currency": "INR"}
    asked = [
        Scope("tenant", parse_policy(json.dumps({**tenant, "assumed_price": usd("1")}))),
        Scope(
            "key",
            parse_policy(
                json.dumps({"spend_per_day": key, "assumed_price": {**key, "amount": "7"}})
            ),
            "k1",
        ),
    ]
    table = PriceTable("USD", {"+": "3"})

    def work(size: list[int]) -> Callable[[], Counted]:
        parts = [Part(number("jst"), one, ("jst",)) for one in size]
        return lambda: count_parts(asked, "acme", parts, NOW, message_key, lambda _: table)

    found = interleaved(seed, [work(size) for size in sizes])
    answers = [
        (one, problem)
        for size, counted in zip(sizes, found, strict=True)
        for one, problem in zip(size, counted.problems, strict=True)
    ]
    total = sum(one for one, problem in answers if problem is None)
    assert 3 * total <= min(day, month)
    assert 7 * total <= own
    item = numbers_of(quotas.read(month_key("acme", NOW)))
    assert item.get("28.spend.USD", 0) == item.get("month.spend.USD", 0) == 3 * total * UNIT
    assert item.get("28.spend.INR#k1", 0) == 7 * total * UNIT
    for one, problem in answers:
        if problem is not None:
            assert 3 * (total + one) > min(day, month) or 7 * (total + one) > own


def test_a_tables_price_is_counted_to_the_last_digit(gateway: Gateway) -> None:
    set_account("jst", prices=TABLE)
    limit(day="0.750000001")
    assert went(2, text="x" * 200) == 1  # two segments
    assert went(1) == 1
    assert spend() == 500_000_001
    assert went(2) == 1
    assert spend() == 750_000_001
    problem = refused(lambda: send("acme", body(1), NOW))
    assert (problem["limit"], problem["used"]) == (usd("0.750000001"), usd("0.750000001"))
    assert "allows 0.750000001 USD a day" in problem["detail"]
    assert (problem["quota"], problem["resets_at"]) == ("spend_per_day", "2026-11-29T00:00:00.000Z")


def test_where_no_table_says_it_or_in_another_currency_the_assumed_price_counts(
    gateway: Gateway,
) -> None:
    limit(day="10")
    went(2)
    set_account("jst", prices={**TABLE, "currency": "INR"})
    went(2)
    set_account("jst", prices={"currency": "USD", "per_segment": {"+1": "9"}})
    went(2)
    assert spend() == 150_000_000


def test_the_dearest_vendor_that_may_carry_it_counts(gateway: Gateway) -> None:
    set_routes(json.dumps({"routes": [{"prefix": "+", "vendors": ["jst", "server2sms"]}]}))
    set_accounts(
        {
            **ACCOUNTS,
            "jst": {**ACCOUNTS["jst"], "prices": priced("0.10")},
            "server2sms": {**ACCOUNTS["server2sms"], "prices": priced("0.30")},
        }
    )
    limit(day="10")
    assert went(2) == went(3, vendor="jst") == 1
    assert spend() == 400_000_000


def test_a_batch_that_is_partly_over_is_sent_in_part(gateway: Gateway) -> None:
    limit(day="0.12")
    answer = send("acme", body(1, 2, 3), NOW)
    assert len(answer["messages"]) == 2
    (over,) = answer["rejected"]
    assert (over["index"], over["problem"]["quota"]) == (2, "spend_per_day")
    assert over["problem"]["used"] == usd("0.1")


def test_a_month_lasts_over_its_days_and_begins_anew(gateway: Gateway) -> None:
    limit(day="0.10", month="0.15")
    assert went(1, 2, 3) == 2
    tomorrow = NOW + timedelta(days=1)
    assert went(1, 2, 3, at=tomorrow) == 1
    problem = refused(lambda: send("acme", body(1), tomorrow))
    assert (problem["quota"], problem["resets_at"]) == (
        "spend_per_month",
        "2026-12-01T00:00:00.000Z",
    )
    december = datetime(2026, 12, 1, tzinfo=UTC)
    assert went(1, 2, 3, at=december) == 2
    assert (spend(at=december), spend("month.spend.USD", december)) == (100_000_000, 100_000_000)
    assert spend("month.spend.USD") == 150_000_000


def test_counts_of_a_day_stay_for_an_hour_for_who_comes_late(gateway: Gateway) -> None:
    limit(month="9", messages_per_day=5)
    midnight = datetime(2026, 11, 29, tzinfo=UTC)
    at = [NOW, midnight, midnight + timedelta(minutes=59), midnight + timedelta(minutes=61)]
    assert [went(1, at=when) for when in at] == [1, 1, 1, 1]
    left = numbers_of(quotas.read(month_key("acme", NOW)))
    assert left.keys() == {"29.messages", "29.segments", "29.spend.USD", "month.spend.USD", "ttl"}
    assert (left["29.messages"], left["month.spend.USD"]) == (3, 200_000_000)
    assert went(1, at=NOW + timedelta(days=30)) == 1  # another month
    assert [went(1, at=midnight) for _ in range(3)] == [1, 1, 0]


def test_each_currency_is_counted_by_itself(gateway: Gateway) -> None:
    limit(day="0.05")
    assert went(1, 2) == 1
    rupees = {"amount": "7", "currency": "INR"}
    set_policy("acme", json.dumps({"spend_per_day": rupees, "assumed_price": rupees}))
    assert went(1, 2) == 1
    limit(day="0.05")
    assert went(1) == 0


def test_a_keys_money_is_its_own_and_its_tenants_holds_too(gateway: Gateway) -> None:
    limit(day="0.15")
    policy = json.dumps({"spend_per_day": usd("0.20"), "assumed_price": usd("0.10")})

    def by(key: str) -> object:
        return send("acme", body(1), NOW, key_id=key, key_policy=policy)

    by("one"), by("one")
    assert (spend("spend.USD#one"), spend()) == (200_000_000, 100_000_000)
    assert refused(lambda: by("one"))["of"] == "key"
    by("two")
    assert refused(lambda: by("two"))["of"] == "tenant"


@pytest.mark.parametrize("nth", [(1,), (1, 2, 3)])
def test_a_cancelled_message_gives_back_what_it_was_counted_as(
    gateway: Gateway, nth: tuple[int, ...]
) -> None:
    """Whatever prices and policies are then; of a batch with several prices the least."""
    set_account("jst", prices=TABLE)
    limit(day="5", month="5")
    policy = json.dumps({"spend_per_month": usd("5"), "assumed_price": ASSUMED})
    later = f"{NOW + timedelta(days=2):%Y-%m-%dT%H:%M:%SZ}"
    asked = body(*nth, text="x" * 200, send_at=later)
    sent = send("acme", asked, NOW, key_id="k", key_policy=policy)["messages"]
    before = numbers_of(quotas.read(month_key("acme", NOW)))
    set_account("jst", prices=priced("2"))
    set_policy("acme", "{}")
    with acting_as("SendFunction"):
        cancel_message("acme", sent[0]["id"], NOW)
    after = numbers_of(quotas.read(month_key("acme", NOW)))
    given = {name: before[name] - after[name] for name in before if name != "ttl"}
    assert given == {
        f"{name}{suffix}": amount
        for suffix in ("", "#k")
        for name, amount in {
            "28.messages": 1,
            "28.segments": 2,
            "28.spend.USD": 2,
            "month.spend.USD": 2,
        }.items()
    }


def test_on_another_day_the_month_alone_is_given_back(gateway: Gateway) -> None:
    limit(day="5", month="5")
    later = f"{NOW + timedelta(days=9):%Y-%m-%dT%H:%M:%SZ}"
    first, second = (send("acme", body(1, send_at=later), NOW)["messages"] for _ in range(2))
    cancel_message("acme", first[0]["id"], NOW + timedelta(days=1))
    assert (spend(), spend("month.spend.USD")) == (100_000_000, 50_000_000)
    cancel_message("acme", second[0]["id"], NOW + timedelta(days=5))  # December
    assert (spend(), spend("month.spend.USD")) == (100_000_000, 50_000_000)


def test_what_the_claim_refuses_is_given_back(gateway: Gateway) -> None:
    limit(month="5")
    send("acme", body(1), NOW, "order-1")
    send("acme", body(1), NOW, "order-1")
    with pytest.raises(Exception, match="body"):
        send("acme", body(2), NOW, "order-1")
    assert spend("month.spend.USD") == 50_000_000


def test_codes_are_counted_and_a_preview_is_not(gateway: Gateway) -> None:
    limit(day="0.05")
    preview("acme", body(1), NOW)
    code = json.dumps({"to": number("server2sms"), "text": "Code {code}"}).encode()
    with acting_as("VerifyFunction"):
        start_verification("acme", code, NOW)
        refused(lambda: start_verification("acme", code, NOW))


def test_usage_shows_money_and_headers_leave_it_out(gateway: Gateway) -> None:
    limit(day="0.12", month="1", messages_per_day=4)
    found: list[Any] = []
    send("acme", body(1), NOW, on_counted=found.append)
    headers = door.rate_limit_headers(found[0], NOW)
    assert headers["RateLimit-Policy"] == '"tenant.messages_per_day";q=4;w=86400'
    shown = {one["quota"]: one for one in door.show_usage("acme", None, None, NOW)["limits"]}
    assert shown["spend_per_day"] == {
        "quota": "spend_per_day",
        "of": "tenant",
        "limit": usd("0.12"),
        "used": usd("0.05"),
        "left": usd("0.07"),
        "resets_at": "2026-11-29T00:00:00.000Z",
    }
    assert shown["spend_per_month"]["left"] == usd("0.95")
    limit(month="1")
    send("acme", body(1), NOW, on_counted=found.append)
    assert door.rate_limit_headers(found[1], NOW) == {}
