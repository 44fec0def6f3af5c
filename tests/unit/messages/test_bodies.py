"""Bodies as people and programs really send them: damaged, doubled, half wrong."""

import json
from datetime import UTC, datetime
from typing import Any

import pytest
from unit.messages.test_planning import ACCOUNTS, ROUTES

from sms_gateway.core.problems import GatewayError, InvalidRequestError
from sms_gateway.messages.planning import PlannedRecipient, RejectedRecipient, plan_recipients
from sms_gateway.messages.request import parse_send_request
from sms_gateway.messages.send_views import rejected_view, warnings_view
from sms_gateway.sms.encoding import is_blank
from sms_gateway.vendors.registry import VENDORS

NOW = datetime(2026, 6, 1, 12, tzinfo=UTC)
FIRST, SECOND = "+8801000000031", "+8801000000032"


def plan(body: dict[str, Any] | bytes) -> tuple[list[PlannedRecipient], list[RejectedRecipient]]:
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    return plan_recipients(parse_send_request(raw), NOW, ACCOUNTS, ROUTES)


def slugs(rejected: list[RejectedRecipient]) -> list[tuple[int, str]]:
    return [(one.index, one.problem.slug) for one in rejected]


@pytest.mark.parametrize(
    ("body", "refused"),
    [
        ({"to": [FIRST, ""], "text": "Hello"}, (1, "invalid-number")),
        ({"to": ["+" + "1" * 60, FIRST], "text": "Hello"}, (0, "invalid-number")),
        (
            {"messages": [{"to": FIRST, "text": "x" * 5001}, {"to": SECOND, "text": "Hello"}]},
            (0, "text-too-long"),
        ),
        (
            {"messages": [{"to": FIRST, "text": "a\ufffdb"}, {"to": SECOND, "text": "Hello"}]},
            (0, "damaged-text"),
        ),
    ],
)
def test_a_bad_recipient_is_rejected_alone(body: dict[str, Any], refused: tuple[int, str]) -> None:
    accepted, rejected = plan(body)
    assert len(accepted) == 1
    assert slugs(rejected) == [refused]
    assert len(rejected_view(rejected[0])["to"]) <= 40


@pytest.mark.parametrize("text", ["Caf\ufffd at ten", "\ufffd", json.loads('"\\ufffd"') * 3])
def test_a_text_that_is_known_to_be_damaged_is_refused(text: str) -> None:
    accepted, rejected = plan({"to": FIRST, "text": text})
    assert accepted == []
    assert slugs(rejected) == [(0, "damaged-text")]


def test_a_body_in_latin_1_is_malformed() -> None:
    with pytest.raises(GatewayError) as refused:
        plan('{"to": "+8801000000031", "text": "Café"}'.encode("latin-1"))
    assert refused.value.slug == "malformed-json"


def test_a_byte_order_mark_before_json_is_ignored() -> None:
    accepted, _ = plan('\ufeff{"to": "+8801000000031", "text": "Hello"}'.encode())
    assert [one.content.to for one in accepted] == [FIRST]


@pytest.mark.parametrize(
    "text",
    [
        *"\u200b\ufeff\u00ad\u3164\u2800\u2060\u180e\u115f\uffa0\u034f\ufe0f",
        "\u200b \u2800\n\u00a0",
    ],
)
@pytest.mark.parametrize("encoding", ["auto", "gsm7", "unicode"])
def test_a_text_that_shows_nothing_is_empty(text: str, encoding: str) -> None:
    accepted, rejected = plan({"to": FIRST, "text": text, "encoding": encoding})
    assert accepted == []
    assert rejected[0].problem.slug in (
        ("empty-text", "not-gsm7") if encoding == "gsm7" else ("empty-text",)
    )


@pytest.mark.parametrize("text", ["\u200ba", ".", "আ", "\U0001f44d\ufe0f", "\u200b0"])
def test_a_text_that_shows_something_is_none(text: str) -> None:
    assert not is_blank(text)


def test_the_same_number_and_text_twice_is_told_by_one_warning() -> None:
    accepted, rejected = plan({"to": [FIRST, "+880 1000 000031", SECOND], "text": "Hello"})
    assert rejected == []
    warnings = [warnings_view(one) for one in accepted]
    assert [len(each) for each in warnings] == [0, 1, 0]
    assert warnings[1][0]["type"] == "/warnings/duplicate-recipient"
    assert warnings[1][0]["pointer"] == "/to/1"


def test_the_same_number_with_another_text_is_no_duplicate() -> None:
    accepted, rejected = plan(
        {
            "messages": [{"to": FIRST, "text": "One"}, {"to": FIRST, "text": "Two"}],
            "duplicates": "reject",
        }
    )
    assert (len(accepted), rejected) == (2, [])
    assert all(warnings_view(one) == [] for one in accepted)


def test_a_duplicate_is_refused_where_the_caller_says_so() -> None:
    accepted, rejected = plan({"to": [FIRST, FIRST], "text": "Hello", "duplicates": "reject"})
    assert len(accepted) == 1
    assert slugs(rejected) == [(1, "duplicate-recipient")]
    assert rejected[0].problem.pointer == "/to/1"


