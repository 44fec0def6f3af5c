"""Standard Webhooks signatures, and the secrets that make them. No I/O.

A webhook's secret is not stored: it is the HMAC of the webhook's id, its nonce and a generation
under the stack's key. Rotating increments the generation; earlier ones sign too for a while.
"""

import hmac
from base64 import b64encode
from collections.abc import Mapping, Sequence
from datetime import datetime

from sms_gateway.core.timestamps import epoch_seconds


def derive_secret(key: bytes, webhook: str, nonce: str | None, generation: int) -> str:
    """Derive a webhook's secret of one generation, in the form of the receiver's library.

    Webhooks of before 2026-11-26 have no nonce.
    """
    parts = ["webhook", webhook, *([nonce] if nonce else []), str(generation)]
    digest = hmac.digest(key, "/".join(parts).encode(), "sha256")
    return f"whsec_{b64encode(digest).decode()}"


def sign_headers(
    identifier: str, now: datetime, body: str, secrets: Sequence[str]
) -> Mapping[str, str]:
    """Make the headers of one attempt; each attempt of a delivery has the same id."""
    from standardwebhooks import Webhook  # saves start-up time: most starts sign nothing

    signed = [Webhook(secret).sign(identifier, now, body) for secret in secrets]
    return {
        "Content-Type": "application/json",
        "webhook-id": identifier,
        "webhook-timestamp": str(epoch_seconds(now)),
        "webhook-signature": " ".join(signed),
    }
