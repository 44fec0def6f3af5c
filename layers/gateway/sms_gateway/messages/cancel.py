"""Cancel a message that was not submitted yet."""

from datetime import datetime
from typing import Any

from sms_gateway.config.stack_keys import message_key
from sms_gateway.core.problems import ConflictError, NotFoundError
from sms_gateway.core.status import Status
from sms_gateway.core.timestamps import epoch_ms, epoch_seconds, from_ms, rfc3339
from sms_gateway.messages.cancel_unsent import counted_part
from sms_gateway.messages.dashboard_lines import report_ended
from sms_gateway.messages.views import message_view
from sms_gateway.policies import door
from sms_gateway.storage import message_repository
from sms_gateway.storage.message_state import status_of
from sms_gateway.storage.message_updates import MessageUpdate
from sms_gateway.storage.models import Message, Submission, TimelineEntry, split_id


def cancel_message(
    tenant: str, identifier: str, now: datetime, *, show_text: bool = False, test: bool = False
) -> dict[str, Any]:
    """Cancel a message and return its view, with the text only for who may read it.

    A `test` key cancels test messages only.

    Raises NotFoundError for an id that is not this tenant's, ConflictError for a message that was
    submitted or is final.
    """
    key = split_id(identifier)
    found = message_repository.find_message(key) if key else None
    if key is None or found is None or not found[0].shown_to(tenant, test=test):
        raise NotFoundError("There is no such message.")
    _, message, sub = found
    if status_of(message, sub) is Status.CANCELLED:
        return message_view(*found, show_text=show_text)
    seconds = epoch_seconds(now)
    entry = TimelineEntry(epoch_ms(now), Status.CANCELLED, "api")
    change = MessageUpdate(key).set("status", Status.CANCELLED).append_timeline(entry)
    if sub.key == key:
        change.set("changed", seconds).schedule_check(None)
        change.if_in("status", Status.SCHEDULED, Status.ACCEPTED).if_missing("in_doubt")
        cancelled = change.apply() is not None
    else:
        cancelled = message_repository.cancel_message_in_submission(
            sub.key, change.if_no_own_status()
        )
    found = message_repository.find_message(key)
    if found is None:
        raise NotFoundError("There is no such message.")
    # botocore repeats an update whose response was lost, and the second one fails: the stored
    # status decides.
    batch, message, sub = found
    if not cancelled and status_of(message, sub) is not Status.CANCELLED:
        raise _not_cancellable(message, sub, now)
    if cancelled:
        report_ended(sub.vendor, Status.CANCELLED, 1)
        part, accepted = counted_part(message.content), from_ms(sub.created)
        door.give_back_messages(
            sub.counted, tenant, batch.key_id, [part], accepted, now, message_key
        )
    return message_view(*found, show_text=show_text)


def _not_cancellable(message: Message, sub: Submission, now: datetime) -> ConflictError:
    status, send_at = status_of(message, sub), message.content.send_at
    held = message.content.at_vendor and send_at is not None and send_at > now
    if held and send_at and status in (Status.SUBMITTING, Status.SUBMITTED):
        return ConflictError(
            f"The message was left with {sub.vendor} until {rfc3339(send_at)}, and the vendor "
            "has no way to take it back.",
            slug="held-by-vendor",
            vendor=sub.vendor,
        )
    return ConflictError(
        f"The message can't be cancelled any more: it is {status}.", slug="not-cancellable"
    )
