"""Idempotency-Key: one request, one batch, one answer, whatever happens in between."""

import json
import random
import string
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any

import msgspec
import pytest

from sms_gateway.core.problems import (
    ConflictError,
    GatewayError,
    InvalidRequestError,
    ServiceUnavailableError,
)
from sms_gateway.messages.send import send
from sms_gateway.storage import dynamodb
from sms_gateway.storage.idempotency_keys import IN_PROGRESS_SECONDS, KEY_SECONDS
from testing.callbacks import rajasms
from testing.gateway import Gateway
from testing.numbers import number
from testing.paths import ROOT
from testing.processes import function
from testing.settings import MESSAGE_KEY, set_accounts, set_message_key, set_routes
from testing.vendor_answers import SUBMIT, TAKES

SEND = function("send")
NOW = datetime.now(UTC)
DAYS = 86_400
SINGLE = {"to": number("rajasms"), "text": "Hello"}
MANY = {"to": [number("rajasms", nth) for nth in range(30)], "text": "Hello"}
SOME = {"to": [number("rajasms"), "+1", number("rajasms", 1)], "text": "Hello"}
WRITES = ("PutItem", "BatchWriteItem")


def post(
    body: object, key: str | None = "k-1", tenant: str = "acme", header: str = "Idempotency-Key"
) -> tuple[int, dict[str, str], str]:
    """POST /messages through the function: status, headers, and the body as it is written."""
    given = json.loads((ROOT / "events" / "send.json").read_text())
    given["body"] = body if isinstance(body, str) else json.dumps(body)
    given["requestContext"]["authorizer"] = {"tenant": tenant, "scopes": "messages:send"}
    if key is not None:
        given["headers"][header] = key
        given["multiValueHeaders"] = {name: [value] for name, value in given["headers"].items()}
    answer = SEND.handler(given, SimpleNamespace(function_name="send", aws_request_id="1"))
    headers = {name: values[0] for name, values in answer.get("multiValueHeaders", {}).items()}
    return answer["statusCode"], headers | answer.get("headers", {}), answer["body"]


def at(seconds: float, body: object = SINGLE, key: str = "k-1", tenant: str = "acme") -> bytes:
    """The same request `seconds` from now; the answer as it is written."""
    when = NOW + timedelta(seconds=seconds)
    return msgspec.json.encode(send(tenant, json.dumps(body).encode(), when, key))


def batches() -> list[str]:
    """The ids of all batches that were accepted."""
    items = dynamodb.client().scan(TableName=dynamodb.table_name())["Items"]
    return [item["pk"]["S"] for item in items if "tenant" in item]


