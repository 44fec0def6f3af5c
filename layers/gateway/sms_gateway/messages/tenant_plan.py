"""Plan recipients by all that holds for their tenant: routes, senders, webhooks, policies."""

from collections.abc import Sequence
from datetime import datetime

from sms_gateway.messages.destination import destination
from sms_gateway.messages.permits import permits
from sms_gateway.messages.planning import PlannedRecipient, RejectedRecipient, plan_recipients
from sms_gateway.messages.request import Draft
from sms_gateway.messages.status_url import status_url_checker


def plan_for_tenant(
    tenant: str,
    drafts: Sequence[Draft],
    now: datetime,
    key_policy: str | None = None,
    *,
    test: bool = False,
    per_recipient: bool = False,
    keep_floor: bool = False,
) -> tuple[list[PlannedRecipient], list[RejectedRecipient]]:
    """Sort a tenant's recipients as `plan_recipients` does, which has the last two options.

    `key_policy` is the API key's; with `test` it is a test key, whose messages go to the sandbox.
    Raises as `plan_recipients`, `destination` and `permits` do.
    """
    reach = destination(tenant, test=test)
    return plan_recipients(
        drafts,
        now,
        reach.accounts,
        reach.routes,
        status_url_checker(tenant),
        may_use=reach.may_use,
        permit=permits(tenant, now, key_policy, test=test),
        per_recipient=per_recipient,
        keep_floor=keep_floor,
    )
