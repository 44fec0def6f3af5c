"""The stack's key, from which the webhooks' secrets are derived."""

from sms_gateway.config.cached_setting import CachedSetting, fetch_secret


def webhook_key() -> bytes:
    """Return the key. Raise ServiceUnavailableError when there is none."""
    return _webhook_key.get()


def parse_webhook_key(written: str) -> bytes:
    """Parse the key from its secret. Raise ValueError."""
    if len(written) < 32:
        raise ValueError("it must be a text of at least 32 characters")
    return written.encode()


_webhook_key = CachedSetting("webhook-key", "WEBHOOK_SECRET", fetch_secret, parse_webhook_key)
