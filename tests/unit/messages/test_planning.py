"""What a send's body may be, and the problem that each mistake gets."""
# ruff: noqa: RUF001 - typographic characters are what some of this is about

import json
from datetime import UTC, datetime, timedelta, timezone, tzinfo
from typing import Any
from unicodedata import category
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sms_gateway.config.routes import Routes
from sms_gateway.config.vendor_accounts import Accounts
from sms_gateway.core.problems import GatewayError
from sms_gateway.messages.planning import (
    MIN_VENDOR_SCHEDULE_AHEAD,
    PlannedRecipient,
    plan_recipients,
)
from sms_gateway.messages.request import MAX_BODY_BYTES, Draft, parse_send_request
from sms_gateway.sms.encoding import encoding_of, is_blank
from sms_gateway.vendors.registry import VENDORS
from testing.vendor_cases import adapter

NOW = datetime(2026, 6, 1, 12, tzinfo=UTC)
ROUTES = Routes.parse(
    '{"routes": [{"prefix": "+91", "vendors": ["jst"]},'
    '{"prefix": "+880", "vendors": ["dinisoft"]},'
    '{"prefix": "+62", "vendors": ["rajasms"]},'
    '{"prefix": "+44", "vendors": ["server2sms"]}]}'
)
ACCOUNTS = Accounts({vendor: adapter(vendor) for vendor in VENDORS}, {})
JST, DINISOFT, RAJASMS, SERVER2SMS = (
    "+911000000001",
    "+8801000000001",
    "+628000000001",
    "+447700900001",
)


def problem(body: bytes | dict[str, Any], accounts: Accounts = ACCOUNTS) -> tuple[str, int, str]:
    """The slug, status and pointer of what is wrong with a body, or with its only recipient."""
    written = body if isinstance(body, bytes) else json.dumps(body).encode()
    try:
        accepted, rejected = plan_recipients(parse_send_request(written), NOW, accounts, ROUTES)
    except GatewayError as error:
        found = error
    else:
        assert accepted == []
        (one,) = rejected
        found = one.problem
    return found.slug, found.http_status, found.to_dict().get("pointer", "")


def one(**fields: Any) -> dict[str, Any]:
    return {"to": SERVER2SMS, "text": "Hello"} | fields


def at(**ahead: float) -> str:
    return (NOW + timedelta(**ahead)).isoformat()


@pytest.mark.parametrize(
    "body",
    [b"", b"{", b"nothing", b"\xff\xfe", b'{"to": "\xff"}', b'{"messages": [' + b"[" * 100_000,
     b'{"to": "\\ud800"}',
     b'{"to": NaN}', b"{} {}"],
)  # fmt: skip
def test_what_is_no_json_is_malformed(body: bytes) -> None:
    assert problem(body) == ("malformed-json", 400, "")


def test_a_body_over_one_mebibyte_is_too_large() -> None:
    assert problem(b" " * (MAX_BODY_BYTES + 1))[:2] == ("body-too-large", 413)
    assert problem(b" " * MAX_BODY_BYTES)[:2] == ("malformed-json", 400)


