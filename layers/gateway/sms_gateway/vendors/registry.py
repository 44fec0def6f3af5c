"""The built-in vendors, by name. An adapter's module is imported only for an account.

Others are described: `config.described_vendors` finds them by what their accounts say.
"""

import re
from collections.abc import Mapping
from dataclasses import fields
from importlib import import_module
from typing import Any

import msgspec

from sms_gateway.vendors.adapter import Adapter


class Vendor(msgspec.Struct, frozen=True):
    """A vendor's adapter class, and the prefix of its own country, which is its default route."""

    adapter: str
    prefix: str


# The one list of vendors: `python -m tools.generate` writes what repeats for each of them.
VENDORS: Mapping[str, Vendor] = {
    "jst": Vendor("Jst", "+91"),
    "dinisoft": Vendor("Dinisoft", "+880"),
    "server2sms": Vendor("Server2sms", "+41"),
    "rajasms": Vendor("RajaSms", "+62"),
}


NAME = re.compile(r"[a-z][a-z0-9]{1,19}")  # of a vendor, built in or described


def is_vendor_name(name: str) -> bool:
    """Return whether a name may be a vendor's, which says nothing of whether it is there."""
    return NAME.fullmatch(name) is not None


def adapter_class(vendor: str) -> type[Adapter]:
    """Return the adapter of a vendor in VENDORS; KeyError for another name."""
    module = import_module(f"sms_gateway.vendors.{vendor}.adapter")
    found: type[Adapter] = getattr(module, VENDORS[vendor].adapter)
    return found


def build_adapter(vendor: str, settings: Mapping[str, Any]) -> Adapter:
    """Build the adapter for an account's settings.

    Raises ValueError with one sentence that names the setting at fault and never its value.
    """
    return build(adapter_class(vendor), settings)


def build[A: Adapter](cls: type[A], settings: Mapping[str, Any]) -> A:
    """Build an adapter of a class, as `build_adapter` does. Raises ValueError."""
    unknown = sorted(set(settings) - {field.name for field in fields(cls)})
    if unknown:
        raise ValueError(f"unknown setting {unknown[0]}")
    try:
        return msgspec.convert(dict(settings), cls)
    except msgspec.ValidationError as error:
        raise ValueError(str(error)) from None


def secret_settings(cls: type[Adapter]) -> list[str]:
    """Return the names of an adapter's secret settings: those that its `repr` hides."""
    return [field.name for field in fields(cls) if not field.repr]
