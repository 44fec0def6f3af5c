"""Write what the accounts' secret says that is no secret, as public_accounts.py reads it.

`smsgw` alone does; whoever accepts messages does not import it.
"""

from collections.abc import Mapping
from typing import Any

import msgspec

from sms_gateway.config.public_accounts import PublicAccount
from sms_gateway.config.vendor_accounts import account_class, build_account
from sms_gateway.vendors.redaction import mark_of
from sms_gateway.vendors.registry import secret_settings


def write_public_accounts(accounts: Mapping[str, object], key: bytes) -> str:
    """Write the setting for the secret's accounts; `key` is that of marks.

    An account that is not valid is left out: what is wrong with it may be a secret in its place.
    """
    known = {
        vendor: _public(vendor, account, key)
        for vendor, account in accounts.items()
        if isinstance(account, dict) and _is_valid(vendor, account)
    }
    return msgspec.json.encode(known, order="sorted").decode()


def _public(vendor: str, account: Mapping[str, Any], key: bytes) -> PublicAccount:
    secret = secret_settings(account_class(vendor, account))
    return PublicAccount(
        {name: value for name, value in account.items() if name not in secret},
        {
            name: str(mark_of(value, key))
            for name, value in account.items()
            if name in secret and isinstance(value, str)
        },
    )


def _is_valid(vendor: str, account: Mapping[str, Any]) -> bool:
    try:
        build_account(vendor, account)
    except ValueError:
        return False
    return True
