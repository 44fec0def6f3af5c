"""Standard Webhooks signatures, and the secrets that make them. No I/O.

A webhook's secret is not stored: it is the HMAC of the webhook's id, a nonce made with it and a
generation under the stack's own key. Rotating counts the generation up; those before sign too for
a while.
"""

import hmac
from base64 import b64encode
from collections.abc import Mapping, Sequence
from datetime import datetime

from sms_gateway.core.timestamps import epoch_seconds


def derive_secret(key: bytes, webhook: str, nonce: str | None, generation: int) -> str:
    """A webhook's secret of one generation, as the receiver's library takes it. Webhooks of before
    2026-11-26 have no nonce."""
    parts = ["webhook", webhook, *([nonce] if nonce else []), str(generation)]
    made = hmac.digest(key, "/".join(parts).encode(), "sha256")
    return f"whsec_{b64encode(made).decode()}"


def sign_headers(
    identifier: str, now: datetime, body: str, secrets: Sequence[str]
) -> Mapping[str, str]:
    """The headers of one attempt; the id stays the same over all of them."""
    from standardwebhooks import Webhook  # most starts of a function sign nothing

    signed = [Webhook(one).sign(identifier, now, body) for one in secrets]
    return {
        "Content-Type": "application/json",
        "webhook-id": identifier,
        "webhook-timestamp": str(epoch_seconds(now)),
        "webhook-signature": " ".join(signed),
    }
