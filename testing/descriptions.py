"""Descriptions of vendors for tests: the two that are shipped, and a small one to change."""

import json
from typing import Any

from sms_gateway.vendors.declared.adapter import Declared
from sms_gateway.vendors.declared.door import declare
from sms_gateway.vendors.registry import build
from testing.paths import ROOT
from testing.vendor_cases import CASES

DESCRIPTIONS = ROOT / "docs" / "vendors" / "declared"
DESCRIBED = ("dinisoft", "rajasms")
ACCOUNT = {"base_url": "https://acme.example", "key": "s3cret/key+1"}


def described(vendor: str, **settings: object) -> Declared:
    """Return a shipped description's adapter with the account of the vendor's captured cases."""
    account = json.loads((CASES / vendor / "account.json").read_text())
    vendor_class = declare((DESCRIPTIONS / f"{vendor}.json").read_bytes())
    return build(vendor_class, account | settings)


def acme(**parts: Any) -> dict[str, Any]:
    """Return a small description, with `parts` in place of its own."""
    request = {
        "method": "POST",
        "url": "{base_url}/send",
        "json": {"key": "{key}", "to": "{to}", "text": "{text}"},
    }
    answer = {
        "code": "/code",
        "text": "/text",
        "id": "/id",
        "rules": [
            {"code": ["ok"], "verdict": "accepted"},
            {"code": ["no"], "verdict": "refused"},
        ],
    }
    return {
        "format": 1,
        "name": "acme",
        "title": "Acme",
        "source": "made up for tests",
        "settings": [{"name": "key", "kind": "secret"}],
        "send": {"request": request, "answer": answer},
    } | parts


def sending(*, answer: dict[str, Any] | None = None, **request: Any) -> dict[str, Any]:
    """Return the small description with another request or answer of its send."""
    made = acme()
    body = {"json"} if {"form", "xml", "query"} & set(request) else set()
    made["send"]["request"] = {
        name: one for name, one in made["send"]["request"].items() if name not in body
    } | request
    made["send"]["answer"] |= answer or {}
    return made


def account(description: dict[str, Any], **settings: object) -> Declared:
    """Return the adapter of a description, with a made-up account."""
    return build(declare(json.dumps(description).encode()), ACCOUNT | settings)


def whole(name: str = "acme", **parts: Any) -> dict[str, Any]:
    """Return a description with all that one can have: a poll, a callback and a balance."""
    sent, told = ["queued", "sent"], ["delivered", "failed"]
    rules = [
        {"text": [told[0]], "status": "delivered"},
        {"text": [told[1]], "status": "undelivered"},
        {"text": sent, "status": "none"},
    ]
    return {
        "format": 1,
        "name": name,
        "title": name.capitalize(),
        "source": "made up for tests",
        "settings": [{"name": "key", "kind": "secret"}, {"name": "sender", "default": "ACME"}],
        "auth": {"kind": "bearer", "token": "{key}"},
        "send": {
            "request": {
                "method": "POST",
                "url": "{base_url}/messages",
                "json": {
                    "from": "{sender}",
                    "unicode": {
                        "$choose": "encoding",
                        "cases": {"ucs2": True},
                        "otherwise": False,
                    },
                    "report": "{callback_url}",
                    "messages": {
                        "$each": {"to": "{to_digits}", "text": "{text}", "ref": "{reference}"}
                    },
                },
            },
            "answer": {
                "code": "/error",
                "rules": [
                    {"code": ["bad"], "verdict": "refused"},
                    {"code": ["busy"], "verdict": "retry"},
                    {"http": ["401"], "verdict": "refused", "account_fault": True},
                ],
                "rows": {
                    "at": ["/messages"],
                    "reference": "/ref",
                    "id": "/id",
                    "text": "/state",
                    "rules": [
                        {"text": sent, "verdict": "accepted"},
                        {"text": ["barred"], "verdict": "refused"},
                    ],
                },
            },
        },
        "poll": {
            "request": {"method": "GET", "url": "{base_url}/messages/{vendor_id}"},
            "answer": {"id": "/id", "text": "/state", "reference": "/ref", "rules": rules},
        },
        "callback": {
            "answer": {"id": "/id", "text": "/state", "reference": "/ref", "rules": rules}
        },
        "balance": {
            "request": {"method": "GET", "url": "{base_url}/balance"},
            "unit": "EUR",
            "answer": {"amount": "/amount", "code": "/error"},
        },
    } | parts
