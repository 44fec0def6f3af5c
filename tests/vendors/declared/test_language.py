"""What a description may say, what it can't, and what its rules make of answers."""

import base64
import hashlib
import hmac
import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import suppress
from copy import deepcopy
from datetime import UTC, datetime
from typing import Any, get_args

import jsonschema_rs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sms_gateway.vendors.adapter import UnsupportedMessageError
from sms_gateway.vendors.declared.description import Format, Kind
from sms_gateway.vendors.declared.door import declare
from sms_gateway.vendors.declared.message_values import MESSAGE as MESSAGE_NAMES
from sms_gateway.vendors.declared.message_values import RECEIPT
from sms_gateway.vendors.declared.reading import parse_description
from sms_gateway.vendors.declared.refusals import DescriptionError
from sms_gateway.vendors.declared.trees import CONVERSIONS, DIRECTIVES
from sms_gateway.vendors.redaction import Redaction
from sms_gateway.vendors.registry import build
from sms_gateway.vendors.types import (
    BalanceRefusedError,
    CallbackRequest,
    OutgoingMessage,
    PendingReceipt,
    PollCall,
    SubmitVerdict,
    VendorResponse,
)
from testing.descriptions import DESCRIBED, DESCRIPTIONS, account, acme, sending
from testing.paths import ROOT
from testing.vendor_responses import replies

MESSAGE = OutgoingMessage("01J8Z3K4M5N6P7Q8R9S0T1V2W3001", "+8801000000001", "Your code is 1234")
SCHEMA = json.loads((ROOT / "docs/vendors/description.schema.json").read_text())
POLL: dict[str, Any] = {
    "request": {"method": "GET", "url": "{base_url}/poll", "query": {"id": "{vendor_id}"}},
    "answer": {
        "code": "/status",
        "rules": [{"code": ["D"], "status": "delivered"}, {"code": ["P"], "status": "none"}],
    },
}
BALANCE: dict[str, Any] = {
    "request": {"method": "GET", "url": "{base_url}/balance"},
    "unit": "EUR",
    "answer": {"amount": "/balance"},
}
RULE = {"code": ["x"], "verdict": "unknown"}
HMAC = {"kind": "hmac", "algorithm": "sha256", "key": "{key}", "header": "X-Sign"}
JOINED = {"$join": "{text}", "with": ","}


def polling(**answer: Any) -> dict[str, Any]:
    return acme(poll={**POLL, "answer": {**POLL["answer"], **answer}})


def rules(*given: dict[str, Any], **answer: Any) -> dict[str, Any]:
    return sending(answer={"rules": list(given), **answer})


def rows(*given: dict[str, Any], **more: Any) -> dict[str, Any]:
    part = {"at": ["/rows"], "number": "/to", "code": "/code", "rules": list(given), **more}
    each = {"$each": {"to": "{to_digits}", "text": "{text}"}}
    return sending(json=each, answer={"rows": part, "rules": []})


