"""Counted limits: exact whoever sends at the same time, on every way in."""

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from sms_gateway.config.stack_keys import message_key
from sms_gateway.core.problems import GatewayError, ServiceUnavailableError
from sms_gateway.messages.cancel import cancel_message
from sms_gateway.messages.send import send
from sms_gateway.policies import quota
from sms_gateway.policies.counters import day_key
from sms_gateway.policies.document import Policy
from sms_gateway.policies.limits import Part, QuotaExhaustedError, Scope
from sms_gateway.policies.quota import Counted, count_parts
from sms_gateway.storage import dynamodb, quotas
from sms_gateway.triggers.direct_invocation import TryAgain
from sms_gateway.verifications.start import start_verification
from testing.counting import Meter
from testing.gateway import Gateway
from testing.interleaved import interleaved
from testing.numbers import number
from testing.paths import ROOT
from testing.processes import function
from testing.queues import DEAD_LETTERS, emptied
from testing.rights import acting_as
from testing.settings import set_policy

NOW = datetime(2026, 11, 28, 21, tzinfo=UTC)
REQUESTS = 50
SEND, VERIFY, STATUS = (function(name) for name in ("send", "verify", "status"))
ROLES = {id(SEND): "SendFunction", id(VERIFY): "VerifyFunction", id(STATUS): "StatusFunction"}
HELLO = json.dumps({"to": number("jst"), "text": "Hello"}).encode()


def limit(**policy: Any) -> None:
    set_policy("acme", json.dumps(policy))


def batch(count: int, **fields: Any) -> bytes:
    to = [number("jst", nth) for nth in range(count)]
    return json.dumps({"to": to, "text": "Hello", **fields}).encode()


def day(name: str, at: datetime = NOW) -> int:
    return quotas.number_of(quotas.read(day_key("acme", at)), name)


def ask(
    module: Any, method: str, path: str, body: bytes, policy: str | None = None
) -> dict[str, Any]:
    """A request with a key, as API Gateway passes it on."""
    scopes = "messages:send messages:read verifications"
    key = {"tenant": "acme", "scopes": scopes, "key_id": "k1"}
    event = {
        "httpMethod": method,
        "path": path,
        "body": body.decode(),
        "requestContext": {"authorizer": key | ({"policy": policy} if policy else {})},
    }
    with acting_as(ROLES[id(module)]):
        answer: dict[str, Any] = module.handler(event, None)
    return answer


def refused(work: Callable[[], object]) -> QuotaExhaustedError:
    with pytest.raises(QuotaExhaustedError) as caught:
        work()
    return caught.value


@contextmanager
def scopes(tenant: Policy, key: Policy | None = None) -> Iterator[list[Scope]]:
    """The limits of a day that has just begun."""
    dynamodb.remove(day_key("acme", NOW))
    quota._buckets.clear()
    yield [Scope("tenant", tenant), *([Scope("key", key, "k1")] if key else [])]


@settings(
    max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    seed=st.integers(0, 1_000_000),
    messages=st.integers(0, 70),
    segments=st.integers(0, 140),
    own=st.integers(0, 60),
    sizes=st.lists(
        st.lists(st.integers(1, 4), min_size=1, max_size=4),
        min_size=REQUESTS,
        max_size=REQUESTS,
    ),
)
def test_no_interleaving_passes_a_limit_or_refuses_below_it(
    gateway: Gateway, seed: int, messages: int, segments: int, own: int, sizes: list[list[int]]
) -> None:
    tenant = Policy(messages_per_day=messages, segments_per_day=segments)
    with scopes(tenant, Policy(messages_per_day=own)) as asked:
        batches = [[Part(number("jst"), one) for one in size] for size in sizes]

        def work(parts: list[Part]) -> Callable[[], Counted]:
            return lambda: count_parts(asked, "acme", parts, NOW, message_key)

        found = interleaved(seed, [work(parts) for parts in batches])
    got = [
        (part.segments, problem)
        for parts, counted in zip(batches, found, strict=True)
        for part, problem in zip(parts, counted.problems, strict=True)
    ]
    went = [one for one, problem in got if problem is None]
    assert len(went) <= min(messages, own)
    assert sum(went) <= segments
    assert (day("messages"), day("messages#k1"), day("segments")) == (
        len(went),
        len(went),
        sum(went),
    )
    for one, problem in got:
        if problem is not None:  # nor would it fit now
            assert len(went) + 1 > min(messages, own) or sum(went) + one > segments


