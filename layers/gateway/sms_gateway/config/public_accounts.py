"""What the accounts' secret says that is no secret, as a setting for those that call no vendor.

The secret is what vendors are called with. `smsgw` writes this setting after it
(account_publishing.py); from it messages are accepted and callbacks read, with no credential in
memory.
"""

from typing import Any

import msgspec

from sms_gateway.config.cached_setting import CachedSetting
from sms_gateway.config.stored_settings import ACCOUNTS, fetch_setting
from sms_gateway.config.vendor_accounts import (
    NO_ACCOUNT,
    Accounts,
    build_accounts,
    with_descriptions,
)
from sms_gateway.vendors.secret_marks import SecretMark

WITHHELD = "*"  # in place of a secret; no letter or digit, so that redaction looks for none


class PublicAccount(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """An account's settings that are no secret, and the marks of the others."""

    settings: dict[str, Any]
    marks: dict[str, str]


def public_accounts() -> Accounts:
    """Return the accounts without secrets. Raises ServiceUnavailableError without any."""
    return _public_accounts.get()


def parse_public_accounts(text: str) -> Accounts:
    """Parse the setting. Raises ValueError when the whole is not usable."""
    try:
        accounts = msgspec.json.decode(text, type=dict[str, PublicAccount])
    except msgspec.DecodeError as error:
        raise ValueError(str(error)) from None
    for account in accounts.values():
        for mark in account.marks.values():
            SecretMark.parse(mark, b"")
    return build_accounts(
        {
            vendor: {**dict.fromkeys(account.marks, WITHHELD), **account.settings}
            for vendor, account in accounts.items()
        },
        {vendor: account.marks for vendor, account in accounts.items()},
    )


_public_accounts = CachedSetting(
    ACCOUNTS,
    lambda: with_descriptions(fetch_setting(ACCOUNTS)),
    parse_public_accounts,
    advice=NO_ACCOUNT,
)
