"""Unguessable callback addresses: a submission's key, an expiry and their MAC.

`<batch ULID><sort key><hour of expiry><HMAC-SHA256, 105 bits in base32>`: verified without a read,
so neither a guess nor an old address costs us one.
"""

import hmac
from base64 import b32encode

from sms_gateway.core.timestamps import DAY_SECONDS, HOUR_SECONDS
from sms_gateway.storage.models import ItemKey

MAC_LENGTH = 21  # base32 characters: 105 bits
EXPIRY_LENGTH = 5  # hexadecimal digits: hours since 1970, until 2089
ACCOUNT = "ACCOUNT"  # the subject of a token for a vendor's whole account
# How long after its message's deadline a report is still taken, which settles `unknown`: as long
# as a vendor's own id leads to its message.
LATE_SECONDS = 7 * DAY_SECONDS


class ForgedTokenError(ValueError):
    """Not a token of this gateway, or not of this vendor."""


class ExpiredTokenError(ValueError):
    """A token of this gateway whose message's deadline passed long ago."""


def make_token(vendor: str, key: ItemKey, deadline: int, secret: bytes) -> str:
    """Make the token of a submission, letters and digits only.

    `deadline` is when its messages end without a receipt (epoch seconds); the token is good for
    LATE_SECONDS more.
    """
    expiry = -(-(deadline + LATE_SECONDS) // HOUR_SECONDS)
    subject = f"{key.batch}{key.sort.replace('#', '')}{expiry:0{EXPIRY_LENGTH}X}"
    return subject + _mac(vendor, subject, secret)


def make_account_token(vendor: str, secret: bytes) -> str:
    """Make the token of a vendor's account, which is good until the key is changed."""
    return ACCOUNT + _mac(vendor, ACCOUNT, secret)


def verify_token(vendor: str, token: str, secret: bytes, now: int) -> ItemKey | None:
    """Return the submission of a token at `now` (epoch seconds), None for the account's.

    Raises ForgedTokenError, ExpiredTokenError. Compares in constant time.
    """
    subject, mac = token[:-MAC_LENGTH], token[-MAC_LENGTH:]
    if not token.isascii() or not hmac.compare_digest(mac, _mac(vendor, subject, secret)):
        raise ForgedTokenError("not a token of this gateway")
    if subject == ACCOUNT:
        return None
    if int(subject[-EXPIRY_LENGTH:], 16) * HOUR_SECONDS <= now:
        raise ExpiredTokenError("a token of this gateway that has expired")
    return ItemKey(subject[:26], f"{subject[26]}#{subject[27:-EXPIRY_LENGTH]}")


def _mac(vendor: str, subject: str, secret: bytes) -> str:
    digest = hmac.digest(secret, f"{vendor}/{subject}".encode(), "sha256")
    return b32encode(digest).decode()[:MAC_LENGTH]