CALLED = {**POLL["answer"], "id": "/id"}
REFUSED: list[tuple[str, dict[str, Any]]] = [
    ("/nmae", {**acme(), "nmae": "x"}),
    ("/name", acme(name="Acme!")),
    ("/name", acme(name="acme\n")),
    ("/numbers/country_code", acme(numbers={"country_code": "88\n"})),
    ("/settings/0/name", acme(settings=[{"name": "key\n"}])),
    ("/format", acme(format=2)),
    ("/settings/0/kind", acme(settings=[{"name": "key", "kind": "password"}])),
    ("/settings/1/name", acme(settings=[{"name": "key"}, {"name": "key"}])),
    ("/settings/1/name", acme(settings=[{"name": "key"}, {"name": "text"}])),
    ("/settings/1/name", acme(settings=[{"name": "key"}, {"name": "timeout"}])),
    ("/settings/1/name", acme(settings=[{"name": "key"}, {"name": "class"}])),
    ("/settings/0/default", acme(settings=[{"name": "key", "kind": "secret", "default": "s"}])),
    ("/settings/0/default", acme(settings=[{"name": "key", "kind": "switch", "default": "yes"}])),
    ("/settings/0/choices", acme(settings=[{"name": "key", "kind": "choice"}])),
    ("/settings/0/optional", acme(settings=[{"name": "key", "kind": "switch", "optional": True}])),
    ("/defaults/allow_http", acme(defaults={"allow_http": True})),
    ("/defaults/timeout", acme(defaults={"timeout": "long"})),
    ("/send/request/method", sending(method="PUT")),
    ("/send/request/url", sending(url="https://fixed.example/send")),
    ("/send/request/url", sending(url="{base_url}.evil.example/send")),
    ("/send/request/url", sending(url="{base_url}/send?x=1")),
    ("/send/request/url", sending(url="{base_url}/{nothing}")),
    ("/send/request/url", sending(url=7)),
    ("/send/request/json", sending(method="GET")),
    ("/send/request/json", sending(json={"to": "{to}", "text": "{text}"}, form={"a": "b"})),
    ("/send/request/json/text", sending(json={"to": "{to}", "text": "{text"})),
    ("/send/request/json/a/0/txt", sending(json={"to": "{to}{text}", "a": [{"txt": "{msg}"}]})),
    ("/send/request/json/a/$eval", sending(json={"to": "{to}{text}", "a": {"$eval": "1+1"}})),
    ("/send/request/json/a/as", sending(json={"to": "{to}{text}", "a": {"$value": "{to}"}})),
    ("/send/request/json/a", sending(json={"a": {"$value": "{to}{text}", "as": "md5"}})),
    ("/send/request", sending(json={"to": "{to}"})),
    ("/send/request", sending(json={"text": "{text}"})),
    ("/send/request", sending(json={"to": "{to}", "all": {"$each": {"a": "{to}{text}"}}})),
    ("/send/request/json/a/$join", sending(json={"to": "{to}", "a": JOINED})),
    ("/send/request", sending(json={"to": "{to}", "all": {"$each": {"a": "{text}"}}})),
    ("/send/request/json/$optional", sending(json={"$optional": "{to}{text}"})),
    ("/send/request/json/a/$each/$each", sending(json={"a": {"$each": {"$each": "{to}{text}"}}})),
    ("/send/request/json/a/$join", sending(json={"a": {"$join": ["{to}"], "with": ","}})),
    (
        "/send/request/json/a/$choose",
        sending(json={"a": {"$choose": "nothing", "cases": {"1": "{to}"}, "otherwise": "{text}"}}),
    ),
    (
        "/send/request/json/a/cases",
        sending(json={"a": {"$choose": "text", "cases": {}, "otherwise": "{to}{text}"}}),
    ),
    ("/send/request/query", sending(query=["{to}"])),
    ("/send/request/url", sending(url="{base_url}/a{base_url}")),
    ("/send/request/form/a/0", sending(form={"to": "{to}{text}", "a": [["b"]]})),
    ("/send/request/xml/a/b", sending(xml={"a": {"b": 1.5, "c": "{to}{text}"}})),
    ("/send/request/xml/a/b", sending(xml={"a": {"b": "\x01", "c": "{to}{text}"}})),
    ("/send/request/headers/X-A", sending(headers={"X-A": "ä"})),
    ("/numbers/trunk_prefix", acme(numbers={"trunk_prefix": "0"})),
    ("/settings/0/choices", acme(settings=[{"name": "key", "choices": ["a"]}])),
    (
        "/settings/0/default",
        acme(settings=[{"name": "key", "kind": "choice", "choices": ["a"], "default": "b"}]),
    ),
    ("/send/request/headers/X-To", sending(headers={"X-To": "{to}"})),
    ("/send/request/headers/X:", sending(headers={"X:": "a"})),
    ("/send/request/form/a", sending(form={"to": "{to}{text}", "a": {"b": "c"}})),
    ("/send/request/xml", sending(xml={"a": "{to}", "b": "{text}"})),
    ("/send/request/xml/a/b c", sending(xml={"a": {"b c": "{to}{text}"}})),
    ("/send/request/xml/a/@b", sending(xml={"a": {"@b": {"c": "{to}{text}"}}})),
    ("/send/schedule", sending(json={"to": "{to}", "text": "{text}", "at": "{send_at}"})),
    ("/numbers", sending(json={"to": "{to_national}", "text": "{text}"})),
    ("/send/answer/code", rules(RULE, code="code")),
    ("/send/answer/id/1", rules(RULE, id=["/id", "id"])),
    ("/send/answer/id/pattern", rules(RULE, id={"pattern": "(unclosed"})),
    ("/send/answer/id", rules(RULE, id={"none": ["0"]})),
    ("/send/answer/price", rules(RULE, price="/price")),
    ("/send/answer/currency", rules(RULE, price="/price", currency="{money}")),
    ("/send/answer/rules/0", rules({"verdict": "accepted"})),
    ("/send/answer/rules/0/verdict", rules({"code": ["x"], "verdict": "maybe"})),
    ("/send/answer/rules/0/http", rules({"http": ["200"], "verdict": "accepted"})),
    ("/send/answer/rules/0/http", rules({"http": ["2xx", "202"], "verdict": "accepted"})),
    ("/send/answer/rules/0/http", rules({"http": ["503"], "verdict": "retry"})),
    ("/send/answer/rules/0/http", rules({"http": ["5xx"], "verdict": "refused"})),
    ("/send/answer/rules/0/http", rules({"http": ["4xx"], "verdict": "refused"})),
    ("/send/answer/rules/0/http", rules({"http": ["400", "408"], "verdict": "refused"})),
    ("/send/answer/rules/0/http/0", rules({"http": ["9xx"], "verdict": "unknown"})),
    ("/send/answer/rules/0/pattern", rules({"pattern": "(?=x)", "verdict": "accepted"})),
    ("/send/answer/rules/0/http", rules({"http": ["2xx"], "pattern": ".", "verdict": "accepted"})),
    ("/send/answer/rules/0/http", rules({"http": ["5xx"], "pattern": "^", "verdict": "retry"})),
    ("/send/answer/rules/0", rules({"pattern": "(?s).*", "verdict": "retry"})),
    ("/send/answer/rows/rules/0/pattern", rows({"pattern": "ok", "verdict": "accepted"})),
    ("/send/answer/rows/code", rows(RULE, code={"pattern": "ok"})),
    ("/send/answer/rows/id/1", rows(RULE, id=["/id", {"pattern": "id=([0-9]+)"}])),
    ("/poll/answer/id", polling(id={"pattern": "[0-9]+"}, rows={"at": ["/rows"]})),
    ("/balance/per", acme(balance={**BALANCE, "per": "key"})),
    (
        "/balance/request/url",
        acme(balance={**BALANCE, "request": {"method": "GET", "url": "{base_url}/{to}"}}),
    ),
    ("/balance/unit", acme(balance={**BALANCE, "unit": "euro"})),
    ("/poll/request", acme(poll={**POLL, "request": {"method": "GET", "url": "{base_url}/all"}})),
    ("/poll/answer", acme(poll={**POLL, "answer": {"rules": []}})),
    ("/poll/answer/time/formats/0", polling(time={"at": "/t", "formats": ["YYYY"]})),
    ("/poll/answer/time/zone", polling(time={"at": "/t", "formats": ["iso"], "zone": "Mars"})),
    ("/callback/answer", acme(callback={"answer": POLL["answer"]})),
    ("/callback/account", acme(callback={"answer": CALLED})),
    ("/callback/account", acme(callback={"answer": CALLED, "account": "key"})),
    (
        "/callback/secrets/0/setting",
        acme(
            callback={
                "answer": {**POLL["answer"], "id": "/id"},
                "secrets": [{"at": "/k", "setting": "base_url"}],
            }
        ),
    ),
    ("/auth/token", acme(auth={"kind": "bearer", "token": "{nothing}"})),
    ("/auth/kind", acme(auth={"kind": "oauth2", "token": "{key}"})),
    ("/auth/parts/0", acme(auth={**HMAC, "parts": ["{timestamp}"]})),
]


