"""Seal the text of an `otp` while it waits for its vendor, and open it for the call. No I/O.

The table has the sealed text with the message and a random seed with the submission. It takes both
and the message key to read it, so the write that makes either of them final forgets it.
Source of the construction: HMAC-SHA256 in counter mode (NIST SP 800-108, 4.1) gives the keystream,
and the tag covers what it made (encrypt, then MAC). ADR 0033 says why it is no library's.
"""

import hmac
import secrets
from datetime import datetime

import msgspec

from sms_gateway.core.derived_keys import Secret, derive_key
from sms_gateway.storage.models import Message, MessageContent, SealedText
from sms_gateway.vendors.types import OutgoingMessage

SEED_BYTES = 16
TAG_BYTES = 16


class SealBrokenError(Exception):
    """The text is gone, or was sealed with another secret."""

    def __init__(self) -> None:
        super().__init__("the text can't be opened: was the message key changed?")


def new_seed() -> bytes:
    """Draw the seed of one submission."""
    return secrets.token_bytes(SEED_BYTES)


def without_text(content: MessageContent) -> MessageContent:
    """Return the content to store in the clear: that of an `otp` has no text."""
    return msgspec.structs.replace(content, text="") if content.withheld else content


def seal(content: MessageContent, identifier: str, seed: bytes, key: Secret) -> bytes | None:
    """Seal the text of the `otp` with this id; None for another category."""
    if not content.withheld:
        return None
    secret, subject = key(), seed + identifier.encode()
    hidden = _mask(content.text.encode(), derive_key(secret, "text/seal"), subject)
    return _tag(hidden, secret, subject) + hidden


def open_content(message: Message, key: Secret) -> MessageContent:
    """Return a message's content with its text. Raise SealBrokenError."""
    if not message.content.withheld:
        return message.content
    if message.sealed is None:
        raise SealBrokenError
    text = _open(message.sealed, message.id, key())
    return msgspec.structs.replace(message.content, text=text)


def open_outgoing(message: Message, key: Secret, now: datetime) -> OutgoingMessage:
    """Return a message for a vendor adapter, with its text. Raise SealBrokenError."""
    return open_content(message, key).outgoing(message.id, now)


def known_text(message: Message, key: Secret) -> str:
    """Return a message's text, to redact it from a vendor's words; empty when it is gone."""
    try:
        return open_content(message, key).text
    except SealBrokenError:
        return ""


def _open(sealed: SealedText, identifier: str, secret: bytes) -> str:
    tag, hidden = sealed.data[:TAG_BYTES], sealed.data[TAG_BYTES:]
    subject = sealed.seed + identifier.encode()
    if not hmac.compare_digest(tag, _tag(hidden, secret, subject)):
        raise SealBrokenError
    return _mask(hidden, derive_key(secret, "text/seal"), subject).decode()


def _tag(hidden: bytes, secret: bytes, subject: bytes) -> bytes:
    key = derive_key(secret, "text/tag")
    return hmac.digest(key, subject + hidden, "sha256")[:TAG_BYTES]


def _mask(data: bytes, key: bytes, subject: bytes) -> bytes:
    """Combine data with the keystream of its key and subject: the same once more undoes it."""
    stream = b"".join(
        hmac.digest(key, subject + block.to_bytes(4), "sha256")
        for block in range(-(-len(data) // 32))
    )
    mixed = int.from_bytes(data) ^ int.from_bytes(stream[: len(data)])
    return mixed.to_bytes(len(data))
