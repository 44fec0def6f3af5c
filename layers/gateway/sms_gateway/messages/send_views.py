"""What POST /messages and its preview answer."""

from collections.abc import Iterable
from typing import Any

from sms_gateway.core.problems import GatewayError
from sms_gateway.messages.acceptance import AcceptedMessage
from sms_gateway.messages.planning import PlannedRecipient, RejectedRecipient


def accepted_view(
    batch: str, messages: Iterable[AcceptedMessage], rejected: Iterable[RejectedRecipient]
) -> dict[str, Any]:
    """POST /messages' answer, in the order of the request."""
    return {
        "batch_id": batch,
        "messages": [
            {
                "id": one.id,
                "to": one.planned.content.to,
                "status": one.status,
                "vendor": one.planned.vendors[0],
                "encoding": one.planned.content.encoding,
                "segments": one.planned.content.segments,
                "reference": one.planned.content.reference,
                "warnings": warnings_view(one.planned),
            }
            for one in messages
        ],
        "rejected": [rejected_view(one.index, one.to, one.problem) for one in rejected],
    }


def warnings_view(planned: PlannedRecipient) -> list[dict[str, Any]]:
    """What may keep an accepted message from arriving."""
    return [
        {
            "type": f"/warnings/{warning.slug}",
            "detail": warning.detail,
            "pointer": f"{planned.draft.place}/{warning.field}",
        }
        for warning in planned.warnings
    ]


def rejected_view(index: int, to: str, problem: GatewayError) -> dict[str, Any]:
    """One refused recipient."""
    return {"index": index, "to": to, "problem": problem.to_dict()}
