"""What campaigns have planned to use of a vendor's credit since it told the amount."""

from decimal import Decimal
from typing import Any

from sms_gateway.storage import dynamodb
from sms_gateway.storage.items import key_of
from sms_gateway.storage.models import ItemKey

_ADD = "SET planned = planned + :cost"
_BEGIN = "SET planned = :cost, since = :since"


def count_planned(vendor: str, product: str | None, since: str, cost: Decimal) -> Decimal:
    """Count a cost, in the amount's unit; return the sum since `since`, an RFC 3339 time in UTC.

    A later time begins the sum anew; an earlier one counts in the later one's sum. A negative cost
    gives back. Raises ServiceUnavailableError.
    """
    key = key_of(ItemKey(f"PLANNED#{vendor}", product or "all"))
    for _ in range(3):  # between two writes another may begin a sum
        for change, condition in (
            (_ADD, "since >= :since"),
            (_BEGIN, "attribute_not_exists(pk) OR since < :since"),
        ):
            total = _write(key, change, condition, since, cost)
            if total is not None:
                return total
    return cost


def _write(key: Any, change: str, condition: str, since: str, cost: Decimal) -> Decimal | None:
    response = dynamodb.conditional_write(
        lambda: dynamodb.client().update_item(
            TableName=dynamodb.table_name(),
            Key=key,
            UpdateExpression=change,
            ConditionExpression=condition,
            ExpressionAttributeValues={":cost": {"N": f"{cost:f}"}, ":since": {"S": since}},
            ReturnValues="ALL_NEW",
        )
    )
    return Decimal(response["Attributes"]["planned"]["N"]) if response else None