@pytest.mark.parametrize(("pointer", "description"), REFUSED)
def test_what_cannot_work_is_refused_with_its_pointer(
    pointer: str, description: dict[str, Any]
) -> None:
    with pytest.raises(DescriptionError) as refused:
        parse_description(json.dumps(description).encode())
    assert refused.value.pointer == pointer
    assert str(refused.value).startswith(f"{pointer}: ")


@pytest.mark.parametrize("name", ["by_category", "capabilities", "name", "settings", "zone"])
def test_a_setting_takes_no_name_of_an_adapters_own(name: str) -> None:
    with pytest.raises(DescriptionError, match=r"^/settings/0/name: .* own"):
        parse_description(json.dumps(acme(settings=[{"name": name}])).encode())


def test_accepted_by_the_whole_answer_is_refused_where_each_message_has_a_row() -> None:
    made = rows({"code": ["ok"], "verdict": "accepted"})
    parse_description(json.dumps(made).encode())
    made["send"]["answer"]["rules"] = [{"code": ["ok"], "verdict": "accepted"}]
    with pytest.raises(DescriptionError, match=r"^/send/answer/rules/0/verdict: "):
        parse_description(json.dumps(made).encode())


@pytest.mark.parametrize(
    "written", [b"", b"{", b"[]", b'"acme"', b"\xff", b"[" * 5000, b" " * 100_001]
)
def test_what_is_no_description_is_refused(written: bytes) -> None:
    with pytest.raises(DescriptionError):
        parse_description(written)


