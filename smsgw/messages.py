"""`smsgw messages`: show a message's timeline, and settle a message by hand."""

import argparse

from sms_gateway.core.status import Status
from sms_gateway.core.timestamps import epoch_ms, rfc3339, utc_now
from sms_gateway.core.ulids import created_at
from sms_gateway.messages.views import message_view
from sms_gateway.storage import message_repository
from sms_gateway.storage.message_state import status_of
from sms_gateway.storage.message_updates import MessageUpdate
from sms_gateway.storage.models import TimelineEntry, split_id
from sms_gateway.vendors.redaction import Redaction
from smsgw.cancelling import batches_of, find_key
from smsgw.errors import CommandError
from smsgw.terminal import say

OUTCOMES = (Status.DELIVERED, Status.UNDELIVERED, Status.REJECTED)
SETTLEABLE = (Status.SUBMITTING, Status.SUBMITTED, Status.UNKNOWN)


def show(options: argparse.Namespace) -> None:
    """Print a message's timeline, without its text or number."""
    key = split_id(options.id)
    found = message_repository.find_message(key) if key else None
    if found is None:
        raise CommandError(f"there is no message {options.id}")
    view = message_view(*found)
    say(f"{view['id']}  {view['status']}  tenant {found[0].tenant}  vendor {view['vendor']}")
    redaction = Redaction(None, numbers=[view["to"]], texts=[view["text"] or ""])
    for step in view["timeline"]:
        # A vendor's text may repeat what was sent, and of an `otp` nobody can tell any more.
        shown = "" if view["text_withheld"] else step["vendor_text"] or ""
        text = redaction.raw(shown.encode())
        words = " ".join(filter(None, (step["vendor_code"], text, step["note"])))
        say(f"  {step['at']}  {step['status']:11}  {step['source']:8}  {step['vendor']}  {words}")


def show_all(options: argparse.Namespace) -> None:
    """Print a tenant's or a key's messages that may still wait or just left, newest first."""
    key_id = None
    tenant = options.tenant
    if options.key:
        key = find_key(options.key)
        key_id, tenant = key.id, key.tenant
    for identifier in batches_of(tenant):
        whole = message_repository.whole_batch(identifier)
        if whole is None or key_id not in (None, whole[0].key_id):
            continue
        batch, members = whole
        for message, sub in members:
            status, when = status_of(message, sub), rfc3339(created_at(batch.id))
            say(f"{message.id}  {when}  {status:11}  {sub.vendor:10}  key {batch.key_id or '-'}")


def settle(options: argparse.Namespace) -> None:
    """Give a message the final status that an operator found at the vendor.

    It is for a message whose call was never answered, or whose receipt never came.
    """
    key = split_id(options.id)
    found = message_repository.find_message(key) if key else None
    if key is None or found is None:
        raise CommandError(f"there is no message {options.id}")
    _, message, sub = found
    status = status_of(message, sub)
    if status not in SETTLEABLE:
        raise CommandError(
            f"the message is {status}: only one that was sent and is not final can be settled"
        )
    now = utc_now()
    entry = TimelineEntry(
        epoch_ms(now),
        options.outcome,
        "operator",
        sub.vendor,
        sub.attempt,
        note=options.note or None,
    )
    change = (
        MessageUpdate(key)
        .set("status", Status(options.outcome))
        .append_timeline(entry)
        .schedule_check(None)
    )
    if change.if_open(or_unknown=True).apply() is None:
        raise CommandError("a receipt has settled the message meanwhile; show it again")
    say(f"{options.id} is {options.outcome}")
