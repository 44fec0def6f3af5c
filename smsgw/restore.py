"""`smsgw restore`: copy what is missing out of a restored table, so that none of it is sent."""

from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from typing import Any

import click
from botocore.exceptions import ClientError
from botocore.session import Session

from sms_gateway.aws.errors import error_code
from sms_gateway.core.timestamps import epoch_seconds, rfc3339, utc_now
from sms_gateway.storage import dynamodb
from sms_gateway.storage.items import Item, key_of
from sms_gateway.storage.models import ItemKey
from smsgw.errors import CommandError
from smsgw.line import Area
from smsgw.restore_rules import Fate, Restore
from smsgw.terminal import counted, say

AREA = Area("restore", "Items of a restored table.")

THREADS = 16  # writes at once
THERE = "are there already, and stay as they are"


class RestoredTable:
    """A table that DynamoDB made of the stack's own, as of a moment."""

    def __init__(self, name: str, at: datetime) -> None:
        """Raise CommandError for a table that is none, is not ready, or is of another moment."""
        self.name = name
        session: Any = Session()  # the gateway's own reads no times
        self._client = session.create_client("dynamodb")
        self._submissions: dict[str, bool] = {}
        if name == dynamodb.table_name():
            raise CommandError("--table must name the restored table, not the stack's own")
        try:
            table: Any = self._client.describe_table(TableName=name)["Table"]
        except ClientError as error:
            if error_code(error) != "ResourceNotFoundException":
                raise
            raise CommandError(f"there is no table {name} in this region") from None
        if table["TableStatus"] != "ACTIVE":
            raise CommandError(f"{name} is still {table['TableStatus']}: wait for it")
        if {one["AttributeName"] for one in table["KeySchema"]} != {"pk", "sk"}:
            raise CommandError(f"{name} is no table of an SMS gateway")
        restored = table.get("RestoreSummary", {}).get("RestoreDateTime")
        if restored is not None and abs(restored.timestamp() - at.timestamp()) > 1:
            raise CommandError(f"{name} is as of {rfc3339(restored.astimezone(UTC))}: say that")

    def pages(self) -> Iterator[list[Item]]:
        """Yield all items; those of a partition in order, so a batch before its submissions."""
        pages = self._client.get_paginator("scan").paginate(
            TableName=self.name, ConsistentRead=True
        )
        for page in pages:
            self._submissions.clear()
            yield page["Items"]

    def settled(self, restore: Restore, item: Item) -> tuple[Fate, Item | None]:
        """Return an item's fate, and the item to write."""
        partition = item["pk"]["S"]
        # A send's answer is packed, and true once its batch is there; an operation's stands alone.
        if partition.startswith("REQUEST#") and "B" in item.get("answer", {}):
            return restore.settle(item, accepted=self._accepted(item["batch"]["S"]))
        shares = item["sk"]["S"].startswith("M#") and not {"vendor", "status"} & item.keys()
        return restore.settle(item, adrift=shares and self._has_submissions(partition))

    def _has_submissions(self, batch: str) -> bool:
        """Whether the stack's own table has submissions of a batch, before any is written."""
        if batch not in self._submissions:
            found = dynamodb.query_range(batch, "S#000", "S#999", 1)
            self._submissions[batch] = bool(found)
        return self._submissions[batch]

    def _accepted(self, batch: str) -> bool:
        """Whether the restored table has a batch that was accepted."""
        for sort in ("B", "M#000"):
            key: Any = key_of(ItemKey(batch, sort))
            found = self._client.get_item(TableName=self.name, Key=key, ConsistentRead=True)
            if "tenant" in found.get("Item", {}):
                return True
        return False


def _restore_options(command: Callable[..., None]) -> Callable[..., None]:
    """Give a command the options that say what is restored, and how."""
    for option in (
        click.option(
            "--keep-access",
            is_flag=True,
            help="Bring keys and webhooks back, although some may have been revoked or removed.",
        ),
        click.option(
            "--keep-scheduled",
            is_flag=True,
            help="Let messages scheduled for later leave, although some may have been cancelled.",
        ),
        click.option("--at", required=True, help="The moment that it was restored to."),
        click.option("--table", required=True, help="The table that DynamoDB restored."),
    ):
        command = option(command)
    return command


@AREA.command("plan", help="Count what would come back, and as what.", reads=True)
@_restore_options
def plan(**options: Any) -> None:
    """Print what `apply` would write, and write nothing."""
    restore, table = _begin(**options)
    counts: Counter[str] = Counter()
    for items in table.pages():
        there = dynamodb.get_many([_key(item) for item in items])
        for item in items:
            fate, new = table.settled(restore, item)
            counts[THERE if new is not None and _key(item) in there else fate] += 1
        _tell(counts)
    _print(counts)
    say("Nothing was written; `smsgw restore apply` does it.")


@AREA.command(
    "apply",
    help="Write what is missing; none of it is sent.",
    harm="writes what {table} has and the stack's table has not",
    examples=("smsgw restore apply --table restored --at 2026-11-28T09:30:00Z",),
)
@_restore_options
def apply(**options: Any) -> None:
    """Write what is missing. A repeat continues: what is there stays as it is."""
    restore, table = _begin(**options)

    def write(item: Item) -> str:
        fate, new = table.settled(restore, item)
        if new is None or dynamodb.put(new, "attribute_not_exists(pk)") is None:
            return fate
        return THERE

    counts: Counter[str] = Counter()
    with ThreadPoolExecutor(THREADS) as pool:
        for items in table.pages():
            # A submission's events are made of its batch and messages: these are written first.
            for is_submission in (False, True):
                part = [item for item in items if ("vendor" in item) is is_submission]
                counts.update(pool.map(write, part))
            _tell(counts)
    _print(counts)
    say(f"The stack has all of {table.name} that was missing. A repeat changes nothing.")


def _begin(
    table: str, at: str, keep_scheduled: bool, keep_access: bool
) -> tuple[Restore, RestoredTable]:
    try:
        moment = datetime.fromisoformat(at)
    except ValueError:
        moment = datetime.min  # refused below: it has no zone
    if moment.tzinfo is None:
        raise CommandError("--at is a time with a zone, such as 2026-11-28T09:30:00Z")
    now = utc_now()
    if moment >= now:
        raise CommandError("--at is the moment of the restored table: it must be over")
    restore = Restore(
        epoch_seconds(moment),
        epoch_seconds(now),
        keep_scheduled=keep_scheduled,
        keep_access=keep_access,
    )
    return restore, RestoredTable(table, moment)


def _key(item: Item) -> ItemKey:
    return ItemKey(item["pk"]["S"], item["sk"]["S"])


def _tell(counts: Counter[str]) -> None:
    say(f"{counted(counts.total(), 'item')} read", error=True)


def _print(counts: Counter[str]) -> None:
    for what in (*Fate, THERE):
        if counts[what]:
            say(f"{counts[what]:>9}  {what}")
