"""Redact a vendor's unreadable response, so that it can be stored and logged."""

import re

from sms_gateway.vendors.types import SubmitCall

MAX_LENGTH = 300

_NUMBERS = re.compile(r"\d{5,}")


def redact(body: bytes, call: SubmitCall | None = None) -> str:
    """Return the beginning of a response without long runs of digits and without what was sent.

    Numbers, one-time codes and keys are long runs of digits; sent texts and codes are cut out.
    """
    text = body[: MAX_LENGTH * 8].decode("utf-8", "replace")
    for member in call.members[:50] if call else ():
        text = text.replace(member.text, "[text]")
        if member.one_time_code and member.one_time_code.code:
            text = text.replace(member.one_time_code.code, "[code]")
    return _NUMBERS.sub("[digits]", text)[:MAX_LENGTH]
