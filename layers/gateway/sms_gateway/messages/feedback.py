"""What callers tell of codes that they made: whether one was used, told once."""

import secrets
from datetime import datetime
from typing import Any, Literal

import msgspec

from sms_gateway.config.stack_keys import message_key
from sms_gateway.core.problems import ConflictError, InvalidRequestError, NotFoundError
from sms_gateway.core.status import Status
from sms_gateway.core.timestamps import epoch_seconds, from_ms, rfc3339
from sms_gateway.core.ulids import created_at
from sms_gateway.messages.request import parse_object
from sms_gateway.pumping_guard import door
from sms_gateway.storage import dynamodb, message_repository
from sms_gateway.storage.message_state import status_of
from sms_gateway.storage.models import Batch, ItemKey, Message, Submission, split_id

Outcome = Literal["used", "not_used"]
NEVER_LEFT = (Status.SCHEDULED, Status.CANCELLED, Status.EXPIRED, Status.REJECTED)


class FeedbackBody(msgspec.Struct, forbid_unknown_fields=True):
    """The body of POST /messages/{id}/feedback."""

    outcome: Outcome


def take_feedback(
    tenant: str, identifier: str, body: bytes, now: datetime, *, test: bool = False
) -> dict[str, Any]:
    """Record whether a code was used, once; a repeat of the same word gets the same answer.

    `test` says that a test key tells it. Whoever could count as used what the guard did not count,
    or what nobody paid for, would buy trust with it: see `_counts`.

    Raises NotFoundError for an id that is not this tenant's, InvalidRequestError for a message that
    is no code of the caller's own, ConflictError for another word than the first.
    """
    outcome = parse_object(body, FeedbackBody).outcome
    key = split_id(identifier)
    found = message_repository.find_message(key) if key else None
    if key is None or found is None or not found[0].shown_to(tenant, test=test):
        raise NotFoundError("There is no such message.")
    content = found[1].content
    if content.category != "otp" or content.code_spec is not None:
        raise InvalidRequestError(
            "Feedback is for codes that you made: messages of the category otp. The gateway knows "
            "of its own verifications.",
            slug="not-your-code",
        )
    written = f"{outcome} {epoch_seconds(now)} {secrets.token_hex(8)}"
    change = dynamodb.ItemUpdate(key).set("feedback", written).if_missing("feedback")
    stored = written if change.apply() is not None else _stored(key)
    # When DynamoDB's answer is lost, the SDK writes again and meets our own first write.
    if stored == written and outcome == "used" and _counts(*found):
        door.approve_number(tenant, content.to, created_at(key.batch), message_key)
    if stored.partition(" ")[0] != outcome:
        raise ConflictError(
            "Other feedback was given on this message, and the first word counts.",
            slug="feedback-given",
        )
    return _view(identifier, stored)


def _stored(key: ItemKey) -> str:
    item = dynamodb.get(key)
    if item is None:  # removed since it was found
        raise NotFoundError("There is no such message.")
    return str(item["feedback"]["S"])


def _counts(batch: Batch, message: Message, sub: Submission) -> bool:
    """Whether a used code counts: the guard counted it, and it may have reached somebody."""
    return not batch.test and status_of(message, sub) not in NEVER_LEFT


def _view(identifier: str, stored: str) -> dict[str, Any]:
    outcome, at, *_ = stored.split(" ")
    return {
        "message_id": identifier,
        "outcome": outcome,
        "recorded_at": rfc3339(from_ms(int(at) * 1000)),
    }
