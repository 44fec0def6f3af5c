"""Keys for one use each, derived from a secret of the stack: a leak of one reveals no other."""

import hmac
from collections.abc import Callable

type Secret = Callable[[], bytes]  # of the stack; it is read when it is first needed


def derive_key(secret: bytes, use: str) -> bytes:
    """Return the key for one use, 32 bytes."""
    return hmac.digest(secret, use.encode(), "sha256")
