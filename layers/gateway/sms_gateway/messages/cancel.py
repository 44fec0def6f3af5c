"""Takes a message back, as long as it has not left."""

from datetime import datetime
from typing import Any

from sms_gateway.core.problems import ConflictError, NotFoundError
from sms_gateway.core.status import Status
from sms_gateway.core.timestamps import epoch_ms, epoch_seconds, rfc3339
from sms_gateway.messages.views import message_view
from sms_gateway.storage import message_repository
from sms_gateway.storage.message_state import status_of
from sms_gateway.storage.message_updates import MessageUpdate
from sms_gateway.storage.models import TimelineEntry, split_id


def cancel_message(tenant: str, identifier: str, now: datetime) -> dict[str, Any]:
    """Cancels a message and shows it. Raises NotFound for an id that is not this tenant's,
    Conflict for a message that has left or ended."""
    key = split_id(identifier)
    found = message_repository.find_message(key) if key else None
    if key is None or found is None or found[0].tenant != tenant:
        raise NotFoundError("There is no such message.")
    _, message, sub = found
    if status_of(message, sub) is Status.CANCELLED:
        return message_view(*found)
    seconds = epoch_seconds(now)
    entry = TimelineEntry(epoch_ms(now), Status.CANCELLED, "api")
    change = MessageUpdate(key).set("status", Status.CANCELLED).append_timeline(entry)
    if sub.key == key:
        change.set("changed", seconds).schedule_check(None)
        change.if_in("status", Status.SCHEDULED, Status.ACCEPTED).if_missing("doubt")
        done = change.apply() is not None
    else:
        done = message_repository.cancel_message_in_submission(sub.key, change.if_no_own_status())
    found = message_repository.find_message(key)
    if found is None:
        raise NotFoundError("There is no such message.")
    # An update whose answer got lost fails when botocore asks again: what stands there decides.
    _, message, sub = found
    status = status_of(message, sub)
    if not done and status is not Status.CANCELLED:
        send_at = message.content.send_at
        held = message.content.at_vendor and send_at is not None and send_at > now
        if held and send_at and status in (Status.SUBMITTING, Status.SUBMITTED):
            raise ConflictError(
                f"The message was left with {sub.vendor} until {rfc3339(send_at)}, and the vendor "
                "has no way to take it back.",
                slug="held-by-vendor",
                vendor=sub.vendor,
            )
        raise ConflictError(
            f"The message can't be cancelled any more: it is {status}.", slug="not-cancellable"
        )
    return message_view(*found)
