"""The key that the webhooks' secrets follow from."""

from sms_gateway.config.cached_setting import CachedSetting, fetch_secret


def webhook_key() -> bytes:
    """The key from which the webhooks' secrets follow. Raises Unavailable when there is none."""
    return _webhook_key.get()


def parse_webhook_key(written: str) -> bytes:
    """The key that a secret's text is. Raises ValueError."""
    if len(written) < 32:
        raise ValueError("it must be a text of at least 32 characters")
    return written.encode()


_webhook_key = CachedSetting("webhook-key", "WEBHOOK_SECRET", fetch_secret, parse_webhook_key)
