"""What sources bring, as sends; nothing here talks to AWS."""

import base64
import json
from collections.abc import Callable
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sms_gateway.core.problems import GatewayError
from sms_gateway.messages.request import Options
from sms_gateway.sms.encoding import encoding_of, segments
from sms_gateway.triggers import cognito, eventbridge, sns, sqs
from sms_gateway.triggers.alarm_text import Alarm, alarm_text, cut_to_segments, parse_alarm
from sms_gateway.triggers.request import TriggeredSend
from sms_gateway.triggers.settings import TopicSources, TriggerSources
from testing.paths import ROOT

EVENTS = ROOT / "events"
OWN = "123456789012"
WRITTEN: dict[str, Any] = {
    "bus": {"com.example.orders": {"tenant": "acme", "accounts": ["210987654321"]}},
    "queue": {"default": {"tenant": "acme"}, "shop": {"tenant": "shop"}},
    "topic": {
        "alarms": {"tenant": "ops", "to": ["+447700900001", "+447700900002"]},
        "messages": {"tenant": "ops"},
    },
    "cognito": {
        "eu-central-1_example": {
            "tenant": "shop",
            "text": "{code} is your code",
            "texts": {"CustomSMSSender_AdminCreateUser": "{username}, your password is {code}"},
        }
    },
}
SOURCES = TriggerSources.parse(json.dumps(WRITTEN))


def event(name: str) -> Any:
    return json.loads((EVENTS / f"{name}.json").read_text())


def body(ask: TriggeredSend) -> Any:
    return json.loads(ask.body)


def test_an_event_of_the_bus_is_a_send_under_its_id() -> None:
    given_event = event("from_eventbridge")
    ask = eventbridge.parse(given_event, SOURCES, OWN)
    assert (ask.source.tenant, ask.key) == ("acme", f"bus/{given_event['id']}")
    assert body(ask) == given_event["detail"]
    assert ask.body_pointer == "/detail"


@pytest.mark.parametrize(
    ("changes", "slug", "said"),
    [
        ({"source": "com.example.spy"}, "unknown-source", 'no "com.example.spy" under "bus"'),
        ({"account": "999999999999"}, "account-not-allowed", "999999999999"),
        ({"account": None}, "account-not-allowed", "None"),
        ({"detail": "text"}, "invalid-request", "must be the body of a send"),
        ({"detail": None}, "invalid-request", "must be the body of a send"),
        ({"detail-type": "MessageDelivered"}, "invalid-request", "must be SendMessage"),
        ({"id": None}, "invalid-request", "no event of EventBridge"),
        ({"source": 7}, "invalid-request", "no event of EventBridge"),
    ],
)
def test_an_event_that_is_no_send_is_told_why(
    changes: dict[str, Any], slug: str, said: str
) -> None:
    with pytest.raises(GatewayError) as refused:
        eventbridge.parse(event("from_eventbridge") | changes, SOURCES, OWN)
    assert refused.value.slug == slug
    assert said in refused.value.detail
    assert refused.value.to_dict()["retryable"] is False


ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner),
    max_leaves=8,
)
FIELDS = ("id", "source", "account", "detail", "detail-type", "userPoolId", "request", "userName")
INNER = ("type", "code", "userAttributes", "clientMetadata")


@given(
    st.dictionaries(st.sampled_from(FIELDS), ANYTHING),
    st.dictionaries(st.sampled_from(INNER), ANYTHING),
)
def test_whatever_comes_is_a_send_or_a_problem(
    changes: dict[str, Any], inner: dict[str, Any]
) -> None:
    pool = event("from_cognito")
    pool["request"] |= inner
    reads: list[Callable[[], TriggeredSend]] = [
        lambda: eventbridge.parse(event("from_eventbridge") | changes, SOURCES, OWN),
        lambda: cognito.parse(pool | changes, SOURCES, lambda *_: "1234"),
    ]
    for read in reads:
        try:
            made: Any = body(read())
        except GatewayError as problem:
            made = problem.to_dict()
        assert isinstance(made, dict)
        assert not made.get("retryable")


