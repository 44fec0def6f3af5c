"""What may be kept of a vendor's answer that nobody understands."""

import re

from sms_gateway.vendors.types import Call

LONGEST = 300  # characters

_NUMBERS = re.compile(r"\d{5,}")


def redact(body: bytes, call: Call | None = None) -> str:
    """The beginning of an answer, without long runs of digits (numbers, one-time codes, keys) and
    without the texts and the codes that were sent."""
    shown = body[: LONGEST * 8].decode("utf-8", "replace")
    for member in call.members[:50] if call else ():
        shown = shown.replace(member.text, "[text]")
        if member.token and member.token.code:
            shown = shown.replace(member.token.code, "[code]")
    return _NUMBERS.sub("[digits]", shown)[:LONGEST]
