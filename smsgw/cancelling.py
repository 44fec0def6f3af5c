"""`smsgw messages cancel`, `smsgw keys revoke --stop-messages`: cancel what has not left."""

from collections.abc import Iterator
from datetime import timedelta

from sms_gateway.campaigns import repository as campaign_repository
from sms_gateway.campaigns.model import CampaignState
from sms_gateway.config import api_keys
from sms_gateway.config.api_keys import ApiKey
from sms_gateway.core.timestamps import utc_now
from sms_gateway.messages.cancel_unsent import cancel_unsent_of
from sms_gateway.messages.planning import MAX_SCHEDULE_AHEAD
from sms_gateway.storage import message_repository
from smsgw.errors import CommandError
from smsgw.terminal import counted, flush, say

MAX_VALIDITY = timedelta(days=3)  # messages/request.py: older messages are over
PAGE_SIZE = 100  # batches listed at a time
STEP = 100  # batches between two lines of progress


def find_key(identifier: str) -> ApiKey:
    """Find a key by its id. Raise CommandError without one."""
    for key in api_keys.list_keys():
        if key.id == identifier:
            return key
    raise CommandError(f"there is no key {identifier}: `smsgw keys list` shows the ids")


def cancel_messages(tenant: str, key_id: str | None, batch: str | None = None) -> None:
    """Cancel a tenant's messages that have not left, newest first, and say how far it is.

    It may be stopped and run again at any time: each write is by itself.
    """
    batches = cancelled = 0
    try:
        for identifier in [batch] if batch else batches_of(tenant):
            cancelled += _cancel_batch(tenant, key_id, identifier)
            batches += 1
            if batches % STEP == 0:
                say(f"{_counts(batches, cancelled)} so far")
                flush()
    except KeyboardInterrupt:
        say(f"{_counts(batches, cancelled)}; run it again to go on")
        raise
    say(f"{_counts(batches, cancelled)}; what had left stays sent.")
    _warn_of_campaigns(tenant)


def _counts(batches: int, cancelled: int) -> str:
    looked_at = counted(batches, "batch", "batches")
    return f"{looked_at} looked at, {counted(cancelled, 'message')} cancelled"


def batches_of(tenant: str) -> Iterator[str]:
    """List the batches of a tenant whose messages may still wait, newest first.

    The index lags by a moment: what was accepted just now may be missing.
    """
    now = utc_now()
    oldest = (now - MAX_SCHEDULE_AHEAD - MAX_VALIDITY).date()
    day = now.date()
    while day >= oldest:
        before: str | None = None
        while found := message_repository.tenant_batches(
            tenant, day.isoformat(), before, PAGE_SIZE
        ):
            yield from found
            before = found[-1]
        day -= timedelta(days=1)


def _cancel_batch(tenant: str, key_id: str | None, identifier: str) -> int:
    batch = message_repository.find_batch(identifier)
    if batch is None or batch.tenant != tenant or key_id not in (None, batch.key_id):
        return 0
    return cancel_unsent_of(identifier, lambda _seconds: True) or 0


def _warn_of_campaigns(tenant: str) -> None:
    for campaign in campaign_repository.list_campaigns():
        if campaign.tenant == tenant and campaign.state is CampaignState.READING:
            say(f"The campaign {campaign.id} reads on: `smsgw campaigns cancel {campaign.id}`.")
