"""The only module that calls DynamoDB; docs/data-model.md lists the access paths.

Every change of state is one conditional write. Raises ServiceUnavailableError when DynamoDB does
not answer.
"""

import os
import re
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from itertools import islice
from typing import TYPE_CHECKING, Any

from sms_gateway.aws import clients
from sms_gateway.aws.errors import AWS_ERRORS, answer_of, error_code
from sms_gateway.core.problems import ServiceUnavailableError
from sms_gateway.storage.items import Item, key_of
from sms_gateway.storage.models import ItemKey
from sms_gateway.storage.update_expression import UpdateExpression

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

MAX_PARALLEL_WRITES = 16  # parallel BatchWriteItem and UpdateItem calls


def client() -> "DynamoDBClient":
    """Return this process's one client: bounded timeouts and retries, reused connections."""
    shared: DynamoDBClient = clients.client("dynamodb")
    return shared


def table_name() -> str:
    """Return the table's name."""
    return os.environ["TABLE_NAME"]


class ConditionFailedError(Exception):
    """A write was refused because its condition did not hold.

    `item` is the existing item, if the write asked for it, else {}.
    """

    def __init__(self, item: Item) -> None:
        super().__init__("the condition did not hold")
        self.item = item


class _ConflictError(ServiceUnavailableError):
    """A transaction and another write wanted the same item at once."""

    def __init__(self) -> None:
        super().__init__("Others are writing what this is about; try again.")


@contextmanager
def translate_errors() -> Iterator[None]:
    """Raise ConditionFailedError, or ServiceUnavailableError for all else that goes wrong."""
    try:
        yield
    except AWS_ERRORS as error:
        code, answer = error_code(error), answer_of(error)
        # Of a transaction the code says only that it failed, and each item has its reason.
        reasons = {reason.get("Code") for reason in answer.get("CancellationReasons", [])}
        if code == "ConditionalCheckFailedException" or "ConditionalCheckFailed" in reasons:
            raise ConditionFailedError(answer.get("Item", {})) from error
        if code == "TransactionConflictException" or "TransactionConflict" in reasons:
            raise _ConflictError from error
        fault = f"refused a request ({code})" if code else "does not answer"
        raise ServiceUnavailableError(f"The table {fault}; try again.") from error


def put_all(items: Sequence[Item]) -> None:
    """Write items without conditions: 25 a call, calls in parallel, until all are written."""
    pages = [items[start : start + 25] for start in range(0, len(items), 25)]
    if len(pages) == 1:
        _put_page(pages[0])
        return
    with ThreadPoolExecutor(min(MAX_PARALLEL_WRITES, max(1, len(pages)))) as pool:
        for _ in pool.map(_put_page, pages):
            pass


def _put_page(page: Sequence[Item]) -> None:
    unprocessed: Any = {table_name(): [{"PutRequest": {"Item": item}} for item in page]}
    for attempt in range(6):
        with translate_errors():
            unprocessed = (
                client().batch_write_item(RequestItems=unprocessed).get("UnprocessedItems")
            )
        if not unprocessed:
            return
        time.sleep(0.05 * 2**attempt)
    raise ServiceUnavailableError("The table takes no more writes now; try again.")


def put(item: Item, condition: str, **expression: Any) -> Item | None:
    """Write an item if a condition holds.

    Returns None, or the existing item ({} for none). That may be this very item: botocore retries
    when an answer got lost.
    """
    try:
        with translate_errors():
            client().put_item(
                TableName=table_name(),
                Item=item,
                ConditionExpression=condition,
                ReturnValuesOnConditionCheckFailure="ALL_OLD",
                **expression,
            )
    except ConditionFailedError as error:
        return error.item
    return None


def put_new(item: Item) -> bool:
    """Write an item that must not exist; return False when another one does."""
    return put(item, "attribute_not_exists(pk)") in (None, item)


def put_if_other_holds(
    check: UpdateExpression, item: Item, condition: str, **expression: Any
) -> bool:
    """Write an item in a transaction with conditions on itself and on another item.

    Returns whether it was written; the SDK's token makes a retry harmless.
    """
    write: Any = {"TableName": table_name(), "Item": item, "ConditionExpression": condition}
    items: Any = [
        {"ConditionCheck": {"TableName": table_name(), **check.conditions()}},
        {"Put": write | expression},
    ]
    return conditional_write(lambda: client().transact_write_items(TransactItems=items)) is not None


def put_new_with(item: Item, change: UpdateExpression) -> bool:
    """Write an item that must not exist in a transaction with a conditional change of another.

    Returns whether both were written; the SDK's token makes a retry harmless.
    """
    new = {"Item": item, "ConditionExpression": "attribute_not_exists(pk)"}
    items: Any = [
        {"Put": {"TableName": table_name(), **new}},
        {"Update": {"TableName": table_name(), **change.request()}},
    ]
    return conditional_write(lambda: client().transact_write_items(TransactItems=items)) is not None


