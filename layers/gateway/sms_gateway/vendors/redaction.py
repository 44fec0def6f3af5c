"""What may be kept of a vendor's answer that nobody understands."""

import re

from sms_gateway.vendors.types import SubmitCall

MAX_LENGTH = 300  # characters

_NUMBERS = re.compile(r"\d{5,}")


def redact(body: bytes, call: SubmitCall | None = None) -> str:
    """The beginning of an answer, without long runs of digits (numbers, one-time codes, keys) and
    without the texts and the codes that were sent."""
    shown = body[: MAX_LENGTH * 8].decode("utf-8", "replace")
    for member in call.members[:50] if call else ():
        shown = shown.replace(member.text, "[text]")
        if member.one_time_code and member.one_time_code.code:
            shown = shown.replace(member.one_time_code.code, "[code]")
    return _NUMBERS.sub("[digits]", shown)[:MAX_LENGTH]
