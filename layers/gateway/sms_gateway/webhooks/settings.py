"""The stack's key, from which the webhooks' secrets are derived."""

from sms_gateway.config.cached_setting import CachedSetting
from sms_gateway.config.stack_keys import WEBHOOK_KEY, fetch_key, parse_key


def webhook_key() -> bytes:
    """Return the key. Raise ServiceUnavailableError when there is none."""
    return _webhook_key.get()


_webhook_key = CachedSetting(
    "webhook-key",
    lambda: fetch_key(WEBHOOK_KEY),
    parse_key,
    advice="The webhooks' key is not made yet; the operator makes it with a key that may manage "
    "webhooks: smsgw keys create --scope webhooks:manage.",
)