@pytest.mark.parametrize(
    ("body", "pointer"),
    [
        (b"7", ""),
        (b"[]", ""),
        (b"null", ""),
        ({}, "/to"),
        ({"text": "Hello"}, "/to"),
        ({"to": SERVER2SMS}, "/text"),
        (one(to=7), "/to"),
        (one(to=None), "/to"),
        (one(to=[SERVER2SMS, 7]), "/to/1"),
        (one(to={"number": SERVER2SMS}), "/to"),
        (one(text=7), "/text"),
        (one(colour="red"), ""),
        (one(status_address="https://example.com"), ""),
        (one(category="spam"), "/category"),
        (one(vendor=7), "/vendor"),
        (one(send_at="tomorrow"), "/send_at"),
        (one(send_at="2026-06-02"), "/send_at"),
        (one(send_at="2026-02-30T12:00:00Z"), "/send_at"),
        (one(send_at=1_790_000_000), "/send_at"),
        (one(validity=59), "/validity"),
        (one(validity=259_201), "/validity"),
        (one(validity=60.5), "/validity"),
        (one(validity="60"), "/validity"),
        (one(flash="yes"), "/flash"),
        (one(flash=1), "/flash"),
        (one(encoding="utf-8"), "/encoding"),
        (one(max_segments=0), "/max_segments"),
        (one(max_segments=31), "/max_segments"),
        (one(filter_dnd="no"), "/filter_dnd"),
        (one(template_id="abc"), "/template_id"),
        (one(template_id="1\n"), "/template_id"),
        (one(reference=""), "/reference"),
        (one(reference="x" * 65), "/reference"),
        (one(metadata=[]), "/metadata"),
        (one(metadata={"a": 1}), "/metadata"),
        (one(metadata={"": "a"}), "/metadata"),
        (one(metadata={"a": "x" * 257}), "/metadata"),
        (one(metadata={str(n): "" for n in range(21)}), "/metadata"),
        (one(on_unknown="perhaps"), "/on_unknown"),
        (one(**{"from": ""}), "/from"),
        (one(**{"from": "x" * 17}), "/from"),
        (one(**{"from": "ACME\n"}), "/from"),
        (one(messages=[one()]), "/messages"),
        ({"messages": "all"}, "/messages"),
        ({"messages": [one(), 7]}, "/messages/1"),
        ({"messages": [one(), {"to": SERVER2SMS}]}, "/messages/1"),
        ({"messages": [one(), one(flash="yes")]}, "/messages/1/flash"),
        ({"messages": [one(to=[SERVER2SMS])]}, "/messages/0/to"),
    ],
)
def test_what_has_the_wrong_shape_is_invalid_and_named(body: Any, pointer: str) -> None:
    assert problem(body) == ("invalid-request", 422, pointer)


@pytest.mark.parametrize(
    ("body", "slug", "pointer"),
    [
        (one(to=[]), "recipient-count", "/to"),
        (one(to=[SERVER2SMS] * 1001), "recipient-count", "/to"),
        ({"messages": []}, "recipient-count", "/messages"),
        ({"messages": [one()] * 1001}, "recipient-count", "/messages"),
        (one(to="+1"), "invalid-number", "/to"),
        (one(to=""), "invalid-number", "/to"),
        (one(to="+" + "1" * 40), "invalid-number", "/to"),
        (one(text="x" * 5001), "text-too-long", "/text"),
        (one(text="a\ufffd"), "damaged-text", "/text"),
        (one(to=["12"]), "invalid-number", "/to/0"),
        (one(to="anybody"), "invalid-number", "/to"),
        ({"messages": [one(to="+0000")]}, "invalid-number", "/messages/0/to"),
        (one(text=""), "empty-text", "/text"),
        (one(text=" \n\t"), "empty-text", "/text"),
        (one(text="a\0b"), "control-characters", "/text"),
        (one(text="\x07"), "control-characters", "/text"),
        (one(text="a\x1bb", encoding="gsm7"), "control-characters", "/text"),
        (one(text="a\x7fb", encoding="unicode"), "control-characters", "/text"),
        ({"messages": [one(text="a\x85b")]}, "control-characters", "/messages/0/text"),
        (one(text="x" * (153 * 10 + 1)), "too-many-segments", "/text"),
        (one(text="x" * 161, max_segments=1), "too-many-segments", "/text"),
        (one(text="আ" * 71, max_segments=1), "too-many-segments", "/text"),
        (one(text="আ", encoding="gsm7"), "not-gsm7", "/text"),
        (one(text="1 ≠ 2", encoding="gsm7"), "not-gsm7", "/text"),
        ({"messages": [one(text="50₹", encoding="gsm7")]}, "not-gsm7", "/messages/0/text"),
        (one(text="\u200b\u00a0", encoding="gsm7"), "empty-text", "/text"),
        (one(text="…" * 60, encoding="gsm7", max_segments=1), "too-many-segments", "/text"),
        (one(to=RAJASMS, text="x" * 481), "text-too-long", "/text"),
        (one(send_at=at(seconds=-1)), "send-at-in-the-past", "/send_at"),
        (one(send_at=NOW.isoformat()), "send-at-in-the-past", "/send_at"),
        (one(send_at="2026-06-01T13:30:00+02:00"), "send-at-in-the-past", "/send_at"),
        (one(send_at=at(days=30, microseconds=1)), "send-at-too-far", "/send_at"),
        (one(send_at="2026-07-01T08:00:00-05:00"), "send-at-too-far", "/send_at"),
        (one(send_at="2026-06-02T12:00:00"), "send-at-without-offset", "/send_at"),
        (
            {"messages": [one(), one(send_at=at(days=-1))]},
            "send-at-in-the-past",
            "/messages/1/send_at",
        ),
        (one(vendor="nobody"), "unknown-vendor", "/vendor"),
        (one(to=DINISOFT, flash=True), "unsupported-field", "/flash"),
        (one(filter_dnd=True), "unsupported-field", "/filter_dnd"),
        (one(to=RAJASMS, template_id="1"), "unsupported-field", "/template_id"),
        (one(to=RAJASMS, **{"from": "ACME"}), "unsupported-field", "/from"),
        (one(to=JST, **{"from": "ACME1"}), "bad-sender", "/from"),
        (one(**{"from": "no sender"}), "bad-sender", "/from"),
        (one(vendor="jst"), "bad-number", "/to"),
        ({"messages": [one(vendor="rajasms")]}, "bad-number", "/messages/0/to"),
        (one(to="+33700000001"), "no-route", "/to"),
    ],
)
def test_what_cannot_be_sent_is_named_by_a_problem_of_its_own(
    body: dict[str, Any], slug: str, pointer: str
) -> None:
    assert problem(body) == (slug, 422, pointer)


