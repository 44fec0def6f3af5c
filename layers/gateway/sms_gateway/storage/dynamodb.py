"""The one module that talks to DynamoDB; docs/data-model.md lists its access paths,
items.py its items.

Every change of state is one conditional write. Raises Unavailable when DynamoDB does not answer.
"""

import os
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from itertools import islice
from typing import TYPE_CHECKING, Any

from botocore.exceptions import BotoCoreError, ClientError

from sms_gateway.aws import clients
from sms_gateway.core.problems import ServiceUnavailableError
from sms_gateway.storage.items import (
    Item,
    key_of,
)
from sms_gateway.storage.models import ItemKey
from sms_gateway.storage.update_expression import UpdateExpression

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

MAX_PARALLEL_WRITES = 16  # parallel BatchWriteItem and UpdateItem calls


def client() -> "DynamoDBClient":
    """The one client of this process: bounded time-outs and retries, connections kept."""
    made: DynamoDBClient = clients.client("dynamodb")
    return made


def table_name() -> str:
    """The table's name."""
    return os.environ["TABLE_NAME"]


@contextmanager
def translate_errors() -> Iterator[None]:
    """Raise Unavailable for what DynamoDB or the network refuses; a condition that does not
    hold stays botocore's error."""
    try:
        yield
    except ClientError as error:
        if failed_condition(error):
            raise
        code = error.response.get("Error", {}).get("Code", "error")
        raise ServiceUnavailableError(
            f"The table refused a request ({code}); try again."
        ) from error
    except BotoCoreError as error:
        raise ServiceUnavailableError("The table does not answer; try again.") from error


def failed_condition(error: ClientError) -> bool:
    """Whether a write was refused because its condition did not hold."""
    code = error.response.get("Error", {}).get("Code")
    if code == "TransactionCanceledException":
        reasons = error.response.get("CancellationReasons", [])
        return any(reason.get("Code") == "ConditionalCheckFailed" for reason in reasons)
    return code == "ConditionalCheckFailedException"


# Accepting


def put_all(items: Sequence[Item]) -> None:
    """Writes items that have no condition, 25 a call, calls in parallel, until none is left."""
    pages = [items[start : start + 25] for start in range(0, len(items), 25)]
    if len(pages) == 1:
        _put_page(pages[0])
        return
    with ThreadPoolExecutor(min(MAX_PARALLEL_WRITES, max(1, len(pages)))) as pool:
        for _ in pool.map(_put_page, pages):
            pass


def _put_page(page: Sequence[Item]) -> None:
    left: Any = {table_name(): [{"PutRequest": {"Item": item}} for item in page]}
    for attempt in range(6):
        with translate_errors():
            left = client().batch_write_item(RequestItems=left).get("UnprocessedItems")
        if not left:
            return
        time.sleep(0.05 * 2**attempt)
    raise ServiceUnavailableError("The table takes no more writes now; try again.")


def put(item: Item, condition: str, **expression: Any) -> Item | None:
    """Writes an item if a condition holds: None, or else what stands there instead ({} when nothing
    does). What stands there may be this very item: botocore asks again when an answer got lost."""
    try:
        with translate_errors():
            client().put_item(
                TableName=table_name(),
                Item=item,
                ConditionExpression=condition,
                ReturnValuesOnConditionCheckFailure="ALL_OLD",
                **expression,
            )
    except ClientError as error:
        there: Any = error.response.get("Item", {})
        return dict(there)
    return None


def put_new(item: Item) -> bool:
    """Writes an item that must not be there yet; False when another one is."""
    return put(item, "attribute_not_exists(pk)") in (None, item)


def put_if_other_holds(
    check: UpdateExpression, item: Item, condition: str, **expression: Any
) -> bool:
    """Writes an item if a condition holds, and only while those of `check` do on another item: one
    transaction. Whether it was written; asked twice, the SDK's token makes it once."""
    put_it: Any = {"TableName": table_name(), "Item": item, "ConditionExpression": condition}
    asked: Any = [
        {"ConditionCheck": {"TableName": table_name(), **check.conditions()}},
        {"Put": put_it | expression},
    ]
    return conditional_write(lambda: client().transact_write_items(TransactItems=asked)) is not None


