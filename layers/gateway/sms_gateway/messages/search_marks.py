"""Marks of numbers and references: what a search compares before it reads a message.

A mark is the first bytes of a keyed hash. It says which messages can't be meant; one that can is
read and compared itself.
"""

import hmac
from collections.abc import Iterable

from sms_gateway.config.stack_keys import derive_search_key, search_keys
from sms_gateway.core.derived_keys import Secret
from sms_gateway.core.problems import ServiceUnavailableError
from sms_gateway.storage.items import MARK_BYTES
from sms_gateway.storage.models import MessageContent

MAX_MARKS = 100  # in a batch's own item and its entry, which have room for these 400 bytes


def marks_of(tenant: str, contents: Iterable[MessageContent], message_key: Secret) -> bytes | None:
    """Return the marks of a batch's messages, each once.

    None without a usable key: that stops no message.
    """
    found: dict[tuple[str, str], None] = {}
    for content in contents:
        found["to", content.to] = None
        if content.reference is not None:
            found["reference", content.reference] = None
    try:
        key = derive_search_key(message_key()).encode()
    except ServiceUnavailableError:
        return None
    return b"".join(_mark(key, tenant, kind, value) for kind, value in found)


def wanted_marks(tenant: str, kind: str, value: str) -> frozenset[bytes]:
    """Return the marks of a number (kind `to`) or a reference, one for each key.

    Raises ServiceUnavailableError.
    """
    return frozenset(_mark(key, tenant, kind, value) for key in search_keys())


def _mark(key: bytes, tenant: str, kind: str, value: str) -> bytes:
    # A tenant and a kind have no slash.
    return hmac.digest(key, f"{kind}/{tenant}/{value}".encode(), "sha256")[:MARK_BYTES]
