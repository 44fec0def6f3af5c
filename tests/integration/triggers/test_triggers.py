"""What sources bring, through their functions: sent once, buried with a reason, or left to come
again; nothing of it in the logs."""

import gc
import json
import os
from base64 import b64encode
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any

import aws_encryption_sdk
import pytest
from aws_encryption_sdk import CommitmentPolicy
from aws_encryption_sdk.identifiers import EncryptionKeyType, WrappingAlgorithm
from aws_encryption_sdk.key_providers.raw import RawMasterKeyProvider, WrappingKey

from sms_gateway.core.problems import InvocationError, ServiceUnavailableError
from sms_gateway.messages import acceptance, send
from sms_gateway.messages.listing import list_messages, parse_query
from sms_gateway.storage import dynamodb
from sms_gateway.triggers.cognito_decryption import decrypt_code, decrypt_with
from sms_gateway.triggers.direct_invocation import SendRefused
from sms_gateway.webhooks import endpoints
from sms_gateway.webhooks.endpoints import EndpointSettings
from smsgw.trigger_dead_letters import TRIGGERS
from testing.gateway import Gateway
from testing.numbers import number
from testing.paths import ROOT
from testing.processes import function
from testing.queues import DEAD_LETTERS, emptied
from testing.rights import acting_as, may
from testing.sealed import POOL
from testing.settings import (
    ACCOUNTS,
    SOURCES,
    set_accounts,
    set_guards,
    set_routes,
    set_sources,
)
from testing.vendor_answers import SUBMIT, TAKES
from testing.webhooks import activate

# The Encryption SDK's reader complains when it is thrown away half-way, as after a wrong key.
pytestmark = pytest.mark.filterwarnings(
    "ignore:Exception ignored in. <aws_encryption_sdk:pytest.PytestUnraisableExceptionWarning"
)

MODULES = {
    name: function(name)
    for name in (
        *("from_eventbridge", "from_sns", "from_sqs", "from_cognito", "from_invocation"),
        "send",
    )
}
CONTEXT = SimpleNamespace(aws_request_id="1", function_name="test")


def event(name: str) -> Any:
    return json.loads((ROOT / "events" / f"{name}.json").read_text())


def handle(name: str, given: Any) -> Any:
    return MODULES[name].handler(given, CONTEXT)


def sent(tenant: str = "acme") -> list[dict[str, Any]]:
    """A tenant's messages, the oldest first."""
    asked, cursor = parse_query({})
    found: list[dict[str, Any]] = list_messages(tenant, asked, cursor, datetime.now(UTC))[
        "messages"
    ]
    return found[::-1]


def letters() -> list[tuple[str, dict[str, str]]]:
    """The dead letters: what came, and what stands beside it."""
    return [
        (
            one.body,
            {name: str(given["StringValue"]) for name, given in one.message_attributes.items()},
        )
        for one in emptied(DEAD_LETTERS)
    ]


@pytest.mark.parametrize(
    ("name", "tenant"), [("from_eventbridge", "acme"), ("from_sqs", "acme"), ("from_sns", "ops")]
)
def test_a_source_sends_its_example_once_however_often_it_comes(
    gateway: Gateway, name: str, tenant: str
) -> None:
    for _ in range(3):
        handle(name, event(name))
    (message,) = sent(tenant)
    assert (message["to"], message["status"]) == ("+447700900001", "accepted")
    assert letters() == []


def over_http(body: str, key: str) -> Any:
    given = event("send") | {"body": body}
    given["headers"]["Idempotency-Key"] = key
    given["requestContext"]["authorizer"] = {"tenant": "acme", "scopes": "messages:send"}
    return json.loads(handle("send", given)["body"])


def over_the_queue(body: str, key: str) -> None:
    given = event("from_sqs")
    given["Records"][0]["body"] = body
    given["Records"][0]["messageAttributes"]["idempotency_key"] = {
        "dataType": "String",
        "stringValue": key,
    }
    assert handle("from_sqs", given) == {"batchItemFailures": []}


def directly(body: str, key: str) -> Any:
    return handle("from_invocation", {"message": json.loads(body), "idempotency_key": key})


def over_the_bus(body: str, key: str) -> None:
    given = event("from_eventbridge") | {"id": key.removeprefix("bus/"), "detail": json.loads(body)}
    handle("from_eventbridge", given)


