"""A count of what a tenant did within one minute, beside its webhooks."""

from typing import Any

from sms_gateway.storage.dynamodb import client, table_name, translate_errors
from sms_gateway.storage.items import number_attribute

MINUTE_SECONDS = 60
KEPT_SECONDS = 600


def count(tenant: str, what: str, now: int, amount: int) -> int:
    """Add to a tenant's count of the minute of `now` (epoch seconds), and return the sum.

    One write, which needs no condition. Raise ServiceUnavailableError.
    """
    values: Any = {
        ":amount": number_attribute(amount),
        ":ttl": number_attribute(now + KEPT_SECONDS),
    }
    # In lower case, which sorts behind the webhooks' ids.
    sort = f"minute#{what}#{now // MINUTE_SECONDS}"
    with translate_errors():
        answer = client().update_item(
            TableName=table_name(),
            Key={"pk": {"S": f"HOOKS#{tenant}"}, "sk": {"S": sort}},
            UpdateExpression="SET #ttl = :ttl ADD #amount :amount",
            ExpressionAttributeNames={"#ttl": "ttl", "#amount": "amount"},
            ExpressionAttributeValues=values,
            ReturnValues="UPDATED_NEW",
        )
    return int(answer["Attributes"]["amount"]["N"])


def seconds_left(now: int) -> int:
    """Return the seconds until the next minute, at least one."""
    return MINUTE_SECONDS - now % MINUTE_SECONDS