@pytest.mark.parametrize("seed", range(3))
def test_of_many_requests_at_once_as_many_go_as_may_come_at_once(
    gateway: Gateway, seed: int
) -> None:
    with scopes(Policy(requests_per_second=10, burst=20), Policy(requests_per_second=7)) as asked:

        def work() -> Counted:
            return count_parts(asked, "acme", [Part(number("jst"), 1)], NOW, message_key)

        found = interleaved(seed, [work] * REQUESTS)
    assert sum(one.problems == [None] for one in found) == 7
    assert day("messages") == 7


def test_a_bucket_fills_at_its_rate(gateway: Gateway) -> None:
    with scopes(Policy(requests_per_second=4, burst=2)) as asked:

        def at(ms: int) -> Any:
            parts = [Part(number("jst"), 1)]
            now = NOW + timedelta(milliseconds=ms)
            return count_parts(asked, "acme", parts, now, message_key).problems[0]

        assert [at(0), at(0)] == [None, None]
        late = at(100)
        assert (late.members["quota"], late.members["limit"]) == ("requests_per_second", 2)
        assert late.headers["Retry-After"] == "1"
        assert late.members["resets_at"] == "2026-11-28T21:00:00.250Z"
        assert at(249) is not None
        assert at(250) is None
        assert at(300) is not None
        assert [at(10_000), at(10_000)] == [None, None]
        assert at(10_000) is not None


@pytest.mark.parametrize("seed", range(3))
def test_a_number_gets_its_share_and_no_more(gateway: Gateway, seed: int) -> None:
    limit(most_per_number_per_day=3)
    bodies = [batch(2), HELLO] * 5

    def work(body: bytes) -> Callable[[], int]:
        def one() -> int:
            try:
                return len(send("acme", body, NOW)["messages"])
            except QuotaExhaustedError:
                return 0

        return one

    send("acme", HELLO, NOW)  # reads the settings
    went = interleaved(seed, [work(body) for body in bodies])
    assert 1 + sum(went) == 6
    over = refused(lambda: send("acme", HELLO, NOW))
    assert (over.members["quota"], over.members["used"]) == ("most_per_number_per_day", 3)
    assert send("acme", HELLO, NOW + timedelta(hours=3))["messages"]  # another day


def test_over_a_limit_is_told_with_what_is_used_and_when_it_ends(gateway: Gateway) -> None:
    limit(messages_per_day=2)
    now = datetime.now(UTC)
    send("acme", batch(2), now)
    answer = ask(SEND, "POST", "/messages", HELLO)
    problem = json.loads(answer["body"])
    midnight = (now + timedelta(days=1)).replace(hour=0, minute=0, second=0, microsecond=0)
    assert answer["statusCode"] == 429
    assert problem["type"] == "/problems/quota-exhausted"
    assert (problem["quota"], problem["of"]) == ("messages_per_day", "tenant")
    assert (problem["limit"], problem["used"]) == (2, 2)
    assert problem["resets_at"] == f"{midnight:%Y-%m-%dT%H:%M:%S}.000Z"
    assert 0 < int(answer["headers"]["Retry-After"]) <= 86_400
    assert problem["retryable"] is True


def test_answers_say_how_the_limits_stand(gateway: Gateway) -> None:
    limit(messages_per_day=2, requests_per_second=5, burst=10)
    policy = '{"segments_per_day": 9, "most_per_number_per_day": 7}'
    first = ask(SEND, "POST", "/messages", HELLO, policy)["headers"]
    assert first["RateLimit-Policy"] == (
        '"tenant.messages_per_day";q=2;w=86400, "tenant.requests_per_second";q=10;w=2,'
        ' "key.segments_per_day";q=9;w=86400'
    )
    assert first["RateLimit"].startswith('"tenant.messages_per_day";r=1;t=')
    assert (
        '"tenant.requests_per_second";r=9;t=1, "key.segments_per_day";r=8;t='
        in (first["RateLimit"])
    )
    code = json.dumps({"to": number("server2sms"), "text": "Code {code}"}).encode()
    second = ask(VERIFY, "POST", "/verifications", code, policy)["headers"]
    assert '"tenant.messages_per_day";r=0;t=' in second["RateLimit"]
    third = ask(SEND, "POST", "/messages", HELLO)
    assert third["statusCode"] == 429
    assert '"tenant.messages_per_day";r=0;t=' in third["headers"]["RateLimit"]
    shown = json.loads(ask(STATUS, "GET", "/usage", b"", policy)["body"])["limits"]
    assert [(one["of"], one["quota"], one["used"], one["left"]) for one in shown] == [
        ("tenant", "messages_per_day", 2, 0),
        ("tenant", "requests_per_second", shown[1]["used"], shown[1]["left"]),
        ("key", "segments_per_day", 2, 7),
        ("key", "most_per_number_per_day", None, None),
    ]


