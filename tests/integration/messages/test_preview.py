"""POST /messages/preview: what it says is what a send does, and it leaves nothing behind."""
# ruff: noqa: RUF001 - typographic characters are what some of this is about

import json
import random
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from sms_gateway.core.problems import (
    GatewayError,
    InvalidRequestError,
    MalformedBodyError,
    TooLargeError,
)
from sms_gateway.messages import preview as message_preview
from sms_gateway.messages.preview import preview
from sms_gateway.messages.send import send
from sms_gateway.sms.encoding import length, split
from sms_gateway.vendors.registry import VENDORS
from testing.gateway import Gateway
from testing.numbers import number
from testing.settings import set_account, set_routes
from tools.openapi import contract

NOW = datetime.now(UTC).replace(microsecond=0)
TEMPLATES = [
    {"id": "1107100000000000011", "text": "Your code is {#var#}"},
    {"id": "1107100000000000012", "text": "Sale: {#var#}", "category": "promotional"},
]
TEXTS = [
    "Your code is 1234",
    "Sale: “everything” must go…",
    "Hello",
    "Don’t – “wait”",
    "আপনার কোড 1234 🙂",
    "e\u0301\u0301 ₹ 😀",
    "x" * 161,
    "আ" * 71,
    "…" * 300,
    " ",
    "\u200b",
    "{^} €",
]


def shown(body: object, now: datetime = NOW) -> dict[str, Any]:
    return preview("acme", json.dumps(body).encode(), now)


def only(body: object, now: datetime = NOW) -> dict[str, Any]:
    answer = shown(body, now)
    assert answer["rejected"] == []
    (one,) = answer["messages"]
    return dict(one)


def some_body(choose: random.Random) -> dict[str, Any]:
    """A body as a caller might write it, often with a mistake in it."""

    def options() -> dict[str, Any]:
        every: dict[str, list[Any]] = {
            "from": ["ACMESH", "ACMEIN", "ACME", "+15550001111", None],
            "category": ["otp", "transactional", "promotional", None],
            "encoding": ["auto", "gsm7", "unicode", None],
            "flash": [True, False],
            "filter_dnd": [True, False],
            "template_id": ["1107100000000000011", "1", None],
            "max_segments": [1, 2, 30],
            "send_at": [(NOW + timedelta(hours=choose.randint(1, 700))).isoformat(), None],
            "vendor": [*VENDORS, None],
        }
        names = choose.sample(list(every), choose.choice((0, 1, 1, 2, 3)))
        return {name: choose.choice(every[name]) for name in names}

    def to() -> str:
        return choose.choice([*(number(v, choose.randint(0, 9)) for v in VENDORS), "+1", "no"])

    match choose.choice(("one", "same", "different")):
        case "one":
            return {"to": to(), "text": choose.choice(TEXTS), **options()}
        case "same":
            return {"to": [to() for _ in range(4)], "text": choose.choice(TEXTS), **options()}
    many = [{"to": to(), "text": choose.choice(TEXTS), **options()} for _ in range(4)]
    return {"messages": many, **options()}


@pytest.fixture
def accounts(gateway: Gateway) -> Gateway:
    set_account("jst", templates=TEMPLATES, senders=["ACMEIN"], prices={
        "currency": "INR", "per_segment": {"+91": "0.18"}
    })  # fmt: skip
    set_routes(
        json.dumps(
            {
                "routes": [
                    {"prefix": "+91", "vendors": ["jst", "server2sms"]},
                    {"prefix": "+880", "vendors": ["dinisoft", "server2sms"]},
                    {"prefix": "+62", "vendors": ["rajasms"]},
                    {"prefix": "+44", "vendors": ["server2sms", "dinisoft"]},
                ]
            }
        )
    )
    return gateway


def refusal(done: Any, *given: Any) -> dict[str, Any]:
    """The problem that a call is refused with."""
    with pytest.raises(GatewayError) as refused:
        done(*given)
    return refused.value.to_dict()


@pytest.mark.parametrize("seed", range(8))
def test_what_a_preview_says_is_what_a_send_does(accounts: Gateway, seed: int) -> None:
    """25 requests for each seed: whole refusals, single ones, and what is accepted."""
    choose = random.Random(seed)  # noqa: S311 - bodies, not secrets
    for _ in range(25):
        body = some_body(choose)
        written = json.dumps(body).encode()
        stored = accounts.messages_stored()
        try:
            said = preview("acme", written, NOW)
        except GatewayError:
            problem = refusal(preview, "acme", written, NOW)
            assert refusal(send, "acme", written, NOW) == problem
            continue
        assert accounts.messages_stored() == stored
        if not said["messages"]:
            problem = refusal(send, "acme", written, NOW)
            if len(said["rejected"]) == 1:
                problem = {"rejected": [said["rejected"][0] | {"problem": problem}]}
            assert problem["rejected"] == said["rejected"]
            continue
        same_as_done(accounts, body, said, send("acme", written, NOW))


