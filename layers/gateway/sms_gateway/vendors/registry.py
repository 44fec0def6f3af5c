"""The vendors, by name. An adapter's module is imported only when its account is configured."""

from collections.abc import Mapping
from dataclasses import fields
from importlib import import_module
from typing import Any

import msgspec

from sms_gateway.vendors.adapter import Adapter

VENDORS: Mapping[str, str] = {
    "jst": "Jst",
    "dinisoft": "Dinisoft",
    "server2sms": "Server2sms",
    "rajasms": "RajaSms",
}


def adapter_class(vendor: str) -> type[Adapter]:
    """The adapter of a vendor in VENDORS; KeyError for another name."""
    module = import_module(f"sms_gateway.vendors.{vendor}.adapter")
    found: type[Adapter] = getattr(module, VENDORS[vendor])
    return found


def build_adapter(vendor: str, settings: Mapping[str, Any]) -> Adapter:
    """The adapter for an account's settings. Raises ValueError with one sentence that names the
    setting at fault and never its value."""
    cls = adapter_class(vendor)
    unknown = sorted(set(settings) - {field.name for field in fields(cls)})
    if unknown:
        raise ValueError(f"unknown setting {unknown[0]}")
    try:
        return msgspec.convert(dict(settings), cls)
    except msgspec.ValidationError as error:
        raise ValueError(str(error)) from None