def test_without_a_limit_no_header_and_no_usage(gateway: Gateway) -> None:
    assert "RateLimit" not in ask(SEND, "POST", "/messages", HELLO)["headers"]
    with Meter().listening(dynamodb.client()) as meter:
        assert json.loads(ask(STATUS, "GET", "/usage", b"")["body"]) == {"limits": []}
    assert meter.total.calls["dynamodb.GetItem"] == 0


def test_a_batch_that_is_partly_over_is_sent_in_part(gateway: Gateway) -> None:
    limit(messages_per_day=3)
    answer = send("acme", batch(5), NOW)
    assert len(answer["messages"]) == 3
    assert [one["index"] for one in answer["rejected"]] == [3, 4]
    assert {one["problem"]["type"] for one in answer["rejected"]} == {"/problems/quota-exhausted"}
    whole = refused(lambda: send("acme", batch(2), NOW))
    assert [one["index"] for one in whole.to_dict()["rejected"]] == [0, 1]


def test_a_keys_limit_is_its_own_and_its_tenants_holds_too(gateway: Gateway) -> None:
    limit(messages_per_day=3)
    policy = '{"messages_per_day": 2}'

    def by(key: str) -> object:
        return send("acme", HELLO, NOW, key_id=key, key_policy=policy)

    by("one"), by("one")
    assert refused(lambda: by("one")).members["of"] == "key"
    by("two")
    assert refused(lambda: by("two")).members["of"] == "tenant"


def test_a_repeat_is_not_counted_and_is_answered_when_the_day_is_used_up(gateway: Gateway) -> None:
    limit(messages_per_day=1)
    first = send("acme", HELLO, NOW, "order-1")
    assert [send("acme", HELLO, NOW, "order-1") for _ in range(3)] == [first] * 3
    assert day("messages") == 1
    limit(messages_per_day=9)
    start = json.dumps({"to": number("server2sms"), "text": "Code {code}"}).encode()
    code = start_verification("acme", start, NOW, "code-1")
    assert start_verification("acme", start, NOW, "code-1") == code
    assert day("messages") == 2


@pytest.mark.parametrize("seed", range(4))
def test_of_the_same_request_at_once_one_is_counted(gateway: Gateway, seed: int) -> None:
    limit(messages_per_day=5)
    send("acme", HELLO, NOW)  # reads the settings

    def work() -> str:
        try:
            return str(send("acme", HELLO, NOW, "order-1")["batch_id"])
        except GatewayError as problem:
            return problem.slug

    found = set(interleaved(seed, [work] * 4))
    assert len(found - {"request-in-progress"}) == 1
    assert day("messages") == 2


def test_what_another_refusal_or_the_claim_refuses_is_not_counted(gateway: Gateway) -> None:
    limit(messages_per_day=5, countries=["IN"])
    with pytest.raises(GatewayError, match="country"):
        send("acme", json.dumps({"to": number("rajasms"), "text": "x"}).encode(), NOW)
    send("acme", HELLO, NOW, "order-1")
    with pytest.raises(GatewayError, match="body"):
        send("acme", batch(2), NOW, "order-1")
    assert day("messages") == 1


def test_a_write_whose_answer_was_lost_is_counted_once(
    gateway: Gateway, failing: Callable[..., None]
) -> None:
    limit(messages_per_day=1)
    failing("UpdateItem", 1, lost=True)
    assert send("acme", HELLO, NOW)["messages"]
    assert day("messages") == 1


def test_giving_back_names_itself_so_that_a_repeat_takes_off_nothing_more(
    gateway: Gateway, failing: Callable[..., None]
) -> None:
    """moto takes no notice of the token, which DynamoDB honours for ten minutes."""
    limit(messages_per_day=5)
    send("acme", batch(3), NOW)
    tokens: list[str] = []

    def look(request: Any, **_: Any) -> None:
        tokens.append(json.loads(request.body)["ClientRequestToken"])

    events = dynamodb.client().meta.events
    events.register_first("before-send.dynamodb.TransactWriteItems", look)
    failing("TransactWriteItems", 1, lost=True)
    quota.give_back({day_key("acme", NOW): {"messages": 1}})
    events.unregister("before-send.dynamodb.TransactWriteItems", look)
    assert len(tokens) == 2
    assert len(set(tokens)) == 1


def test_of_a_day_that_is_gone_nothing_is_given_back(gateway: Gateway) -> None:
    quota.give_back({day_key("nobody", NOW): {"messages": 1}})
    assert quotas.read(day_key("nobody", NOW)) == {}


def test_a_counter_that_does_not_answer_sends_uncounted_and_says_so(
    gateway: Gateway, failing: Callable[..., None], capsys: pytest.CaptureFixture[str]
) -> None:
    limit(messages_per_day=0)
    refused(lambda: send("acme", HELLO, NOW))
    limit(messages_per_day=1)
    failing("UpdateItem")
    assert [send("acme", HELLO, NOW)["rejected"] for _ in range(2)] == [[], []]
    assert "QuotaFailedOpen" in capsys.readouterr().out


