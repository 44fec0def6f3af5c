"""Campaigns and their chunks in the table."""

from sms_gateway import campaign, table
from sms_gateway.campaign import Campaign, Chunk
from sms_gateway.items import Item, key_of, number
from sms_gateway.problems import Unavailable
from sms_gateway.records import Key, is_ulid

CAMPAIGNS = "CAMPAIGNS"  # the partition that lists them


def find(identifier: str) -> Campaign | None:
    """A campaign by its id, consistently."""
    item = table.get(campaign.place(identifier)) if is_ulid(identifier) else None
    return campaign.read(item) if item else None


def give_id(file: str, identifier: str, ttl: int) -> str:
    """Gives a file (a digest of its name and content) the id of its campaign, unless it has one;
    the id that it has."""
    item: Item = {
        **key_of(Key(CAMPAIGNS, file)),
        "batch": {"S": identifier},
        "ttl": number(ttl),
    }
    if table.put_new(item):
        return identifier
    there = table.get(Key(CAMPAIGNS, file))
    if there is None:
        raise Unavailable("The campaign was just removed; try again.")
    return str(there["batch"]["S"])


def every() -> list[Campaign]:
    """Every campaign, oldest first."""
    named = table.query("pk = :pk", {":pk": {"S": CAMPAIGNS}})
    places = [key_of(campaign.place(item["batch"]["S"])) for item in named]
    pages = [places[start : start + 100] for start in range(0, len(places), 100)]
    found = [campaign.read(item) for page in pages for item in table.get_all(page)]
    return sorted(found, key=lambda one: one.id)


def chunk(identifier: str, first: int) -> Chunk | None:
    """The chunk of a campaign that begins with a row."""
    item = table.get(campaign.chunk_place(identifier, first))
    return campaign.read_chunk(item) if item else None


def put_chunk(item: Item, instead_of: str | None) -> bool:
    """Writes a chunk if there is none, or only the one of the batch `instead_of`."""
    if instead_of is None:
        return table.put_new(item)
    there = table.put(
        item,
        "#batch = :old",
        ExpressionAttributeNames={"#batch": "batch"},
        ExpressionAttributeValues={":old": {"S": instead_of}},
    )
    return there in (None, item)
