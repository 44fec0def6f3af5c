"""The guard on the table: what is counted and refused, at once and when a counter is lost."""

import json
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from sms_gateway.config.stack_keys import message_key
from sms_gateway.core.problems import (
    GatewayError,
    ServiceUnavailableError,
    TooManyRequestsError,
)
from sms_gateway.core.ulids import new_ulid
from sms_gateway.messages.acceptance import build_batch, store_batch
from sms_gateway.messages.cancel import cancel_message
from sms_gateway.messages.feedback import take_feedback
from sms_gateway.messages.pumped import refuse_pumped
from sms_gateway.messages.request import Draft, Options
from sms_gateway.messages.send import send
from sms_gateway.messages.tenant_plan import plan_for_tenant
from sms_gateway.pumping_guard import counters
from sms_gateway.storage import dynamodb, message_repository
from sms_gateway.storage.items import key_of
from sms_gateway.storage.models import split_id
from sms_gateway.vendors.registry import VENDORS
from sms_gateway.verifications import check as verification_check
from sms_gateway.verifications import start as verification_start
from testing.gateway import Gateway
from testing.numbers import number
from testing.rights import acting_as
from testing.settings import set_guards
from testing.stream import Stream, streaming

AT = datetime(2026, 11, 28, 12, 10, tzinfo=UTC)
VENDOR = "dinisoft"
LOOSE = {"prefix_day": 1000, "country_day": 1000, "country_hour": 1000, "client_day": 1000}


