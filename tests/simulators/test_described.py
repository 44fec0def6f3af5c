"""The simulator of any description: it reads what one sends, and answers what one reads."""

import contextlib
import http.client
import json
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from local.simulators.described.play import played
from local.simulators.server import Settings, Simulators
from local.simulators.state import State, digest
from local.simulators.vendor import Request as Asked
from sms_gateway.vendors.declared.adapter import Declared
from sms_gateway.vendors.declared.door import declare
from sms_gateway.vendors.registry import build
from sms_gateway.vendors.types import (
    CallbackRequest,
    OutgoingMessage,
    PendingReceipt,
    Request,
    SubmitVerdict,
    VendorResponse,
)
from testing.awkward_texts import AWKWARD
from testing.descriptions import DESCRIPTIONS, whole

BASE = "http://127.0.0.1:1"
# Whatever XML can carry: what it can't is refused before it is sent.
TEXTS = st.sampled_from(AWKWARD) | st.text(
    st.characters(exclude_categories=["Cs", "Cc"], exclude_characters="\ufffe\uffff"), min_size=1
)
BODIES: dict[str, dict[str, Any]] = {
    "query": {"query": {"text": "{text}", "to": "{to_digits}", "ref": "{reference}"}},
    "form": {"form": {"text": "{text}", "to": "{to}", "ref": "{reference}"}},
    "json": {"json": {"m": [{"text": "{text}", "to": "{to}"}], "ref": "{reference}"}},
    "xml": {"xml": {"m": {"text": "{text}", "to": {"@n": "{to}"}, "ref": "{reference}"}}},
    "percent": {
        "form": {
            "text": {"$value": "{text}", "as": "percent"},
            "to": "{to}",
            "ref": "{reference}",
        }
    },
    "utf16": {
        "form": {
            "text": {"$value": "{text}", "as": "utf16-hex"},
            "to": "{to}",
            "ref": "{reference}",
        }
    },
    "each": {
        "json": {"messages": {"$each": {"to": "{to}", "text": "{text}", "ref": "{reference}"}}}
    },
}
AUTHS: list[dict[str, Any]] = [
    {"kind": "basic", "user": "me", "password": "{key}"},
    {"kind": "bearer", "token": "{key}"},
    {"kind": "header", "name": "X-Key", "value": "{key}"},
    {
        "kind": "hmac",
        "algorithm": "sha256",
        "key": "{key}",
        "parts": ["{method}", "{path}", "{query}", "{body}"],
        "header": "X-Signature",
    },
]


def described(body: str = "json", **parts: Any) -> dict[str, Any]:
    made = whole(**parts)
    request = {"method": "POST", "url": "{base_url}/messages", **BODIES[body]}
    answer = {
        "code": "/code",
        "id": "/id",
        "rules": [
            {"code": ["ok"], "verdict": "accepted"},
            {"code": ["no"], "verdict": "refused"},
        ],
    }
    made["send"] = {"request": request, "answer": answer}
    del made["callback"]  # no address is said
    return made


@pytest.fixture
def state() -> Iterator[State]:
    made = State(3600.0, "http://127.0.0.1", 0)
    made.add("acme")
    yield made
    made.stop()


def asked(request: Request) -> Asked:
    target = request.url.removeprefix(BASE)
    headers = {name.lower(): one for name, one in request.headers.items()}
    path = target.partition("?")[0].removeprefix("/acme/")
    return Asked(request.method, path, {}, request.body, target, headers)


def account(description: dict[str, Any], settings: dict[str, Any]) -> Declared:
    return build(declare(json.dumps(description).encode()), settings)


@pytest.mark.parametrize("auth", AUTHS, ids=lambda one: str(one["kind"]))
@pytest.mark.parametrize("body", BODIES)
def test_every_text_arrives_byte_for_byte_in_every_body(
    state: State, body: str, auth: dict[str, Any]
) -> None:
    description = described(body, auth=auth)
    simulator = played(json.dumps(description).encode(), state, BASE)
    vendor = account(description, simulator.settings)

    @given(TEXTS)
    def arrives(text: str) -> None:
        message = OutgoingMessage("01J8Z3K4M5N6P7Q8R9S0T1V2W3001", "+447700900001", text)
        (sent,) = vendor.submit([message], None)
        answer = simulator.answer(asked(sent.request))
        (outcome,) = vendor.submitted(VendorResponse(answer.status, answer.body), sent)
        assert outcome.verdict is SubmitVerdict.ACCEPTED
        (taken,) = state._submissions[-1].messages
        assert (taken.number, taken.text) == ("447700900001", digest(text))
        assert state.handset("447700900001")[-1:] == [text]

    arrives()