@pytest.mark.parametrize("second", [over_http, over_the_queue, directly, over_the_bus])
@pytest.mark.parametrize("first", [over_http, over_the_queue, directly, over_the_bus])
def test_a_key_means_the_same_whichever_way_its_body_comes(
    gateway: Gateway, first: Callable[[str, str], Any], second: Callable[[str, str], Any]
) -> None:
    first('{"to": "+447700900001", "text": "Caf\u00e9", "validity": 300}', "bus/7")
    second('{ "validity" : 300.0, "text":"Caf\\u00e9",\n"to":"+447700900001"}', "bus/7")
    assert [one["text"] for one in sent()] == ["Caf\u00e9"]
    assert letters() == []


@pytest.mark.parametrize(
    ("name", "body"),
    [
        ("from_sqs", {"to": "+447700900001", "text": "1234", "category": "otp"}),
        ("from_eventbridge", {"to": "+447700900001", "text": "1234", "category": "otp"}),
        ("from_invocation", {"to": "+447700900001", "text": "1234", "category": "otp"}),
    ],
)
def test_a_code_that_looks_pumped_is_refused_whichever_way_it_comes(
    gateway: Gateway, monkeypatch: pytest.MonkeyPatch, name: str, body: dict[str, str]
) -> None:
    monkeypatch.setenv("PUMPING_GUARD", "true")
    rules = {"country_hour": 0, "country_day": 0}
    set_guards({"acme": {"mode": "block", "rules": rules}})
    given = event(name)
    if name == "from_sqs":
        given["Records"][0]["body"] = json.dumps(body)
        failed = handle(name, given)["batchItemFailures"]
        assert len(failed) == 1  # the queue brings it again
    else:
        given |= {"detail": body} if name == "from_eventbridge" else {"message": body}
        with pytest.raises(Exception, match="nobody typed in"):
            handle(name, given)
    assert (sent(), letters()) == ([], [])


def test_another_body_under_a_key_is_refused_whichever_way_it_comes(gateway: Gateway) -> None:
    over_http('{"to": "+447700900001", "text": "One"}', "bus/7")
    other = '{"to": "+447700900001", "text": "Two"}'
    with pytest.raises(Exception, match="idempotency-key-reused"):
        directly(other, "bus/7")
    over_the_queue(other, "bus/7")
    over_the_bus(other, "bus/7")
    assert [words["problem"] for _, words in letters()] == ["idempotency-key-reused"] * 2
    assert over_http(other, "bus/7")["type"] == "/problems/idempotency-key-reused"
    assert [one["text"] for one in sent()] == ["One"]


@pytest.mark.parametrize("number", ["1e400", "-1e400"])
def test_a_number_beyond_floats_is_refused_whichever_way_it_comes(
    gateway: Gateway, number: str
) -> None:
    """Lambda reads it as infinite; written as null it would mean "not given", and be sent."""
    body = f'{{"to": "+447700900001", "text": "Code", "validity": {number}}}'
    assert over_http(body, "bus/7")["status"] in (400, 422)
    over_the_queue(body, "bus/7")
    over_the_bus(body, "bus/7")
    with pytest.raises(SendRefused):
        directly(body, "bus/7")
    *_, (letter, words) = letters()
    assert words["trigger"] == "bus"
    handle("from_eventbridge", json.loads(letter))  # redriven, it is no other message
    assert len(letters()) == 1
    assert sent() == []


@pytest.mark.parametrize("text", ["Hi \ud83d", 'Say "Infinity" and \\ud83d: \ud83d'])
def test_half_a_character_of_an_event_is_buried_with_its_reason(
    gateway: Gateway, text: str
) -> None:
    given = event("from_eventbridge") | {"detail": {"to": "+447700900001", "text": text}}
    handle("from_eventbridge", given)
    ((letter, words),) = letters()
    assert json.loads(letter) == given
    assert "surrogate" in words["reason"]
    assert sent() == []


def test_a_message_of_the_topic_reaches_all_its_numbers(gateway: Gateway) -> None:
    handle("from_sns", event("from_sns_message"))
    assert {one["to"] for one in sent()} == {"+447700900001", "+447700900002"}


