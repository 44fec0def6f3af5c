"""What a vendor says of its own interface: version and status codes, asked once a day."""

from collections.abc import Callable
from typing import Any

import msgspec

from sms_gateway.config.vendor_accounts import Accounts
from sms_gateway.core.observability import increment
from sms_gateway.core.problems import GatewayError
from sms_gateway.core.timestamps import epoch_seconds, rfc3339
from sms_gateway.storage import cache
from sms_gateway.storage.items import DAY_SECONDS
from sms_gateway.vendor_accounts.calls import Caller, codes_cache_key, query, refusal, resolve
from sms_gateway.vendors.account_services import InterfaceInfo, raw_answer
from sms_gateway.vendors.adapter import Adapter
from sms_gateway.vendors.types import Request, SubmitOutcome, SubmitVerdict, VendorResponse

MAX_CACHED_BYTES = 100_000  # bytes; an item of the table may have 400 kB, and is billed by its size

Row = dict[str, Any]


def version(caller: Caller, accounts: Accounts) -> Row:
    """The interface's version, as the vendor answers it. Raises GatewayError when the vendor does
    not tell it and never did."""
    adapter, facts = _resolve(caller, accounts)
    kept = _cached_for_a_day(
        caller, adapter, facts, f"VERSION#{adapter.name}", facts.ask_version(), lambda _: {}
    )
    return _without_texts(kept, "texts")


def status_codes(caller: Caller, accounts: Accounts) -> Row:
    """The vendor's list of its status codes, as it answers it, and beside it `codes`: its texts
    joined with what our own table knows. Raises GatewayError like `version`."""
    adapter, facts = _resolve(caller, accounts)
    kept = _cached_for_a_day(
        caller,
        adapter,
        facts,
        codes_cache_key(adapter.name),
        facts.ask_status_codes(),
        facts.status_codes,
    )
    return {**_without_texts(kept, "texts"), "codes": _join_texts(kept["texts"], facts)}


def _resolve(caller: Caller, accounts: Accounts) -> tuple[Adapter, InterfaceInfo]:
    return resolve(caller, accounts, InterfaceInfo)  # type: ignore[type-abstract]


def _cached_for_a_day(
    caller: Caller,
    adapter: Adapter,
    facts: InterfaceInfo,
    name: str,
    request: Request,
    texts: Callable[[Any], dict[str, str]],
) -> Row:
    """What was kept, at most a day ago; else what the vendor says now; else, with a problem beside
    it, what was kept before."""
    seconds = epoch_seconds(caller.now)
    at_second, kept = cache.cache_get([name]).get(name, (0, None))
    if kept is not None and seconds - at_second < DAY_SECONDS:
        return {**kept, "problem": None}
    try:
        reply = query(caller, adapter, request)
        if refused := _is_refusal(facts, reply):
            raise refusal(adapter, refused, None)
    except GatewayError as problem:
        if kept is None:
            raise
        increment("VendorFactsFailed", vendor=adapter.name)
        return {**kept, "problem": _without_texts(problem.to_dict(), "status")}
    found = raw_answer(reply)
    row: Row = {
        "vendor": adapter.name,
        "content_type": found.content_type,
        "data": found.data,
        "checked_at": rfc3339(caller.now),
        "texts": texts(found),
    }
    if not _is_page(found.data) and len(msgspec.json.encode(row)) <= MAX_CACHED_BYTES:
        cache.cache_put(name, seconds, row)
    return {**row, "problem": None}


def _is_refusal(facts: InterfaceInfo, reply: VendorResponse) -> SubmitOutcome | None:
    if reply.status >= 400 or not reply.body.strip():
        return SubmitOutcome(SubmitVerdict.UNKNOWN)
    return facts.refusal(reply)


def _is_page(data: object) -> bool:
    """Whether it is a web page: more likely a proxy's word than the vendor's, so not kept."""
    return isinstance(data, str) and data.lstrip()[:14].lower().startswith(
        ("<html", "<!doctype html")
    )


def _without_texts(row: Row, *names: str) -> Row:
    return {name: value for name, value in row.items() if name not in names}


def _join_texts(texts: dict[str, str], facts: InterfaceInfo) -> list[Row]:
    ours = facts.our_codes()
    every = sorted({*ours, *texts}, key=lambda code: (len(code), code))
    return [
        {
            "code": code,
            "text": texts.get(code) or ours[code].text,
            "meaning": ours[code].verdict if code in ours else None,
            "listed": code in texts,
        }
        for code in every
    ]
