"""A test of a campaign: its first row's message, sent to colleagues."""

from datetime import datetime
from typing import Annotated, Any

import msgspec

from sms_gateway.campaigns import s3_files
from sms_gateway.campaigns.columns import build_draft
from sms_gateway.campaigns.csv_reader import FileError, read_records
from sms_gateway.campaigns.file_head import read_head
from sms_gateway.campaigns.model import Campaign
from sms_gateway.campaigns.preview import require_file
from sms_gateway.campaigns.repository import find_owned
from sms_gateway.campaigns.settings import row_defaults
from sms_gateway.http_api.request import Request
from sms_gateway.messages.request import Draft, Recipient, parse_object
from sms_gateway.messages.send import send

OF_THE_ROW = ("send_at", "reference")  # options that are not the test's
FIRST_BYTES = 256 * 1024  # more than a head and a row may have


class TrialBody(msgspec.Struct, forbid_unknown_fields=True):
    """The body of POST /campaigns/{id}/test."""

    to: Annotated[list[Recipient], msgspec.Meta(min_length=1, max_length=10)]


def send_first_row(tenant: str, identifier: str, request: Request, now: datetime) -> dict[str, Any]:
    """Send the first row's message to other numbers, at once, and answer as a send does.

    It is a message of its own, not the campaign's. Raises what `send` raises, NotFoundError,
    ConflictError without a file, FileError for one that can't be read.
    """
    campaign = find_owned(tenant, identifier)
    require_file(campaign)
    body = parse_object(request.body, TrialBody)
    draft = _first_row(campaign)
    row: dict[str, Any] = msgspec.to_builtins(draft.options)
    options = {name: value for name, value in row.items() if value is not None}
    message = {**options, "to": body.to, "text": draft.text}
    for name in OF_THE_ROW:
        message.pop(name, None)
    return send(
        tenant,
        msgspec.json.encode(message),
        now,
        request.idempotency_key,
        key_id=request.key_id,
        key_policy=request.policy,
    )


def _first_row(campaign: Campaign) -> Draft:
    size = min(campaign.size, FIRST_BYTES)
    block = b"".join(s3_files.read_blocks(campaign.key, campaign.etag, 0, size))
    head = read_head(block)
    record = next(read_records([block[head.end :]], head.end, head.layout), None)
    if record is None:
        raise FileError("The file has no rows.", slug="campaign-empty")
    return build_draft(0, record, head.layout.columns, row_defaults(campaign))