def test_an_account_that_the_source_names_may_send() -> None:
    assert (
        eventbridge.parse(
            event("from_eventbridge") | {"account": "210987654321"}, SOURCES, OWN
        ).source.tenant
        == "acme"
    )


def test_a_message_of_the_queue_brings_its_key_or_its_id_is_it() -> None:
    (record,) = event("from_sqs")["Records"]
    ask = sqs.parse(record, SOURCES)
    assert (ask.source.tenant, ask.key) == ("acme", "order-7")
    assert ask.body == record["body"].encode()
    plain = record | {"messageAttributes": {}}
    assert sqs.parse(plain, SOURCES).key == f"queue/{record['messageId']}"
    named = record | {"messageAttributes": {"source": {"stringValue": "shop"}}}
    assert sqs.parse(named, SOURCES).source.tenant == "shop"


@pytest.mark.parametrize(
    "attributes",
    [{"source": {"stringValue": "spy"}}, {"source": {"binaryValue": "AA=="}}],
)
def test_a_message_of_an_unknown_source_is_refused(attributes: Any) -> None:
    (record,) = event("from_sqs")["Records"]
    with pytest.raises(GatewayError):
        sqs.parse(record | {"messageAttributes": attributes}, SOURCES)


def notification(name: str) -> Any:
    (record,) = event(name)["Records"]
    return record["Sns"]


def test_an_alarm_goes_to_those_on_call() -> None:
    ask = sns.parse(notification("from_sns"), SOURCES)
    assert ask.key == "topic/00000000-0000-0000-0000-000000000006"
    assert body(ask) == {
        "to": ["+447700900001", "+447700900002"],
        "text": "ALARM checkout errors: Threshold Crossed: 1 out of the last 1 datapoints [7.0 "
        "(22/11/26 03:00:00)] was greater than the threshold (5.0) (minimum 1 datapoint for OK -> "
        "ALARM transition).",
    }


def test_a_composite_alarm_is_one_too() -> None:
    written = {"AlarmName": "all", "AlarmRule": "ALARM(a)", "NewStateValue": "OK"}
    assert parse_alarm(json.dumps(written)) is None  # without a reason it is something else
    assert parse_alarm(json.dumps(written | {"NewStateReason": "why"})) == Alarm("all", "OK", "why")


def test_another_message_goes_to_the_numbers_in_its_attributes() -> None:
    ask = sns.parse(notification("from_sns_message"), SOURCES)
    assert body(ask) == {
        "to": ["+447700900001", "+447700900002"],
        "text": "The shop opens at ten",
        "category": "transactional",
    }
    listed = notification("from_sns_message")
    listed["MessageAttributes"]["to"] = {"Type": "String", "Value": "+447700900001, +447700900002"}
    assert body(sns.parse(listed, SOURCES)) == body(ask)
    listed["MessageAttributes"]["to"]["Value"] = "+447700900001,, +447700900002 ,"
    assert body(sns.parse(listed, SOURCES)) == body(ask)
    listed["MessageAttributes"]["region"] = {"Type": "String", "Value": "GB"}
    assert body(sns.parse(listed, SOURCES)) == body(ask) | {"region": "GB"}


@pytest.mark.parametrize(
    ("attributes", "said"),
    [
        ({}, "has no attribute `to`"),
        ({"to": {"Type": "Binary", "Value": "AA=="}}, "must be a String"),
        ({"to": {"Type": "String.Array", "Value": "[1]"}}, "no array of texts"),
    ],
)
def test_a_message_without_numbers_is_told_so(attributes: Any, said: str) -> None:
    with pytest.raises(GatewayError, match=said):
        sns.parse(notification("from_sns_message") | {"MessageAttributes": attributes}, SOURCES)


@pytest.mark.parametrize("name", ["from_sns", "from_sns_message"])
def test_a_topic_without_settings_sends_nothing(name: str) -> None:
    with pytest.raises(GatewayError, match="it has: none"):
        sns.parse(notification(name), TriggerSources())


@given(st.text(), st.text(), st.text())
def test_an_alarm_never_takes_more_than_two_segments(name: str, state: str, reason: str) -> None:
    assert segments(alarm_text(Alarm(name, state, reason))) <= 2