def test_defaults_stand_in_for_what_is_not_said(gateway: Gateway) -> None:
    handle("from_eventbridge", event("from_eventbridge"))
    said = event("from_eventbridge") | {"id": "another"}
    said["detail"]["from"] = "OTHER"
    handle("from_eventbridge", said)
    assert [one["from"] for one in sent()] == ["ACME", "OTHER"]


def test_changed_defaults_do_not_make_another_event_of_one(gateway: Gateway) -> None:
    handle("from_eventbridge", event("from_eventbridge"))
    set_sources({"bus": {"com.example.orders": {"tenant": "acme"}}})
    handle("from_eventbridge", event("from_eventbridge"))
    assert len(sent()) == 1
    assert letters() == []


@pytest.mark.parametrize(
    ("detail", "problem", "pointer", "said"),
    [
        ({"to": "+447700900001"}, "invalid-request", "/detail/text", "missing"),
        ({"to": "+1", "text": "x"}, "invalid-number", "/detail/to", "digits"),
        ({"to": "+447700900001", "text": "x", "colour": 1}, "invalid-request", "/detail", "colour"),
        ({"to": ["+1", "+2"], "text": "x"}, "all-rejected", "/detail", "1: The number"),
        ({}, "invalid-request", "/detail/to", "Give"),
    ],
)
def test_an_event_that_is_no_send_is_buried_with_its_reason(
    gateway: Gateway, detail: Any, problem: str, pointer: str | None, said: str
) -> None:
    given = event("from_eventbridge") | {"detail": detail}
    handle("from_eventbridge", given)
    ((letter, words),) = letters()
    assert json.loads(letter) == given
    assert (words["trigger"], words["problem"], words.get("pointer")) == ("bus", problem, pointer)
    assert said in words["reason"]
    assert sent() == []


def test_what_was_buried_for_the_settings_is_sent_when_they_are_mended(gateway: Gateway) -> None:
    set_sources({})
    handle("from_eventbridge", event("from_eventbridge"))
    ((letter, words),) = letters()
    assert "com.example.orders" in words["reason"]
    set_sources(SOURCES)
    handle("from_eventbridge", json.loads(letter))
    assert len(sent()) == 1


def records(*bodies: Any, **attributes: Any) -> list[dict[str, Any]]:
    """Records of the ingress queue."""
    (like,) = event("from_sqs")["Records"]
    return [
        like
        | {
            "messageId": f"id-{index}",
            "body": body if isinstance(body, str) else json.dumps(body),
            "messageAttributes": {n: {"stringValue": v} for n, v in attributes.items()},
        }
        for index, body in enumerate(bodies)
    ]


