"""The accounts at the vendors, all in one secret."""

from collections.abc import Mapping
from typing import Any

import msgspec

from sms_gateway.config.cached_setting import CachedSetting, fetch_secret
from sms_gateway.core.observability import increment, logger
from sms_gateway.core.value_object import ValueObject
from sms_gateway.vendors.adapter import Adapter
from sms_gateway.vendors.registry import VENDORS, build_adapter

CALLBACK_KEY = "callback_key"  # the secret's entry that is no vendor


class Accounts(ValueObject, frozen=True):
    """The vendors' accounts as far as they are good; `faults` names what is wrong with the rest."""

    adapters: Mapping[str, Adapter]
    faults: Mapping[str, str]
    callback_key: bytes

    def __repr__(self) -> str:
        return f"Accounts({', '.join(self.adapters)})"


def accounts() -> Accounts:
    """The accounts of the secret. Raises Unavailable when it is missing, or no JSON object."""
    return _accounts.get()


def parse_accounts(written: str) -> Accounts:
    """The accounts of a secret's text. One vendor's bad settings don't put out the others. Raises
    ValueError when the whole can't be used; messages name settings, never their values."""
    try:
        every = msgspec.json.decode(written, type=dict[str, Any])
    except msgspec.DecodeError:
        raise ValueError("it must be a JSON object of vendors") from None
    key = every.pop(CALLBACK_KEY, None)
    if not isinstance(key, str) or len(key) < 32:
        raise ValueError(f"{CALLBACK_KEY} must be a text of at least 32 characters")
    adapters: dict[str, Adapter] = {}
    faults: dict[str, str] = {}
    for vendor, account in every.items():
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