def test_a_tree_that_is_too_deep_is_refused() -> None:
    tree: Any = "{text}"
    for _ in range(60):
        tree = [tree]
    with pytest.raises(DescriptionError, match=r"^/send/request/json: .*deep"):
        parse_description(json.dumps(sending(json={"to": "{to}", "text": tree})).encode())


def test_the_documents_example_works_and_its_tables_have_every_word() -> None:
    page = (ROOT / "docs/describing-a-vendor.md").read_text()
    example = page.partition("```json\n")[2].partition("```")[0]
    parse_description(example.encode())
    assert jsonschema_rs.is_valid(SCHEMA, json.loads(example))
    assert not [name for name in MESSAGE_NAMES | RECEIPT if f"{{{name}}}" not in page]
    assert not [name for name in (*DIRECTIVES, *CONVERSIONS) if name not in page]
    assert not [name for name in get_args(Kind) + get_args(Format) if f"`{name}`" not in page]


@pytest.mark.parametrize("vendor", DESCRIBED)
def test_the_published_schema_takes_the_shipped_descriptions(vendor: str) -> None:
    shipped = json.loads((DESCRIPTIONS / f"{vendor}.json").read_text())
    assert jsonschema_rs.is_valid(SCHEMA, shipped)
    assert not jsonschema_rs.is_valid(SCHEMA, {**shipped, "format": 2})


def refusal_of(description: Any) -> str | None:
    try:
        parse_description(json.dumps(description).encode())
    except DescriptionError as refused:
        return refused.pointer
    return None


def _mutated(data: st.DataObject, value: Any) -> Any:
    """Put anything in one place of a description."""
    path = value
    while isinstance(path, dict | list) and path:
        keys = list(path) if isinstance(path, dict) else list(range(len(path)))
        key = data.draw(st.sampled_from(keys))
        if data.draw(st.booleans()) or not isinstance(path[key], dict | list):
            odd: st.SearchStrategy[Any] = st.sampled_from(
                [
                    *(None, True, -1, 0.5, "", "{", "{to}", "{key}", "/x", "$each", [], {}, ["a"]),
                    {
                        "$choose": "key",
                        "cases": {"a": {"$value": "{to}", "as": []}},
                        "otherwise": 1,
                    },
                    *({"$optional": "{to}"}, [["x"]], "by_category", ["xml"], {"pattern": "a"}),
                    *({"$each": "{to}"}, {"$choose": "key"}, {"$join": 1, "with": 2}, {"a": {}}),
                ]
            )
            path[key] = data.draw(odd | st.text(max_size=5))
            break
        path = path[key]
    return value


@given(st.data(), st.sampled_from(DESCRIBED))
def test_a_garbled_description_is_refused_with_a_pointer_or_works(
    data: st.DataObject, vendor: str
) -> None:
    shipped = json.loads((DESCRIPTIONS / f"{vendor}.json").read_text())
    settings = json.loads((ROOT / f"tests/vendors/{vendor}/account.json").read_text())
    garbled = _mutated(data, deepcopy(shipped))
    pointer = refusal_of(garbled)
    if pointer is not None:
        assert re.fullmatch("(/.+)?", pointer, re.DOTALL)
        return
    adapter = declare(json.dumps(garbled).encode())
    try:
        made = build(adapter, settings)
    except ValueError:
        return  # of the settings, which are others now
    call = made.submit([MESSAGE], "https://api.example/v1/callbacks/x/y")[0]
    made.submitted(VendorResponse(200, b"{}"), call)
    made.poll([PendingReceipt(MESSAGE.id, MESSAGE.to, "1")])
    made.callback(CallbackRequest("POST", {}, b"{}"))
    assert made.balance() is not None


