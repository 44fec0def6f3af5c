"""Codes that callers make themselves: refuse those that look pumped."""

from datetime import datetime

from sms_gateway.config.stack_keys import message_key
from sms_gateway.messages.planning import PlannedRecipient, RejectedRecipient
from sms_gateway.messages.refusals import move_refused
from sms_gateway.pumping_guard import door


def refuse_pumped(
    tenant: str,
    accepted: list[PlannedRecipient],
    rejected: list[RejectedRecipient],
    now: datetime,
) -> tuple[list[PlannedRecipient], list[RejectedRecipient]]:
    """Count the codes among recipients, and move those that the guard refuses to the rejected."""
    codes = [one.content.to for one in accepted if one.content.category == "otp"]
    found = iter(door.admit_codes(tenant, codes, now, message_key))
    problems = [next(found) if one.content.category == "otp" else None for one in accepted]
    return move_refused(accepted, rejected, problems)
