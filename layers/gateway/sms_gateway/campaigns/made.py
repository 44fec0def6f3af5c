"""Make a campaign over HTTP: it waits for its file, which its link takes once."""

from datetime import datetime
from typing import Annotated, Any

import msgspec

from sms_gateway.campaigns import items, repository, s3_files
from sms_gateway.campaigns.csv_reader import MAX_FILE_BYTES, MAX_ROWS
from sms_gateway.campaigns.model import (
    FOLDER,
    Campaign,
    CampaignOptions,
    CampaignState,
    StopIf,
)
from sms_gateway.core.problems import InvalidRequestError
from sms_gateway.core.timestamps import DAY_SECONDS, epoch_seconds
from sms_gateway.core.ulids import is_ulid, new_ulid
from sms_gateway.http_api.request import Request
from sms_gateway.messages.planning import check_send_at
from sms_gateway.messages.request import Options, parse_object
from sms_gateway.sms.phone_numbers import Region, is_region
from sms_gateway.storage import dynamodb
from sms_gateway.storage.dynamodb import ItemUpdate

SUFFIX = ".csv"
PRINTABLE = "up to 100 characters without control characters"
# What each row says for itself, or the campaign as a whole.
NO_DEFAULTS = ("reference", "send_at")


Percent = Annotated[float, msgspec.Meta(ge=1, le=100, multiple_of=1)]
Rows = Annotated[float, msgspec.Meta(ge=1, le=MAX_ROWS, multiple_of=1)]


class NewBrake(msgspec.Struct, forbid_unknown_fields=True):
    """`stop_if` of the body; None is "not given"."""

    refused_percent: Percent | None = None
    undelivered_percent: Percent | None = None
    after: Rows | None = None


class NewCampaign(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    """The body of POST /campaigns; `size` is the file's, in bytes, `pace` in rows a minute.

    None is "not given".
    """

    name: Annotated[str, msgspec.Meta(min_length=1, max_length=100)]
    size: Annotated[float, msgspec.Meta(ge=1, multiple_of=1)]
    defaults: Options | None = None
    region: Region | None = None
    send_at: datetime | None = None
    pace: Annotated[float, msgspec.Meta(ge=1, le=100_000, multiple_of=1)] | None = None
    stop_if: NewBrake | None = None
    paused: bool | None = None


def make_campaign(tenant: str, request: Request, now: datetime) -> tuple[Campaign, str]:
    """Make a campaign that waits for its file; return it and the link for the file.

    Raises InvalidRequestError with a pointer.
    """
    body = parse_object(request.body, NewCampaign)
    _check(body, now)
    seconds, identifier, size = epoch_seconds(now), new_ulid(now), int(body.size)
    options = CampaignOptions(
        name=body.name,
        key_id=request.key_id,
        key_policy=request.policy,
        defaults=_defaults(body, request.region),
        starts_at=epoch_seconds(body.send_at) if body.send_at else None,
        pace=int(body.pace) if body.pace else None,
        stop_if=_brake(body.stop_if),
        paused=body.paused is not False,
        link_ends=seconds + s3_files.LINK_SECONDS,
    )
    key = f"{FOLDER}{tenant}/{identifier}{SUFFIX}"
    # Without a file it is forgotten a day after its link ended.
    ttl = options.link_ends + DAY_SECONDS
    item = items.campaign_item(
        identifier,
        tenant,
        key,
        "",
        size,
        None,
        ttl,
        state=CampaignState.WAITING,
        options=options,
    )
    link = s3_files.upload_link(key, size)
    dynamodb.put_new(item)
    repository.enlist(identifier, tenant, ttl, by_id=True)
    return items.read_campaign(item), link


def find_made(key: str) -> Campaign | None:
    """Find the campaign of the API that a file's key names; None for any other file."""
    folder, tenant, *name = key.split("/")
    identifier = name[0].removesuffix(SUFFIX) if len(name) == 1 else ""
    if f"{folder}/" != FOLDER or not is_ulid(identifier):
        return None
    found = repository.find_campaign(identifier)
    return found if found is not None and (found.key, found.tenant) == (key, tenant) else None


def attach_file(campaign: Campaign, etag: str, size: int, due: int, ttl: int) -> None:
    """Give a campaign the file that it waits for, unless it has one.

    A second notice of the file changes nothing; nor does another file, which is never read.
    """
    paused = campaign.options.paused
    change = ItemUpdate(campaign.item_key).set("etag", etag).set("size", size).set("ttl", ttl)
    change.set("state", CampaignState.PAUSED if paused else CampaignState.READING)
    change.set("day", items.day_of(campaign.tenant, campaign.id))
    if not paused:
        change.schedule_check(due)
    # Before, so that a worker that dies in between leaves no campaign that no list has.
    repository.enlist(campaign.id, campaign.tenant, ttl, by_id=True)
    change.if_in("state", CampaignState.WAITING).apply()


def _check(body: NewCampaign, now: datetime) -> None:
    if not body.name.isprintable() or not body.name.strip():
        raise InvalidRequestError(f"name is {PRINTABLE}.", pointer="/name")
    if body.size > MAX_FILE_BYTES:
        raise InvalidRequestError(
            f"The file has {int(body.size)} bytes and may have {MAX_FILE_BYTES}: split it.",
            slug="campaign-too-large",
            pointer="/size",
        )
    for region, pointer in (
        (body.region, "/region"),
        (body.defaults.region if body.defaults else None, "/defaults/region"),
    ):
        if region is not None and not is_region(region):
            raise InvalidRequestError(
                "There is no such region: give a country's two capital letters (ISO 3166), such "
                "as BD.",
                slug="unknown-region",
                pointer=pointer,
            )
    if body.send_at is not None:
        check_send_at(body.send_at, "/send_at", now)


def _brake(wanted: NewBrake | None) -> StopIf | None:
    if wanted is None or (wanted.refused_percent, wanted.undelivered_percent) == (None, None):
        return None
    given = {name: int(value) for name, value in msgspec.to_builtins(wanted).items() if value}
    return StopIf(**given)


def _defaults(body: NewCampaign, region: str | None) -> dict[str, Any]:
    """Return the rows' defaults, without those not given. Raises InvalidRequestError."""
    options = body.defaults or Options()
    for name in NO_DEFAULTS:
        if getattr(options, name) is not None:
            beside = ", or beside defaults" if name == "send_at" else ""
            raise InvalidRequestError(
                f"{name} is no default of rows: give it as a column{beside}.",
                pointer=f"/defaults/{name}",
            )
    written: dict[str, Any] = msgspec.to_builtins(options)
    written["region"] = body.region or options.region or region
    return {name: value for name, value in written.items() if value is not None}
