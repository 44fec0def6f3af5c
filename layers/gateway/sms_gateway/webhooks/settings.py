"""The stack's key, from which the webhooks' secrets are derived."""

import os

from sms_gateway.config.cached_setting import CachedSetting
from sms_gateway.config.secrets import fetch_secret


def webhook_key() -> bytes:
    """Return the key. Raise ServiceUnavailableError when there is none."""
    return _webhook_key.get()


def parse_webhook_key(written: str) -> bytes:
    """Parse the key from its secret. Raise ValueError."""
    if len(written) < 32:
        raise ValueError("it must be a text of at least 32 characters")
    return written.encode()


_webhook_key = CachedSetting(
    "webhook-key",
    lambda: fetch_secret(os.environ["WEBHOOK_SECRET"]),
    parse_webhook_key,
    advice="The webhooks' key is not made yet; the operator makes it with a key that may manage "
    "webhooks: smsgw keys create --scope webhooks:manage.",
)