def same_as_done(
    gateway: Gateway, body: dict[str, Any], said: dict[str, Any], done: dict[str, Any]
) -> None:
    """Asserts that a send's answer, and what it stored, are what the preview said."""
    assert said["rejected"] == done["rejected"]
    same = ("to", "vendor", "encoding", "segments", "warnings")
    assert [[one[name] for name in same] for one in said["messages"]] == [
        [one[name] for name in same] for one in done["messages"]
    ]
    texts = [draft["text"] for draft in _drafts(body)]
    for one, sent in zip(said["messages"], done["messages"], strict=True):
        stored = gateway.view(sent["id"])
        text = gateway.text(sent["id"])
        assert text == (one["text"] or texts[one["index"]])
        assert stored["timeline"][0]["note"] == one["why"]
        assert gateway.submission(sent["id"]).vendors == (one["vendor"], *one["failover"])
        parts = split(text, stored["encoding"])
        assert one["parts"] == [
            {"characters": len(part), "units": length(part, stored["encoding"])} for part in parts
        ]


def _drafts(body: dict[str, Any]) -> list[dict[str, Any]]:
    if "messages" in body:
        return list(body["messages"])
    return [body] * (len(body["to"]) if isinstance(body["to"], list) else 1)


def test_a_preview_leaves_nothing_behind(accounts: Gateway) -> None:
    shown({"to": [number(vendor) for vendor in VENDORS], "text": "Hello"})
    assert accounts.messages_stored() == 0
    assert all(accounts.queued(vendor) == [] for vendor in VENDORS)
    assert accounts.wire.sent == []


def test_a_preview_says_why_and_how_and_for_how_much(accounts: Gateway) -> None:
    noon = NOW.replace(hour=6)  # 11:30 in India
    body = {"to": number("jst"), "text": "Your code is “1234”", "encoding": "gsm7"}
    assert only(body, noon) == {
        "index": 0,
        "to": "+911000000001",
        "to_read_as": {"form": "international", "region": None},
        "vendor": "jst",
        "why": "first usable of route +91",
        "failover": ["server2sms"],
        "encoding": "gsm7",
        "segments": 1,
        "parts": [{"characters": 19, "units": 19}],
        "text": 'Your code is "1234"',
        "not_gsm7": [
            {"code_point": "U+201C", "name": "LEFT DOUBLE QUOTATION MARK"},
            {"code_point": "U+201D", "name": "RIGHT DOUBLE QUOTATION MARK"},
        ],
        "gsm7_segments": 1,
        "template_id": "1107100000000000011",
        "price": {"amount": "0.18", "currency": "INR"},
        "warnings": [],
    }


def test_a_preview_counts_septets_and_utf_16_units(accounts: Gateway) -> None:
    euro = only({"to": number("dinisoft"), "text": "€" * 100})
    assert euro["parts"] == [{"characters": 76, "units": 152}, {"characters": 24, "units": 48}]
    smile = only({"to": number("dinisoft"), "text": "😀" * 40})
    assert smile["parts"] == [{"characters": 33, "units": 66}, {"characters": 7, "units": 14}]
    assert (smile["gsm7_segments"], smile["price"]) == (None, None)


def test_what_forces_unicode_is_named_and_what_gsm7_would_take_is_told(accounts: Gateway) -> None:
    one = only({"to": number("dinisoft"), "text": "x" * 100 + "’"})
    assert (one["encoding"], one["segments"], one["gsm7_segments"]) == ("ucs2", 2, 1)
    assert [named["code_point"] for named in one["not_gsm7"]] == ["U+2019"]
    many = only({"to": number("dinisoft"), "text": "".join(map(chr, range(0x995, 0x9A5)))})
    assert len(many["not_gsm7"]) == 10


def test_warnings_point_to_their_field(accounts: Gateway) -> None:
    night = NOW.replace(hour=20)  # 1:30 in India
    body = {
        "category": "promotional",
        "messages": [
            {"to": number("jst"), "text": "Something else", "from": "OTHERS"},
            {"to": number("server2sms"), "text": "Hello", "from": "+15550001111"},
        ],
    }
    india, elsewhere = shown(body, night)["messages"]
    assert {one["type"]: one["pointer"] for one in india["warnings"]} == {
        "/warnings/template-mismatch": "/messages/0/text",
        "/warnings/sender-not-registered": "/messages/0/from",
        "/warnings/outside-permitted-hours": "/messages/0/category",
    }
    assert [one["type"] for one in elsewhere["warnings"]] == ["/warnings/sender-not-unlocked"]
    assert elsewhere["template_id"] is None


def test_the_hours_are_those_at_which_a_message_leaves(accounts: Gateway) -> None:
    night = NOW.replace(hour=20)
    body = {"to": number("jst"), "text": "Sale: all", "category": "promotional"}
    assert [one["type"] for one in only(body, night)["warnings"]] == [
        "/warnings/outside-permitted-hours"
    ]
    morning = (night + timedelta(hours=10)).isoformat()  # 11:30 in India
    assert only(body | {"send_at": morning}, night)["warnings"] == []


