"""Ask the policies about each recipient of a send."""

from collections.abc import Callable
from datetime import datetime

from sms_gateway.messages.request import Draft
from sms_gateway.policies.door import sending_rules


def permits(
    tenant: str, now: datetime, key_policy: str | None = None, *, test: bool = False
) -> Callable[[Draft, str], None]:
    """Return what raises InvalidRequestError for a recipient (E.164) that a policy refuses.

    With `test` none does: nothing leaves. Raises as `sending_rules` does.
    """
    rules = None if test else sending_rules(tenant, now, key_policy)

    def permit(draft: Draft, to: str) -> None:
        if rules is not None:
            category = draft.options.category or "transactional"
            sender = draft.options.sender
            rules.refuse_recipient(to, category, sender, draft.pointer, draft.to_pointer)

    return permit
