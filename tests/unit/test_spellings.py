"""The search for what must not be shown finds it in any spelling."""

import base64
from urllib.parse import quote, urlencode

import pytest

from testing.spellings import found_in

HIDDEN = "Hello Ärmel, 738201/key+1"


@pytest.mark.parametrize(
    "words",
    [
        HIDDEN,
        HIDDEN.upper(),
        HIDDEN.lower(),
        quote(HIDDEN, safe=""),
        urlencode({"text": HIDDEN}),
        ascii(HIDDEN),
        *(
            base64.b64encode(b"x" * shift + HIDDEN.encode() + b"y" * 5).decode()
            for shift in range(3)
        ),
    ],
)
def test_it_is_found(words: str) -> None:
    assert found_in(f'{{"message": "{words}"}}', [HIDDEN, "another"]) == {HIDDEN}


def test_what_is_not_there_is_not_found() -> None:
    assert not found_in("Hello 738202, nothing to see", [HIDDEN, "another"])