@pytest.mark.parametrize("pinned", [True, False])
@pytest.mark.parametrize("faulty", [True, False])
def test_a_vendor_that_is_not_usable_is_the_callers_or_the_operators_matter(
    pinned: bool, faulty: bool
) -> None:
    accounts = Accounts({}, {"jst": "its settings are wrong"} if faulty else {})
    body = one(to=JST, **({"vendor": "jst"} if pinned else {}))
    own = pinned and not faulty
    expected = ("vendor-not-configured", 422 if own else 503, "/vendor" if own else "/to")
    assert problem(body, accounts) == expected


def test_no_problem_repeats_a_number_or_a_text() -> None:
    for body in (
        one(to="+44770090000x"),
        one(text="secret " * 700),
        one(to=RAJASMS, text="s" * 481),
    ):
        try:
            _, rejected = plan_recipients(
                parse_send_request(json.dumps(body).encode()), NOW, ACCOUNTS, ROUTES
            )
            document = rejected[0].problem.to_dict()
        except GatewayError as error:
            document = error.to_dict()
        assert "secret" not in str(document)
        assert "4477" not in str(document)


def planned(**fields: Any) -> PlannedRecipient:
    """The only recipient of a body, accepted."""
    body = json.dumps(one(**fields)).encode()
    (accepted,), rejected = plan_recipients(parse_send_request(body), NOW, ACCOUNTS, ROUTES)
    assert rejected == []
    return accepted


def test_characters_without_a_look_alike_are_named_and_nothing_else_of_the_text() -> None:
    body = one(text="secret ₹ “x” 😀 ₹", encoding="gsm7")
    _, (refused,) = plan_recipients(
        parse_send_request(json.dumps(body).encode()), NOW, ACCOUNTS, ROUTES
    )
    assert refused.problem.detail == (
        "Not in the GSM 7-bit alphabet, nor like anything in it: U+20B9 INDIAN RUPEE SIGN,"
        " U+1F600 GRINNING FACE. Replace them, or ask for unicode."
    )
    many = one(text="".join(map(chr, range(0x995, 0x9A3))), encoding="gsm7")
    _, (refused,) = plan_recipients(
        parse_send_request(json.dumps(many).encode()), NOW, ACCOUNTS, ROUTES
    )
    assert refused.problem.detail.count("U+") == 10
    assert " and 4 more." in refused.problem.detail


def test_gsm7_writes_look_alikes() -> None:
    content = planned(text="It’s “here”…", encoding="gsm7").content
    assert (content.text, content.encoding, content.segments) == ('It\'s "here"...', "gsm7", 1)


