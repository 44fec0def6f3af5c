"""The accounts at the vendors, in one secret."""

from collections.abc import Mapping
from typing import Any

import msgspec

from sms_gateway.config.cached_setting import CachedSetting, fetch_secret
from sms_gateway.core.observability import increment, logger
from sms_gateway.core.value_object import ValueObject
from sms_gateway.vendors.adapter import Adapter
from sms_gateway.vendors.registry import VENDORS, build_adapter

CALLBACK_KEY = "callback_key"  # the secret's one entry that is not a vendor


class Accounts(ValueObject, frozen=True):
    """The usable vendor accounts; `faults` says what is wrong with the others."""

    adapters: Mapping[str, Adapter]
    faults: Mapping[str, str]
    callback_key: bytes

    def __repr__(self) -> str:
        return f"Accounts({', '.join(self.adapters)})"


def accounts() -> Accounts:
    """Return the configured accounts. Raises ServiceUnavailableError without a valid secret."""
    return _accounts.get()


def parse_accounts(text: str) -> Accounts:
    """Parse the secret; one vendor's invalid settings leave the others usable.

    Raises ValueError when the whole is not usable. Messages name settings, never their values.
    """
    try:
        settings = msgspec.json.decode(text, type=dict[str, Any])
    except msgspec.DecodeError:
        raise ValueError("it must be a JSON object of vendors") from None
    key = settings.pop(CALLBACK_KEY, None)
    if not isinstance(key, str) or len(key) < 32:
        raise ValueError(f"{CALLBACK_KEY} must be a text of at least 32 characters")
    adapters: dict[str, Adapter] = {}
    faults: dict[str, str] = {}
    for vendor, account in settings.items():
        if vendor not in VENDORS:
            faults[vendor] = f"unknown vendor; there are {', '.join(VENDORS)}"
        elif not isinstance(account, dict):
            faults[vendor] = "its settings must be an object"
        else:
            try:
                adapters[vendor] = build_adapter(vendor, account)
            except ValueError as error:
                faults[vendor] = str(error)
    for vendor, fault in faults.items():
        logger.error("account refused", extra={"vendor": vendor, "fault": fault})
        increment("SettingsRefused")
    for vendor, adapter in adapters.items():
        for warning in adapter.warnings:
            logger.warning("account warning", extra={"vendor": vendor, "warning": warning})
    return Accounts(adapters, faults, key.encode())


_accounts = CachedSetting("accounts", "ACCOUNTS_SECRET", fetch_secret, parse_accounts)
