"""The captured cases of the vendors in the registry, as smsgw/captured_cases.py reads them."""

import json
from collections.abc import Sequence
from functools import cache, partial
from typing import Any

from sms_gateway.vendors.adapter import Adapter
from sms_gateway.vendors.registry import VENDORS, build_adapter
from sms_gateway.vendors.secret_marks import Marks
from smsgw import captured_cases
from smsgw.captured_cases import CALLBACK_URL, Case, outgoing, plain, readable
from testing.paths import ROOT

__all__ = ["CALLBACK_URL", "Case", "outgoing", "plain", "readable"]

CASES = ROOT / "tests" / "vendors"


def adapter(vendor: str, **settings: object) -> Adapter:
    """Return the vendor's adapter with the account of its folder, `settings` over it."""
    account = json.loads((CASES / vendor / "account.json").read_text())
    return build_adapter(vendor, account | settings)


def marks(vendor: Adapter) -> Marks:
    """Return the marks of an adapter's secret settings."""
    return captured_cases.marks_of(vendor)


@cache
def cases(suffix: str) -> Sequence[Case]:
    """Every case of every vendor whose specification ends in `suffix`."""
    return [
        case
        for vendor in VENDORS
        for case in captured_cases.read_cases(vendor, CASES / vendor, suffix)
    ]


def understood(case: Case) -> object:
    """Return what the adapter makes of the case's answer, as JSON values without empty fields."""
    return captured_cases.understood(case, partial(adapter, case.vendor))


def described(case: Case) -> list[dict[str, Any]]:
    """Return the requests that the adapter describes for the case."""
    return captured_cases.described(case, partial(adapter, case.vendor))