@given(
    replies(["code", "text", "id", "rows", "to"], ["ok", "no", "7"]),
    st.sampled_from([200, 204, 400, 500]),
    st.sampled_from(["json", "xml", "form", "json-in-form"]),
)
def test_nothing_is_accepted_without_a_rule_that_says_so(
    body: bytes, status: int, read: str
) -> None:
    """Refusals, retries and the unknown only: whatever an answer is, it accepts nothing."""
    made = account(
        rules(
            {"code": ["no"], "verdict": "refused"},
            {"pattern": "7", "verdict": "retry"},
            {"http": ["400"], "verdict": "refused"},
            read=[read],
        )
    )
    call = made.submit([MESSAGE], None)[0]
    (outcome,) = made.submitted(VendorResponse(status, body), call)
    assert outcome.verdict is not SubmitVerdict.ACCEPTED


@given(
    st.binary()
    | st.sampled_from(
        [b"<a>" * 5000, b"<!DOCTYPE a [<!ENTITY b 'b'>]><a>&b;</a>", b"<a xmlns='u'/>"]
    )
)
def test_no_answer_is_too_odd_for_any_reader(body: bytes) -> None:
    for read in ("json", "xml", "form", "json-in-form"):
        answer = {"read": [read], "id": {"pattern": "([0-9]+)"}, "price": "/p", "currency": "EUR"}
        poll = {**POLL["answer"], "time": {"at": "/t", "formats": ["epoch", "iso", "%d/%m/%y"]}}
        balance = {**BALANCE, "answer": {"amount": {"pattern": "[0-9.]+"}, "read": [read]}}
        made = account(
            {
                **sending(answer=answer),
                "poll": {**POLL, "answer": {**poll, "read": [read]}},
                "callback": {
                    "answer": {**poll, "id": "/id", "read": [read]},
                    "query": True,
                    "account": True,
                },
                "balance": balance,
            }
        )
        reply = VendorResponse(200, body)
        call = made.submit([MESSAGE], None)[0]
        assert made.submitted(reply, call)[0].verdict is not SubmitVerdict.ACCEPTED
        assert made.reports(reply, made.poll([PendingReceipt("1", MESSAGE.to, "7")])[0]) == []
        made.callback(CallbackRequest("POST", {"status": "D", "id": "1"}, body))
        with suppress(BalanceRefusedError):
            assert made.parse_balance(reply, None).unit == "EUR"


def verdicts(description: dict[str, Any], body: bytes, status: int = 200, to: int = 1) -> list[str]:
    made = account(description)
    numbers = [OutgoingMessage(f"id{n}", f"+880100000000{n}", "Hi") for n in range(1, to + 1)]
    call = made.submit(numbers, None)[0]
    return [str(one.verdict) for one in made.submitted(VendorResponse(status, body), call)]


def test_the_first_rule_that_holds_counts_and_none_is_unknown() -> None:
    made = rules(
        {"http": ["2xx"], "code": ["OK"], "text": ["queued"], "verdict": "accepted"},
        {"code": ["ok"], "verdict": "refused"},
        {"http": ["429"], "verdict": "retry"},
        {"where": [{"at": "/error/type", "any_of": ["busy"]}], "verdict": "retry"},
    )
    assert verdicts(made, b'{"code": "ok", "text": "Queued"}') == ["accepted"]
    assert verdicts(made, b'{"code": "ok", "text": "Queued"}', 500) == ["refused"]
    assert verdicts(made, b"slow down", 429) == ["retry"]
    assert verdicts(made, b'{"Error": [{"Type": "Busy"}]}') == ["retry"]
    assert verdicts(made, b'{"code": "new"}') == ["unknown"]


