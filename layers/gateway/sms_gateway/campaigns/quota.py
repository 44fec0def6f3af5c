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
from sms_gateway.messages.over_quota import parts_of, price_table
from sms_gateway.messages.planning import PlannedRecipient
from sms_gateway.policies import door
from sms_gateway.pumping_guard import door as guard

if TYPE_CHECKING:
    from sms_gateway.policies.quota import Counted


OF_A_NUMBER = ("most_per_number_per_day", "same_text_per_number")


class Fitting(ValueObject, frozen=True):
    """What fits of a chunk: its first `rows`, those of them that are accepted, and the refused."""

    rows: int
    accepted: Sequence[PlannedRecipient]
    refused: Sequence[tuple[PlannedRecipient, GatewayError]]
    over: GatewayError | None  # of the row after them
    counted: "Counted | None"


def before_limit(
    campaign: Campaign, accepted: Sequence[PlannedRecipient], rows: int, now: datetime
) -> int:
    """Return how many of a chunk's rows come before the one at which a limit stops now.

    The guard then counts no code that waits for another day, but for the first that does not fit.
    """
    if not guard.is_on() or not any(one.content.category == "otp" for one in accepted):
        return rows
    key = campaign.options.key_id, campaign.options.key_policy
    fitting = door.fitting_now(campaign.tenant, *key, parts_of(accepted), now, price_table)
    if fitting is None or fitting >= len(accepted):
        return rows
    return accepted[max(fitting, 1)].draft.index if len(accepted) > 1 else rows


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
        price_table,
        is_request=False,
        in_order=True,
    )
    kept: list[PlannedRecipient] = []
    refused: list[tuple[PlannedRecipient, GatewayError]] = []
    for planned, problem in zip(accepted, counted.problems if counted else (), strict=False):
        if problem is None:
            kept.append(planned)
        elif problem.members["quota"] in OF_A_NUMBER:
            refused.append((planned, problem))
        else:
            return Fitting(planned.draft.index, kept, refused, problem, counted)
    return Fitting(rows, kept if counted else accepted, refused, None, counted)
