"""The responses of a send and of its preview."""

from collections.abc import Iterable
from typing import Any

from sms_gateway.core.sandbox import mark
from sms_gateway.messages.acceptance import AcceptedMessage
from sms_gateway.messages.planning import PlannedRecipient, RejectedRecipient


def accepted_view(
    batch: str,
    messages: Iterable[AcceptedMessage],
    rejected: Iterable[RejectedRecipient],
    *,
    test: bool = False,
) -> dict[str, Any]:
    """Show a send's result, in the order of the request."""
    return {
        "batch_id": batch,
        "messages": [
            {
                "id": message.id,
                "to": message.planned.content.to,
                "status": message.status,
                "vendor": message.planned.vendors[0],
                "encoding": message.planned.content.encoding,
                "segments": message.planned.content.segments,
                "reference": message.planned.content.reference,
                "warnings": warnings_view(message.planned),
            }
            for message in messages
        ],
        "rejected": [rejected_view(recipient) for recipient in rejected],
        **mark(test=test),
    }


def warnings_view(planned: PlannedRecipient) -> list[dict[str, Any]]:
    """Show what may keep an accepted message from arriving."""
    return [
        {
            "type": f"/warnings/{warning.slug}",
            "detail": warning.detail,
            "pointer": (
                planned.draft.to_pointer
                if warning.field == "to"
                else f"{planned.draft.pointer}/{warning.field}"
            ),
        }
        for warning in planned.warnings
    ]


def rejected_view(recipient: RejectedRecipient) -> dict[str, Any]:
    """Show one rejected recipient."""
    return {
        "index": recipient.index,
        "to": recipient.to,
        "problem": recipient.problem.to_dict(),
    }