@given(st.text(alphabet="aé€🙂ক ", max_size=700))
def test_what_is_cut_is_the_longest_beginning_that_fits(text: str) -> None:
    short = cut_to_segments(text)
    if segments(text) <= 2:
        assert short == text
    else:
        assert short.endswith("...")
        kept = short.removesuffix("...")
        assert text.startswith(kept)
        # One more character of the text would not fit, but for blanks that were taken off.
        rest = text[len(kept) :]
        more = rest[: len(rest) - len(rest.lstrip()) + 1]
        assert segments(kept + more + "...", encoding_of(text)) > 2


def test_look_alikes_keep_the_room_of_the_gsm_alphabet() -> None:
    assert alarm_text(Alarm("queue “orders”", "ALARM", "7 \u2013 too many")) == (
        'ALARM queue "orders": 7 - too many'
    )
    long = alarm_text(Alarm("queue", "ALARM", "…" * 400))
    assert (segments(long), len(long)) == (2, 306)


LONG = Alarm("disk", "ALARM", "x " * 400)


@pytest.mark.parametrize(
    ("defaults", "most", "encoding"),
    [
        ({"encoding": "unicode"}, 2, "ucs2"),
        ({"encoding": "gsm7"}, 2, "gsm7"),
        ({"max_segments": 1}, 1, "gsm7"),
        ({"max_segments": 9}, 2, "gsm7"),
        ({"encoding": "unicode", "max_segments": 1}, 1, "ucs2"),
    ],
)
def test_an_alarm_is_cut_for_the_defaults_of_its_source(
    defaults: Any, most: int, encoding: Any
) -> None:
    text = alarm_text(LONG, msgspec.convert(defaults, Options))
    assert segments(text, encoding) == most
    assert segments(text.removesuffix("...") + "xx...", encoding) > most
    given = SOURCES.topic.alarms
    assert given
    alarms = msgspec.structs.replace(given, defaults=msgspec.convert(defaults, Options))
    sources = msgspec.structs.replace(SOURCES, topic=TopicSources(alarms=alarms))
    got = {"AlarmName": LONG.name, "NewStateValue": LONG.state, "NewStateReason": LONG.reason}
    message = notification("from_sns") | {"Message": json.dumps(got)}
    assert body(sns.parse(message, sources))["text"] == text


@given(st.text(max_size=400), st.text(max_size=400))
def test_an_alarm_of_a_source_in_the_gsm_alphabet_is_in_it(name: str, reason: str) -> None:
    gsm7 = msgspec.convert({"encoding": "gsm7"}, Options)
    assert encoding_of(alarm_text(Alarm(name, "ALARM", reason), gsm7)) == "gsm7"


def test_an_alarm_is_told_though_a_character_can_not_be_sent() -> None:
    alarm = Alarm("disk", "ALARM", "a\0b 95 ≠ 97 \x1b[0m “x”")
    assert alarm_text(alarm) == "ALARM disk: a b 95 ≠ 97 [0m “x”"
    gsm7 = msgspec.convert({"encoding": "gsm7"}, Options)
    assert alarm_text(alarm, gsm7) == 'ALARM disk: a b 95 ? 97 [0m "x"'


def opened(ciphertext: bytes, pool: str) -> str:
    assert (ciphertext, pool) == (b"no ciphertext", "eu-central-1_example")
    return "48{username}13"


def test_a_code_of_cognito_is_an_otp_in_the_pools_words() -> None:
    given_event = event("from_cognito")
    ask = cognito.parse(given_event, SOURCES, opened)
    assert body(ask) == {
        "to": "+8801000000001",
        "text": "48{username}13 is your code",
        "category": "otp",
    }
    assert ask.source.tenant == "shop"
    assert ask.key == cognito.parse(event("from_cognito"), SOURCES, opened).key
    made = given_event | {"triggerSource": "CustomSMSSender_AdminCreateUser"}
    assert (
        body(cognito.parse(made, SOURCES, opened))["text"] == "ani, your password is 48{username}13"
    )


