"""The items of campaigns and their chunks. No I/O."""

import zlib
from typing import Any

import msgspec

from sms_gateway.campaigns.model import (
    Braked,
    Campaign,
    CampaignOptions,
    CampaignState,
    Chunk,
    Refusal,
    ResultsFile,
    Tally,
    VendorShare,
    campaign_key,
    chunk_key,
)
from sms_gateway.core.ulids import created_at
from sms_gateway.storage.items import Item, json_attribute, key_of, number_attribute, shard_of


class _Rows(msgspec.Struct):
    positions: list[int]
    refused: dict[int, Refusal]
    segments: dict[int, int] = {}
    shares: list[VendorShare] = []


def campaign_item(
    identifier: str,
    tenant: str,
    key: str,
    etag: str,
    size: int,
    due: int | None,
    ttl: int,
    uploaded_by: str | None = None,
    *,
    state: CampaignState = CampaignState.READING,
    options: CampaignOptions | None = None,
    preview_of: str | None = None,
) -> Item:
    """Make the item of a campaign of which no row was read.

    Without `due` nobody works on it yet, and no list has it; no list has a preview at all.
    """
    return {
        **key_of(campaign_key(identifier)),
        # Not "tenant": an item with that attribute makes a batch accepted.
        "owner": {"S": tenant},
        "key": {"S": key},
        "etag": {"S": etag},
        "size": number_attribute(size),
        "state": {"S": state},
        **({} if due is None or preview_of else {"day": {"S": day_of(tenant, identifier)}}),
        **{
            name: number_attribute(0)
            for name in ("row", "offset", "sent", "refused", "version", "result_runs")
        },
        **(
            {}
            if due is None
            else {"due": number_attribute(due), "shard": {"S": shard_of(identifier)}}
        ),
        "ttl": number_attribute(ttl),
        **({"uploaded_by": {"S": uploaded_by}} if uploaded_by else {}),
        **({"options": json_attribute(options)} if options else {}),
        **({"preview_of": {"S": preview_of}} if preview_of else {}),
    }


def day_of(tenant: str, identifier: str) -> str:
    """Return under which a campaign is listed beside batches."""
    return f"{tenant}#{created_at(identifier).date().isoformat()}"


def read_campaign(item: Item) -> Campaign:
    """Read a campaign from its item."""

    def number(name: str) -> int:
        return int(item[name]["N"])

    def decoded[T](name: str, kind: type[T]) -> T | None:
        return msgspec.json.decode(item[name]["S"], type=kind) if name in item else None

    return Campaign(
        id=item["pk"]["S"],
        tenant=item["owner"]["S"],
        key=item["key"]["S"],
        etag=item["etag"]["S"],
        size=number("size"),
        state=CampaignState(item["state"]["S"]),
        row=number("row"),
        offset=number("offset"),
        sent=number("sent"),
        refused=number("refused"),
        rows=number("rows") if "rows" in item else None,
        columns=decoded("columns", list[str]) or (),
        delimiter=item["delimiter"]["S"] if "delimiter" in item else ",",
        problem=decoded("problem", dict[str, Any]),
        results_file=decoded("results_file", ResultsFile),
        tally=decoded("tally", Tally),
        rows_left_to_cancel=number("rows_left_to_cancel")
        if "rows_left_to_cancel" in item
        else None,
        version=number("version"),
        result_runs=number("result_runs"),
        result_failures=number("result_failures") if "result_failures" in item else 0,
        results_problem=decoded("results_problem", dict[str, Any]),
        final="final" in item,
        ttl=number("ttl"),
        uploaded_by=item.get("uploaded_by", {}).get("S"),
        options=decoded("options", CampaignOptions) or CampaignOptions(),
        paced_until=number("paced_until") if "paced_until" in item else 0,
        braked=decoded("braked", Braked),
        preview=item.get("preview", {}).get("S"),
        preview_of=item.get("preview_of", {}).get("S"),
    )


def chunk_item(campaign: str, chunk: Chunk, ttl: int) -> Item:
    """Make a chunk's item; a thousand refused rows take some 20 KB."""
    rows = _Rows(
        list(chunk.positions), dict(chunk.refused), dict(chunk.segments), list(chunk.shares)
    )
    item = {
        **key_of(chunk_key(campaign, chunk.first)),
        "count": number_attribute(chunk.count),
        "end": number_attribute(chunk.end),
        "started": number_attribute(chunk.started),
        "rows": {"B": zlib.compress(msgspec.json.encode(rows))},
        "ttl": number_attribute(ttl),
    }
    return item | ({"batch": {"S": chunk.batch}} if chunk.batch else {})


def read_chunk(item: Item) -> Chunk:
    """Read a chunk from its item."""
    rows = msgspec.json.decode(zlib.decompress(item["rows"]["B"]), type=_Rows)
    return Chunk(
        first=int(item["sk"]["S"][2:]),
        count=int(item["count"]["N"]),
        end=int(item["end"]["N"]),
        batch=item["batch"]["S"] if "batch" in item else None,
        started=int(item["started"]["N"]),
        positions=rows.positions,
        refused=rows.refused,
        segments=rows.segments,
        shares=rows.shares,
    )
