"""What a send would do, without doing it: the very plan of a send, shown instead of recorded."""

from datetime import datetime
from typing import Any

import msgspec

from sms_gateway.config.routes import routes
from sms_gateway.config.vendor_accounts import accounts
from sms_gateway.core.problems import TooLarge
from sms_gateway.messages.prices import price_of, price_view
from sms_gateway.messages.request import NAMED, Accepted, plan, read_body
from sms_gateway.messages.status_url import status_urls
from sms_gateway.messages.views import rejected_view, warnings_view
from sms_gateway.sms.encoding import not_gsm7, segments, split, units
from sms_gateway.sms.transliteration import code_point, name_of, to_gsm7

LARGEST_ANSWER = 5 * 1024 * 1024  # bytes as JSON within JSON; Lambda's answers may have 6 MiB


def preview(tenant: str, body: bytes, now: datetime) -> dict[str, Any]:
    """What POST /messages would do with a tenant's `body` now. Raises what it would raise for a
    request that is wrong as a whole; a recipient that it would refuse stands in `rejected`, also
    when none is left. Raises TooLarge when so much can't be told at once."""
    told = status_urls(tenant)
    accepted, rejected = plan(read_body(body), now, accounts(), routes(), told)
    answer = {
        "messages": [_view(one) for one in accepted],
        "rejected": [rejected_view(one.index, one.to, one.problem) for one in rejected],
    }
    if len(msgspec.json.encode(msgspec.json.encode(answer).decode())) > LARGEST_ANSWER:
        raise TooLarge(
            "So many recipients can't be shown at once: preview them in parts.",
            slug="preview-too-large",
        )
    return answer


def _view(one: Accepted) -> dict[str, Any]:
    content, asked = one.content, one.draft.text
    in_gsm7, strange = to_gsm7(asked)
    return {
        "index": one.index,
        "to": content.to,
        "vendor": one.vendors[0],
        "why": one.why,
        "failover": list(one.vendors[1:]),
        "encoding": content.encoding,
        "segments": content.segments,
        "parts": [
            {"characters": len(part), "units": units(part, content.encoding)}
            for part in split(content.text, content.encoding)
        ],
        "text": None if content.text == asked else content.text,
        "not_gsm7": [
            {"code_point": code_point(character), "name": name_of(character)}
            for character in not_gsm7(asked)[:NAMED]
        ],
        "gsm7_segments": None if strange or not in_gsm7.strip() else segments(in_gsm7, "gsm7"),
        "template_id": one.adapter.template_of(content.outgoing("")),
        "price": price_view(price_of(one.adapter, content.to, content.segments)),
        "warnings": warnings_view(one),
    }
