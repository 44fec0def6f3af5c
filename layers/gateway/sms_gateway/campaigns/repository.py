"""Campaigns and their chunks in the table."""

from sms_gateway.campaigns import model as campaign
from sms_gateway.campaigns.model import Campaign, CampaignState, Chunk
from sms_gateway.core.problems import ServiceUnavailableError
from sms_gateway.core.ulids import is_ulid
from sms_gateway.storage import dynamodb
from sms_gateway.storage.dynamodb import ItemUpdate
from sms_gateway.storage.items import Item, key_of, number_attribute
from sms_gateway.storage.models import ItemKey

CAMPAIGNS = "CAMPAIGNS"  # the partition that lists them


def find_campaign(identifier: str) -> Campaign | None:
    """A campaign by its id, consistently."""
    item = dynamodb.get(campaign.campaign_key(identifier)) if is_ulid(identifier) else None
    return campaign.read_campaign(item) if item else None


def claim_id(file: str, identifier: str, ttl: int) -> str:
    """Gives a file (a digest of its name and content) the id of its campaign, unless it has one;
    the id that it has."""
    item: Item = {
        **key_of(ItemKey(CAMPAIGNS, file)),
        "batch": {"S": identifier},
        "ttl": number_attribute(ttl),
    }
    if dynamodb.put_new(item):
        return identifier
    there = dynamodb.get(ItemKey(CAMPAIGNS, file))
    if there is None:
        raise ServiceUnavailableError("The campaign was just removed; try again.")
    return str(there["batch"]["S"])


def list_campaigns() -> list[Campaign]:
    """Every campaign, oldest first."""
    named = dynamodb.query("pk = :pk", {":pk": {"S": CAMPAIGNS}})
    places = [key_of(campaign.campaign_key(item["batch"]["S"])) for item in named]
    pages = [places[start : start + 100] for start in range(0, len(places), 100)]
    found = [campaign.read_campaign(item) for page in pages for item in dynamodb.get_all(page)]
    return sorted(found, key=lambda one: one.id)


def find_chunk(identifier: str, first: int) -> Chunk | None:
    """The chunk of a campaign that begins with a row."""
    item = dynamodb.get(campaign.chunk_key(identifier, first))
    return campaign.read_chunk(item) if item else None


def find_chunk_of_row(identifier: str, row: int) -> Chunk | None:
    """The chunk of a campaign that holds a row, the last one read or one before it."""
    first, last = campaign.chunk_key(identifier, 0), campaign.chunk_key(identifier, row)
    found = dynamodb.query_range(identifier, first.sort, last.sort, 1, newest_first=True)
    return campaign.read_chunk(found[0]) if found else None


def update(one: Campaign, change: ItemUpdate) -> Campaign | None:
    """Writes a change of a campaign, unless another worker was faster or its state has changed;
    the campaign as it is then."""
    item = change.if_in("turn", one.version).if_in("state", one.state).apply()
    return campaign.read_campaign(item) if item else None


def put_chunk(one: Campaign, item: Item, instead_of: str | None) -> bool:
    """Writes a chunk if there is none, or only the one of the batch `instead_of`; and only while
    its campaign is running, so that nothing is sent any more once it was stopped."""
    running = ItemUpdate(one.item_key).if_in("state", CampaignState.RUNNING)
    if instead_of is None:
        return dynamodb.put_if_other_holds(running, item, "attribute_not_exists(pk)")
    return dynamodb.put_if_other_holds(
        running,
        item,
        "#batch = :old",
        ExpressionAttributeNames={"#batch": "batch"},
        ExpressionAttributeValues={":old": {"S": instead_of}},
    )
