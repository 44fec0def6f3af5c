"""The accounts at the vendors, in one secret, for those that call vendors."""

import os
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

import msgspec

from sms_gateway.config.cached_setting import CachedSetting
from sms_gateway.config.secrets import fetch_secret
from sms_gateway.config.stored_settings import DESCRIPTION
from sms_gateway.core.observability import increment, logger
from sms_gateway.core.value_object import ValueObject
from sms_gateway.vendors.adapter import Adapter
from sms_gateway.vendors.registry import VENDORS, adapter_class, build_adapter

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
        if not isinstance(account, dict):
            faults[vendor] = "its settings must be an object"
        else:
            try:
                adapters[vendor] = build_account(vendor, account)
            except ValueError as error:
                faults[vendor] = str(error)
    for vendor, fault in faults.items():
        logger.error("account refused", extra={"vendor": vendor, "fault": fault})
        increment("SettingsRefused")
    for vendor, adapter in adapters.items():
        for warning in adapter.warnings:
            logger.warning("account warning", extra={"vendor": vendor, "warning": warning})
    return Accounts(adapters, faults, marks)


def build_account(vendor: str, account: Mapping[str, Any]) -> Adapter:
    """Build the adapter of a vendor, built in or described. Raises ValueError."""
    if vendor in VENDORS:
        return build_adapter(vendor, account)
    from sms_gateway.config.described_vendors import build_described  # few have one: starts faster

    return build_described(vendor, account)


def account_class(vendor: str, account: Mapping[str, Any]) -> type[Adapter]:
    """Return the class of a vendor's account. Raises ValueError for one that can't be known."""
    if vendor in VENDORS:
        return adapter_class(vendor)
    from sms_gateway.config.described_vendors import described_class

    return described_class(vendor, account)


def with_descriptions(written: str | None) -> str | None:
    """Read the descriptions that accounts go by, and return the accounts.

    A space more stands for each that is missing: once it is there, the text is another, and the
    accounts are built anew. Raises SettingUnreadableError.
    """
    if written is None or f'"{DESCRIPTION}"' not in written:
        return written
    from sms_gateway.config.described_vendors import load_descriptions

    return written + " " * load_descriptions(written)


_accounts = CachedSetting(
    "accounts",
    lambda: with_descriptions(fetch_secret(os.environ["ACCOUNTS_SECRET"])),
    parse_accounts,
    advice=NO_ACCOUNT,
)
