"""The vendors as GET /vendors shows them."""

from datetime import datetime
from typing import Any

from msgspec.structs import asdict

from sms_gateway.config.vendor_accounts import Accounts
from sms_gateway.core.timestamps import epoch_seconds
from sms_gateway.dispatch.circuit_states import circuit_states
from sms_gateway.storage.balances import Row
from sms_gateway.vendor_accounts.account_check import has_fixed_egress
from sms_gateway.vendor_accounts.balances import last_known
from sms_gateway.vendors.adapter import Adapter, Capabilities
from sms_gateway.vendors.registry import VENDORS, adapter_class, is_vendor_name

# Of a described vendor whose description can't be used: nobody knows what it can do.
NO_CAPABILITIES = Capabilities(**{one: False for one in Capabilities.__struct_fields__})


def vendors_view(accounts: Accounts, now: datetime) -> list[dict[str, Any]]:
    """Return all vendors, built in or described, from stored state; calls no vendor."""
    described = sorted({*accounts.adapters, *accounts.faults} - set(VENDORS))
    vendors = [*VENDORS, *filter(is_vendor_name, described)]
    circuits = circuit_states(vendors, epoch_seconds(now))
    balances = last_known(accounts.adapters)
    return [
        _view(vendor, accounts, circuits[vendor], balances.get(vendor, [])) for vendor in vendors
    ]


def _view(vendor: str, accounts: Accounts, circuit: str, balances: list[Row]) -> dict[str, Any]:
    adapter = accounts.adapters.get(vendor)
    cls = type(adapter) if adapter else adapter_class(vendor) if vendor in VENDORS else None
    fault = accounts.faults.get(vendor)
    problem = {
        "type": "/problems/account-refused",
        "title": "The account's settings can't be used",
        "detail": fault,
        "retryable": False,
        "vendor": vendor,
    }
    return {
        "vendor": vendor,
        "title": cls.title if cls else vendor,
        "configured": adapter is not None,
        "circuit": circuit,
        "capabilities": asdict(cls.capabilities if cls else NO_CAPABILITIES),
        "balances": balances,
        "warnings": [*adapter.warnings, *_address_warnings(adapter)] if adapter else [],
        "problem": problem if fault else None,
    }


def _address_warnings(adapter: Adapter) -> list[str]:
    if adapter.unregistered_address is None or has_fixed_egress():
        return []
    return [
        f"{adapter.title} refuses calls from addresses that it has not registered (code "
        f"{adapter.unregistered_address}), and this gateway has no fixed one: see "
        "docs/guides/egress.md."
    ]
