"""A campaign under counted limits: rows go while they fit, then it stops before the next one.

A row whose number had its share of the day is a refused row: another day would not mend that.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import TYPE_CHECKING

from sms_gateway.campaigns.model import Campaign
from sms_gateway.config.stack_keys import message_key
from sms_gateway.core.problems import GatewayError
from sms_gateway.core.value_object import ValueObject
from sms_gateway.messages.over_quota import parts_of
from sms_gateway.messages.planning import PlannedRecipient
from sms_gateway.policies import door

if TYPE_CHECKING:
    from sms_gateway.policies.quota import Counted


class Fitting(ValueObject, frozen=True):
    """What fits of a chunk: its first `rows`, those of them that are accepted, and the refused."""

    rows: int
    accepted: Sequence[PlannedRecipient]
    refused: Sequence[tuple[PlannedRecipient, GatewayError]]
    over: GatewayError | None  # of the row after them
    counted: "Counted | None"


def count_rows(
    campaign: Campaign, accepted: Sequence[PlannedRecipient], rows: int, now: datetime
) -> Fitting:
    """Count a chunk of so many rows of a campaign. Raises as `count_sends` does."""
    key = campaign.options.key_id, campaign.options.key_policy
    counted = door.count_sends(
        campaign.tenant,
        *key,
        parts_of(accepted),
        now,
        message_key,
        is_request=False,
        in_order=True,
    )
    kept: list[PlannedRecipient] = []
    refused: list[tuple[PlannedRecipient, GatewayError]] = []
    for planned, problem in zip(accepted, counted.problems if counted else (), strict=False):
        if problem is None:
            kept.append(planned)
        elif problem.members["quota"] == "most_per_number_per_day":
            refused.append((planned, problem))
        else:
            return Fitting(planned.draft.index, kept, refused, problem, counted)
    return Fitting(rows, kept if counted else accepted, refused, None, counted)
