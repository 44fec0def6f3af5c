"""Recipients that no longer fit into a counted limit are rejected; the others are counted."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime
from typing import TYPE_CHECKING

from sms_gateway.config.stack_keys import message_key
from sms_gateway.core.problems import GatewayError
from sms_gateway.messages.planning import PlannedRecipient, RejectedRecipient
from sms_gateway.messages.refusals import move_refused
from sms_gateway.policies import door

if TYPE_CHECKING:
    from sms_gateway.policies.quota import Counted


def refuse_over_quota(
    tenant: str,
    accepted: list[PlannedRecipient],
    rejected: list[RejectedRecipient],
    now: datetime,
    key_id: str | None = None,
    key_policy: str | None = None,
) -> tuple[list[PlannedRecipient], list[RejectedRecipient], "Counted | None"]:
    """Count recipients, and move those that are over a limit to the rejected.

    The last of the answer is for `given_back_unless_done`. Raises as `count_sends` does.
    """
    counted = door.count_sends(tenant, key_id, key_policy, parts_of(accepted), now, message_key)
    if counted is None:
        return accepted, rejected, None
    return *move_refused(accepted, rejected, counted.problems), counted


def parts_of(recipients: Sequence[PlannedRecipient]) -> list[tuple[str, int]]:
    """Return what each recipient comes to: its number and its segments."""
    return [(one.content.to, one.content.segments) for one in recipients]


@contextmanager
def given_back_unless_done(counted: "Counted | None") -> Iterator[None]:
    """Give back what was counted when the block, in which nothing is accepted yet, raises."""
    try:
        yield
    except GatewayError:
        door.give_back(counted)
        raise
