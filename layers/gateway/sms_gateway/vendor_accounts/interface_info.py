"""What a vendor publishes about its interface: version and status codes, queried once a day."""

from collections.abc import Callable
from typing import Any

import msgspec

from sms_gateway.config.vendor_accounts import Accounts
from sms_gateway.core.observability import increment
from sms_gateway.core.problems import GatewayError
from sms_gateway.core.timestamps import DAY_SECONDS, epoch_seconds, rfc3339
from sms_gateway.storage import cache
from sms_gateway.vendor_accounts.calls import Caller, codes_cache_key, query, refusal, resolve
from sms_gateway.vendors.account_services import InterfaceInfo, raw_answer
from sms_gateway.vendors.adapter import Adapter
from sms_gateway.vendors.redaction import Redaction
from sms_gateway.vendors.types import Request, SubmitOutcome, SubmitVerdict, VendorResponse

MAX_CACHED_BYTES = 100_000  # an item of the table may have 400 kB, and is billed by its size

Row = dict[str, Any]


def version(caller: Caller, accounts: Accounts) -> Row:
    """Return the interface's version, as the vendor answers it.

    Raises GatewayError when the vendor does not answer it and never did.
    """
    adapter, info = _resolve(caller, accounts)
    cached = _cached_for_a_day(
        caller, adapter, info, f"VERSION#{adapter.name}", info.ask_version(), lambda _: {}
    )
    return _without_texts(cached, "texts")


def status_codes(caller: Caller, accounts: Accounts) -> Row:
    """Return the vendor's list of its status codes, as it answers it.

    Beside it `codes`: its texts joined with our own table. Raises GatewayError like `version`.
    """
    adapter, info = _resolve(caller, accounts)
    cached = _cached_for_a_day(
        caller,
        adapter,
        info,
        codes_cache_key(adapter.name),
        info.ask_status_codes(),
        info.status_codes,
    )
    return {**_without_texts(cached, "texts"), "codes": _join_texts(cached["texts"], info)}


def _resolve(caller: Caller, accounts: Accounts) -> tuple[Adapter, InterfaceInfo]:
    return resolve(caller, accounts, InterfaceInfo)  # type: ignore[type-abstract]  # looked up, not made


def _cached_for_a_day(
    caller: Caller,
    adapter: Adapter,
    info: InterfaceInfo,
    name: str,
    request: Request,
    texts: Callable[[Any], dict[str, str]],
) -> Row:
    """Return what was cached within a day; else the vendor's answer.

    Without an answer, what was cached earlier, with a problem beside it.
    """
    seconds = epoch_seconds(caller.now)
    cached_at, cached = cache.cache_get([name]).get(name, (0, None))
    if cached is not None and seconds - cached_at < DAY_SECONDS:
        return {**cached, "problem": None}
    try:
        response = query(caller, adapter, request)
        if refused := _is_refusal(info, response):
            raise refusal(adapter, refused, None)
    except GatewayError as problem:
        if cached is None:
            raise
        increment("InterfaceInfoFailed", vendor=adapter.name)
        return {**cached, "problem": _without_texts(problem.to_dict(), "status")}
    found = raw_answer(response)
    row: Row = {
        "vendor": adapter.name,
        "content_type": found.content_type,
        "data": Redaction(adapter).deep(found.data),
        "checked_at": rfc3339(caller.now),
        "texts": Redaction(adapter).deep(texts(found)),
    }
    if not _is_page(found.data) and len(msgspec.json.encode(row)) <= MAX_CACHED_BYTES:
        cache.cache_put(name, seconds, row)
    return {**row, "problem": None}


def _is_refusal(info: InterfaceInfo, response: VendorResponse) -> SubmitOutcome | None:
    if response.status >= 400 or not response.body.strip():
        return SubmitOutcome(SubmitVerdict.UNKNOWN)
    return info.refusal(response)


def _is_page(data: object) -> bool:
    """Return whether it is a web page: more likely a proxy's than the vendor's, so not cached."""
    return isinstance(data, str) and data.lstrip()[:14].lower().startswith(
        ("<html", "<!doctype html")
    )


def _without_texts(row: Row, *names: str) -> Row:
    return {name: value for name, value in row.items() if name not in names}


def _join_texts(texts: dict[str, str], info: InterfaceInfo) -> list[Row]:
    our_codes = info.our_codes()
    codes = sorted({*our_codes, *texts}, key=lambda code: (len(code), code))
    return [
        {
            "code": code,
            "text": texts.get(code) or our_codes[code].text,
            "meaning": our_codes[code].verdict if code in our_codes else None,
            "listed": code in texts,
        }
        for code in codes
    ]