def side_by_side(count: int, work: Callable[[], object]) -> list[object]:
    """What `work` comes to in so many threads that begin together."""
    barrier, came = threading.Barrier(count), []

    def one() -> None:
        barrier.wait()
        try:
            came.append(work())
        except GatewayError as error:
            came.append(error)

    threads = [threading.Thread(target=one) for _ in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return came


@contextmanager
def crash(nth: int, moment: str) -> Iterator[None]:
    """The process dies right before, or right after, its nth write."""
    lock, seen, events = threading.Lock(), [0], dynamodb.client().meta.events

    def handler(**_: Any) -> None:
        with lock:
            seen[0] += 1
            if seen[0] < nth:
                return
        raise RuntimeError("crash")

    names = [f"{moment}-call.dynamodb.{write}" for write in WRITES]
    for name in names:
        events.register_first(name, handler)
    try:
        with pytest.raises(RuntimeError, match=r"^crash$"):
            yield
    finally:
        for name in names:
            events.unregister(name, handler)


@pytest.mark.parametrize("body", [SINGLE, MANY, SOME], ids=["single", "many", "some rejected"])
def test_the_same_key_gives_the_same_answer_byte_for_byte(
    gateway: Gateway, body: dict[str, Any]
) -> None:
    status, headers, first = post(body)
    assert status == 202
    again = [post(body) for _ in range(3)]
    assert [one[0] for one in again] == [202] * 3
    assert {one[2] for one in again} == {first}
    assert {one[1]["Content-Type"] for one in again} == {headers["Content-Type"]}
    assert len(batches()) == 1
    assert len(gateway.queued("rajasms")) == 1
    assert len(json.loads(first)["rejected"]) == (1 if body is SOME else 0)


def test_without_a_key_each_request_is_one_of_its_own(gateway: Gateway) -> None:
    assert post(SINGLE, None)[2] != post(SINGLE, None)[2]
    assert len(batches()) == 2


@pytest.mark.parametrize("body", [SINGLE, MANY], ids=["single", "many"])
def test_the_answer_stays_the_same_when_the_messages_have_moved_on(
    gateway: Gateway, body: dict[str, Any]
) -> None:
    gateway.wire.answers[SUBMIT["rajasms"]] = TAKES["rajasms"]
    first = post(body)[2]
    gateway.dispatch("rajasms")
    assert post(body)[2] == first
    rajasms(gateway, json.loads(first)["messages"][0]["id"], "3")
    assert post(body)[2] == first
    gateway.tick(200)
    gateway.dispatch("rajasms")
    assert len(gateway.wire.sent) == 1


@pytest.mark.parametrize("what", ["routes", "no routes"])
def test_the_answer_stays_the_same_when_the_settings_have_changed(
    gateway: Gateway, what: str
) -> None:
    first = post(SINGLE)[2]
    if what == "routes":
        set_routes('{"routes": [{"prefix": "+", "vendors": ["server2sms"]}]}')
    else:
        set_routes("no JSON")
    assert post(SINGLE)[::2] == (202, first)
    assert gateway.queued("server2sms") == []


def test_while_the_accounts_are_not_usable_a_repeat_has_its_answer(gateway: Gateway) -> None:
    first = post(SINGLE)[2]
    set_accounts("no JSON")
    assert post(SINGLE)[::2] == (202, first)
    assert len(batches()) == 1


def test_without_the_message_key_a_repeat_waits_and_then_has_its_answer(gateway: Gateway) -> None:
    """It tells one body from another: nobody answers unchecked."""
    first = post(SINGLE)[2]
    set_message_key("short")
    status, _, problem = post(SINGLE)
    assert (status, json.loads(problem)["retryable"]) == (503, True)
    assert len(batches()) == 1
    set_message_key(MESSAGE_KEY)
    assert post(SINGLE)[::2] == (202, first)
    assert len(batches()) == 1


def test_the_answer_stays_the_same_when_its_time_has_passed_meanwhile(gateway: Gateway) -> None:
    body = SINGLE | {"send_at": (NOW + timedelta(hours=1)).isoformat()}
    first = at(0, body)
    assert at(2 * 3600, body) == first
    with pytest.raises(InvalidRequestError, match="send_at"):
        at(2 * 3600, body, "another")


@pytest.mark.parametrize(
    "other",
    [
        SINGLE | {"text": "Hello!"},
        SINGLE | {"text": "Hello "},
        SINGLE | {"to": [SINGLE["to"]]},
        SINGLE | {"validity": 300},
        MANY,
        {},
        "{",
        json.dumps(SINGLE) + "{}",
        json.dumps(SINGLE)[:-1] + ', "text": "Hello"}',
    ],
    ids=str,
)
def test_another_body_under_the_same_key_is_refused(gateway: Gateway, other: object) -> None:
    first = post(SINGLE)[2]
    status, _, problem = post(other)
    assert (status, json.loads(problem)["type"]) == (422, "/problems/idempotency-key-reused")
    assert post(SINGLE)[2] == first
    assert len(batches()) == 1


@pytest.mark.parametrize(
    "written",
    [
        json.dumps(SINGLE) + " ",
        json.dumps(dict(reversed(SINGLE.items())), indent=2),
        json.dumps(SINGLE).replace("H", "\\u0048").replace("+", "\\u002B"),
        json.dumps(SINGLE | {"flash": None}),
    ],
    ids=["space", "order", "escapes", "null"],
)
def test_the_same_body_written_otherwise_gets_the_first_answer(
    gateway: Gateway, written: str
) -> None:
    gateway.wire.answers[SUBMIT["rajasms"]] = TAKES["rajasms"]
    first = post(SINGLE)[2]
    assert post(written)[::2] == (202, first)
    gateway.dispatch("rajasms")
    assert (len(batches()), len(gateway.wire.sent)) == (1, 1)


@pytest.mark.parametrize("body", [SINGLE, MANY], ids=["single", "many"])
def test_while_the_first_is_at_work_the_second_is_told_to_ask_again(
    gateway: Gateway, body: dict[str, Any]
) -> None:
    met: list[tuple[int, dict[str, str], str]] = []
    once = threading.Lock()

    def meanwhile(params: dict[str, Any], **_: Any) -> None:
        writes_batch = "RequestItems" in params or "tenant" in params["Item"]
        if writes_batch and once.acquire(blocking=False):
            met.append(post(body))

    names = [f"provide-client-params.dynamodb.{write}" for write in WRITES]
    for name in names:
        dynamodb.client().meta.events.register(name, meanwhile)
    try:
        status, _, first = post(body)
    finally:
        for name in names:
            dynamodb.client().meta.events.unregister(name, meanwhile)
    assert status == 202
    ((second, headers, problem),) = met
    assert (second, json.loads(problem)["type"]) == (409, "/problems/request-in-progress")
    assert json.loads(problem)["retryable"] is True
    assert 1 <= int(headers["Retry-After"]) <= 5
    assert post(body)[::2] == (202, first)
    assert len(batches()) == 1


# The writes of a batch of 30 under a key: the record, two pages of items, the batch's own item.
@pytest.mark.parametrize(
    ("body", "nth", "moment", "left"),
    [
        (SINGLE, 1, "before", "nothing"),
        (SINGLE, 1, "after", "record"),
        (SINGLE, 2, "before", "record"),
        (SINGLE, 2, "after", "batch"),
        (MANY, 1, "before", "nothing"),
        (MANY, 1, "after", "record"),
        (MANY, 2, "before", "record"),
        (MANY, 2, "after", "record"),
        (MANY, 3, "before", "record"),
        (MANY, 3, "after", "record"),
        (MANY, 4, "before", "record"),
        (MANY, 4, "after", "batch"),
    ],
)
def test_a_crash_at_any_write_leads_to_one_batch(
    gateway: Gateway, body: dict[str, Any], nth: int, moment: str, left: str
) -> None:
    gateway.wire.answers[SUBMIT["rajasms"]] = TAKES["rajasms"]
    with crash(nth, moment):
        at(0, body)
    if left == "record":
        for seconds in (0, 1, IN_PROGRESS_SECONDS - 1):
            with pytest.raises(ConflictError) as refused:
                at(seconds, body)
            assert refused.value.slug == "request-in-progress"
        assert batches() == []
    accepted = at(IN_PROGRESS_SECONDS if left == "record" else 1, body)
    assert at(IN_PROGRESS_SECONDS + 1, body) == accepted
    answer = json.loads(accepted)
    assert batches() == [answer["batch_id"]]
    for after in (2 * IN_PROGRESS_SECONDS, 4 * IN_PROGRESS_SECONDS):
        gateway.dispatch("rajasms")
        gateway.tick(after)
    assert gateway.wire.count(SUBMIT["rajasms"]) == 1
    assert set(gateway.statuses([one["id"] for one in answer["messages"]])) == {"submitted"}
    assert at(DAYS - 1, body) == accepted


@pytest.mark.parametrize("operation", WRITES)
def test_a_table_that_refuses_is_503_and_the_next_request_begins_anew(
    gateway: Gateway, failing: Callable[..., None], operation: str
) -> None:
    failing(operation, 1)
    with pytest.raises(ServiceUnavailableError):
        at(0, MANY)
    assert batches() == []
    first = at(IN_PROGRESS_SECONDS, MANY)
    assert at(IN_PROGRESS_SECONDS + 1, MANY) == first
    assert len(batches()) == 1


@pytest.mark.parametrize("body", [SINGLE, MANY], ids=["single", "many"])
@pytest.mark.parametrize("times", [1, 2])
def test_a_write_whose_answer_gets_lost_is_one_batch(
    gateway: Gateway, failing: Callable[..., None], body: dict[str, Any], times: int
) -> None:
    failing("PutItem", times, lost=True)
    status, _, first = post(body)
    assert status == 202
    assert post(body)[2] == first
    assert len(batches()) == 1
    assert len(gateway.queued("rajasms")) == 1


@pytest.mark.parametrize("body", [SINGLE, MANY], ids=["single", "many"])
@pytest.mark.parametrize("clients", [2, 20])
def test_of_first_requests_at_once_one_makes_the_batch(
    gateway: Gateway, body: dict[str, Any], clients: int
) -> None:
    came = side_by_side(clients, lambda: at(0, body))
    answers = {one for one in came if isinstance(one, bytes)}
    refused = [one for one in came if not isinstance(one, bytes)]
    assert len(answers) == 1
    assert all(isinstance(one, ConflictError) for one in refused)
    assert len(batches()) == 1
    assert len(gateway.queued("rajasms")) == 1
    assert {at(1, body)} == answers


@pytest.mark.parametrize("clients", [2, 20])
def test_of_those_that_take_over_from_a_dead_request_one_makes_the_batch(
    gateway: Gateway, clients: int
) -> None:
    with crash(2, "before"):
        at(0)
    came = side_by_side(clients, lambda: at(IN_PROGRESS_SECONDS))
    assert len({one for one in came if isinstance(one, bytes)}) == 1
    assert len(batches()) == 1
    assert len(gateway.queued("rajasms")) == 1


def test_tenants_with_the_same_key_never_meet(gateway: Gateway) -> None:
    mine, theirs = post(SINGLE)[2], post(MANY, tenant="other")
    assert theirs[0] == 202
    assert mine != theirs[2]
    assert post(SINGLE)[2] == mine
    assert post(MANY, tenant="other")[2] == theirs[2]
    assert len(batches()) == 2


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ({"to": "+1", "text": "Hello"}, 422),
        ({"to": ["+1", "+2"], "text": "Hello"}, 422),
        (SINGLE | {"vendor": "nobody"}, 422),
        (SINGLE | {"text": ""}, 422),
        ("{", 400),
    ],
)
def test_a_request_that_is_refused_uses_up_no_key(
    gateway: Gateway, body: object, status: int
) -> None:
    assert post(body)[0] == status
    assert gateway.messages_stored() == 0
    assert post(SINGLE)[0] == 202


