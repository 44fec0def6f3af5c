"""The captured cases.

`<case>.txt|json` is a vendor's answer byte for byte, `<case>.expected.json` says how it came about
and what it means; `<case>.request.json` says what a request looks like.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import msgspec

from sms_gateway.vendors.adapter import Adapter, CodeMaker
from sms_gateway.vendors.redaction import mark_of
from sms_gateway.vendors.registry import VENDORS, build_adapter, secret_settings
from sms_gateway.vendors.secret_marks import Marks, are_ours
from sms_gateway.vendors.types import (
    BalanceRefusedError,
    CallbackRequest,
    OneTimeCode,
    OutgoingMessage,
    PendingReceipt,
    Request,
    VendorResponse,
)
from testing.paths import ROOT

CASES = ROOT / "tests" / "vendors"
CALLBACK_URL = "https://api.example/v1/callbacks/vendor/token"


@dataclass(frozen=True)
class Case:
    """One captured case of one vendor."""

    vendor: str
    name: str
    spec: dict[str, Any]
    body: bytes

    def __str__(self) -> str:
        return f"{self.vendor}-{self.name}"


def adapter(vendor: str, **settings: object) -> Adapter:
    """Return the vendor's adapter with the account of its folder, `settings` over it."""
    account = json.loads((CASES / vendor / "account.json").read_text())
    return build_adapter(vendor, account | settings)


def marks(vendor: Adapter) -> Marks:
    """Return the marks of an adapter's secret settings."""
    names = secret_settings(vendor.name)
    return {name: mark_of(getattr(vendor, name), b"a key of marks") for name in names}


@cache
def cases(suffix: str) -> Sequence[Case]:
    """Every case of every vendor whose specification ends in `suffix`."""
    found = []
    for vendor in VENDORS:
        paths = {path.name: path for path in sorted((CASES / vendor).iterdir())}
        answers = {path.stem: path for path in paths.values()}
        for name in [name.removesuffix(f".{suffix}") for name in paths if name.endswith(suffix)]:
            spec = json.loads(paths[f"{name}.{suffix}"].read_text())
            body = answers[name].read_bytes() if name in answers else b""
            found.append(Case(vendor, name, spec, body))
    return found


def outgoing(spec: dict[str, Any]) -> OutgoingMessage:
    """Return a message from a case's words; `send_at` is RFC 3339."""
    when, token = spec.get("send_at"), spec.get("one_time_code")
    made = {
        "send_at": datetime.fromisoformat(when) if when else None,
        "one_time_code": OneTimeCode(**token) if token else None,
    }
    return OutgoingMessage(**spec | made)


def understood(case: Case) -> object:
    """Return what the adapter makes of the case's answer, as JSON values without empty fields."""
    spec, vendor = case.spec, adapter(case.vendor, **case.spec.get("account", {}))
    reply = VendorResponse(spec.get("http_status", 200), case.body)
    match spec["operation"]:
        case "submitted":
            members = [outgoing(member) for member in spec["members"]]
            call = vendor.submit(members, CALLBACK_URL)[0]
            return [plain(outcome) for outcome in vendor.submitted(reply, call)]
        case "parse_balance":
            try:
                return plain(vendor.parse_balance(reply, spec.get("product")))
            except BalanceRefusedError as refusal:
                return {"refused": {"code": refusal.code, "retryable": refusal.retryable}}
        case "verified":
            assert isinstance(vendor, CodeMaker)
            return plain(vendor.verified(reply))
        case "reports":
            pending = [PendingReceipt(**item) for item in spec["pending"]]
            return [plain(r) for r in vendor.reports(reply, vendor.poll(pending)[0])]
        case "callback":
            request = CallbackRequest(
                spec.get("method", "GET"),
                spec.get("query", {}),
                case.body,
                spec.get("content_type", ""),
            )
            said = vendor.repeated_secrets(request)
            return [plain(one) for one in vendor.callback(request) if are_ours(said, marks(vendor))]
    raise ValueError(f"{case}: unknown operation")


def described(case: Case) -> list[dict[str, Any]]:
    """Return the requests that the adapter describes for the case."""
    spec, vendor = case.spec, adapter(case.vendor, **case.spec.get("account", {}))
    match spec["operation"]:
        case "submit":
            members = [outgoing(member) for member in spec["members"]]
            calls = vendor.submit(members, CALLBACK_URL if spec.get("callbacks", True) else None)
            return [readable(call.request) for call in calls]
        case "balance":
            return [readable(request) for request in vendor.balance().values()]
        case "verify":
            assert isinstance(vendor, CodeMaker)
            return [readable(vendor.verify(spec["to"], spec["message_id"], spec["code"]))]
        case "poll":
            pending = [PendingReceipt(**item) for item in spec["pending"]]
            return [readable(call.request) for call in vendor.poll(pending)]
    raise ValueError(f"{case}: unknown operation")


def readable(request: Request) -> dict[str, Any]:
    """Return a request as a case writes it: address and query apart, the body decoded."""
    parts = urlsplit(request.url)
    shown: dict[str, Any] = {
        "method": request.method,
        "url": f"{parts.scheme}://{parts.netloc}{parts.path}",
    }
    if parts.query:
        shown["query"] = dict(parse_qsl(parts.query, keep_blank_values=True, strict_parsing=True))
    content_type = request.headers.get("Content-Type", "")
    if content_type == "application/json":
        shown["json"] = json.loads(request.body)
    elif content_type == "application/x-www-form-urlencoded":
        shown["form"] = dict(parse_qsl(request.body.decode(), keep_blank_values=True))
    elif request.body:
        raise ValueError("a body needs a Content-Type that this reader knows")
    return shown


def plain(value: object) -> Any:
    """JSON values of a dataclass, without None and False."""
    made = msgspec.to_builtins(value)
    return {key: item for key, item in made.items() if item is not None and item is not False}
