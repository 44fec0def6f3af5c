"""A handler that only makes a DynamoDB client: what using the table costs at the least."""

from typing import Any

import boto3

client = boto3.client("dynamodb")


def handler(_event: dict[str, Any], _context: object) -> dict[str, str]:
    """Read one item."""
    client.get_item(TableName="bench", Key={"pk": {"S": "KEYS"}, "sk": {"S": "none"}})
    return {"status": "ok"}
