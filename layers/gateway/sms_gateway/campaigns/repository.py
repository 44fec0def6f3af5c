"""Campaigns and their chunks in the table."""

from sms_gateway.campaigns import items, model
from sms_gateway.campaigns.model import Campaign, CampaignState, Chunk
from sms_gateway.core.problems import NotFoundError, ServiceUnavailableError
from sms_gateway.core.ulids import is_ulid
from sms_gateway.storage import dynamodb
from sms_gateway.storage.dynamodb import ItemUpdate
from sms_gateway.storage.items import Item, key_of, number_attribute
from sms_gateway.storage.models import ItemKey

CAMPAIGNS = "CAMPAIGNS"  # the partition that lists them


def find_campaign(identifier: str) -> Campaign | None:
    """Read a campaign by its id, consistently."""
    item = dynamodb.get(model.campaign_key(identifier)) if is_ulid(identifier) else None
    return items.read_campaign(item) if item else None


def find_owned(tenant: str, identifier: str) -> Campaign:
    """Find a tenant's campaign, but none of its previews. Raises NotFoundError."""
    found = find_campaign(identifier)
    if found is None or found.tenant != tenant or found.preview_of is not None:
        raise NotFoundError("There is no such campaign.")
    return found


def claim_id(file: str, identifier: str, ttl: int) -> str:
    """Store the campaign id of a file (a digest of its name and content), unless it has one.

    Return the id that it has then.
    """
    item: Item = {
        **key_of(ItemKey(CAMPAIGNS, file)),
        "batch": {"S": identifier},
        "ttl": number_attribute(ttl),
    }
    if dynamodb.put_new(item):
        return identifier
    existing = dynamodb.get(ItemKey(CAMPAIGNS, file))
    if existing is None:
        raise ServiceUnavailableError("The campaign was just removed; try again.")
    return str(existing["batch"]["S"])


def enlist(identifier: str, tenant: str, ttl: int, *, by_id: bool = False) -> None:
    """Put a campaign into its tenant's list; `by_id` also into the list of all.

    A file's campaign is in the latter by its file. Writing the same again makes it last longer.
    """
    where = [ItemKey(f"{CAMPAIGNS}#{tenant}", identifier)]
    if by_id:
        where.append(ItemKey(CAMPAIGNS, identifier))
    entry = {"batch": {"S": identifier}, "ttl": number_attribute(ttl)}
    dynamodb.put_all([{**key_of(key), **entry} for key in where])


def list_of_tenant(
    tenant: str, before: str | None, limit: int
) -> tuple[list[Campaign], str | None]:
    """List at most `limit` of a tenant's campaigns made before `before`, newest first.

    Return the id after which the next page begins, too; None on the last.
    """
    partition = f"{CAMPAIGNS}#{tenant}"
    found = dynamodb.query_range(partition, "0", before or "~", limit + 2, newest_first=True)
    ids = [item["sk"]["S"] for item in found if item["sk"]["S"] != before]
    keys = [model.campaign_key(one) for one in ids[:limit]]
    stored = dynamodb.get_many(keys)
    page = [items.read_campaign(stored[key]) for key in keys if key in stored]
    return page, ids[limit - 1] if len(ids) > limit else None


def list_campaigns() -> list[Campaign]:
    """List every campaign, oldest first."""
    listed = dynamodb.query("pk = :pk", {":pk": {"S": CAMPAIGNS}})
    keys = [key_of(model.campaign_key(item["batch"]["S"])) for item in listed]
    pages = [keys[start : start + 100] for start in range(0, len(keys), 100)]
    found = [items.read_campaign(item) for page in pages for item in dynamodb.get_all(page)]
    return sorted(found, key=lambda campaign: campaign.id)


def find_chunk(identifier: str, first: int) -> Chunk | None:
    """Find the chunk of a campaign that begins with a row."""
    item = dynamodb.get(model.chunk_key(identifier, first))
    return items.read_chunk(item) if item else None


def list_chunks(identifier: str, after: int, last: int, limit: int) -> list[Chunk]:
    """List at most `limit` chunks of a campaign behind a row, up to the row `last`, in order."""
    low, high = model.chunk_key(identifier, after + 1), model.chunk_key(identifier, last)
    if after >= last:
        return []
    found = dynamodb.query_range(identifier, low.sort, high.sort, limit)
    return [items.read_chunk(item) for item in found]


def find_chunk_of_row(identifier: str, row: int) -> Chunk | None:
    """Find the chunk of a campaign that holds a row, no later than the last row read."""
    first, last = model.chunk_key(identifier, 0), model.chunk_key(identifier, row)
    found = dynamodb.query_range(identifier, first.sort, last.sort, 1, newest_first=True)
    return items.read_chunk(found[0]) if found else None


def update(campaign: Campaign, change: ItemUpdate) -> Campaign | None:
    """Write a change and return the campaign as it is then.

    Return None when another worker was faster or the state has changed.
    """
    return write(change.if_in("version", campaign.version).if_in("state", campaign.state))


def write(change: ItemUpdate) -> Campaign | None:
    """Write a change and return the campaign as it is then; None where a condition fails."""
    item = change.apply()
    return items.read_campaign(item) if item else None


def put_chunk(campaign: Campaign, item: Item, instead_of: str | None) -> bool:
    """Write a chunk if there is none, or only the one of the batch `instead_of`.

    Write it only while its campaign is running, so that a stopped one sends nothing more.
    """
    running = ItemUpdate(campaign.item_key).if_in("state", CampaignState.READING)
    if instead_of is None:
        return dynamodb.put_if_other_holds(running, item, "attribute_not_exists(pk)")
    return dynamodb.put_if_other_holds(
        running,
        item,
        "#batch = :old",
        ExpressionAttributeNames={"#batch": "batch"},
        ExpressionAttributeValues={":old": {"S": instead_of}},
    )
