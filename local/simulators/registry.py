"""The simulators by vendor: their accounts, and the test numbers that are routed to them."""

import json
from collections.abc import Mapping
from importlib import import_module
from os.path import commonprefix
from typing import Any

from local.simulators.vendor import Vendor
from sms_gateway.config.routes import default_routes
from sms_gateway.vendors.registry import VENDORS

type Account = dict[str, Any]


def _simulator(vendor: str) -> type[Vendor]:
    import_module(f"local.simulators.{vendor}")
    return next(kind for kind in Vendor.__subclasses__() if kind.name == vendor)


SIMULATORS: Mapping[str, type[Vendor]] = {vendor: _simulator(vendor) for vendor in VENDORS}


def accounts(base_url: str) -> dict[str, Account]:
    """Return the account settings of all vendors, for simulators that listen at `base_url`."""
    base = base_url.rstrip("/")
    return {name: simulator.account(f"{base}/{name}") for name, simulator in SIMULATORS.items()}


def routes() -> list[dict[str, Any]]:
    """Return the default routes, and those to numbers of no subscriber that these leave out."""
    known: list[dict[str, Any]] = json.loads(default_routes())["routes"]
    prefixes = tuple(route["prefix"] for route in known)
    others = [
        {"prefix": vendor_number(vendor)[:3], "vendors": [vendor]}
        for vendor in SIMULATORS
        if not vendor_number(vendor).startswith(prefixes)
    ]
    return known + others


def vendor_number(vendor: str, nth: int = 0) -> str:
    """Return the nth number of no subscriber that `routes` give a vendor."""
    return f"+{SIMULATORS[vendor].first_number + nth}"


def submit_ending(vendor: str) -> str:
    """Return what the paths of a vendor's calls that send messages end with."""
    operations = SIMULATORS[vendor].operations.items()
    paths = [path[::-1] for path, operation in operations if operation == "submit"]
    return commonprefix(paths)[::-1]  # noqa: RUF071 - by character, as wanted