def test_one_bad_message_of_the_queue_does_not_hold_up_the_rest(
    gateway: Gateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    good = [{"to": number("jst", nth), "text": "Hello"} for nth in range(3)]
    given = records(good[0], "{", good[1], [], {"to": "x", "text": "y"}, good[2])
    real = acceptance.store_batch

    def fails_once(prepared: Any) -> None:
        monkeypatch.setattr(send, "store_batch", real)
        raise ConnectionError("in a test")

    monkeypatch.setattr(send, "store_batch", fails_once)
    answer = handle("from_sqs", {"Records": given})
    assert answer == {"batchItemFailures": [{"itemIdentifier": "id-0"}]}
    assert [one["to"] for one in sent()] == [number("jst", 1), number("jst", 2)]
    assert [words["problem"] for _, words in letters()] == [
        "malformed-json",
        "invalid-request",
        "invalid-number",
    ]


def test_a_buried_message_of_the_queue_keeps_its_key_and_its_source(gateway: Gateway) -> None:
    handle("from_sqs", {"Records": records("{")})
    handle("from_sqs", {"Records": records("{", idempotency_key="k", source="x")})
    (first, second) = (words for _, words in letters())
    assert (first["idempotency_key"], "source" in first) == ("queue/id-0", False)
    assert (second["idempotency_key"], second["source"]) == ("k", "x")


def test_a_key_that_stands_for_another_body_is_buried(gateway: Gateway) -> None:
    for text in ("one", "two"):
        body = {"to": number("jst"), "text": text}
        handle("from_sqs", {"Records": records(body, idempotency_key="same")})
    ((_, words),) = letters()
    assert words["problem"] == "idempotency-key-reused"
    assert len(sent()) == 1


@pytest.mark.parametrize("name", ["from_eventbridge", "from_sns"])
def test_what_may_go_better_later_is_raised_not_buried(gateway: Gateway, name: str) -> None:
    set_routes("no JSON")
    with pytest.raises(ServiceUnavailableError):
        handle(name, event(name))
    assert letters() == []


@pytest.mark.parametrize("name", ["from_eventbridge", "from_sns", "from_sqs"])
def test_sources_that_can_not_be_read_lose_nothing(gateway: Gateway, name: str) -> None:
    set_sources('{"bus": 7}')
    if name == "from_sqs":
        failed = handle(name, event(name))["batchItemFailures"]
        assert [one["itemIdentifier"] for one in failed] == [event(name)["Records"][0]["messageId"]]
    else:
        with pytest.raises(ServiceUnavailableError, match="sources"):
            handle(name, event(name))
    assert letters() == []


def test_a_letter_that_can_not_be_written_is_tried_again(
    gateway: Gateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DEAD_LETTERS", os.environ["DEAD_LETTERS"] + "-gone")
    with pytest.raises(Exception, match="NonExistentQueue"):
        handle("from_eventbridge", event("from_eventbridge") | {"detail": {}})
    answer = handle("from_sqs", {"Records": records("{")})
    assert answer == {"batchItemFailures": [{"itemIdentifier": "id-0"}]}


def test_a_refused_recipient_is_counted_and_named_by_its_place(
    gateway: Gateway, capsys: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    handle(
        "from_eventbridge",
        event("from_eventbridge") | {"detail": {"to": ["+1", "+447700900001"], "text": "secret"}},
    )
    assert len(sent()) == 1
    (line,) = (one for one in caplog.records if "recipient" in one.message)
    assert (vars(line)["index"], vars(line)["problem"]) == (0, "/problems/invalid-number")
    shown = capsys.readouterr().out
    assert '"TriggerRecipientsRejected":[1.0]' in shown
    for secret in ("secret", "447700900001"):
        assert secret not in shown + str([vars(one) for one in caplog.records])


def test_recipients_refused_for_good_are_buried_by_their_indexes(gateway: Gateway) -> None:
    detail = {"to": ["+1", number("server2sms"), "nobody"], "text": "secret"}
    handle("from_eventbridge", event("from_eventbridge") | {"detail": detail})
    ((letter, words),) = letters()
    (message,) = sent()
    refused = json.loads(letter)
    assert refused["batch_id"] == message["batch_id"]
    assert [(one["index"], one["problem"]) for one in refused["refused"]] == [
        (0, "invalid-number"),
        (2, "invalid-number"),
    ]
    assert (words["trigger"], words["problem"], words["refused"]) == (
        "bus",
        "recipients-refused",
        "2",
    )
    assert all(one["detail"] in words["reason"] for one in refused["refused"])
    for secret in ("secret", number("server2sms")[1:], "nobody"):
        assert secret not in letter + str(words)


def test_a_letter_about_a_thousand_recipients_fits_into_the_queue(gateway: Gateway) -> None:
    bad = "\x00\x01\x02\x03\x04\x05\x06\x07\x08\x0e"  # each of them named in the problem
    many = [{"to": number("server2sms", nth), "text": f"{nth} {bad}"} for nth in range(999)]
    many.append({"to": number("server2sms"), "text": "Hello"})
    handle("from_eventbridge", event("from_eventbridge") | {"detail": {"messages": many}})
    ((letter, words),) = letters()
    assert words["refused"] == "999"
    assert len(letter) + sum(map(len, words.values())) < 256 * 1024


def as_redriven(letter: str, words: dict[str, str]) -> Any:
    """A letter of the bus as `smsgw dlq redrive` brings it again."""
    return json.loads(letter) | {"only": words["only"]}


def test_recipients_that_wait_for_the_operator_are_buried_and_sent_once_when_redriven(
    gateway: Gateway,
) -> None:
    set_sources({"bus": {"com.example.orders": {"tenant": "acme"}}})
    set_accounts({**ACCOUNTS, "dinisoft": {}, "rajasms": {}})
    everyone = [number(vendor) for vendor in ("dinisoft", "server2sms", "rajasms")]
    given = event("from_eventbridge") | {"detail": {"to": [*everyone, "+1"], "text": "Hello"}}
    handle("from_eventbridge", given)
    assert [one["to"] for one in sent()] == [number("server2sms")]
    (left, words), (_, refused) = letters()
    assert json.loads(left) == given
    assert (words["trigger"], words["problem"], words["only"]) == ("bus", "recipients-left", "0,2")
    assert "dinisoft" in words["reason"]
    assert refused["refused"] == "1"
    with pytest.raises(
        ServiceUnavailableError
    ):  # nothing was mended: AWS brings it again, and buries it
        handle("from_eventbridge", as_redriven(left, words))
    assert letters() == []

    set_accounts({**ACCOUNTS, "rajasms": {}})
    for _ in range(2):
        handle("from_eventbridge", as_redriven(left, words))
    assert [one["to"] for one in sent()] == [number("server2sms"), number("dinisoft")]
    (left, words), again = letters()
    assert again == (left, words)
    assert words["only"] == "2"

    set_accounts(ACCOUNTS)
    for _ in range(2):
        handle("from_eventbridge", as_redriven(left, words))
    assert sorted(one["to"] for one in sent()) == sorted(everyone)
    assert letters() == []


def test_an_alarm_reaches_those_on_call_who_can_be_reached(gateway: Gateway) -> None:
    on_call = [number("dinisoft"), number("jst")]
    set_sources({"topic": {"alarms": {"tenant": "ops", "to": on_call}}})
    set_accounts({**ACCOUNTS, "dinisoft": {}})
    handle("from_sns", event("from_sns"))
    assert [one["to"] for one in sent("ops")] == [number("jst")]
    ((left, words),) = letters()
    set_accounts(ACCOUNTS)
    handle("from_sns", as_redriven(left, words))
    assert [one["to"] for one in sent("ops")] == on_call[::-1]
    assert letters() == []


def test_what_is_left_of_a_message_of_the_queue_keeps_its_key_and_is_sent_once(
    gateway: Gateway,
) -> None:
    set_accounts({**ACCOUNTS, "dinisoft": {}})
    body = {"to": [number("jst"), number("dinisoft")], "text": "Hello"}
    handle("from_sqs", {"Records": records(body, idempotency_key="k")})
    ((left, words),) = letters()
    assert (words["idempotency_key"], words["only"]) == ("k", "1")
    set_accounts(ACCOUNTS)
    kept = {name: words[name] for name in ("idempotency_key", "only")}
    for _ in range(2):
        assert handle("from_sqs", {"Records": records(left, **kept)}) == {"batchItemFailures": []}
    assert [one["to"] for one in sent()] == [number("jst"), number("dinisoft")]
    assert letters() == []


@pytest.mark.parametrize(
    ("only", "problem"),
    [("x", "invalid-request"), ("-1", "invalid-request"), ("9", "no-recipient")],
)
def test_recipients_that_are_not_there_are_buried(
    gateway: Gateway, only: str, problem: str
) -> None:
    body = {"to": number("jst"), "text": "Hello"}
    handle("from_sqs", {"Records": records(body, idempotency_key="k", only=only)})
    ((_, words),) = letters()
    assert (words["problem"], words["only"]) == (problem, only)
    assert sent() == []


def test_a_key_that_the_sender_chose_is_not_logged(
    gateway: Gateway, caplog: pytest.LogCaptureFixture
) -> None:
    body = {"to": number("jst"), "text": "Hello"}
    handle("from_sqs", {"Records": records(body, idempotency_key=f"sms-{number('jst')}")})
    (line,) = (one for one in caplog.records if one.message == "trigger accepted")
    assert vars(line)["key"] == "queue/id-0"
    assert number("jst") not in str([vars(one) for one in caplog.records])


def test_a_direct_invocation_is_answered_as_a_request(gateway: Gateway) -> None:
    with acting_as("FromInvocationFunction"):
        first = handle("from_invocation", event("from_invocation"))
        assert first["messages"][0]["status"] == "accepted"
        assert handle("from_invocation", event("from_invocation")) == first
    assert len(sent()) == 1


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"source": "orders"}, "invalid-request: .*source"),
        ({"tenant": "other"}, "invalid-request: .*tenant"),
        ({"message": {"to": "+447700900001", "text": "x", "tenant": "other"}}, "tenant"),
        ({"message": None}, "invalid-request: "),
        ({"message": {"to": "+1", "text": "x"}}, r"invalid-number: .* \(/message/to\)"),
        ({"message": 7}, "invalid-request: .*"),
        ({"message": {"to": ["+1", "+2"], "text": "x"}}, "all-rejected: .*0: .*1: "),
        ({"idempotency_key": " "}, "invalid-idempotency-key: "),
        ({"message": {"to": "+1", "text": "Hi \ud83d"}}, "invalid-request: .*surrogate"),
    ],
)
def test_a_direct_invocation_that_is_refused_says_why(
    gateway: Gateway, changes: dict[str, Any], said: str
) -> None:
    with pytest.raises(Exception, match=said) as refused:
        handle("from_invocation", event("from_invocation") | changes)
    assert type(refused.value).__name__ == "SendRefused"  # as a state machine reads it
    assert refused.value.__cause__ is None
    assert refused.value.__suppress_context__
    assert sent() == sent("other") == []