def test_rows_about_one_message_must_agree() -> None:
    """As for the parts of a long text: some that went and some that did not are unknown."""
    made = rows({"code": ["0"], "verdict": "accepted"}, {"code": ["1"], "verdict": "refused"})
    one = b'{"rows": [{"to": "8801000000001", "code": %s}, {"to": "8801000000001", "code": %s}]}'
    assert verdicts(made, one % (b"0", b"0")) == ["accepted"]
    assert verdicts(made, one % (b"0", b"1")) == ["unknown"]
    assert verdicts(made, one % (b"1", b"1")) == ["refused"]
    assert verdicts(made, one % (b"0", b"1"), to=2) == ["unknown", "unknown"]


def test_a_price_of_a_call_with_many_messages_is_refused() -> None:
    made = rows(RULE)
    made["send"]["answer"] |= {"price": "/price", "currency": "EUR"}
    assert refusal_of(made) == "/send/answer/price"


def test_rows_are_matched_by_our_reference_before_the_number() -> None:
    accepted, refused = (
        {"code": [str(n)], "verdict": v} for n, v in enumerate(["accepted", "refused"])
    )
    made = rows(accepted, refused, reference="/ref")
    body = {"rows": [{"ref": "id2", "code": 0}, {"ref": "id1", "to": "8801000000001", "code": 1}]}
    assert verdicts(made, json.dumps(body).encode(), to=2) == ["refused", "accepted"]
    body["rows"][1]["to"] = "8801000000009"
    assert verdicts(made, json.dumps(body).encode(), to=2) == ["unknown", "accepted"]


def test_a_row_about_another_number_is_nobodys() -> None:
    made = rows({"code": ["0"], "verdict": "accepted"})
    assert verdicts(made, b'{"rows": [{"to": "8801000000009", "code": 0}]}') == ["unknown"]
    assert verdicts(made, b'{"rows": [{"code": 0}]}') == ["accepted"]
    assert verdicts(made, b'{"rows": [{"code": 0}]}', to=2) == ["unknown", "unknown"]


def test_an_answer_in_xml_is_read_by_the_same_pointers() -> None:
    made = rules(
        {"code": ["ok"], "verdict": "accepted"},
        read=["xml"],
        code="/response/@status",
        id="/response/message/id",
    )
    adapter = account(made)
    call = adapter.submit([MESSAGE], None)[0]
    body = b"<r:Response xmlns:r='u' status='OK'><message><ID>7</ID></message></r:Response>"
    (outcome,) = adapter.submitted(VendorResponse(200, body), call)
    assert (str(outcome.verdict), outcome.vendor_id) == ("accepted", "7")
    assert verdicts(made, b"<!DOCTYPE a><response status='ok'/>") == ["unknown"]
    assert verdicts(made, b"<response status='ok'>") == ["unknown"]


def test_a_text_answer_is_read_by_patterns() -> None:
    made = rules(
        {"pattern": "^OK ", "verdict": "accepted"},
        {"code": ["ERR"], "verdict": "refused"},
        code={"pattern": "^(ERR)"},
        id={"pattern": r"id=([0-9]+)"},
    )
    assert verdicts(made, b"OK id=12") == ["accepted"]
    assert verdicts(made, b"ERR no credit") == ["refused"]
    assert verdicts(made, b"<html>OK id=12</html>") == ["unknown"]
    adapter = account(made)
    call = adapter.submit([MESSAGE], None)[0]
    assert adapter.submitted(VendorResponse(200, b"OK id=12"), call)[0].vendor_id == "12"


def test_a_pattern_made_to_be_slow_is_not() -> None:
    """Python's own engine would look at two to the power of 50,000 ways."""
    made = rules({"pattern": "^(a+)+$", "verdict": "accepted"})
    assert verdicts(made, b"a" * 50_000 + b"!") == ["unknown"]


def test_messages_share_a_call_that_says_the_same_of_all() -> None:
    each = {"text": "{text}", "from": "{sender}", "to": {"$join": "{to_digits}", "with": ","}}
    made = account(sending(json=each))
    assert (made.capabilities.bulk, made.capabilities.personalised) == (True, False)
    messages = [
        OutgoingMessage(str(n), f"+88010000000{n:02}", text, sender=sender)
        for n, (text, sender) in enumerate([("a", "X"), ("b", "X"), ("a", "X"), ("a", "Y")])
    ]
    calls = made.submit(messages, None)
    bodies = [json.loads(call.request.body) for call in calls]
    shared = "8801000000000,8801000000002"
    assert [body["to"] for body in bodies] == [shared, "8801000000001", "8801000000003"]
    assert [len(call.members) for call in calls] == [2, 1, 1]


