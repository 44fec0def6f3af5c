"""The accounts at the vendors, in one secret, for those that call vendors."""

import os
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

import msgspec

from sms_gateway.config.cached_setting import CachedSetting
from sms_gateway.config.secrets import fetch_secret
from sms_gateway.core.observability import increment, logger
from sms_gateway.core.value_object import ValueObject
from sms_gateway.vendors.adapter import Adapter
from sms_gateway.vendors.registry import VENDORS, build_adapter

NO_ACCOUNT = "No vendor has an account yet; the operator sets one with smsgw vendors set."


class Accounts(ValueObject, frozen=True):
    """The usable vendor accounts; `faults` says what is wrong with the others."""

    adapters: Mapping[str, Adapter]
    faults: Mapping[str, str]
    marks: Mapping[str, Mapping[str, str]] = {}  # of those without secrets, by vendor and setting

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
    return build_accounts(settings)


def build_accounts(
    settings: Mapping[str, Any], marks: Mapping[str, Mapping[str, str]] = MappingProxyType({})
) -> Accounts:
    """Build the adapters, and log and count those that are refused."""
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
    return Accounts(adapters, faults, marks)


_accounts = CachedSetting(
    "accounts",
    lambda: fetch_secret(os.environ["ACCOUNTS_SECRET"]),
    parse_accounts,
    advice=NO_ACCOUNT,
)