@pytest.mark.parametrize("given", [None, [], "text", 7, {}, [{"message": {}}]])
def test_an_invocation_that_is_no_send_is_refused(gateway: Gateway, given: Any) -> None:
    with pytest.raises(SendRefused, match="invalid-request: ") as refused:
        handle("from_invocation", given)
    assert "()" not in str(refused.value)


def test_an_invocation_with_a_request_as_api_gateway_makes_it_is_refused(gateway: Gateway) -> None:
    """Nobody becomes another tenant by saying what the authorizer would say."""
    forged = event("send")
    forged["requestContext"]["authorizer"] |= {"tenant": "other"}
    for given in (forged, forged | event("from_invocation")):
        with pytest.raises(SendRefused, match=r"invalid-request: .*unknown field"):
            handle("from_invocation", given)
    assert sent() == sent("other") == []


def test_an_invocation_sends_for_nobody_until_the_operator_says_for_whom(gateway: Gateway) -> None:
    set_sources(json.dumps({}))
    with pytest.raises(SendRefused, match=r"unknown-source: .*`direct`"):
        handle("from_invocation", event("from_invocation"))


def test_the_defaults_of_invocations_fill_in_what_they_leave_out(gateway: Gateway) -> None:
    set_sources(json.dumps({"direct": {"tenant": "acme", "defaults": {"reference": "mine"}}}))
    handle("from_invocation", event("from_invocation"))
    (message,) = sent()
    assert message["reference"] == "mine"


