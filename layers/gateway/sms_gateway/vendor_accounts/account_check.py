"""A vendor account's check by direct invocation of the balance function.

    {"check": "rajasms"}

IAM alone opens this door: API Gateway's events always have an httpMethod, and a request can't take
it out. The event names a vendor and nothing else: the answer is no tenant's, and nothing is sent.
"""

import os
from collections.abc import Mapping
from datetime import datetime
from typing import Any

import msgspec

from sms_gateway.config.vendor_accounts import Accounts
from sms_gateway.vendor_accounts.balances import Send, get_balances
from sms_gateway.vendors import http_client


class Check(msgspec.Struct, forbid_unknown_fields=True):
    """The event."""

    check: str


def check_account(
    event: Mapping[str, Any], accounts: Accounts, now: datetime, send: Send = http_client.send
) -> dict[str, Any]:
    """Return what the vendor says of its balances, asked at most once a minute.

    `balances` has the rows of GET /balances, none without an account; `fault` says why its settings
    can't be used; `fixed_egress` is whether calls leave from a network that the operator chose.
    Raises msgspec.ValidationError for any other event.
    """
    vendor = msgspec.convert(dict(event), Check).check
    adapter = accounts.adapters.get(vendor)
    return {
        "balances": get_balances({vendor: adapter}, now, send) if adapter else [],
        "fault": accounts.faults.get(vendor),
        "fixed_egress": has_fixed_egress(),
    }


def has_fixed_egress() -> bool:
    """Return whether the functions that call vendors are in the operator's own network."""
    return os.environ["FIXED_EGRESS"] == "true"