@pytest.mark.parametrize("auth", AUTHS, ids=lambda one: str(one["kind"]))
def test_another_credential_is_refused(state: State, auth: dict[str, Any]) -> None:
    description = described(auth=auth)
    simulator = played(json.dumps(description).encode(), state, BASE)
    vendor = account(description, simulator.settings | {"key": "another"})
    (sent,) = vendor.submit([OutgoingMessage("1", "+447700900001", "Hello")], None)
    assert simulator.answer(asked(sent.request)).status == 401
    assert state.ledger() == []


def test_what_the_description_does_not_send_is_no_request_of_it(state: State) -> None:
    simulator = played(json.dumps(described()).encode(), state, BASE)
    for request in (
        Asked("POST", "messages", {}, b"{}", "/acme/messages"),
        Asked("GET", "messages", {}, b"", "/acme/messages"),
        Asked("POST", "other", {}, b"", "/acme/other"),
    ):
        assert simulator.operation_of(request) is None
    assert state.ledger() == []


def test_faults_polls_and_callbacks_are_read_as_they_are_meant(state: State) -> None:
    description = whole()
    simulator = played(json.dumps(description).encode(), state, BASE)
    vendor = account(description, simulator.settings)
    messages = [
        OutgoingMessage(f"01J8Z3K4M5N6P7Q8R9S0T1V2W300{n}", f"+44770090000{n}", "Hello")
        for n in (1, 2)
    ]
    (sent,) = vendor.submit(messages, "http://127.0.0.1:1/callbacks/acme/token")
    request = asked(sent.request)

    def verdicts(answer: Any) -> set[str]:
        found = vendor.submitted(VendorResponse(answer.status, answer.body), sent)
        return {str(one.verdict) for one in found}

    assert verdicts(simulator.refusal(request, "submit", temporary=False)) == {"refused"}
    assert verdicts(simulator.refusal(request, "submit", temporary=True)) == {"retry"}
    assert verdicts(simulator.unknown_code(request, "submit")) == {"unknown"}
    assert verdicts(simulator.wrong_type("submit")) == {"unknown"}
    assert state.ledger() == []
    assert verdicts(simulator.answer(request)) == {"accepted"}
    taken = state._submissions[-1].messages
    for state_word, status in (("pending", None), ("delivered", "delivered")):
        for one in taken:
            one.state = state_word  # type: ignore[assignment]  # one of its words
            receipt = PendingReceipt(str(one.reference), f"+{one.number}", one.vendor_id)
            (poll,) = vendor.poll([receipt])
            answer = simulator.answer(asked(poll.request))
            (report,) = vendor.reports(VendorResponse(answer.status, answer.body), poll)
            assert (report.message_id, report.status) == (one.reference, status)
        for callback in simulator.notices(taken):
            heard = CallbackRequest(callback.method, {}, callback.body)
            (told,) = vendor.callback(heard)
            assert told.status == status
    (asks,) = vendor.balance().values()
    answer = simulator.answer(asked(asks))
    balance = vendor.parse_balance(VendorResponse(answer.status, answer.body), None)
    assert (str(balance.amount), balance.unit) == ("1500.00", "EUR")


@pytest.mark.parametrize("name", ["dinisoft", "rajasms"])
def test_the_shipped_descriptions_can_be_played(state: State, name: str) -> None:
    description = json.loads((DESCRIPTIONS / f"{name}.json").read_text()) | {"name": "acme"}
    simulator = played(json.dumps(description).encode(), state, BASE)
    vendor = account(description, simulator.settings)
    number = {"dinisoft": "+8801000000001", "rajasms": "+628000000001"}[name]
    (sent,) = vendor.submit([OutgoingMessage("1", number, "Hello")], None)
    answer = simulator.answer(asked(sent.request))
    (outcome,) = vendor.submitted(VendorResponse(answer.status, answer.body), sent)
    assert outcome.verdict is SubmitVerdict.ACCEPTED
    assert [one["number"] for one in state.ledger("acme")[0]["messages"]] == [number[1:]]  # type: ignore[attr-defined]  # rows


def test_a_running_server_plays_what_it_is_given() -> None:
    with Simulators(Settings()) as server:
        written = json.dumps(whole()).encode()
        assert server.state.describe is not None
        settings = server.state.describe(written)
        assert settings["base_url"] == f"{server.url}/acme"

        def control(body: bytes) -> tuple[int, bytes]:
            connection = http.client.HTTPConnection("127.0.0.1", server.server_port, timeout=10)
            with contextlib.closing(connection):
                connection.request("POST", "/_describe", body)
                answer = connection.getresponse()
                return answer.status, answer.read()

        assert json.loads(control(written)[1]) == settings
        status, said = control(json.dumps(whole("jst")).encode())
        assert (status, b"built in" in said) == (400, True)
        assert control(b"{}")[0] == 400