def test_a_text_that_would_be_dropped_is_refused_if_the_account_says_so(gateway: Gateway) -> None:
    set_account("jst", templates=TEMPLATES, template_mismatch="refuse")
    body = {"to": number("jst"), "text": "Something secret"}
    (refused,) = shown(body)["rejected"]
    assert refused["problem"]["type"] == "/problems/template-mismatch"
    assert (refused["problem"]["status"], refused["problem"]["pointer"]) == (422, "/text")
    assert "secret" not in refused["problem"]["detail"]
    with pytest.raises(InvalidRequestError) as wrong:
        gateway.accept(body)
    assert wrong.value.to_dict() == refused["problem"]
    # Elsewhere there are no templates.
    assert only({"to": number("dinisoft"), "text": "Something secret"})["warnings"] == []


def test_a_text_that_jst_would_refuse_does_not_fail_over_to_it(gateway: Gateway) -> None:
    set_account("jst", templates=TEMPLATES, template_mismatch="refuse")
    set_routes('{"routes": [{"prefix": "+91", "vendors": ["server2sms", "jst"]}]}')
    assert only({"to": number("jst"), "text": "Something else"})["failover"] == []
    assert only({"to": number("jst"), "text": "Your code is 1"})["failover"] == ["jst"]


def test_the_text_that_is_stored_is_the_one_that_is_sent(gateway: Gateway) -> None:
    gateway.wire.answers["SendTextSMS"] = {"StatusCode": "1", "StatusInfo": "OK"}
    identifier = gateway.one("server2sms", text="It’s “here”…", encoding="gsm7")
    gateway.dispatch("server2sms")
    payload = json.loads(gateway.wire.sent[0].body)
    assert payload["MessageText"] == gateway.view(identifier)["text"] == 'It\'s "here"...'
    assert payload["ForceGSM7bit"] is True


def test_auto_never_changes_a_text(gateway: Gateway) -> None:
    gateway.wire.answers["SendTextSMS"] = {"StatusCode": "1", "StatusInfo": "OK"}
    identifier = gateway.one("server2sms", text="It’s e\u0301")
    gateway.dispatch("server2sms")
    payload = json.loads(gateway.wire.sent[0].body)
    assert payload["MessageText"] == gateway.view(identifier)["text"] == "It’s e\u0301"
    assert payload["ForceGSM7bit"] is False


@pytest.mark.parametrize(
    ("body", "kind"),
    [
        (b"{", MalformedBodyError),
        (b"[]", InvalidRequestError),
        (b'{"to": [], "text": "x"}', InvalidRequestError),
    ],
)
def test_a_wrong_envelope_is_refused_as_by_a_send(
    gateway: Gateway, body: bytes, kind: type[GatewayError]
) -> None:
    with pytest.raises(kind):
        preview("acme", body, NOW)


def test_an_answer_that_would_be_too_large_is_refused(
    gateway: Gateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Lambda's answers may have 6 MiB: a thousand long texts of quotation marks come to more."""
    every = [f"+9110000{n:05}" for n in range(1000)]
    body = {"to": every, "text": "”" * 4000, "encoding": "gsm7", "max_segments": 30}
    with pytest.raises(TooLargeError) as refused:
        shown(body)
    assert refused.value.slug == "preview-too-large"
    answer = shown(body | {"text": "“" * 300, "max_segments": 2})
    assert len(answer["messages"]) == 1000
    assert len(json.dumps(json.dumps(answer))) < message_preview.MAX_ANSWER_BYTES


def test_the_examples_of_the_contract_are_what_the_gateway_says(gateway: Gateway) -> None:
    operation = contract()["paths"]["/messages/preview"]["post"]
    asked = operation["requestBody"]["content"]["application/json"]["examples"]["quotes"]["value"]
    answers = operation["responses"]["200"]["content"]["application/json"]["examples"]
    assert shown(asked) == answers["quotes"]["value"]
    set_account("jst", template_id="1000000000000000001", prices={
        "currency": "INR", "per_segment": {"+91": "0.18"}
    })  # fmt: skip
    sale = {"to": number("jst"), "text": "Sale ends tonight", "category": "promotional"}
    assert shown(sale, NOW.replace(hour=20)) == answers["india"]["value"]


@pytest.mark.parametrize("events", ["none", "webhooks"])
@pytest.mark.parametrize("url", ["http://10.0.0.1/", "https://example.com/told"])
def test_a_status_url_is_refused_as_by_a_send(
    gateway: Gateway, monkeypatch: pytest.MonkeyPatch, events: str, url: str
) -> None:
    monkeypatch.setenv("EVENTS", events)
    body = json.dumps({"to": number("jst"), "text": "Hello", "status_url": url}).encode()
    problem = refusal(preview, "acme", body, NOW)
    assert problem["pointer"] == "/status_url"
    assert problem == refusal(send, "acme", body, NOW)