@pytest.mark.parametrize("whose", ["tenant", "key"])
def test_a_policy_may_say_that_nothing_goes_uncounted(
    gateway: Gateway, failing: Callable[..., None], whose: str
) -> None:
    closed = {"messages_per_day": 9, "fail": "closed"}
    limit(**(closed if whose == "tenant" else {"messages_per_day": 9}))
    failing("UpdateItem")
    with pytest.raises(ServiceUnavailableError) as caught:
        send("acme", HELLO, NOW, key_id="k", key_policy=json.dumps(closed))
    assert caught.value.slug == "limits-unavailable"


@pytest.mark.parametrize("count", [1, 30])
def test_a_cancelled_message_is_given_back_on_its_day(gateway: Gateway, count: int) -> None:
    limit(messages_per_day=40, most_per_number_per_day=1)
    policy = '{"segments_per_day": 40, "most_per_number_per_day": 1}'
    long = batch(count, text="x" * 200, send_at=f"{NOW + timedelta(days=2):%Y-%m-%dT%H:%M:%SZ}")

    def ask_again() -> list[str]:
        answer = send("acme", long, NOW, key_id="k", key_policy=policy)
        return [one["id"] for one in answer["messages"]]

    def counted() -> tuple[int, ...]:
        return tuple(day(one) for one in ("messages", "segments", "messages#k", "segments#k"))

    went = ask_again()
    sent = len(went)
    assert sent == min(count, 20)
    assert counted() == (sent, 2 * sent, sent, 2 * sent)
    refused(lambda: send("acme", HELLO, NOW))  # its number had its share
    limit(countries=[])  # whatever the policy is then
    with acting_as("SendFunction"):
        for _ in range(2):
            cancel_message("acme", went[0], NOW)
    assert counted() == (sent - 1, 2 * sent - 2, sent - 1, 2 * sent - 2)
    limit(most_per_number_per_day=1)
    assert send("acme", HELLO, NOW)["messages"]
    if count > 1:
        cancel_message("acme", went[1], NOW + timedelta(hours=3))
        assert day("messages") == sent - 1  # its day is over


def test_a_test_keys_messages_are_not_counted(gateway: Gateway) -> None:
    limit(messages_per_day=0, most_per_number_per_day=0)
    with Meter().listening(dynamodb.client()) as meter:
        gateway.test(number("jst"))
    assert meter.total.calls["dynamodb.UpdateItem"] == 0


def test_codes_are_counted_and_refused(gateway: Gateway) -> None:
    limit(messages_per_day=1)
    body = json.dumps({"to": number("server2sms"), "text": "Code {code}"}).encode()
    with acting_as("VerifyFunction"):
        start_verification("acme", body, NOW)
        refused(lambda: start_verification("acme", body, NOW))


def test_a_direct_invocation_is_told_to_try_again(gateway: Gateway) -> None:
    limit(messages_per_day=0)
    asked = {"message": {"to": number("jst"), "text": "Hello"}}
    with acting_as("FromInvocationFunction"), pytest.raises(TryAgain, match="quota-exhausted"):
        function("from_invocation").handler(asked, None)


@pytest.mark.parametrize(
    ("name", "role"),
    [
        ("from_eventbridge", "FromEventbridgeFunction"),
        ("from_sqs", "FromSqsFunction"),
        ("from_sns", "FromSnsFunction"),
    ],
)
def test_a_trigger_counts_and_waits_when_its_tenant_is_over(
    gateway: Gateway, name: str, role: str
) -> None:
    tenant = "ops" if name == "from_sns" else "acme"
    set_policy(tenant, '{"messages_per_day": 0}')
    event = json.loads((ROOT / "events" / f"{name}.json").read_text())
    with acting_as(role):
        if name == "from_sqs":
            again = function(name).handler(event, None)["batchItemFailures"]
            assert len(again) >= 1
        else:
            with pytest.raises(QuotaExhaustedError):
                function(name).handler(event, None)
    assert gateway.wire.sent == []
    assert emptied(DEAD_LETTERS) == []


def test_a_limit_costs_one_write_and_none_without_it(gateway: Gateway) -> None:
    limit(messages_per_day=90, segments_per_day=90, requests_per_second=50)
    policy = '{"messages_per_day": 50}'
    send("acme", HELLO, NOW, key_id="k", key_policy=policy)  # reads the settings
    with Meter().listening(dynamodb.client()) as meter:
        send("acme", batch(4), NOW + timedelta(seconds=9), key_id="k", key_policy=policy)
    assert meter.total.calls["dynamodb.UpdateItem"] == 1
