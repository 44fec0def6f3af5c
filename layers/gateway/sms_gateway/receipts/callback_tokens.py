"""Unguessable callback addresses: a submission's key and its MAC.

`<batch ULID><sort key><HMAC-SHA256, 130 bits in base32>`: verified without a read, so a guess
costs us nothing.
"""

import hmac
from base64 import b32encode

from sms_gateway.storage.models import ItemKey

MAC_LENGTH = 26  # base32 characters: 130 bits
ACCOUNT = "ACCOUNT"  # the subject of a token for a vendor's whole account


def make_token(vendor: str, key: ItemKey | None, secret: bytes) -> str:
    """Make the token of a submission, or of the vendor's account: letters and digits only."""
    subject = ACCOUNT if key is None else f"{key.batch}{key.sort.replace('#', '')}"
    return subject + _mac(vendor, subject, secret)


def verify_token(vendor: str, token: str, secret: bytes) -> ItemKey | None:
    """Return the submission of a token, None for the account's; raise ValueError if it is forged.

    Compares in constant time.
    """
    subject, mac = token[:-MAC_LENGTH], token[-MAC_LENGTH:]
    if not token.isascii() or not hmac.compare_digest(mac, _mac(vendor, subject, secret)):
        raise ValueError("not a token of this gateway")
    if subject == ACCOUNT:
        return None
    return ItemKey(subject[:26], f"{subject[26]}#{subject[27:]}")


def _mac(vendor: str, subject: str, secret: bytes) -> str:
    digest = hmac.digest(secret, f"{vendor}/{subject}".encode(), "sha256")
    return b32encode(digest).decode()[:MAC_LENGTH]