@pytest.mark.parametrize(
    ("sealed", "sent"),
    [
        ("aB&lt;3&amp;&gt;x&#39;&#x27;&quot;", "aB<3&>x''\""),
        ("&copy1&copy;&ltd&;", "&copy1&copy;&ltd&;"),  # nobody escaped these
        ("&amp;lt;", "&lt;"),
    ],
)
def test_a_first_password_is_sent_as_it_is_typed(sealed: str, sent: str) -> None:
    made = event("from_cognito") | {"triggerSource": "CustomSMSSender_AdminCreateUser"}
    text = body(cognito.parse(made, SOURCES, lambda *_: sealed))["text"]
    assert text == f"ani, your password is {sent}"
    code = body(cognito.parse(event("from_cognito"), SOURCES, lambda *_: sealed))["text"]
    assert code == f"{sealed} is your code"


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"userPoolId": "eu-central-1_other"}, "eu-central-1_other"),
        ({"request": None}, "no event of a custom SMS sender"),
        ({"request": {"type": "customEmailSenderRequestV1"}}, "no event of a custom SMS sender"),
        ({"request.userAttributes": {}}, "no phone_number"),
        ({"request.userAttributes": None}, "no phone_number"),
        ({"request.code": None}, "no ciphertext"),
        ({"request.code": ""}, "no ciphertext"),
        ({"request.code": "%%%"}, "no ciphertext"),
        ({"request.code": 7}, "no ciphertext"),
    ],
)
def test_an_event_of_cognito_that_can_not_be_sent_is_told_why(
    changes: dict[str, Any], said: str
) -> None:
    given_event = event("from_cognito")
    for name, value in changes.items():
        part, _, inner = name.partition(".")
        if inner:
            given_event[part][inner] = value
        else:
            given_event[part] = value
    with pytest.raises(GatewayError, match=said):
        cognito.parse(given_event, SOURCES, opened)


@pytest.mark.parametrize(
    ("written", "said"),
    [
        ("[]", "Expected `object`"),
        ('{"sms": {}}', "unknown field `sms`"),
        ('{"bus": {"a": {}}}', "missing required field `tenant`"),
        ('{"bus": {"a": {"tenant": "Acme!"}}}', "matching regex"),
        ('{"bus": {"a": {"tenant": "acme", "accounts": ["1"]}}}', "matching regex"),
        ('{"queue": {"a": {"tenant": "acme", "defaults": {"vendor": "x"}}}}', "no vendor's name"),
        ('{"queue": {"a": {"tenant": "acme", "defaults": {"text": "x"}}}}', "unknown field"),
        (
            '{"queue": {"a": {"tenant": "acme", "defaults": {"send_at": "2027-01-01T00:00:00Z"}}}}',
            "can't be a default",
        ),
        ('{"queue": {"a": {"tenant": "acme", "defaults": {"region": "ZZ"}}}}', "unknown region ZZ"),
        ('{"topic": {"alarms": {"tenant": "ops", "to": ["07700 900001"]}}}', "or give a region"),
        ('{"topic": {"alarms": {"tenant": "ops", "to": []}}}', "length >= 1"),
        ('{"topic": {"alarms": {"tenant": "ops", "to": ["+1"]}}}', "number 0 of `to`"),
        ('{"topic": {"alarms": {"tenant": "ops", "to": ["+447700900001"], "defaults": {"vendor": '
         '"x"}}}}', "x is no vendor's name"),
        ('{"cognito": {"p": {"tenant": "acme", "text": "hello"}}}', "needs {code}"),
        ('{"cognito": {"p": {"tenant": "acme", "texts": {"a": "hello"}}}}', "needs {code}"),
    ],
)  # fmt: skip
def test_sources_that_can_not_be_are_refused_by_name(written: str, said: str) -> None:
    with pytest.raises(ValueError, match=said.replace("{", r"\{").replace("[", r"\[")) as refused:
        TriggerSources.parse(written)
    assert "+1" not in str(refused.value)


def test_base64_of_the_example_is_what_the_test_opens() -> None:
    assert base64.b64decode(event("from_cognito")["request"]["code"]) == b"no ciphertext"
