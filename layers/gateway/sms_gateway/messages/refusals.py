"""Recipients that were planned, and are refused after all."""

from collections.abc import Sequence

from sms_gateway.core.problems import GatewayError
from sms_gateway.messages.planning import PlannedRecipient, RejectedRecipient


def move_refused(
    accepted: list[PlannedRecipient],
    rejected: list[RejectedRecipient],
    problems: Sequence[GatewayError | None],
) -> tuple[list[PlannedRecipient], list[RejectedRecipient]]:
    """Move the accepted that have a problem, one each or None, to the rejected, in their order."""
    if not any(problems):
        return accepted, rejected
    judged = list(zip(accepted, problems, strict=True))
    refused = [RejectedRecipient(one.draft.index, one.draft.to, why) for one, why in judged if why]
    kept = [one for one, why in judged if not why]
    return kept, sorted([*rejected, *refused], key=lambda one: one.index)