def conditional_write[T](write: Callable[[], T]) -> T | None:
    """What a conditional write answers, None when a condition does not hold. It is tried again
    while a transaction and another write want the same item at once."""
    for attempt in range(6):
        try:
            with translate_errors():
                return write()
        except ClientError:
            return None
        except ServiceUnavailableError as error:
            if not _in_conflict(error):
                raise
            time.sleep(0.05 * 2**attempt)
    raise ServiceUnavailableError("Others are writing what this is about; try again.")


def _in_conflict(error: ServiceUnavailableError) -> bool:
    cause = error.__cause__
    if not isinstance(cause, ClientError):
        return False
    reasons: Any = cause.response.get("CancellationReasons", [])
    codes = [cause.response["Error"]["Code"], *(reason.get("Code") for reason in reasons)]
    return not {"TransactionConflict", "TransactionConflictException"}.isdisjoint(codes)


# Reading


def get(key: ItemKey) -> Item | None:
    """One item, consistently."""
    with translate_errors():
        found = client().get_item(TableName=table_name(), Key=key_of(key), ConsistentRead=True)
    return found.get("Item")


def get_all(keys: Sequence[Item]) -> list[Item]:
    """The items that are there, consistently, 100 keys a call."""
    return [item for start in range(0, len(keys), 100) for item in _get_page(keys[start:][:100])]


def _get_page(keys: Sequence[Item]) -> list[Item]:
    """Asks until DynamoDB has looked at every key."""
    found: list[Item] = []
    left: Any = {table_name(): {"Keys": keys, "ConsistentRead": True}}
    for attempt in range(6):
        with translate_errors():
            answer = client().batch_get_item(RequestItems=left)
        found += answer["Responses"].get(table_name(), [])
        left = answer.get("UnprocessedKeys")
        if not left:
            return found
        time.sleep(0.05 * 2**attempt)
    raise ServiceUnavailableError("The table takes no more reads now; try again.")


def get_many(keys: Sequence[ItemKey]) -> dict[ItemKey, Item]:
    """The items that are there, consistently, by their keys."""
    found = get_all([key_of(key) for key in keys])
    return {ItemKey(item["pk"]["S"], item["sk"]["S"]): item for item in found}


def query_range(
    partition: str,
    low: str,
    high: str,
    limit: int,
    *,
    newest_first: bool = False,
    consistent: bool = True,
) -> list[Item]:
    """At most `limit` items of a partition whose sort keys lie from `low` to `high`, in order."""
    found = query(
        "pk = :pk AND sk BETWEEN :low AND :high",
        {":pk": {"S": partition}, ":low": {"S": low}, ":high": {"S": high}},
        ConsistentRead=consistent,
        ScanIndexForward=not newest_first,
        Limit=limit,
    )
    return list(islice(found, limit))


def remove(key: ItemKey) -> bool:
    """Removes an item; whether it was there."""
    with translate_errors():
        gone = client().delete_item(TableName=table_name(), Key=key_of(key), ReturnValues="ALL_OLD")
    return "Attributes" in gone


def query(condition: str, values: Item, **options: Any) -> Iterator[Item]:
    """The items of a key condition, page by page as they are taken."""
    start: Item = {}
    while True:
        with translate_errors():
            page = client().query(
                TableName=table_name(),
                KeyConditionExpression=condition,
                ExpressionAttributeValues=values,
                **options,
                **start,
            )
        yield from page["Items"]
        if "LastEvaluatedKey" not in page:
            return
        start = {"ExclusiveStartKey": page["LastEvaluatedKey"]}


# Moving a submission, or a message, forward


class ItemUpdate(UpdateExpression):
    """An update that writes itself."""

    def parameters(self) -> Any:
        """The parameters of UpdateItem."""
        return {"TableName": table_name(), **self.request()}

    def apply(self) -> Item | None:
        """Writes; the whole new item, or None when a condition does not hold."""
        asked = self.parameters() | {"ReturnValues": "ALL_NEW"}
        answer = conditional_write(lambda: client().update_item(**asked))
        return answer["Attributes"] if answer else None


def apply_all(changes: Sequence[ItemUpdate]) -> list[bool]:
    """Writes changes side by side; whether each one's condition held."""
    if len(changes) < 2:
        return [change.apply() is not None for change in changes]
    with ThreadPoolExecutor(min(MAX_PARALLEL_WRITES, len(changes))) as pool:
        return [done is not None for done in pool.map(ItemUpdate.apply, changes)]


# Requests that carry an Idempotency-Key


# Where only the vendor's id is known


# What is kept for a while


# The clock's leases


# A vendor's rate
