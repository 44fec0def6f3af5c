"""A vendor account's rate over all workers: one stored time an account."""

from sms_gateway.storage.dynamodb import ConditionFailedError, client, table_name, translate_errors
from sms_gateway.storage.items import number_attribute


def reserve_time(vendor: str, now: int, cost: int, horizon: int) -> int | None:
    """Reserve a span of a vendor's time over all workers; all times in ms.

    Returns when the span begins, or None when that is more than `horizon` ahead.
    """
    key = {"pk": {"S": f"RATE#{vendor}"}, "sk": {"S": "RATE"}}
    try:
        with translate_errors():
            client().update_item(
                TableName=table_name(),
                Key=key,
                UpdateExpression="SET booked = :end",
                ConditionExpression="attribute_not_exists(booked) OR booked <= :now",
                ExpressionAttributeValues={
                    ":end": number_attribute(now + cost),
                    ":now": number_attribute(now),
                },
            )
        return now
    except ConditionFailedError:
        pass
    try:
        with translate_errors():
            response = client().update_item(
                TableName=table_name(),
                Key=key,
                UpdateExpression="SET booked = booked + :cost",
                ConditionExpression="booked <= :latest",
                ExpressionAttributeValues={
                    ":cost": number_attribute(cost),
                    ":latest": number_attribute(now + horizon),
                },
                ReturnValues="UPDATED_NEW",
            )
    except ConditionFailedError:
        return None
    return int(response["Attributes"]["booked"]["N"]) - cost
