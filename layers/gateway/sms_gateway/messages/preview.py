"""Preview: show the plan of a send without storing it."""

from datetime import datetime
from typing import Any

import msgspec

from sms_gateway.core.problems import TooLargeError
from sms_gateway.core.sandbox import mark
from sms_gateway.messages.planning import PlannedRecipient
from sms_gateway.messages.prices import price_of_number, price_view
from sms_gateway.messages.rendering import MAX_NAMED_CHARACTERS
from sms_gateway.messages.request import Options, apply_defaults, parse_send_request
from sms_gateway.messages.send_views import rejected_view, warnings_view
from sms_gateway.messages.tenant_plan import plan_for_tenant
from sms_gateway.sms.encoding import length, not_gsm7, segments, split
from sms_gateway.sms.transliteration import code_point, name_of, to_gsm7

MAX_ANSWER_BYTES = 5 * 1024 * 1024  # as JSON within JSON; Lambda allows 6 MiB


def preview(
    tenant: str,
    body: bytes,
    now: datetime,
    defaults: Options | None = None,
    *,
    key_policy: str | None = None,
    test: bool = False,
) -> dict[str, Any]:
    """Show what POST /messages would do with a tenant's `body` now.

    `defaults`, `key_policy` and `test` are as in `send`. Raises what a send raises for an invalid
    request, but not when every recipient is rejected. Raises TooLargeError when the response is
    too large.
    """
    drafts = parse_send_request(body)
    if defaults is not None:
        apply_defaults(defaults, drafts)
    accepted, rejected = plan_for_tenant(tenant, drafts, now, key_policy, test=test)
    answer = {
        "messages": [_view(planned) for planned in accepted],
        "rejected": [rejected_view(recipient) for recipient in rejected],
        **mark(test=test),
    }
    if len(msgspec.json.encode(msgspec.json.encode(answer).decode())) > MAX_ANSWER_BYTES:
        raise TooLargeError(
            "So many recipients can't be shown at once: preview them in parts.",
            slug="preview-too-large",
        )
    return answer


def _view(planned: PlannedRecipient) -> dict[str, Any]:
    content, text = planned.content, planned.draft.text
    transliterated, missing = to_gsm7(text)
    return {
        "index": planned.draft.index,
        "to": content.to,
        "to_read_as": {
            "form": planned.form,
            "region": None if planned.form == "international" else planned.draft.options.region,
        },
        "vendor": planned.vendors[0],
        "why": planned.reason,
        "failover": list(planned.vendors[1:]),
        "encoding": content.encoding,
        "segments": content.segments,
        "parts": [
            {"characters": len(part), "units": length(part, content.encoding)}
            for part in split(content.text, content.encoding)
        ],
        "text": None if content.text == text else content.text,
        "not_gsm7": [
            {"code_point": code_point(character), "name": name_of(character)}
            for character in not_gsm7(text)[:MAX_NAMED_CHARACTERS]
        ],
        "gsm7_segments": (
            None if missing or not transliterated.strip() else segments(transliterated, "gsm7")
        ),
        "template_id": planned.adapter.template_of(content.outgoing("")),
        "price": price_view(price_of_number(planned.adapter, content.to, content.segments)),
        "warnings": warnings_view(planned),
    }
