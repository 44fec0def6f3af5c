"""A vendor's rate over all workers: one booked time an account."""

from botocore.exceptions import ClientError

from sms_gateway.storage.dynamodb import client, table_name, translate_errors
from sms_gateway.storage.items import (
    number_attribute,
)


def reserve_time(vendor: str, now: int, cost: int, horizon: int) -> int | None:
    """Reserves a vendor's time over all workers (all in ms): when the reserved span begins, or
    None when that would be more than `horizon` ahead."""
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
    except ClientError:
        pass
    try:
        with translate_errors():
            answer = client().update_item(
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
    except ClientError:
        return None
    return int(answer["Attributes"]["booked"]["N"]) - cost
