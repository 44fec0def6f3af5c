"""Vendor callbacks: only with a valid token, and answered 200 whatever they report."""

from contextlib import suppress
from typing import Any
from urllib.parse import urlencode

import msgspec

from sms_gateway.config.public_accounts import public_accounts
from sms_gateway.config.stack_keys import callback_keys, message_key
from sms_gateway.core.observability import increment, logger
from sms_gateway.core.problems import GatewayError, NotFoundError
from sms_gateway.core.timestamps import utc_now
from sms_gateway.http_api.request import callback_route, query, raw_body
from sms_gateway.http_api.safe_headers import SAFE_HEADERS
from sms_gateway.receipts.apply import apply_callback, store_unrecognized
from sms_gateway.receipts.callback_tokens import verify_token
from sms_gateway.storage.models import ItemKey
from sms_gateway.vendors.redaction import Redaction
from sms_gateway.vendors.secret_marks import SecretMark, are_ours
from sms_gateway.vendors.types import CallbackRequest

MAX_BODY_BYTES = 1024 * 1024


def handle_callback(event: dict[str, Any]) -> dict[str, Any]:
    """Answer a callback, for API Gateway's proxy integration and function URLs."""
    try:
        return _response(200, "application/json", {"received": _handle(event)})
    except GatewayError as problem:
        if problem.http_status >= 500:
            logger.error("callback not processed", extra={"problem": problem.slug})
        return _response(problem.http_status, "application/problem+json", problem.to_dict())


def _handle(event: dict[str, Any]) -> int:
    method, vendor, token = callback_route(event)
    known = public_accounts()
    adapter = known.adapters.get(vendor)
    not_found = NotFoundError("There is no such callback address.")
    if adapter is None or method not in ("GET", "POST"):
        raise not_found
    try:
        subject = _verified(vendor, token)
    except ValueError:
        increment("ForgedCallback", vendor=vendor)
        raise not_found from None
    if subject is None and not adapter.account_callbacks:
        raise not_found
    headers = {name.lower(): value for name, value in (event.get("headers") or {}).items()}
    request = CallbackRequest(
        method,
        query(event),
        raw_body(event)[:MAX_BODY_BYTES],
        headers.get("content-type") or "",
    )
    key = callback_keys().marks.encode()
    marks = {name: SecretMark.parse(one, key) for name, one in known.marks[vendor].items()}
    ours = are_ours(adapter.repeated_secrets(request), marks)
    reports = adapter.callback(request) if ours else []
    if not reports:
        increment("UnreadableCallback", vendor=vendor)
        if subject is not None:
            raw = request.body or urlencode(request.query).encode()
            store_unrecognized(subject, Redaction(adapter, marks=marks).raw(raw))
    apply_callback(adapter, subject, reports, utc_now(), message_key, marks)
    return len(reports)


def _verified(vendor: str, token: str) -> ItemKey | None:
    """Return what a token stands for. Raise ValueError when it is of no key that is accepted."""
    for key in callback_keys().accepted:
        with suppress(ValueError):
            return verify_token(vendor, token, key)
    raise ValueError("not a token of this gateway")


def _response(status: int, content_type: str, body: object) -> dict[str, Any]:
    return {
        "statusCode": status,
        "headers": {**SAFE_HEADERS, "Content-Type": content_type, "Cache-Control": "no-store"},
        "body": msgspec.json.encode(body).decode(),
    }
