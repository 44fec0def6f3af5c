"""The captured cases of a vendor, and what its adapter makes of them.

`<case>.txt|json` is a vendor's answer byte for byte, `<case>.expected.json` says how it came about
and what it means; `<case>.request.json` says what a request looks like. `account.json` has made-up
settings.
"""

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, fields
from datetime import datetime
from pathlib import Path
from typing import Any, Protocol
from urllib.parse import parse_qsl, urlsplit

import msgspec

from sms_gateway.vendors.adapter import Adapter, Capabilities, CodeMaker
from sms_gateway.vendors.redaction import mark_of
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

CALLBACK_URL = "https://api.example/v1/callbacks/vendor/token"
ANSWER, REQUEST = "expected.json", "request.json"  # how the names of specifications end

UNREADABLE = ("empty", "html", "truncated", "wrong-type")
SUBMITTED = ("accepted", "refused", "account", "unknown-code", *UNREADABLE)
CREDIT = ("ok", "refused", *UNREADABLE)
REPORTS = ("delivered", "undelivered", "pending", "unknown-code", *UNREADABLE)
CALLBACK = ("delivered", "undelivered", "pending", "unknown-code", "empty", "garbage")
VERIFIED = ("right", "wrong", "refused", "account", "unknown-code", *UNREADABLE)


class Build(Protocol):
    """What builds the adapter of the cases' account, with `settings` over it."""

    def __call__(self, **settings: object) -> Adapter:
        """Build it. Raises ValueError."""


@dataclass(frozen=True)
class Case:
    """One captured case of one vendor."""

    vendor: str
    name: str
    spec: dict[str, Any]
    body: bytes

    def __str__(self) -> str:
        return f"{self.vendor}-{self.name}"


def read_cases(vendor: str, folder: Path, suffix: str) -> list[Case]:
    """Return a folder's cases whose specification ends in `suffix`.

    Raises OSError and ValueError for what can't be read.
    """
    found = []
    paths = {path.name: path for path in sorted(folder.iterdir())}
    answers = {path.stem: path for path in paths.values()}
    for name in [name.removesuffix(f".{suffix}") for name in paths if name.endswith(suffix)]:
        spec = json.loads(paths[f"{name}.{suffix}"].read_text(encoding="utf-8"))
        body = answers[name].read_bytes() if name in answers else b""
        found.append(Case(vendor, name, spec, body))
    return found


def missing(
    names: Iterable[str], requests: Iterable[str], can: Capabilities, *, balance: bool = True
) -> list[str]:
    """Return the cases that a vendor must have and has not, by the file that is not there."""
    needed = [f"submitted-{name}" for name in SUBMITTED]
    asked = ["submit"]
    if balance:
        needed += [f"credit-{name}" for name in CREDIT]
        asked.append("balance")
    if can.receipts_poll:
        needed += [f"reports-{name}" for name in REPORTS]
        asked.append("poll")
    if can.receipts_callback:
        needed += [f"callback-{name}" for name in CALLBACK]
    if can.tokens:
        needed += [f"verified-{name}" for name in VERIFIED]
        asked += ["submit-token", "verify"]
    have, written = set(names), list(requests)
    absent = [f"{name}.{ANSWER}" for name in needed if name not in have]
    return absent + [
        f"{name}.{REQUEST}" for name in asked if not any(one.startswith(name) for one in written)
    ]


def marks_of(vendor: Adapter) -> Marks:
    """Return the marks of an adapter's secret settings."""
    secrets = {one.name: getattr(vendor, one.name) for one in fields(vendor) if not one.repr}
    return {name: mark_of(one, b"a key of marks") for name, one in secrets.items() if one}


def outgoing(spec: dict[str, Any]) -> OutgoingMessage:
    """Return a message from a case's words; `send_at` is RFC 3339."""
    when, token = spec.get("send_at"), spec.get("one_time_code")
    made = {
        "send_at": datetime.fromisoformat(when) if when else None,
        "one_time_code": OneTimeCode(**token) if token else None,
    }
    return OutgoingMessage(**spec | made)


def understood(case: Case, build: Build) -> object:
    """Return what the adapter makes of the case's answer, as JSON values without empty fields."""
    spec, vendor = case.spec, build(**case.spec.get("account", {}))
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
            if not isinstance(vendor, CodeMaker):
                raise ValueError(f"{case}: this vendor makes no codes")
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
            ours = are_ours(vendor.repeated_secrets(request), marks_of(vendor))
            return [plain(one) for one in vendor.callback(request) if ours]
    raise ValueError(f"{case}: unknown operation")


def described(case: Case, build: Build) -> list[dict[str, Any]]:
    """Return the requests that the adapter describes for the case."""
    spec, vendor = case.spec, build(**case.spec.get("account", {}))
    match spec["operation"]:
        case "submit":
            members = [outgoing(member) for member in spec["members"]]
            calls = vendor.submit(members, CALLBACK_URL if spec.get("callbacks", True) else None)
            return [readable(call.request) for call in calls]
        case "balance":
            return [readable(request) for request in vendor.balance().values()]
        case "verify":
            if not isinstance(vendor, CodeMaker):
                raise ValueError(f"{case}: this vendor makes no codes")
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
    own = {name: one for name, one in request.headers.items() if name != "Content-Type"}
    if own:
        shown["headers"] = own
    if content_type == "application/json":
        shown["json"] = json.loads(request.body)
    elif content_type == "application/x-www-form-urlencoded":
        shown["form"] = dict(parse_qsl(request.body.decode(), keep_blank_values=True))
    elif content_type == "application/xml":
        shown["xml"] = request.body.decode()
    elif request.body:
        raise ValueError("a body needs a Content-Type that this reader knows")
    return shown


def plain(value: object) -> Any:
    """JSON values of a dataclass, without None and False."""
    made = msgspec.to_builtins(value)
    return {key: item for key, item in made.items() if item is not None and item is not False}


def failures(cases: Sequence[Case], build: Build) -> list[tuple[Case, object]]:
    """Return the cases that do not mean what they say, each with what was made of it."""
    found = []
    for case in cases:
        reader = described if case.spec["operation"] in ASKING else understood
        made = reader(case, build)
        if made != case.spec["expect"]:
            found.append((case, made))
    return found


ASKING = frozenset({"submit", "balance", "verify", "poll"})
