"""Previews and encodings on the real stack, IAM enforced."""
# ruff: noqa: RUF001 - typographic characters are what this is about

import hashlib
from typing import Any

import pytest
from e2e.test_messages import ledger

from testing.deployed import NUMBERS, Api

SAME = ("to", "vendor", "encoding", "segments", "warnings")
TEXTS = {
    "gsm7": ("It’s “here” – now…", "auto", "ucs2"),
    "kept": ("It’s “here” – now…", "gsm7", "gsm7"),
    "bengali": ("আপনার কোড 1234 🙂", None, "ucs2"),
    "forced": ("plain", "unicode", "ucs2"),
}


def preview(api: Api, body: object) -> dict[str, Any]:
    answer = api("POST", "/messages/preview", body)
    assert answer.status == 200, answer.body
    return dict(answer.body)


@pytest.mark.parametrize("case", TEXTS)
def test_a_preview_says_what_a_send_then_does(case: str, api: Api) -> None:
    text, encoding, found = TEXTS[case]
    body = {"to": list(NUMBERS.values()), "text": text, "encoding": encoding}
    before = {vendor: len(ledger(api, vendor)) for vendor in NUMBERS}

    said = preview(api, body)

    assert {one["vendor"] for one in said["messages"]} == set(NUMBERS)
    assert {one["encoding"] for one in said["messages"]} == {found}
    assert {vendor: len(ledger(api, vendor)) for vendor in NUMBERS} == before
    sent = api.send(body)
    assert [[one[name] for name in SAME] for one in sent] == [
        [one[name] for name in SAME] for one in said["messages"]
    ]
    for one, shown in zip(sent, said["messages"], strict=True):
        message = api.final(one["id"])
        assert message["status"] == "delivered"
        assert message["text"] == (shown["text"] or text)
        (taken,) = ledger(api, one["vendor"])[before[one["vendor"]] :]
        assert taken["text_sha256"] == hashlib.sha256(message["text"].encode()).hexdigest()


def test_gsm7_names_what_it_can_not_write(api: Api) -> None:
    body = {"to": NUMBERS["dinisoft"], "text": "50₹ 😀", "encoding": "gsm7"}
    (refused,) = preview(api, body)["rejected"]
    answer = api("POST", "/messages", body)
    assert answer.status == 422
    assert answer.body.pop("request_id")  # of this answer, not of the recipient's problem
    assert answer.body == refused["problem"]
    assert answer.body["type"] == "/problems/not-gsm7"
    assert "U+20B9 INDIAN RUPEE SIGN, U+1F600 GRINNING FACE" in answer.body["detail"]


def test_a_registered_template_goes_with_its_text(api: Api) -> None:
    body = {"to": NUMBERS["jst"], "text": "Your code is 1234", "category": "otp"}
    (said,) = preview(api, body)["messages"]
    assert (said["template_id"], said["warnings"]) == ("1107100000000000001", [])
    (sent,) = api.send(body)
    assert api.final(sent["id"])["status"] == "delivered"


def test_a_text_unlike_its_template_is_warned_of_and_dropped_by_operators(api: Api) -> None:
    body = {
        "to": NUMBERS["jst"],
        "text": "Your code: 1234",
        "template_id": "1107100000000000001",
    }
    (said,) = preview(api, body)["messages"]
    assert [one["type"] for one in said["warnings"]] == ["/warnings/template-mismatch"]
    (sent,) = api.send(body)
    assert sent["warnings"] == said["warnings"]
    message = api.final(sent["id"])
    assert message["status"] == "undelivered"
    assert message["problem"]["vendor_text"] == "FAILED: TEMPLATE NOT MATCHED"


def test_a_preview_of_nonsense_is_refused_as_by_a_send(api: Api) -> None:
    for raw, status, slug in (
        (b"{", 400, "malformed-json"),
        (b'{"to": [], "text": "x"}', 422, "recipient-count"),
        (b" " * (1024 * 1024 + 1), 413, "body-too-large"),
    ):
        answer = api("POST", "/messages/preview", raw=raw)
        assert (answer.status, answer.body["type"]) == (status, f"/problems/{slug}")
        assert answer.headers["Content-Type"] == "application/problem+json"
    reader = Api(api.stack, api.stack.key("demo", ("messages:read",)))
    assert reader("POST", "/messages/preview", {"to": NUMBERS["jst"], "text": "x"}).status == 403
