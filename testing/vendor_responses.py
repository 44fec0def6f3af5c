"""Replies for property tests: any bytes, and JSON of any shape made of a vendor's own keys."""

import json
from collections.abc import Iterator
from typing import Any

from hypothesis import strategies as st

from testing.vendor_cases import cases


def replies(keys: list[str], codes: list[str]) -> st.SearchStrategy[bytes]:
    """Bodies that hold anything, or documents of `keys` with `codes` among their values."""
    codes_and_numbers = st.sampled_from(codes).flatmap(
        lambda code: st.sampled_from([code, int(code)] if code.lstrip("-").isdecimal() else [code])
    )
    leaves = st.none() | st.booleans() | st.integers() | st.floats() | st.text() | codes_and_numbers
    documents = st.recursive(
        leaves,
        lambda inner: (
            st.lists(inner, max_size=4)
            | st.dictionaries(st.sampled_from(keys) | st.text(), inner, max_size=6)
        ),
        max_leaves=30,
    )
    return st.binary() | documents.map(lambda document: json.dumps(document).encode())


def captured_replies(vendor: str) -> st.SearchStrategy[bytes]:
    """As `replies`, of what the vendor's captured answers have; and those answers, cut short."""
    answers = sorted({case.body for case in cases("expected.json") if case.vendor == vendor})
    keys, values = {"status"}, {"0"}
    for answer in answers:
        for key, value in _leaves(answer):
            keys.add(key)
            values.add(value)
    cut = st.builds(lambda answer, end: answer[:end], st.sampled_from(answers), st.integers(0, 400))
    return cut | replies(sorted(keys), sorted(values))


def _leaves(answer: bytes) -> Iterator[tuple[str, str]]:
    """Yield the keys of a JSON answer at any depth, each with its value as text."""
    try:
        open_values: list[Any] = [json.loads(answer)]
    except (ValueError, RecursionError):
        return
    while open_values:
        value = open_values.pop()
        if isinstance(value, dict):
            yield from ((key, str(item)) for key, item in value.items())
            open_values += value.values()
        elif isinstance(value, list):
            open_values += value