@pytest.fixture(autouse=True)
def _guarded(gateway: Gateway, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PUMPING_GUARD", "true")
    guarded()


def guarded(**fields: Any) -> None:
    """How acme is guarded; nobody else is."""
    set_guards({"acme": {"mode": "block", **fields}})


def start(nth: int = 0, at: datetime = AT, tenant: str = "acme", **fields: Any) -> str:
    """Begins a verification; its id."""
    body = {"to": number(VENDOR, nth), "text": "Code {code}", **fields}
    with acting_as("VerifyFunction"):
        view = verification_start.start_verification(tenant, json.dumps(body).encode(), at)
    return str(view["id"])


def refused(work: Callable[[], object]) -> list[str]:
    """Why the guard refuses."""
    with pytest.raises(TooManyRequestsError) as error:
        work()
    assert error.value.slug == "verification-blocked"
    reasons: list[str] = error.value.members["reasons"]
    return [str(one) for one in reasons]


def counts(name: str, tenant: str = "acme", at: datetime = AT) -> dict[str, Any]:
    found = dynamodb.get(counters.key_at(tenant, name, at).item) or {}
    return {key: int(value["N"]) for key, value in found.items() if "N" in value and key != "ttl"}


def country() -> str:
    return counters.names_of(number(VENDOR))[0]


def block() -> str:
    return counters.names_of(number(VENDOR))[1]


def approve(identifier: str, monkeypatch: pytest.MonkeyPatch, at: datetime = AT) -> None:
    """Gives the right code."""
    monkeypatch.setattr(verification_check, "digests_equal", lambda *_: True)
    with acting_as("VerifyFunction"):
        view = verification_check.check_code("acme", identifier, b'{"code": "123456"}', at)
    assert view["status"] == "approved"


def test_the_codes_of_an_hour_that_nobody_types_in_are_refused_from_the_fourth_on() -> None:
    for nth in range(3):
        start(nth)
    for nth in range(3, 6):
        assert refused(lambda nth=nth: start(nth)) == ["country-hour"]  # type: ignore[misc] # mypy can't infer a lambda's default
    assert counts(country()) == {"started12": 6, "refused12": 3}
    start(7, AT + timedelta(hours=1))


def test_an_answer_says_why_and_until_when() -> None:
    guarded(rules={**LOOSE, "prefix_day": 0})
    with pytest.raises(TooManyRequestsError) as error:
        start()
    problem = error.value.to_dict()
    assert (problem["status"], problem["reasons"]) == (429, ["prefix-day"])
    assert error.value.headers == {"Retry-After": "3000"}
    assert number(VENDOR)[-6:] not in json.dumps(problem)


def test_an_approved_code_makes_room(monkeypatch: pytest.MonkeyPatch) -> None:
    first = [start(nth) for nth in range(3)]
    approve(first[0], monkeypatch, AT + timedelta(minutes=2))
    assert counts(country()) == {"started12": 3, "approved12": 1}
    assert counts(block()) == {"started": 3, "approved": 1}
    start(4)


def test_a_number_whose_owner_typed_in_a_code_goes_although_its_country_is_refused(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    guarded(rules={"prefix_day": 1000})
    approve(start(0), monkeypatch)
    for nth in range(1, 4):
        start(nth)
    assert refused(lambda: start(4)) == ["country-hour"]
    start(0, AT + timedelta(minutes=1))
    assert refused(lambda: start(4)) == ["country-hour"]
    pages = dynamodb.client().scan(TableName=dynamodb.table_name())
    (kept,) = [one for one in pages["Items"] if "#number#" in one["pk"]["S"]]
    assert number(VENDOR).removeprefix("+") not in str(kept)


def test_a_known_number_is_not_asked_for_without_end(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of its block and of who asks no more go than of others."""
    guarded(rules={**LOOSE, "prefix_day": 2})
    approve(start(0), monkeypatch)
    start(0)
    start(0)
    assert refused(lambda: start(0)) == ["prefix-day"]


def test_a_number_is_known_to_its_own_tenant_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    set_guards({"*": {"mode": "block"}})
    approve(start(0), monkeypatch)
    for nth in range(1, 4):
        start(nth, tenant="other")
    assert refused(lambda: start(0, tenant="other")) == ["country-hour"]


def test_an_attack_over_many_countries_ends_at_one_limit_for_all() -> None:
    """Each country alone may have three an hour; together those with few users have six."""
    guarded(rules={"prefix_day": 1000})
    numbers = [number(vendor, nth) for nth in range(2) for vendor in VENDORS]
    assert len({counters.names_of(to)[0] for to in numbers}) == 4
    for to in numbers[:6]:
        start(to=to)
    assert refused(lambda: start(to=numbers[6])) == ["elsewhere-hour"]
    assert counts(counters.ELSEWHERE) == {"started12": 7, "refused12": 1}


def test_an_approval_makes_room_in_all_countries(monkeypatch: pytest.MonkeyPatch) -> None:
    approve(start(), monkeypatch)
    assert counts(counters.ELSEWHERE) == {"started12": 1, "approved12": 1}


def test_a_country_with_many_users_is_not_among_those_with_few() -> None:
    key = counters.key_at("acme", country(), AT - timedelta(days=3))
    dynamodb.put_all([{**key_of(key.item), "approved09": {"N": "101"}}])
    start()
    assert counts(counters.ELSEWHERE) == {}


def test_a_country_that_mostly_wastes_its_codes_for_days_is_refused() -> None:
    for days in range(1, 4):
        key = counters.key_at("acme", country(), AT - timedelta(days=days))
        dynamodb.put_all([{**key_of(key.item), "started05": {"N": "10"}}])
    assert refused(lambda: start()) == ["country-fortnight"]
    start(at=AT + timedelta(days=14))


def test_a_code_approved_in_the_next_hour_counts_where_it_began(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    late = AT.replace(hour=23, minute=59)
    one = start(at=late, ttl=600)
    approve(one, monkeypatch, late + timedelta(minutes=5))
    assert counts(country(), at=late) == {"started23": 1, "approved23": 1}
    assert counts(country(), at=late + timedelta(minutes=5)) == {}


def test_yesterdays_hours_and_the_best_day_count(monkeypatch: pytest.MonkeyPatch) -> None:
    guarded(rules={**LOOSE, "country_day": 2})
    yesterday = AT - timedelta(hours=20)
    start(0, yesterday)
    start(1, yesterday)
    assert refused(lambda: start(2)) == ["country-day"]
    start(3, AT + timedelta(hours=6))
    key = counters.key_at("acme", country(), AT - timedelta(days=10))
    dynamodb.put_all([{**key_of(key.item), "approved09": {"N": "100"}}])
    start(4)


def test_a_client_is_counted_over_countries_and_kept_as_hashes_alone() -> None:
    guarded(rules={**LOOSE, "client_day": 2})
    client = {"ip": "192.0.2.44", "device": "phone-0815", "user": "user-4711"}
    start(0, client=client)
    start(1, client=client)
    found = refused(lambda: start(2, client=client))
    assert found == ["ip-day", "device-day", "user-day"]
    start(3, client={"ip": "192.0.2.45"})
    kept = everything()
    assert not [one for one in client.values() if one in kept]


def everything() -> str:
    """All that moto has, as text."""
    pages = dynamodb.client().scan(TableName=dynamodb.table_name())
    return str(pages["Items"])


def test_one_client_in_a_fourth_country_is_refused() -> None:
    guarded(rules=LOOSE)
    client = {"ip": "192.0.2.44"}
    numbers = [number(vendor) for vendor in VENDORS]
    assert len({counters.names_of(to)[0] for to in numbers}) == 4
    for to in numbers[:3]:
        start(to=to, client=client)
    assert refused(lambda: start(to=numbers[3], client=client)) == ["ip-countries"]


def test_a_country_that_is_not_the_tenants_gets_no_code() -> None:
    guarded(countries=["JP"])
    with pytest.raises(TooManyRequestsError) as error:
        start()
    problem = error.value.to_dict()
    assert (problem["reasons"], problem["retryable"]) == (["country-not-allowed"], False)
    assert counts(country()) == {}


def test_the_safe_list_is_neither_counted_nor_refused() -> None:
    guarded(safe=[number(VENDOR)[:5]], countries=["JP"])
    for nth in range(8):
        start(nth)
    assert counts(country()) == {}


def test_monitor_refuses_nothing_and_says_what_it_would() -> None:
    guarded(mode="monitor")
    for nth in range(5):
        start(nth)
    assert counts(country()) == {"started12": 5, "suspected12": 2}
    assert counts(block()) == {"started": 5}


def test_an_unguarded_tenant_is_not_counted() -> None:
    for nth in range(6):
        start(nth, tenant="other")
    assert counts(country(), "other") == {}


def test_a_test_key_is_neither_counted_nor_refused() -> None:
    guarded(rules={"country_day": 0, "country_hour": 0, "prefix_day": 0})
    body = json.dumps({"to": number(VENDOR), "text": "Code {code}"}).encode()
    verification_start.start_verification("acme", body, AT, test=True)
    own = {"to": number(VENDOR), "text": "Your code is 1234", "category": "otp"}
    (one,) = send("acme", json.dumps(own).encode(), AT, test=True)["messages"]
    take_feedback("acme", one["id"], b'{"outcome": "used"}', AT, test=True)
    assert counts(country()) == {}


def test_every_tenant_may_be_guarded_by_one_word() -> None:
    set_guards({"*": {"mode": "block", "rules": {"country_hour": 0, "country_day": 0}}})
    assert "country-day" in refused(lambda: start(tenant="anybody"))


@pytest.mark.parametrize("threads", [24])
def test_of_many_at_once_no_more_go_than_the_limit(threads: int) -> None:
    guarded(rules={**LOOSE, "prefix_day": 7})

    def attempt(nth: int) -> bool:
        body = {"to": number(VENDOR, nth), "text": "Code {code}"}
        try:
            verification_start.start_verification("acme", json.dumps(body).encode(), AT)
        except TooManyRequestsError:
            return False
        return True

    with ThreadPoolExecutor(8) as pool:
        went = sum(pool.map(attempt, range(threads)))
    # One that is refused counts until that is written: fewer may go, never more.
    assert 1 <= went <= 7
    assert counts(block()) == {"started": threads, "refused": threads - went}


@pytest.mark.parametrize("operation", ["UpdateItem", "Query"])
def test_a_counter_that_does_not_answer_lets_codes_go_and_says_so(
    failing: Callable[..., None], operation: str, capsys: pytest.CaptureFixture[str]
) -> None:
    guarded(rules={"country_day": 0, "country_hour": 0, "prefix_day": 0})
    failing(operation)
    start()
    assert "GuardFailedOpen" in capsys.readouterr().out


def test_a_setting_that_is_not_valid_lets_codes_go_and_says_so(
    capsys: pytest.CaptureFixture[str],
) -> None:
    set_guards("no JSON")
    start()
    shown = capsys.readouterr().out
    assert "GuardFailedOpen" in shown
    assert "SettingsRefused" in shown


class KilledError(BaseException):
    """The function's end."""


def test_who_dies_between_counting_and_accepting_has_counted_once_too_much(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def killed(*_: Any, **__: Any) -> Any:
        raise KilledError

    with monkeypatch.context() as dying:
        dying.setattr(verification_start, "store_batch", killed)
        with pytest.raises(KilledError):
            start()
    assert counts(country()) == {"started12": 1}
    start()
    start(1)
    assert refused(lambda: start(2)) == ["country-hour"]


def test_a_lost_answer_of_a_counter_counts_once_too_much_at_most(
    failing: Callable[..., None],
) -> None:
    failing("UpdateItem", 1, lost=True)
    start()
    assert counts(country()) == {"started12": 2}


def test_a_lost_counter_begins_anew(monkeypatch: pytest.MonkeyPatch) -> None:
    first = [start(nth) for nth in range(3)]
    for name in (country(), block()):
        assert dynamodb.remove(counters.key_at("acme", name, AT).item)
    approve(first[0], monkeypatch)
    assert counts(country()) == {"approved12": 1}
    start(4)


def test_a_lost_approval_is_no_fault_of_the_check(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    one = start()

    def lost(*_: Any) -> Any:
        raise ServiceUnavailableError("in a test")

    monkeypatch.setattr("sms_gateway.storage.code_counts.add", lost)
    approve(one, monkeypatch)
    assert "GuardFailedOpen" in capsys.readouterr().out


# Codes that callers make.


def own_codes(*numbers: str, key: str | None = None, category: str = "otp") -> dict[str, Any]:
    body = {"to": list(numbers), "text": "Your code is 1234", "category": category}
    with acting_as("SendFunction"):
        return send("acme", json.dumps(body).encode(), AT, key)


def feedback(identifier: str, outcome: str, tenant: str = "acme") -> dict[str, Any]:
    with acting_as("SendFunction"):
        return take_feedback(tenant, identifier, json.dumps({"outcome": outcome}).encode(), AT)


def test_of_many_codes_those_over_the_limit_are_rejected() -> None:
    numbers = [number(VENDOR, nth) for nth in range(5)]
    answer = own_codes(*numbers)
    assert [one["to"] for one in answer["messages"]] == numbers[:3]
    assert [one["index"] for one in answer["rejected"]] == [3, 4]
    assert answer["rejected"][0]["problem"]["type"] == "/problems/verification-blocked"
    assert counts(country()) == {"started12": 5, "refused12": 2}
    assert refused(lambda: own_codes(number(VENDOR, 7))) == ["country-hour"]


def test_other_messages_are_not_counted() -> None:
    own_codes(*[number(VENDOR, nth) for nth in range(9)], category="transactional")
    assert counts(country()) == {}


def test_a_repeat_of_a_send_is_counted_once() -> None:
    first = own_codes(number(VENDOR), key="k")
    assert own_codes(number(VENDOR), key="k") == first
    assert counts(country()) == {"started12": 1}


def test_feedback_counts_a_used_code_once_however_often_it_comes() -> None:
    answer = own_codes(*[number(VENDOR, nth) for nth in range(3)])
    ids = [one["id"] for one in answer["messages"]]
    got = feedback(ids[0], "used")
    assert (got["message_id"], got["outcome"]) == (ids[0], "used")
    with ThreadPoolExecutor(4) as pool:
        assert all(one == got for one in pool.map(lambda _: feedback_in(ids[0]), range(8)))
    assert feedback(ids[1], "not_used")["outcome"] == "not_used"
    assert counts(country())["approved12"] == 1
    own_codes(number(VENDOR, 5))


def test_a_number_is_known_by_feedback_too() -> None:
    (regular,) = own_codes(number(VENDOR))["messages"]
    feedback(regular["id"], "used")
    assert counts(counters.ELSEWHERE) == {"started12": 1, "approved12": 1}
    answer = own_codes(*[number(VENDOR, nth) for nth in range(5)])
    numbers = [number(VENDOR, nth) for nth in (0, 1, 2)]
    assert [one["to"] for one in answer["messages"]] == numbers
    answer = own_codes(*[number(VENDOR, nth) for nth in (7, 0)])
    assert [one["to"] for one in answer["messages"]] == [number(VENDOR)]


def test_a_known_number_that_cannot_be_looked_up_goes(
    failing: Callable[..., None], capsys: pytest.CaptureFixture[str]
) -> None:
    for nth in range(3):
        start(nth)
    failing("BatchGetItem")
    start(4)
    assert "GuardFailedOpen" in capsys.readouterr().out


def test_feedback_whose_first_answer_was_lost_is_counted_once(
    failing: Callable[..., None],
) -> None:
    (one,) = own_codes(number(VENDOR))["messages"]
    failing("UpdateItem", 1, lost=True)
    assert feedback(one["id"], "used")["outcome"] == "used"
    assert counts(country()) == {"started12": 1, "approved12": 1}
    assert feedback(one["id"], "used")["outcome"] == "used"
    assert counts(country()) == {"started12": 1, "approved12": 1}


def feedback_in(identifier: str) -> dict[str, Any]:
    return take_feedback("acme", identifier, b'{"outcome": "used"}', AT + timedelta(hours=1))


def problem(work: Callable[[], object]) -> str:
    with pytest.raises(GatewayError) as error:
        work()
    return error.value.slug


def test_the_first_word_counts() -> None:
    (one,) = own_codes(number(VENDOR))["messages"]
    feedback(one["id"], "not_used")
    assert problem(lambda: feedback(one["id"], "used")) == "feedback-given"
    assert counts(country()) == {"started12": 1}


def test_feedback_is_for_ones_own_codes_alone() -> None:
    (mine,) = own_codes(number(VENDOR))["messages"]
    (plain,) = own_codes(number(VENDOR, 1), category="transactional")["messages"]
    assert problem(lambda: feedback(mine["id"], "used", "other")) == "not-found"
    assert problem(lambda: feedback("0" * 29, "used")) == "not-found"
    assert problem(lambda: feedback("nothing", "used")) == "not-found"
    assert problem(lambda: feedback(plain["id"], "used")) == "not-your-code"
    verification = start(2)
    assert problem(lambda: feedback(f"{verification}000", "used")) == "not-your-code"
    assert problem(lambda: feedback(mine["id"], "perhaps")) == "invalid-request"


def test_a_code_that_never_left_buys_no_trust() -> None:
    """Scheduled and cancelled it costs nothing, and would make room for a pumped one."""
    later = AT + timedelta(days=1)
    body = {"to": number(VENDOR), "text": "1234", "category": "otp", "send_at": later.isoformat()}
    (waiting,) = send("acme", json.dumps(body).encode(), AT)["messages"]
    assert feedback(waiting["id"], "used")["outcome"] == "used"
    (cancelled,) = send("acme", json.dumps(body).encode(), AT)["messages"]
    cancel_message("acme", cancelled["id"], AT)
    assert feedback(cancelled["id"], "used")["outcome"] == "used"
    assert counts(country()) == {"started12": 2}


def test_a_campaigns_code_counts_as_sent_and_as_used() -> None:
    now = datetime.now(UTC)
    rows = [Draft(0, "", "/to", number(VENDOR), "Your code is 1234", Options(category="otp"))]
    accepted, _ = refuse_pumped("acme", *plan_for_tenant("acme", rows, now), now)
    batch = build_batch("acme", new_ulid(now), accepted, 86_400, message_key, "a campaign's id")
    store_batch(batch)
    assert feedback(batch.messages[0].id, "used")["outcome"] == "used"
    hour = f"{now.hour:02d}"
    assert counts(country(), at=now) == {f"started{hour}": 1, f"approved{hour}": 1}


def test_feedback_on_a_message_that_was_just_removed_is_not_recorded(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """As when DynamoDB ends its time between the read and the write."""
    (one,) = own_codes(number(VENDOR))["messages"]
    key = split_id(one["id"])
    assert key
    found = message_repository.find_message(key)
    monkeypatch.setattr(message_repository, "find_message", lambda _: found)
    dynamodb.remove(key)
    assert problem(lambda: feedback(one["id"], "used")) == "not-found"
    assert dynamodb.get(key) is None


# Who is told.


@pytest.fixture
def stream(gateway: Gateway) -> Iterator[Stream]:
    yield from streaming()


def blocked_events(stream: Stream) -> list[dict[str, Any]]:
    assert stream.publish() == []
    return [one.to_dict() for one in stream.got.events if one.type == "VerificationBlocked"]


def test_the_first_refusal_of_an_hour_is_told_once(stream: Stream) -> None:
    guarded(rules={**LOOSE, "prefix_day": 1})
    start()
    for nth in range(1, 4):
        refused(lambda nth=nth: start(nth))  # type: ignore[misc] # mypy can't infer a lambda's default
    (event,) = blocked_events(stream)
    assert event["tenant"] == "acme"
    assert event["data"] == {
        "country": country().partition("#")[2],
        "hour": "2026-11-28T12:00:00.000Z",
        "mode": "block",
        "reasons": ["prefix-day"],
    }
    refused(lambda: start(5, AT + timedelta(hours=1)))
    assert [one["data"]["hour"][11:13] for one in blocked_events(stream)] == ["12", "13"]


def test_what_monitor_suspects_is_told_as_such(stream: Stream) -> None:
    guarded(mode="monitor", rules={**LOOSE, "prefix_day": 0})
    start()
    (event,) = blocked_events(stream)
    assert event["data"]["mode"] == "monitor"


def test_a_counter_alone_wakes_no_reader_of_the_stream(stream: Stream) -> None:
    start()
    assert not [one for one in stream.records() if "GUARD" in str(one["dynamodb"]["Keys"])]