@pytest.mark.parametrize("given", [None, [], {}, event("from_invocation")])
def test_send_takes_no_direct_invocation(gateway: Gateway, given: Any) -> None:
    with pytest.raises(InvocationError, match="API Gateway only"):
        handle("send", given)
    assert sent() == []


@pytest.mark.parametrize("part", ["httpMethod", "path", "requestContext"])
def test_send_takes_no_request_with_a_part_missing(gateway: Gateway, part: str) -> None:
    given = event("send")
    del given[part]
    with pytest.raises(InvocationError, match="API Gateway only"):
        handle("send", given)
    assert sent() == []


@pytest.mark.parametrize("context", [{}, {"authorizer": None}, {"authorizer": {"tenant": "acme"}}])
def test_send_takes_no_request_without_what_the_authorizer_says(
    gateway: Gateway, context: dict[str, Any]
) -> None:
    answer = handle("send", event("send") | {"requestContext": context})
    assert answer["statusCode"] == 401
    assert sent() == []


def test_a_direct_invocation_that_may_go_better_later_says_so(gateway: Gateway) -> None:
    set_routes("no JSON")
    with pytest.raises(Exception, match="routes-unavailable") as refused:
        handle("from_invocation", event("from_invocation"))
    assert type(refused.value).__name__ == "TryAgain"


