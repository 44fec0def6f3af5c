"""A user pool's custom SMS sender: a code that Cognito made and encrypted, for one user.

Source: "Custom SMS sender Lambda trigger" in the Cognito developer guide.
"""

import base64
import binascii
import hashlib
import re
from collections.abc import Callable, Mapping
from typing import Any

from sms_gateway.core.problems import InvalidRequestError
from sms_gateway.triggers.request import TriggeredSend, encode_body, find_source
from sms_gateway.triggers.settings import CODE, USERNAME, TriggerSources

KIND = "customSMSSenderRequestV1"

# A temporary password comes with HTML's own characters escaped, which a phone shows as they are.
# Source: "Custom sender Lambda triggers" in the same guide.
FIRST_PASSWORD = "CustomSMSSender_AdminCreateUser"  # noqa: S105 - a trigger's name
ESCAPED = re.compile(r"&(?:lt|gt|amp|quot|apos|#[0-9]{2,3}|#x[0-9a-f]{2});", re.IGNORECASE)


def parse(
    event: Mapping[str, Any], sources: TriggerSources, unseal: Callable[[bytes], str]
) -> TriggeredSend:
    """What a user pool asks for; `unseal` decrypts. An event has no id, and its ciphertext is never
    the same twice: that is its key. Raises Invalid that says what is wrong."""
    request = event.get("request")
    if not isinstance(request, dict) or request.get("type") != KIND:
        raise InvalidRequestError(
            f"This is no event of a custom SMS sender ({KIND}).", pointer="/request/type"
        )
    pool = find_source("cognito", str(event.get("userPoolId")), sources.cognito)
    user = request.get("userAttributes")
    to = user.get("phone_number") if isinstance(user, dict) else None
    if not to:
        raise InvalidRequestError(
            "The user has no phone_number.", pointer="/request/userAttributes"
        )
    sealed = request.get("code")
    try:
        ciphertext = base64.b64decode(sealed or "", validate=True)
    except (binascii.Error, TypeError, ValueError):
        ciphertext = b""
    if not ciphertext:
        raise InvalidRequestError("The code is no ciphertext in base64.", pointer="/request/code")
    wording = pool.texts.get(str(event.get("triggerSource")), pool.text)
    # The name first: a code may hold braces, being a password when an administrator makes a user.
    code = unseal(ciphertext)
    if event.get("triggerSource") == FIRST_PASSWORD:
        from html import unescape  # a code needs none of it, and hardly a start is for a password

        code = ESCAPED.sub(lambda found: unescape(found[0]), code)
    text = wording.replace(USERNAME, str(event.get("userName", ""))).replace(CODE, code)
    body = {"to": to, "text": text, "category": "otp"}
    return TriggeredSend(
        pool, encode_body(body), f"cognito/{hashlib.sha256(ciphertext).hexdigest()}"
    )