def test_control_characters_are_named_by_their_code_points_and_places() -> None:
    body = one(text="secret\n\t\0\x07\x07")
    _, (refused,) = plan_recipients(
        parse_send_request(json.dumps(body).encode()), NOW, ACCOUNTS, ROUTES
    )
    assert refused.problem.detail == (
        "The text has control characters that no vendor takes: U+0000 (character 9), U+0007 "
        "(character 10). Remove them; line feeds, carriage returns, tabs and form feeds may stay."
    )


@pytest.mark.parametrize("allowed", ["\n", "\r\n", "\t", "\f"])
def test_what_lays_a_text_out_is_no_control_character(allowed: str) -> None:
    assert planned(text=f"a{allowed}b").content.text == f"a{allowed}b"


SENDABLE = st.text(
    st.characters(codec="utf-8", exclude_characters="\ufffd"), min_size=1, max_size=200
).filter(
    lambda text: (
        not is_blank(text) and all(one in "\n\r\t\f" or category(one) != "Cc" for one in text)
    )
)


@given(SENDABLE, st.sampled_from([None, "auto", "unicode"]))
def test_nothing_but_gsm7_changes_a_text(text: str, encoding: str | None) -> None:
    accepted = planned(text=text, encoding=encoding, max_segments=30)
    assert accepted.content.text == text
    assert accepted.content.encoding == ("ucs2" if encoding == "unicode" else encoding_of(text))


@given(st.text(min_size=1, max_size=200).filter(str.strip))
def test_gsm7_is_gsm7_or_a_problem(text: str) -> None:
    body = one(text=text, encoding="gsm7", max_segments=30)
    accepted, rejected = plan_recipients(
        parse_send_request(json.dumps(body).encode()), NOW, ACCOUNTS, ROUTES
    )
    for taken in accepted:
        assert taken.content.encoding == encoding_of(taken.content.text) == "gsm7"
    for refused in rejected:
        assert refused.problem.slug in (
            "not-gsm7",
            "empty-text",
            "control-characters",
            "damaged-text",
        )
    assert len(accepted) + len(rejected) == 1


@pytest.mark.parametrize("text", ["a^b", "a~b", "^~"])
def test_texts_that_jst_can_not_join_are_sent_another_way(text: str) -> None:
    body = {"messages": [one(to=JST, text=text), one(to="+911000000002")]}
    accepted, rejected = plan_recipients(
        parse_send_request(json.dumps(body).encode()), NOW, ACCOUNTS, ROUTES
    )
    assert (len(accepted), rejected) == (2, [])


def test_each_of_many_takes_what_stands_above_unless_it_says_otherwise() -> None:
    body = {"from": "ACME", "reference": "all", "messages": [one(), one(reference="own")]}
    drafts = parse_send_request(json.dumps(body).encode())
    assert [draft.options.sender for draft in drafts] == ["ACME", "ACME"]
    assert [draft.options.reference for draft in drafts] == ["all", "own"]


def test_limits_themselves_are_allowed() -> None:
    body = one(
        text="x" * 1530,
        send_at=at(days=30),
        validity=259_200.0,
        reference="r" * 64,
        metadata={f"{n:040d}": "v" * 256 for n in range(20)},
    )
    accepted, rejected = plan_recipients(
        parse_send_request(json.dumps(body).encode()), NOW, ACCOUNTS, ROUTES
    )
    assert (len(accepted), rejected) == (1, [])
    assert accepted[0].content.segments == 10


OFFSETS = st.integers(-23 * 60 - 59, 23 * 60 + 59).map(lambda m: timezone(timedelta(minutes=m)))
ZONES = st.sampled_from(
    [ZoneInfo(name) for name in ("Europe/Zurich", "Asia/Kolkata", "America/St_Johns", "UTC")]
)


@given(st.timedeltas(timedelta(microseconds=1), timedelta(days=30)), OFFSETS | ZONES)
def test_a_time_means_the_same_whatever_offset_it_is_written_with(
    ahead: timedelta, zone: tzinfo
) -> None:
    written = (NOW + ahead).astimezone(zone).isoformat()
    accepted, _ = plan_recipients(
        parse_send_request(json.dumps(one(send_at=written)).encode()), NOW, ACCOUNTS, ROUTES
    )
    found = accepted[0].content.send_at
    assert found == NOW + ahead
    assert found.tzinfo is UTC