@pytest.mark.parametrize(
    "key", ["", "x" * 256, "é", "schlüssel", " x", "x ", " ", "a\tb", "a\x7f", "a\n"]
)
def test_a_key_that_cannot_be_one_is_refused(gateway: Gateway, key: str) -> None:
    status, _, problem = post(SINGLE, key)
    assert (status, json.loads(problem)["type"]) == (422, "/problems/invalid-idempotency-key")
    assert gateway.messages_stored() == 0


@pytest.mark.parametrize("key", ["x" * 255, "!", "a b", "~" * 36, "Order 4711 / 2"])
def test_any_printable_key_will_do(gateway: Gateway, key: str) -> None:
    assert post(SINGLE, key)[2] == post(SINGLE, key)[2]
    assert post(SINGLE, key[:-1] + "#")[2] != post(SINGLE, key)[2]
    assert len(batches()) == 2


@pytest.mark.parametrize("header", ["idempotency-key", "IDEMPOTENCY-KEY", "Idempotency-key"])
def test_the_header_is_read_in_any_case(gateway: Gateway, header: str) -> None:
    assert post(SINGLE)[2] == post(SINGLE, header=header)[2]
    assert len(batches()) == 1


def test_a_key_is_remembered_for_a_day(gateway: Gateway) -> None:
    first = at(0)
    assert at(KEY_SECONDS - 1) == first
    second = at(KEY_SECONDS)
    assert second != first
    assert at(KEY_SECONDS + 1) == second
    assert at(KEY_SECONDS, MANY, "another")
    assert len(batches()) == 3