def test_the_state_machine_tells_what_to_try_again(gateway: Gateway) -> None:
    machine = event("send.asl")
    task = machine["States"][machine["StartAt"]]
    refused, others = task["Retry"]
    assert (refused["ErrorEquals"], refused["MaxAttempts"]) == (["SendRefused"], 0)
    assert others["ErrorEquals"] == ["States.ALL"]
    assert {one["Next"] for one in task["Catch"]} <= set(machine["States"])
    # What the task makes of its input is taken as it is.
    payload = task["Parameters"]["Payload"]
    given = {
        "idempotency_key": "execution-1",
        "message": {"to": number("jst"), "text": "Order 7 is on its way", "reference": "7"},
    }
    assert {name.removesuffix(".$") for name in payload} == set(given)
    assert {name.removesuffix(".$") for name in payload["message"]} == set(given["message"])
    answer = handle("from_invocation", given)
    assert task["ResultSelector"] == {
        "batch_id.$": "$.Payload.batch_id",
        "message_id.$": "$.Payload.messages[0].id",
    }
    assert answer["batch_id"] in answer["messages"][0]["id"]


class Keyring(RawMasterKeyProvider):  # type: ignore[misc]  # no stubs
    """A wrapping key in memory, in place of KMS."""

    provider_id = "tests"

    def _get_raw_key(self, key_id: bytes) -> WrappingKey:
        return WrappingKey(
            wrapping_algorithm=WrappingAlgorithm.AES_256_GCM_IV12_TAG16_NO_PADDING,
            wrapping_key=(key_id * 32)[:32],
            wrapping_key_type=EncryptionKeyType.SYMMETRIC,
        )


def keyring(name: str) -> Keyring:
    """A keyring with one key."""
    made = Keyring()
    made.add_master_key(name)
    return made


@pytest.fixture
def sealed() -> Iterator[Callable[..., bytes]]:
    """Encrypts as Cognito does: without key commitment."""

    def seal(code: str, ring: Keyring, pool: str | None = POOL) -> bytes:
        client = aws_encryption_sdk.EncryptionSDKClient(
            commitment_policy=CommitmentPolicy.FORBID_ENCRYPT_ALLOW_DECRYPT
        )
        ciphertext, _ = client.encrypt(
            source=code.encode(),
            key_provider=ring,
            encryption_context={"userpool-id": pool} if pool else {},
            algorithm=aws_encryption_sdk.Algorithm.AES_256_GCM_IV12_TAG16_HKDF_SHA384_ECDSA_P384,
        )
        return bytes(ciphertext)

    yield seal
    gc.collect()  # a reader that was thrown away complains here, not in a later test


