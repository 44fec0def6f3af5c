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
        if rules is None:
            return
        options = draft.options
        category = options.category or "transactional"
        rules.refuse_recipient(to, category, options.sender, draft.pointer, draft.to_pointer)
        if options.send_at is not None:
            rules.refuse_late(options.send_at, f"{draft.pointer}/send_at")

    return permit
