"""The captured cases of what a vendor offers beside messages; see contract.py."""

from typing import Any

import msgspec

from sms_gateway.vendors.account_services import (
    InterfaceInfo,
    Senders,
    Vouchers,
    raw_answer,
    service_of,
)
from sms_gateway.vendors.types import Request, VendorResponse
from testing.vendor_cases import Case, adapter, plain, readable

PARTS: dict[str, type[Any]] = {
    "sender": Senders,
    "unlock_code_sent": Senders,
    "unlocked": Senders,
    "created": Vouchers,
    "vouchers": Vouchers,
    "redeemed": Vouchers,
    "facts": InterfaceInfo,
    "ask_sender": Senders,
    "send_unlock_code": Senders,
    "unlock": Senders,
    "create": Vouchers,
    "ask_vouchers": Vouchers,
    "redeem": Vouchers,
    "ask_version": InterfaceInfo,
    "ask_status_codes": InterfaceInfo,
}


def understood(case: Case) -> object:
    """Return what the vendor's account makes of the answer; `outcome` without empty fields."""
    spec, part = case.spec, _part(case)
    reply = VendorResponse(spec.get("http_status", 200), case.body, spec.get("content_type", ""))
    if spec["operation"] == "facts":
        if refused := part.refusal(reply):
            return {"refused": plain(refused)}
        found = raw_answer(reply)
        return {**plain(found), "codes": part.status_codes(found)}
    made = msgspec.to_builtins(getattr(part, spec["operation"])(reply))
    made["outcome"] = {k: v for k, v in made["outcome"].items() if v not in (None, False)}
    return {k: item for k, item in made.items() if item is not None and item is not False}


def described(case: Case) -> list[dict[str, Any]]:
    """Return the request that the vendor's account describes for the case."""
    request: Request = getattr(_part(case), case.spec["operation"])(*case.spec.get("with", []))
    return [readable(request)]


def _part(case: Case) -> Any:
    operation = case.spec["operation"]
    if operation not in PARTS:
        raise ValueError(f"{case}: unknown operation")
    vendor = adapter(case.vendor, **case.spec.get("account", {}))
    return service_of(vendor, PARTS[operation])
