"""The unguessable addresses that vendors call back: a submission's key and a MAC of it.

`<batch ULID><sort key><HMAC-SHA256, 130 bits in base32>`: checked without a read, so that guessing
costs the guesser a request and us nothing.
"""

import hmac
from base64 import b32encode

from sms_gateway.storage.models import ItemKey

MAC_LENGTH = 26  # base32 characters: 130 bits
ACCOUNT = "ACCOUNT"  # the token of a vendor that has one callback address for its whole account


def make_token(vendor: str, key: ItemKey | None, secret: bytes) -> str:
    """The token of a submission, or of the vendor's account: letters and digits only."""
    subject = ACCOUNT if key is None else f"{key.batch}{key.sort.replace('#', '')}"
    return subject + _mac(vendor, subject, secret)


def verify_token(vendor: str, given: str, secret: bytes) -> ItemKey | None:
    """The submission that a token speaks of; None for the account's. Raises ValueError for a token
    that is not ours (compared in constant time)."""
    subject, mac = given[:-MAC_LENGTH], given[-MAC_LENGTH:]
    if not given.isascii() or not hmac.compare_digest(mac, _mac(vendor, subject, secret)):
        raise ValueError("not a token of ours")
    if subject == ACCOUNT:
        return None
    return ItemKey(subject[:26], f"{subject[26]}#{subject[27:]}")


def _mac(vendor: str, subject: str, secret: bytes) -> str:
    digest = hmac.digest(secret, f"{vendor}/{subject}".encode(), "sha256")
    return b32encode(digest).decode()[:MAC_LENGTH]