def test_a_flag_and_an_encoding_are_written_as_the_vendor_wants_them() -> None:
    tree = {
        "to": {"$value": "{to_digits}", "as": "integer"},
        "flash": {"$choose": "flash", "cases": {"true": 1}, "otherwise": 0},
        "type": {"$choose": "encoding", "cases": {"ucs2": "unicode"}, "otherwise": "text"},
        "text": {
            "$choose": "encoding",
            "cases": {"ucs2": {"$value": "{text}", "as": "utf16-hex"}},
            "otherwise": "{text}",
        },
        "template": {"$optional": "{template_id}"},
    }
    made = account(sending(json=tree))
    assert made.capabilities.flash
    assert made.capabilities.template_id
    flash = OutgoingMessage("1", "+8801000000001", "é✓", flash=True, encoding="ucs2")
    shown = [json.loads(made.submit([one], None)[0].request.body) for one in (flash, MESSAGE)]
    assert shown == [
        {"to": 8801000000001, "flash": 1, "type": "unicode", "text": "00E92713"},
        {"to": 8801000000001, "flash": 0, "type": "text", "text": MESSAGE.text},
    ]


def test_what_the_vendor_cannot_carry_is_refused_by_name() -> None:
    made = sending(json={"to": "{to_national}", "text": "{text}", "from": "{sender}"})
    made["numbers"] = {"country_code": "880", "trunk_prefix": "0", "only": ["+880"]}
    made["send"] |= {"max_characters": 20, "encodings": ["gsm7"], "sender_pattern": "[A-Z]{3,11}"}
    adapter = account(made)
    adapter.check(MESSAGE)
    assert json.loads(adapter.submit([MESSAGE], None)[0].request.body)["to"] == "01000000001"
    for changed, field in [
        ({"to": "+628000000001"}, "to"),
        ({"text": "x" * 21}, "text"),
        ({"encoding": "ucs2"}, "text"),
        ({"sender": "acme"}, "from"),
        ({"sender": "ACME\n"}, "from"),
        ({"flash": True}, "flash"),
        ({"template_id": "1"}, "template_id"),
    ]:
        fields: Any = {"id": "1", "to": MESSAGE.to, "text": "Hi"}
        fields.update(changed)
        with pytest.raises(UnsupportedMessageError) as refused:
            adapter.check(OutgoingMessage(**fields))
        assert refused.value.field == field
    with pytest.raises(UnsupportedMessageError, match="from"):
        account(acme()).check(OutgoingMessage("1", MESSAGE.to, "Hi", sender="ACME"))


def test_credentials_stand_where_the_description_says() -> None:
    def headers(auth: dict[str, Any]) -> dict[str, str]:
        made = account(acme(auth=auth), key="k€y" if auth["kind"] in ("basic", "hmac") else "key")
        request = made.submit([MESSAGE], None)[0].request
        return dict(request.headers) | {"body": request.body.decode()}

    basic = headers({"kind": "basic", "user": "me", "password": "{key}"})["Authorization"]
    assert base64.b64decode(basic.removeprefix("Basic ")).decode() == "me:k€y"
    assert headers({"kind": "bearer", "token": "{key}"})["Authorization"] == "Bearer key"
    assert headers({"kind": "header", "name": "X-Key", "value": "{key}"})["X-Key"] == "key"
    signed = headers(
        {
            **{"kind": "hmac", "algorithm": "sha256", "key": "{key}", "join": "\n"},
            **{"parts": ["{method}", "{path}", "{body}"], "header": "X-Sign", "prefix": "v1="},
        }
    )
    words = f"POST\n/send\n{signed['body']}".encode()
    assert signed["X-Sign"] == "v1=" + hmac.new("k€y".encode(), words, hashlib.sha256).hexdigest()
    for bad in ("a\r\nX: y", "k€y"):
        with pytest.raises(ValueError, match=r"^key "):
            account(acme(auth={"kind": "bearer", "token": "{key}"}), key=bad)


