"""Replies for property tests: any bytes, and JSON of any shape made of a vendor's own keys."""

import json

from hypothesis import strategies as st


def replies(keys: list[str], codes: list[str]) -> st.SearchStrategy[bytes]:
    """Bodies that hold anything, or documents of `keys` with `codes` among their values."""
    codes_and_numbers = st.sampled_from(codes).flatmap(
        lambda code: st.sampled_from([code, int(code)])
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
