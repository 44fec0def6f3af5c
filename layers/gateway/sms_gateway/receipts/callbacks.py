"""Vendors' calls to us: only with a token of ours, and answered 200 whatever they say."""

from typing import Any
from urllib.parse import urlencode

import msgspec

from sms_gateway.config.vendor_accounts import accounts
from sms_gateway.core.observability import increment, logger
from sms_gateway.core.problems import GatewayError, NotFoundError
from sms_gateway.core.timestamps import utc_now
from sms_gateway.http_api.request import callback_route, query, raw_body
from sms_gateway.receipts.apply import apply_callback, store_unrecognized
from sms_gateway.receipts.callback_tokens import verify_token
from sms_gateway.vendors.redaction import redact
from sms_gateway.vendors.types import CallbackRequest

MAX_BODY_BYTES = 1024 * 1024  # bytes


def handle_callback(event: dict[str, Any]) -> dict[str, Any]:
    """The answer to a callback, as API Gateway's proxy integration and function URLs take it."""
    try:
        return _answer(200, "application/json", {"received": _handle(event)})
    except GatewayError as problem:
        if problem.http_status >= 500:
            logger.error("callback not taken", extra={"problem": problem.slug})
        return _answer(problem.http_status, "application/problem+json", problem.to_dict())


def _handle(event: dict[str, Any]) -> int:
    method, vendor, given = callback_route(event)
    known = accounts()
    adapter = known.adapters.get(vendor)
    nothing = NotFoundError("There is no such callback address.")
    if adapter is None or method not in ("GET", "POST"):
        raise nothing
    try:
        subject = verify_token(vendor, given, known.callback_key)
    except ValueError:
        increment("ForgedCallback", vendor=vendor)
        raise nothing from None
    if subject is None and not adapter.account_callbacks:
        raise nothing
    headers = {name.lower(): value for name, value in (event.get("headers") or {}).items()}
    request = CallbackRequest(
        method,
        query(event),
        raw_body(event)[:MAX_BODY_BYTES],
        headers.get("content-type") or "",
    )
    reports = adapter.callback(request)
    if not reports:
        increment("UnreadableCallback", vendor=vendor)
        if subject is not None:
            said = request.body or urlencode(request.query).encode()
            store_unrecognized(subject, redact(said))
    apply_callback(adapter, subject, reports, utc_now())
    return len(reports)


def _answer(status: int, content_type: str, body: object) -> dict[str, Any]:
    return {
        "statusCode": status,
        "headers": {"Content-Type": content_type, "Cache-Control": "no-store"},
        "body": msgspec.json.encode(body).decode(),
    }
