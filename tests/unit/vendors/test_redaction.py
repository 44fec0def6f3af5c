"""What is kept of a strange answer shows nobody's number, text or key."""

import re

from hypothesis import given
from hypothesis import strategies as st

from sms_gateway.vendors.redaction import MAX_LENGTH, redact
from sms_gateway.vendors.types import OutgoingMessage, Request, SubmitCall

CALL = SubmitCall(
    Request("GET", "https://x.example"),
    (OutgoingMessage("1", "+911000000001", "Your code is 1234"),),
)


@given(st.binary())
def test_no_long_run_of_digits_is_left(body: bytes) -> None:
    kept = redact(body, CALL)
    assert not re.search(r"\d{5}", kept)
    assert len(kept) <= MAX_LENGTH


def test_texts_that_were_sent_are_left_out() -> None:
    said = b"error for 911000000001 (Your code is 1234): try 12345 later, code 99"
    assert redact(said, CALL) == "error for [digits] ([text]): try [digits] later, code 99"
