"""Awkward texts arrive whole at a server, in every kind of body, and stay within their field."""

import json
from collections.abc import Callable
from typing import Any
from urllib.parse import parse_qsl

import pytest
from defusedxml.ElementTree import fromstring
from hypothesis import given
from hypothesis import strategies as st

from sms_gateway.vendors import http_client
from sms_gateway.vendors.adapter import UnsupportedMessageError
from sms_gateway.vendors.declared.adapter import Declared
from sms_gateway.vendors.types import OutgoingMessage
from testing.awkward_texts import AWKWARD
from testing.descriptions import account, sending
from testing.server import Asked, Said, serving

NOT_IN_XML = ("\x00\x01\x1f\x7f", "\ufeff\ufffe\uffff")
TEXTS = st.sampled_from((*AWKWARD, *NOT_IN_XML)) | st.text(
    st.characters(exclude_categories=["Cs"]), min_size=1
)
ATTRIBUTES = {"m": {"@text": "{text}", "to": "{to}", "#text": "{text}"}}
KINDS: dict[str, tuple[dict[str, Any], Callable[[Asked], list[str]]]] = {
    "query": ({"query": {"text": "{text}", "to": "{to}"}}, lambda asked: _fields(asked.search)),
    "form": (
        {"form": {"text": "{text}", "to": "{to}"}},
        lambda asked: _fields(asked.body.decode()),
    ),
    "json": (
        {"json": {"text": "{text}", "to": "{to}"}},
        lambda asked: list(json.loads(asked.body).values()),
    ),
    "xml": ({"xml": {"m": {"text": "{text}", "to": "{to}"}}}, lambda asked: _children(asked.body)),
    "attributes": ({"xml": ATTRIBUTES}, lambda asked: _attributes(asked.body)),
}


def _fields(written: str) -> list[str]:
    return [value for _, value in parse_qsl(written, keep_blank_values=True, strict_parsing=True)]


def _children(body: bytes) -> list[str]:
    return [one.text or "" for one in fromstring(body)]


def _attributes(body: bytes) -> list[str]:
    root = fromstring(body)
    assert root.text == root.attrib["text"]
    return [*root.attrib.values(), *(one.text or "" for one in root)]


def _carries(made: Declared, message: OutgoingMessage) -> bool:
    """Whether the body can hold the text: XML has no control characters."""
    try:
        made.check(message)
    except UnsupportedMessageError:
        return False
    return True


@pytest.mark.parametrize("kind", KINDS)
def test_an_awkward_text_arrives_byte_for_byte(kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:1")  # a vendor may be on this machine
    request, read = KINDS[kind]
    heard: list[Asked] = []

    def answering(asked: Asked) -> Said:
        heard.append(asked)
        return Said(b"{}")

    with serving(answering) as address:
        made = account(sending(**request), base_url=address, allow_http=True)

        @given(TEXTS)
        def arrives(text: str) -> None:
            message = OutgoingMessage("1", "+8801000000001", text)
            if not _carries(made, message):
                assert kind in ("xml", "attributes")
                return
            http_client.send(made.submit([message], None)[0].request, 5.0)
            assert read(heard.pop()) == [text, "+8801000000001"]

        arrives()


@given(st.text(st.characters(exclude_categories=["Cs"]), min_size=1), TEXTS)
def test_a_setting_stays_within_its_step_of_the_path(key: str, text: str) -> None:
    made = account(
        sending(url="{base_url}/v1/{key}/send", query={"text": "{text}", "to": "{to}"}), key=key
    )
    request = made.submit([OutgoingMessage("1", "+8801000000001", text)], None)[0].request
    address, _, _ = request.url.partition("?")
    assert address.startswith("https://acme.example/v1/")
    assert address.count("/") == 5
    assert request.url.isascii()
    assert request.url.isprintable()
