"""Parse an event of a user pool's custom SMS sender: a code that Cognito made and encrypted.

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

# Cognito escapes HTML's characters in a temporary password, which a phone would show escaped.
# Source: "Custom sender Lambda triggers" in the same guide.
FIRST_PASSWORD = "CustomSMSSender_AdminCreateUser"  # noqa: S105 - a trigger's name
ESCAPED = re.compile(r"&(?:lt|gt|amp|quot|apos|#[0-9]{2,3}|#x[0-9a-f]{2});", re.IGNORECASE)


def parse(
    event: Mapping[str, Any], sources: TriggerSources, decrypt: Callable[[bytes, str], str]
) -> TriggeredSend:
    """Parse an event; its ciphertext, which is never the same twice, makes its key.

    `decrypt` takes the ciphertext and the pool's id. Raise InvalidRequestError.
    """
    request = event.get("request")
    if not isinstance(request, dict) or request.get("type") != KIND:
        raise InvalidRequestError(
            f"This is no event of a custom SMS sender ({KIND}).", pointer="/request/type"
        )
    pool_id = str(event.get("userPoolId"))
    pool = find_source("cognito", pool_id, sources.cognito)
    user = request.get("userAttributes")
    to = user.get("phone_number") if isinstance(user, dict) else None
    if not to:
        raise InvalidRequestError(
            "The user has no phone_number.", pointer="/request/userAttributes"
        )
    ciphertext = _ciphertext(request)
    wording = pool.texts.get(str(event.get("triggerSource")), pool.text)
    code = decrypt(ciphertext, pool_id)
    if event.get("triggerSource") == FIRST_PASSWORD:
        from html import unescape  # only first passwords need it: saves start-up time

        code = ESCAPED.sub(lambda found: unescape(found[0]), code)
    # The name first: a first password may hold braces.
    text = wording.replace(USERNAME, str(event.get("userName", ""))).replace(CODE, code)
    body = {"to": to, "text": text, "category": "otp"}
    return TriggeredSend(
        pool, encode_body(body), f"cognito/{hashlib.sha256(ciphertext).hexdigest()}"
    )


def _ciphertext(request: Mapping[str, Any]) -> bytes:
    try:
        ciphertext = base64.b64decode(request.get("code") or "", validate=True)
    except (binascii.Error, TypeError, ValueError):
        ciphertext = b""
    if not ciphertext:
        raise InvalidRequestError("The code is no ciphertext in base64.", pointer="/request/code")
    return ciphertext