def test_a_refused_recipient_makes_no_duplicate_of_a_later_one() -> None:
    accepted, rejected = plan(
        {
            "messages": [
                {"to": FIRST, "text": "x" * 200, "max_segments": 1},
                {"to": FIRST, "text": "x" * 200},
            ],
            "duplicates": "reject",
        }
    )
    assert ([one.draft.index for one in accepted], slugs(rejected)) == (
        [1],
        [(0, "too-many-segments")],
    )


@pytest.mark.parametrize("written", ["2026-06-02T12:00Z", "2026-06-02T12:00+06:00", "tomorrow"])
def test_a_time_without_seconds_is_told_how_to_be_written(written: str) -> None:
    with pytest.raises(InvalidRequestError, match="with seconds, and Z or an offset") as refused:
        plan({"to": FIRST, "text": "Hello", "send_at": written})
    assert refused.value.pointer == "/send_at"


@pytest.mark.parametrize(
    "body",
    [
        {"to": "01712345678", "text": "Hello", "region": "BD"},
        {"messages": [{"to": "01712345678", "text": "Hello", "region": "BD"}], "region": "IN"},
        {"messages": [{"to": "8801712345678", "text": "Hello"}], "region": "BD"},
    ],
)
def test_a_region_says_in_which_country_a_number_is_meant(body: dict[str, Any]) -> None:
    accepted, _ = plan(body)
    assert [one.content.to for one in accepted] == ["+8801712345678"]


def test_a_route_lends_no_region() -> None:
    accepted, rejected = plan({"to": ["01712345678", "9876543210"], "text": "Hello"})
    assert accepted == []
    assert slugs(rejected) == [(0, "invalid-number"), (1, "invalid-number")]


@pytest.mark.parametrize(("region", "slug"), [("ZZ", "unknown-region"), ("bd", "invalid-request")])
def test_a_region_that_is_none_is_named(region: str, slug: str) -> None:
    with pytest.raises(InvalidRequestError) as refused:
        plan({"to": FIRST, "text": "Hello", "region": region})
    assert (refused.value.slug, refused.value.pointer) == (slug, "/region")


@pytest.mark.parametrize(
    "body",
    [
        f'{{"to": "{FIRST}", "text": "a", "to": "{SECOND}"}}',
        f'{{"messages": [{{"to": "{FIRST}", "text": "a", "to": "{SECOND}"}}]}}',
    ],
)
def test_a_name_that_stands_twice_is_named(body: str) -> None:
    with pytest.raises(GatewayError, match='The name "to" stands twice') as refused:
        plan(body.encode())
    assert (refused.value.slug, refused.value.http_status) == ("malformed-json", 400)


@pytest.mark.parametrize(
    ("body", "line", "column", "reason"),
    [
        (b"", 1, 1, "Expecting value"),
        (b'{"to": "x",\n "text":}', 2, 9, "Expecting value"),
        ('{"to": "আ" "text": "b"}'.encode(), 1, 12, "Expecting ',' delimiter"),
        (b"\xef\xbb\xbf{'to': 1}", 1, 2, "Expecting property name"),
        (b'{"to": "x",\r\n\r\n}', 1, 11, "Illegal trailing comma"),
        (b'{"text": "a\nb"}', 1, 12, "Invalid control character"),
        (b'{}\n{"text": "secret"}', 2, 1, "Extra data"),
        (b'{"to": "ab",\n"text": "Caf\xe9"}', 2, 13, "no UTF-8"),
        (b'{\n"validity": NaN}', 2, 13, "no JSON"),
    ],
)
def test_what_is_no_json_is_told_where(body: bytes, line: int, column: int, reason: str) -> None:
    with pytest.raises(GatewayError, match=reason) as refused:
        plan(body)
    document = refused.value.to_dict()
    assert (document["line"], document["column"]) == (line, column)
    assert f"at line {line}, column {column}." in document["detail"]
    assert "secret" not in document["detail"]


def test_a_body_that_nests_too_deep_is_told_so() -> None:
    with pytest.raises(GatewayError, match="nests too deep"):
        plan(b'{"messages": ' + b"[" * 100_000)


@pytest.mark.parametrize(
    ("fields", "pointer", "words"),
    [
        ({"category": "spam"}, "/category", "category is one of otp, promotional, transactional."),
        ({"encoding": "utf-8"}, "/encoding", "encoding is one of auto, gsm7, unicode."),
        ({"on_unknown": "Hold"}, "/on_unknown", "on_unknown is one of hold, resend."),
        ({"region": "bd"}, "/region", "region is a country's two letters, such as BD."),
        ({"template_id": "T-7"}, "/template_id", "template_id is up to 30 digits, as text."),
        ({"from": "Acm\u00e9"}, "/from", "from is up to 16 ASCII characters."),
        ({"vendor": "nobody"}, "/vendor", f"there are {', '.join(VENDORS)}."),
    ],
)
def test_a_word_that_is_none_of_an_enumeration_is_told_those_that_are(
    fields: dict[str, str], pointer: str, words: str
) -> None:
    message = {"to": FIRST, "text": "Hello"} | fields
    for body, place in ((message, ""), ({"messages": [message]}, "/messages/0")):
        with pytest.raises(InvalidRequestError) as refused:
            plan(body)
        assert refused.value.pointer == place + pointer
        assert words in refused.value.detail
        assert "spam" not in refused.value.detail
