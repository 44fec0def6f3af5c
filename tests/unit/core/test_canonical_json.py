"""One form for bodies of one meaning, and another for each other meaning."""

import json
from typing import Any

import pytest

from sms_gateway.core.canonical_json import canonical

BODY = b'{"to":["+8801000000001"],"text":"Caf\xc3\xa9 \xe0\xa6\x86","validity":300,"flash":false}'
MESSAGES = b'{"messages":[{"to":"+8801000000001","text":"Hi"}],"validity":300}'


@pytest.mark.parametrize(
    "written",
    [
        b'{"flash":false,"validity":300,"text":"Caf\xc3\xa9 \xe0\xa6\x86","to":["+8801000000001"]}',
        b' {\n "to" : [ "+8801000000001" ],\t"text": "Caf\xc3\xa9 \xe0\xa6\x86", "validity": 300,'
        b' "flash": false }\r\n',
        b'{"to":["+8801000000001"],"text":"Caf\\u00e9 \\u0986","validity":300,"flash":false}',
        b'{"\\u0074o":["\\u002b8801000000001"],"text":"Caf\\u00E9 \\u0986","validity":3e2,'
        b'"flash":false}',
        BODY.replace(b"300", b"300.0"),
        BODY.replace(b"300", b"30.0E+1"),
        b"\xef\xbb\xbf" + BODY,
        BODY.replace(b'"flash"', b'"region":null,"flash"'),
    ],
)
def test_what_means_the_same_has_one_form(written: bytes) -> None:
    assert canonical(written) == canonical(BODY)


def test_an_option_of_a_message_that_is_null_counts_as_not_given() -> None:
    assert canonical(MESSAGES.replace(b"}]", b',"flash":null}]')) == canonical(MESSAGES)


@pytest.mark.parametrize(
    "written",
    [
        BODY.replace(b"300", b"301"),
        BODY.replace(b"300", b"300.5"),
        BODY.replace(b"300", b'"300"'),
        BODY.replace(b"300", b"1e400"),
        BODY.replace(b"300", b"NaN"),
        BODY.replace(b"false", b"0"),
        BODY.replace(b"false", b"true"),
        BODY.replace(b'["+8801000000001"]', b'"+8801000000001"'),
        BODY.replace(b"Caf\xc3\xa9", b"Cafe\xcc\x81"),  # it looks the same, and is another text
        BODY.replace(b"Caf\xc3\xa9", b"CAF\xc3\x89"),
        BODY.replace(b"Caf\xc3\xa9", b" Caf\xc3\xa9"),
        BODY.replace(b'{"to"', b'{"to":["+8801000000001"],"to"'),
        BODY + b"{}",
        BODY[:-1],
        BODY.decode().encode("utf-16"),
    ],
)
def test_what_means_another_thing_has_another_form(written: bytes) -> None:
    assert written != BODY
    assert canonical(written) != canonical(BODY)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (
            {"to": ["+8801000000001", "+8801000000002"]},
            {"to": ["+8801000000002", "+8801000000001"]},
        ),
        ({"metadata": {"a": None}}, {"metadata": {}}),
        ({"text": ""}, {}),
        ({"validity": 2**53}, {"validity": 2**53 + 1}),
        ({"text": "\\u0041"}, {"text": "A"}),
        ([], {}),
    ],
)
def test_order_in_lists_and_what_stands_deeper_count(one: Any, other: Any) -> None:
    assert canonical(json.dumps(one).encode()) != canonical(json.dumps(other).encode())


@pytest.mark.parametrize("body", [b"", b"{", b"\xff\xfe{}", b"no", b"[" * 100_000, b"9" * 5000])
def test_what_is_no_json_is_its_own_form(body: bytes) -> None:
    assert canonical(body) == body


def test_half_a_character_has_a_form_too() -> None:
    assert canonical(b'{"text":"\\uD800"}') == canonical(b'{ "text": "\\ud800" }')
    assert canonical(b'{"text":"\\ud800"}') != canonical(b'{"text":"\\ud801"}')
