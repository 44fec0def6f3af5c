"""Campaigns and their chunks in the table."""

from sms_gateway.campaigns import model as campaign
from sms_gateway.campaigns.model import Campaign, Chunk, State
from sms_gateway.core.problems import Unavailable
from sms_gateway.core.ulids import is_ulid
from sms_gateway.storage import dynamodb
from sms_gateway.storage.dynamodb import Change
from sms_gateway.storage.items import Item, key_of, number
from sms_gateway.storage.models import Key

CAMPAIGNS = "CAMPAIGNS"  # the partition that lists them


def find(identifier: str) -> Campaign | None:
    """A campaign by its id, consistently."""
    item = dynamodb.get(campaign.place(identifier)) if is_ulid(identifier) else None
    return campaign.read(item) if item else None


def give_id(file: str, identifier: str, ttl: int) -> str:
    """Gives a file (a digest of its name and content) the id of its campaign, unless it has one;
    the id that it has."""
    item: Item = {
        **key_of(Key(CAMPAIGNS, file)),
        "batch": {"S": identifier},
        "ttl": number(ttl),
    }
    if dynamodb.put_new(item):
        return identifier
    there = dynamodb.get(Key(CAMPAIGNS, file))
    if there is None:
        raise Unavailable("The campaign was just removed; try again.")
    return str(there["batch"]["S"])


def every() -> list[Campaign]:
    """Every campaign, oldest first."""
    named = dynamodb.query("pk = :pk", {":pk": {"S": CAMPAIGNS}})
    places = [key_of(campaign.place(item["batch"]["S"])) for item in named]
    pages = [places[start : start + 100] for start in range(0, len(places), 100)]
    found = [campaign.read(item) for page in pages for item in dynamodb.get_all(page)]
    return sorted(found, key=lambda one: one.id)


def chunk(identifier: str, first: int) -> Chunk | None:
    """The chunk of a campaign that begins with a row."""
    item = dynamodb.get(campaign.chunk_place(identifier, first))
    return campaign.read_chunk(item) if item else None


def chunk_with(identifier: str, row: int) -> Chunk | None:
    """The chunk of a campaign that holds a row, the last one read or one before it."""
    first, last = campaign.chunk_place(identifier, 0), campaign.chunk_place(identifier, row)
    found = dynamodb.some(identifier, first.sort, last.sort, 1, newest_first=True)
    return campaign.read_chunk(found[0]) if found else None


def move(one: Campaign, change: Change) -> Campaign | None:
    """Writes a change of a campaign, unless another worker was faster or its state has changed;
    the campaign as it is then."""
    item = change.when("turn", one.turn).when("state", one.state).apply()
    return campaign.read(item) if item else None


def put_chunk(one: Campaign, item: Item, instead_of: str | None) -> bool:
    """Writes a chunk if there is none, or only the one of the batch `instead_of`; and only while
    its campaign is running, so that nothing is sent any more once it was stopped."""
    running = Change(one.place).when("state", State.RUNNING)
    if instead_of is None:
        return dynamodb.put_while(running, item, "attribute_not_exists(pk)")
    return dynamodb.put_while(
        running,
        item,
        "#batch = :old",
        ExpressionAttributeNames={"#batch": "batch"},
        ExpressionAttributeValues={":old": {"S": instead_of}},
    )