def test_a_key_that_was_forgotten_may_come_with_another_body(gateway: Gateway) -> None:
    at(0)
    assert json.loads(at(KEY_SECONDS, MANY))["messages"][29]


def test_the_records_name_tells_nothing(gateway: Gateway) -> None:
    post(SINGLE, f"Hello {number('rajasms')}")
    items = dynamodb.client().scan(TableName=dynamodb.table_name())["Items"]
    (record,) = [item for item in items if item["sk"]["S"] == "REQUEST"]
    assert record["pk"]["S"].startswith("REQUEST#acme#")
    for secret in (number("rajasms")[1:], "Hello"):
        assert secret not in str(record)
    assert set(record) == {"pk", "sk", "batch", "digest", "started", "answer", "ttl"}


def test_the_largest_answer_fits_into_its_record(gateway: Gateway) -> None:
    rng = random.Random(4711)  # noqa: S311 - what can hardly be packed

    def noise(length: int) -> str:
        return "".join(rng.choices(string.ascii_letters + string.digits, k=length))

    good = [
        {"to": number("rajasms", nth), "text": "Hello", "reference": noise(64)}
        for nth in range(500)
    ]
    bad = [{"to": noise(40), "text": "Hello"} for _ in range(500)]
    first = at(0, {"messages": good + bad})
    assert at(1, {"messages": good + bad}) == first
    assert len(json.loads(first)["rejected"]) == 500
