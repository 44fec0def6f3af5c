"""The stack's own keys: versions of one secret, each with a label, by which IAM says who reads it.

The callback key makes the vendors' callback addresses unguessable, and only those who build or
verify one may read it. The message key seals the texts of codes, derives codes, and keys digests.
The search key, which is derived from it, marks numbers and references: those that accept messages
derive it, and those that only search read it under its own label.
From the webhooks' key the webhooks' secrets are derived. ADR 0041 says why it is one secret.
"""

import os

import msgspec

from sms_gateway.config.cached_setting import CachedSetting
from sms_gateway.config.secrets import fetch_secret
from sms_gateway.core.derived_keys import derive_key

MIN_LENGTH = 32  # characters
# The labels.
CALLBACK_KEY, MESSAGE_KEY, WEBHOOK_KEY = "CALLBACK_KEY", "MESSAGE_KEY", "WEBHOOK_KEY"
SEARCH_KEY = "SEARCH_KEY"
NOT_MADE = "The stack's keys are not made yet; the operator makes them with smsgw vendors set."


class CallbackKeys(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """The key of new addresses, and the one before it, whose addresses are still answered.

    `marks` is the key of the accounts' marks, which no rotation changes.
    """

    current: str
    marks: str
    previous: str | None = None

    def __post_init__(self) -> None:
        for key in (self.current, self.marks, self.previous):
            if key is not None and len(key) < MIN_LENGTH:
                raise ValueError(f"each key must have at least {MIN_LENGTH} characters")

    def __repr__(self) -> str:
        return "CallbackKeys()"

    @property
    def accepted(self) -> list[bytes]:
        """The keys whose addresses are answered, the current one first."""
        return [key.encode() for key in (self.current, self.previous) if key is not None]


def callback_keys() -> CallbackKeys:
    """Return the keys of callback addresses. Raises ServiceUnavailableError without them."""
    return _callback_keys.get()


def message_key() -> bytes:
    """Return the message key. Raises ServiceUnavailableError without one."""
    return _message_key.get()


def search_keys() -> list[bytes]:
    """Return the keys of marks, of present and earlier ones. Raises ServiceUnavailableError."""
    return _search_keys.get()


def parse_callback_keys(written: str) -> CallbackKeys:
    """Parse the keys from their secret. Raises ValueError, which shows none of them."""
    try:
        return msgspec.json.decode(written, type=CallbackKeys)
    except msgspec.DecodeError as error:
        raise ValueError(str(error)) from None


def fetch_key(label: str) -> str | None:
    """Return a key's text; None when nobody made it. Raises SettingUnreadableError."""
    return fetch_secret(os.environ["KEYS_SECRET"], label)


def parse_key(written: str) -> bytes:
    """Parse a key that is a text alone. Raises ValueError."""
    if len(written) < MIN_LENGTH:
        raise ValueError(f"it must be a text of at least {MIN_LENGTH} characters")
    return written.encode()


def derive_search_key(message: bytes) -> str:
    """Return the key of marks that belongs to a message key, as its label's text has it."""
    return derive_key(message, "search").hex()


def parse_search_keys(written: str) -> list[bytes]:
    """Parse keys with white space between them. Raises ValueError."""
    return [parse_key(one) for one in written.split()] or [parse_key("")]


_callback_keys = CachedSetting(
    "callback-key", lambda: fetch_key(CALLBACK_KEY), parse_callback_keys, advice=NOT_MADE
)
_message_key = CachedSetting(
    "message-key", lambda: fetch_key(MESSAGE_KEY), parse_key, advice=NOT_MADE
)
_search_keys = CachedSetting(
    "search-key", lambda: fetch_key(SEARCH_KEY), parse_search_keys, advice=NOT_MADE
)
