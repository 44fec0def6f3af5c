"""Cancel what has not left of a batch."""

import time
from datetime import datetime
from typing import Any

from sms_gateway.core.problems import NotFoundError, ServiceUnavailableError
from sms_gateway.core.timestamps import epoch_seconds
from sms_gateway.core.ulids import is_ulid
from sms_gateway.messages.cancel_unsent import cancel_unsent_of
from sms_gateway.messages.views import batch_view
from sms_gateway.storage import message_repository

MAX_SECONDS = 20.0  # API Gateway waits for 29


def cancel_batch(tenant: str, identifier: str, now: datetime, *, test: bool) -> dict[str, Any]:
    """Cancel the messages of a batch that no vendor has, and show the batch as it is then.

    What a vendor has, or may have, goes on. A `test` key cancels its tests only.

    Raises NotFoundError for an id that is not this tenant's, ServiceUnavailableError when time ran
    out: what was cancelled stays so, and a repeat goes on.
    """
    batch = message_repository.find_batch(identifier) if is_ulid(identifier) else None
    if batch is None or not batch.shown_to(tenant, test=test):
        raise NotFoundError("There is no such batch.")
    until = epoch_seconds(now) + MAX_SECONDS
    if cancel_unsent_of(identifier, lambda _seconds: time.time() < until, "api") is None:
        raise ServiceUnavailableError(
            "Not all of the batch could be cancelled in time: repeat the request, it goes on."
        )
    whole = message_repository.whole_batch(identifier)
    if whole is None:
        raise NotFoundError("There is no such batch.")
    return batch_view(*whole)