def test_a_code_of_cognito_is_sent_once_as_an_otp(
    gateway: Gateway, sealed: Callable[..., bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    ring = keyring("a")
    monkeypatch.setattr(
        MODULES["from_cognito"], "decrypt_code", lambda code, pool: decrypt_with(code, pool, ring)
    )
    given = event("from_cognito")
    given["request"]["code"] = b64encode(sealed("482913", ring)).decode()
    assert handle("from_cognito", given) == given
    handle("from_cognito", given)
    (message,) = sent("shop")
    assert (message["category"], message["text"], message["text_withheld"]) == ("otp", None, True)
    assert letters() == []
    kept = dynamodb.client().scan(TableName=dynamodb.table_name())["Items"]
    assert not any("482913" in str(item) for item in kept)
    gateway.wire.answers[SUBMIT[message["vendor"]]] = TAKES[message["vendor"]]
    gateway.dispatch(message["vendor"])
    (call,) = gateway.wire.sent
    assert "482913" in f"{call.url} {call.body!r}"
    again = event("from_cognito")
    again["request"]["code"] = b64encode(sealed("482913", ring)).decode()
    handle("from_cognito", again)  # another event, though its code is the same
    assert len(sent("shop")) == 2


def test_a_code_that_another_key_sealed_is_raised_and_names_the_parameter(
    gateway: Gateway, sealed: Callable[..., bytes]
) -> None:
    with pytest.raises(ServiceUnavailableError, match="CognitoKeyArn"):
        decrypt_with(sealed("482913", keyring("a")), POOL, keyring("b"))
    with pytest.raises(ServiceUnavailableError, match="CognitoKeyArn"):
        decrypt_with(b"no ciphertext", POOL, keyring("a"))


@pytest.mark.parametrize("pool", [None, "eu-central-1_other"])
def test_a_code_of_another_pool_is_buried_and_never_sent(
    gateway: Gateway,
    sealed: Callable[..., bytes],
    monkeypatch: pytest.MonkeyPatch,
    pool: str | None,
) -> None:
    """Whoever may invoke the function can't have another pool's codes sent to a number."""
    ring = keyring("a")
    monkeypatch.setattr(
        MODULES["from_cognito"], "decrypt_code", lambda code, named: decrypt_with(code, named, ring)
    )
    given = event("from_cognito")
    given["request"]["code"] = b64encode(sealed("482913", ring, pool)).decode()
    handle("from_cognito", given)
    ((letter, words),) = letters()
    assert json.loads(letter) == given
    assert words["problem"] == "code-of-another-pool"
    assert sent("shop") == []


def test_the_real_provider_opens_nothing_else(
    gateway: Gateway, sealed: Callable[..., bytes]
) -> None:
    with pytest.raises(ServiceUnavailableError, match="CognitoKeyArn"):
        decrypt_code(sealed("482913", keyring("a")), POOL)


def test_an_event_of_a_stranger_pool_is_buried_unopened(gateway: Gateway) -> None:
    given = event("from_cognito") | {"userPoolId": "eu-central-1_other"}
    assert handle("from_cognito", given) == given
    ((letter, words),) = letters()
    assert json.loads(letter) == given
    assert words["problem"] == "unknown-source"


def test_the_template_gives_the_parameter_a_value_that_opens_nothing(gateway: Gateway) -> None:
    set_sources("{}")
    for name in ("from_eventbridge", "from_sns", "from_sqs"):
        handle(name, event(name))
    assert [words["problem"] for _, words in letters()] == ["unknown-source"] * 3
    assert gateway.messages_stored() == 0


@pytest.mark.parametrize("name", ["from_eventbridge", "from_sqs", "from_sns", "from_cognito"])
def test_a_source_may_do_what_its_sends_need_and_nothing_else(
    gateway: Gateway, sealed: Callable[..., bytes], monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    """With a status_url among its defaults; the emulator does not look at the condition on keys."""
    ring = keyring("a")
    monkeypatch.setattr(
        MODULES["from_cognito"], "decrypt_code", lambda code, pool: decrypt_with(code, pool, ring)
    )
    url = "https://hooks.example.com/sms"
    part: dict[str, Any] = {"tenant": "acme", "defaults": {"status_url": url}}
    set_sources(
        {
            "bus": {"com.example.orders": part},
            "queue": {"default": part},
            "topic": {"alarms": {**part, "to": [number("jst", nth) for nth in range(30)]}},
            "cognito": {"eu-central-1_example": part},
        }
    )
    endpoints.create_endpoint(
        "acme", "01M80KD8NAXEPBMQYG8412XQAJ", EndpointSettings(url), datetime.now(UTC), None
    )
    activate("acme", "01M80KD8NAXEPBMQYG8412XQAJ")
    given = event(name)
    if name == "from_cognito":
        given["request"]["code"] = b64encode(sealed("482913", ring)).decode()
    seen: set[tuple[str, str]] = set()

    def look(params: dict[str, Any], model: Any, **_: Any) -> None:
        writes = params.get("RequestItems", {}).get(dynamodb.table_name(), [])
        items = [one["PutRequest"]["Item"] for one in writes]
        items += [params[kind] for kind in ("Key", "Item") if kind in params]
        keys = [one["pk"]["S"] for one in items]
        if ":pk" in (values := params.get("ExpressionAttributeValues", {})):
            keys.append(values[":pk"]["S"])
        seen.update((model.name, key) for key in keys)

    endpoints.reset_cache()
    events = dynamodb.client().meta.events
    events.register("provide-client-params.dynamodb", look)
    try:
        handle(name, given)
        handle(name, given)
    finally:
        events.unregister("provide-client-params.dynamodb", look)
        endpoints.reset_cache()
    assert sent()
    assert {"GetItem", "PutItem", "Query"} <= {action for action, _ in seen}
    function = f"{TRIGGERS[name]}Function"
    assert [one for one in seen if not may(function, *one)] == []
    for partition in ("KEYS", "HOOK#acme#1", "HOOKS#acme", "CIRCUIT", "CAMPAIGNS", "RATE#jst"):
        for action in ("GetItem", "PutItem", "BatchWriteItem"):
            assert not may(function, action, partition)
