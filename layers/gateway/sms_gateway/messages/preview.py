"""What a send would do, without doing it: the very plan of a send, shown instead of recorded."""

from datetime import datetime
from typing import Any

import msgspec

from sms_gateway.config.routes import routes
from sms_gateway.config.vendor_accounts import accounts
from sms_gateway.core.problems import TooLargeError
from sms_gateway.messages.planning import MAX_NAMED_CHARACTERS, PlannedRecipient, plan_recipients
from sms_gateway.messages.prices import price_of_number, price_view
from sms_gateway.messages.request import parse_send_request
from sms_gateway.messages.send_views import rejected_view, warnings_view
from sms_gateway.messages.status_url import status_url_checker
from sms_gateway.sms.encoding import length, not_gsm7, segments, split
from sms_gateway.sms.transliteration import code_point, name_of, to_gsm7

MAX_ANSWER_BYTES = 5 * 1024 * 1024  # bytes as JSON within JSON; Lambda's answers may have 6 MiB


def preview(tenant: str, body: bytes, now: datetime) -> dict[str, Any]:
    """What POST /messages would do with a tenant's `body` now. Raises what it would raise for a
    request that is wrong as a whole; a recipient that it would refuse stands in `rejected`, also
    when none is left. Raises TooLarge when so much can't be told at once."""
    told = status_url_checker(tenant)
    accepted, rejected = plan_recipients(parse_send_request(body), now, accounts(), routes(), told)
    answer = {
        "messages": [_view(one) for one in accepted],
        "rejected": [rejected_view(one.index, one.to, one.problem) for one in rejected],
    }
    if len(msgspec.json.encode(msgspec.json.encode(answer).decode())) > MAX_ANSWER_BYTES:
        raise TooLargeError(
            "So many recipients can't be shown at once: preview them in parts.",
            slug="preview-too-large",
        )
    return answer


def _view(one: PlannedRecipient) -> dict[str, Any]:
    content, asked = one.content, one.draft.text
    in_gsm7, strange = to_gsm7(asked)
    return {
        "index": one.index,
        "to": content.to,
        "vendor": one.vendors[0],
        "why": one.reason,
        "failover": list(one.vendors[1:]),
        "encoding": content.encoding,
        "segments": content.segments,
        "parts": [
            {"characters": len(part), "units": length(part, content.encoding)}
            for part in split(content.text, content.encoding)
        ],
        "text": None if content.text == asked else content.text,
        "not_gsm7": [
            {"code_point": code_point(character), "name": name_of(character)}
            for character in not_gsm7(asked)[:MAX_NAMED_CHARACTERS]
        ],
        "gsm7_segments": None if strange or not in_gsm7.strip() else segments(in_gsm7, "gsm7"),
        "template_id": one.adapter.template_of(content.outgoing("")),
        "price": price_view(price_of_number(one.adapter, content.to, content.segments)),
        "warnings": warnings_view(one),
    }