def test_credentials_that_a_vendor_repeats_in_base64_are_redacted() -> None:
    auth = {"kind": "basic", "user": "acme", "password": "{key}"}
    adapter = account(acme(auth=auth))
    (call,) = adapter.submit([MESSAGE], None)
    pair = call.request.headers["Authorization"].removeprefix("Basic ")
    words = Redaction.of_call(adapter, call).words(f"Bad header: Basic {pair}")
    assert words
    assert words.rstrip("=") == "Bad header: Basic [secret]"


def test_a_time_is_written_and_read_as_described() -> None:
    made = sending(json={"to": "{to}", "text": "{text}", "at": "{send_at}"})
    made["send"]["schedule"] = {"format": "%d.%m.%Y %H:%M", "zone": "Europe/Zurich"}
    time = {"at": "/t", "formats": ["epoch", "iso", "%d.%m.%Y %H:%M:%S"], "zone": "Europe/Zurich"}
    made["poll"] = {**POLL, "answer": {**POLL["answer"], "time": time}}
    adapter = account(made)
    when = datetime(2026, 7, 1, 9, 59, 1, tzinfo=UTC)
    later = OutgoingMessage("1", MESSAGE.to, "Hi", send_at=when)
    assert json.loads(adapter.submit([later], None)[0].request.body)["at"] == "01.07.2026 12:00"
    assert adapter.holds(when)
    assert not adapter.holds(datetime(2026, 10, 25, 1, 30, tzinfo=UTC))
    call = adapter.poll([PendingReceipt("1", MESSAGE.to, "7")])[0]
    read = [
        adapter.reports(VendorResponse(200, json.dumps({"status": "D", "t": t}).encode()), call)[
            0
        ].at
        for t in (1782900000, "2026-07-01T12:00:00", "01.07.2026 12:00:00", "soon", "9999-12-31")
    ]
    ten = datetime(2026, 7, 1, 10, tzinfo=UTC)
    assert read == [ten, ten, ten, None, datetime(9999, 12, 30, 23, tzinfo=UTC)]


def test_a_poll_for_many_says_only_what_was_asked_for() -> None:
    poll = {
        "size": 2,
        "request": {
            **{"method": "POST", "url": "{base_url}/poll"},
            "json": {"ids": {"$join": "{vendor_id}", "with": ","}},
        },
        "answer": {**POLL["answer"], "id": "/id", "rows": {"at": ["/all"]}},
    }
    adapter = account(acme(poll=poll))
    ids = ["7", "8", "9,9", None, "10"]
    pending = [PendingReceipt(f"m{n}", MESSAGE.to, one) for n, one in enumerate(ids)]
    calls = adapter.poll(pending)
    assert [json.loads(call.request.body)["ids"] for call in calls] == ["7,8", "10"]
    body = b'{"all": [{"id": 8, "status": "D"}, {"id": 99, "status": "D"}, {"status": "D"}]}'
    reports = adapter.reports(VendorResponse(200, body), calls[0])
    assert [(one.message_id, str(one.status)) for one in reports] == [("m1", "delivered")]


def test_a_poll_goes_through_what_was_asked_for_once_however_many_rows_there_are() -> None:
    class Pending(tuple[PendingReceipt, ...]):
        __slots__ = ()
        looks = 0

        def __iter__(self) -> Iterator[PendingReceipt]:
            Pending.looks += 1
            return super().__iter__()

    asked = [PendingReceipt(f"m{nth}", f"+88010{nth:08d}", f"v{nth}") for nth in range(3)]
    vendor = account(polling(id="/id", rows={"at": ["/rows"]}))
    call = PollCall(vendor.poll(asked[:1])[0].request, Pending(asked))
    rows = [{"id": f"v{nth}", "status": "D"} for nth in range(500)]
    found = vendor.reports(VendorResponse(200, json.dumps({"rows": rows}).encode()), call)
    assert [one.message_id for one in found] == ["m0", "m1", "m2"]
    assert Pending.looks < 5


def test_an_interpreter_that_read_descriptions_ends_well() -> None:
    """msgspec 0.22 crashed at the end, in about every fifth process."""
    code = (
        "import sys, json; from testing.descriptions import described;"
        "[described(one) for one in ('dinisoft', 'rajasms')]"
    )
    for seed in range(12):
        done = subprocess.run(
            [sys.executable, "-c", code],
            env={**os.environ, "PYTHONHASHSEED": str(seed)},
            check=False,
            cwd=ROOT,
        )
        assert done.returncode == 0
