"""Whose a voucher is: its reference, which stands in the vendor's list, says so to us alone.

A reference is a ULID of which eight letters, 40 bits, are a MAC of the rest and of the tenant. So
nothing is stored, and nobody can make a voucher look like another tenant's, or claim one.
"""

import hmac
import re
from datetime import datetime

import msgspec

from sms_gateway.core.derived_keys import derive_key
from sms_gateway.core.ulids import marked, new_ulid
from sms_gateway.vendors.account_services import Voucher

_REFERENCE = re.compile(r"0[0-9A-HJKMNP-TV-Z]{25}", re.IGNORECASE)


def new_reference(tenant: str, now: datetime, secret: bytes) -> str:
    """Make a reference for a tenant's vouchers."""
    return _signed(new_ulid(now), tenant, secret)


def belongs_to(voucher: Voucher, tenant: str, secret: bytes) -> bool:
    """Return whether a voucher was made by this tenant; one made elsewhere belongs to nobody."""
    row = msgspec.json.encode(voucher.data).decode()
    return any(
        hmac.compare_digest(_signed(found.upper(), tenant, secret), found.upper())
        for found in _REFERENCE.findall(row)
    )


def _signed(ulid: str, tenant: str, secret: bytes) -> str:
    key = derive_key(secret, "voucher references")
    return marked(ulid, hmac.digest(key, f"{ulid[:10]}{ulid[18:]}/{tenant}".encode(), "sha256"))