AUTUMN = datetime(2026, 10, 25, tzinfo=UTC)  # Swiss clocks go back from 03:00 to 02:00 at 01:00Z


@pytest.mark.parametrize(
    ("vendor", "to", "account", "ahead", "held"),
    [
        ("jst", JST, {}, timedelta(hours=1), False),
        ("jst", JST, {"schedule_at_vendor": True}, timedelta(hours=1), True),
        ("jst", JST, {"schedule_at_vendor": True}, MIN_VENDOR_SCHEDULE_AHEAD, True),
        (
            "jst",
            JST,
            {"schedule_at_vendor": True},
            MIN_VENDOR_SCHEDULE_AHEAD - timedelta(seconds=1),
            False,
        ),
        ("rajasms", RAJASMS, {"schedule_at_vendor": True}, timedelta(days=30), True),
        ("dinisoft", DINISOFT, {"schedule_at_vendor": True}, timedelta(hours=1), False),
        ("server2sms", SERVER2SMS, {}, timedelta(minutes=90), False),
        # 23:59 to 00:00 Swiss summer time, the hour that comes twice, and what is behind it.
        ("server2sms", SERVER2SMS, {"schedule_at_vendor": True}, timedelta(hours=-1), True),
        ("server2sms", SERVER2SMS, {"schedule_at_vendor": True}, timedelta(minutes=0), False),
        ("server2sms", SERVER2SMS, {"schedule_at_vendor": True}, timedelta(minutes=59), False),
        ("server2sms", SERVER2SMS, {"schedule_at_vendor": True}, timedelta(minutes=60), False),
        ("server2sms", SERVER2SMS, {"schedule_at_vendor": True}, timedelta(minutes=119), False),
        ("server2sms", SERVER2SMS, {"schedule_at_vendor": True}, timedelta(minutes=120), True),
    ],
)
def test_a_vendor_holds_only_what_its_account_asks_for_and_its_interface_can_say(
    vendor: str, to: str, account: dict[str, Any], ahead: timedelta, held: bool
) -> None:
    now = AUTUMN - timedelta(days=1) if vendor == "server2sms" else NOW
    send_at = AUTUMN + ahead if vendor == "server2sms" else NOW + ahead
    accounts = Accounts({vendor: adapter(vendor, **account)}, {})
    body = json.dumps(one(to=to, send_at=send_at.isoformat())).encode()
    (accepted,), _ = plan_recipients(parse_send_request(body), now, accounts, ROUTES)
    assert accepted.content.at_vendor is held
    assert (accepted.content.outgoing("id").send_at is not None) is held
    assert accepted.content.outgoing("id", send_at).send_at is None  # a late call names no time


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)
NAMES = ["to", "text", "messages", "from", "send_at", "validity", "metadata", "vendor", "encoding"]
NUMBERS = [JST, DINISOFT, RAJASMS, SERVER2SMS, "+1", "01712345678", "0812"]
plausible = (
    st.sampled_from([*NUMBERS, "2026-06-02T00:00:00Z", "0001-01-01T00:00:00+23:59", "jst", "gsm7"])
    | st.lists(st.sampled_from(NUMBERS), max_size=3)
    | st.lists(st.dictionaries(st.sampled_from(NAMES), json_values, max_size=4), max_size=2)
    | json_values
)
bodies = st.binary() | st.dictionaries(st.sampled_from(NAMES) | st.text(), plausible).map(
    lambda body: json.dumps(body).encode()
)


@given(bodies)
def test_any_body_gives_drafts_or_a_problem(body: bytes) -> None:
    refused: GatewayError | None = None
    try:
        drafts = parse_send_request(body)
        assert all(isinstance(draft, Draft) for draft in drafts)
        accepted, rejected = plan_recipients(drafts, NOW, ACCOUNTS, ROUTES)
    except GatewayError as error:
        refused = error
    if refused:
        assert refused.http_status in (400, 413, 422)
        json.dumps(refused.to_dict())
    else:
        assert len(accepted) + len(rejected) == len(drafts)
