"""Vendor callbacks: only with a valid token, and answered 200 whatever they report."""

from contextlib import suppress
from typing import Any
from urllib.parse import urlencode

import msgspec

from sms_gateway.config.public_accounts import public_accounts
from sms_gateway.config.stack_keys import callback_keys, message_key
from sms_gateway.core.observability import count, increment, logger
from sms_gateway.core.problems import GatewayError, NotFoundError, TooLargeError
from sms_gateway.core.timestamps import epoch_seconds, utc_now
from sms_gateway.http_api.request import callback_route, query, raw_body
from sms_gateway.http_api.safe_headers import SAFE_HEADERS
from sms_gateway.receipts.apply import apply_callback, store_unrecognized
from sms_gateway.receipts.callback_tokens import (
    ExpiredTokenError,
    ForgedTokenError,
    verify_token,
)
from sms_gateway.storage.models import ItemKey
from sms_gateway.vendors.redaction import Redaction
from sms_gateway.vendors.secret_marks import SecretMark, are_ours
from sms_gateway.vendors.types import CallbackRequest

MAX_BODY_BYTES = 1024 * 1024
MAX_REPORTS = 2000  # different ones in a request: a submission has at most 1,000 messages


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
        raise not_found  # what strangers try on any host
    now = utc_now()
    try:
        subject = _verified(vendor, token, epoch_seconds(now))
    except ForgedTokenError:
        count("ForgedCallback", "token", vendor=vendor)
        raise not_found from None
    except ExpiredTokenError:
        increment("ExpiredCallback", vendor=vendor)
        raise NotFoundError(
            "This callback address has expired: its message's deadline passed over a week ago.",
            slug="callback-expired",
        ) from None
    if subject is None and not adapter.account_callbacks:
        count("ForgedCallback", "account", vendor=vendor)
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
    received = adapter.callback(request) if ours else []
    distinct = list(dict.fromkeys(received))
    reports = distinct[:MAX_REPORTS]
    if not reports:
        increment("UnreadableCallback", vendor=vendor)
        if subject is not None:
            raw = request.body or urlencode(request.query).encode()
            store_unrecognized(subject, Redaction(adapter, codes=[token], marks=marks).raw(raw))
    apply_callback(adapter, subject, reports, now, message_key, marks, token)
    if beyond := len(distinct) - len(reports):
        logger.error("reports beyond the bound", extra={"vendor": vendor, "reports": beyond})
        increment("ReportsBeyondBound", beyond, vendor=vendor)
        raise TooLargeError(
            f"Report at most {MAX_REPORTS} messages in a request: the first {MAX_REPORTS} reports "
            "were taken, send the others again.",
            slug="too-many-reports",
        )
    return len(received)


def _verified(vendor: str, token: str, now: int) -> ItemKey | None:
    """Return the submission of a token of any key that is accepted, as `verify_token` does."""
    for key in callback_keys().accepted:
        with suppress(ForgedTokenError):
            return verify_token(vendor, token, key, now)
    raise ForgedTokenError("not a token of this gateway")


def _response(status: int, content_type: str, body: object) -> dict[str, Any]:
    return {
        "statusCode": status,
        "headers": {**SAFE_HEADERS, "Content-Type": content_type, "Cache-Control": "no-store"},
        "body": msgspec.json.encode(body).decode(),
    }
