"""Each vendor as GET /vendors shows it."""

from dataclasses import asdict
from typing import Any

from sms_gateway import table
from sms_gateway.settings import Accounts
from sms_gateway.vendors import VENDORS, adapter_class


def vendors_view(accounts: Accounts) -> list[dict[str, Any]]:
    """All vendors there are, configured or not."""
    # closed (well), open (left alone) or half_open (being tried)
    circuits = table.circuits(list(VENDORS))
    return [_view(vendor, accounts, circuits.get(vendor, "CLOSED").lower()) for vendor in VENDORS]


def _view(vendor: str, accounts: Accounts, circuit: str) -> dict[str, Any]:
    cls, adapter = adapter_class(vendor), accounts.adapters.get(vendor)
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
        "title": cls.title,
        "configured": adapter is not None,
        "circuit": circuit,
        "capabilities": asdict(cls.capabilities),
        "warnings": list(adapter.warnings) if adapter else [],
        "problem": problem if fault else None,
    }