def conditional_write[T](write: Callable[[], T]) -> T | None:
    """Return what a conditional write answers, or None when a condition does not hold.

    Retries while a transaction and another write conflict over an item.
    """
    for attempt in range(6):
        try:
            with translate_errors():
                return write()
        except ConditionFailedError:
            return None
        except _ConflictError:
            time.sleep(0.05 * 2**attempt)
    raise _ConflictError


def get(key: ItemKey, *, consistent: bool = True) -> Item | None:
    """Read one item, consistently unless asked otherwise."""
    with translate_errors():
        response = client().get_item(
            TableName=table_name(), Key=key_of(key), ConsistentRead=consistent
        )
    return response.get("Item")


def get_all(keys: Sequence[Item], *, consistent: bool = True) -> list[Item]:
    """Read the items that exist, consistently unless asked otherwise, 100 keys a call."""
    pages = (keys[start:][:100] for start in range(0, len(keys), 100))
    return [item for page in pages for item in _get_page(page, consistent=consistent)]


def _get_page(keys: Sequence[Item], *, consistent: bool) -> list[Item]:
    """Read until no key is left unprocessed."""
    found: list[Item] = []
    unprocessed: Any = {table_name(): {"Keys": keys, "ConsistentRead": consistent}}
    for attempt in range(6):
        with translate_errors():
            response = client().batch_get_item(RequestItems=unprocessed)
        found += response["Responses"].get(table_name(), [])
        unprocessed = response.get("UnprocessedKeys")
        if not unprocessed:
            return found
        time.sleep(0.05 * 2**attempt)
    raise ServiceUnavailableError("The table takes no more reads now; try again.")


def get_many(keys: Sequence[ItemKey], *, consistent: bool = True) -> dict[ItemKey, Item]:
    """Read the items that exist, consistently unless asked otherwise, by key."""
    items = get_all([key_of(key) for key in keys], consistent=consistent)
    return {ItemKey(item["pk"]["S"], item["sk"]["S"]): item for item in items}


def query_range(
    partition: str,
    low: str,
    high: str,
    limit: int,
    *,
    newest_first: bool = False,
    consistent: bool = True,
) -> list[Item]:
    """Return at most `limit` items of a partition with sort keys from `low` to `high`, in order."""
    items = query(
        "pk = :pk AND sk BETWEEN :low AND :high",
        {":pk": {"S": partition}, ":low": {"S": low}, ":high": {"S": high}},
        ConsistentRead=consistent,
        ScanIndexForward=not newest_first,
        Limit=limit,
    )
    return list(islice(items, limit))


def remove(key: ItemKey) -> bool:
    """Delete an item; return whether it existed."""
    with translate_errors():
        response = client().delete_item(
            TableName=table_name(), Key=key_of(key), ReturnValues="ALL_OLD"
        )
    return "Attributes" in response


def query(condition: str, values: Item, **options: Any) -> Iterator[Item]:
    """Yield the items of a key condition, reading page by page; none between reversed bounds."""
    bounds = re.search(r"BETWEEN (:\w+) AND (:\w+)", condition)
    if bounds and values[bounds[1]]["S"] > values[bounds[2]]["S"]:
        return  # DynamoDB refuses them
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


class ItemUpdate(UpdateExpression):
    """An update expression that can be written."""

    def parameters(self) -> Any:
        """Return the parameters of UpdateItem."""
        return {"TableName": table_name(), **self.request()}

    def apply(self) -> Item | None:
        """Write; return the whole new item, or None when a condition does not hold."""
        parameters = self.parameters() | {"ReturnValues": "ALL_NEW"}
        response = conditional_write(lambda: client().update_item(**parameters))
        return response["Attributes"] if response else None

    def apply_or_read(self) -> tuple[Item, bool]:
        """Write; return the item as it is then, and whether the conditions held."""
        try:
            with translate_errors():
                response = client().update_item(
                    ReturnValues="ALL_NEW",
                    ReturnValuesOnConditionCheckFailure="ALL_OLD",
                    **self.parameters(),
                )
        except ConditionFailedError as error:
            return error.item, False
        return dict(response["Attributes"]), True


def apply_all(changes: Sequence[ItemUpdate]) -> list[bool]:
    """Write changes in parallel; return for each whether its condition held."""
    if len(changes) < 2:
        return [change.apply() is not None for change in changes]
    with ThreadPoolExecutor(min(MAX_PARALLEL_WRITES, len(changes))) as pool:
        return [item is not None for item in pool.map(ItemUpdate.apply, changes)]
