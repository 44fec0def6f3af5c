"""A handler as tutorials have it: Powertools, a router, pydantic models and a boto3 client."""

from typing import Any

import boto3
from aws_lambda_powertools import Logger, Metrics
from aws_lambda_powertools.event_handler import APIGatewayRestResolver
from pydantic import BaseModel, Field

logger = Logger(service="typical")
metrics = Metrics(namespace="Typical", service="typical")
app = APIGatewayRestResolver()
client = boto3.client("dynamodb")


class Order(BaseModel):
    """One thing that is ordered."""

    id: str = Field(min_length=1, max_length=64)
    amount: int = Field(ge=1)


@app.get("/messages")
def read() -> dict[str, str]:
    """Read one item."""
    client.get_item(TableName="bench", Key={"pk": {"S": "KEYS"}, "sk": {"S": "none"}})
    return {"status": "ok"}


@app.post("/messages")
def write() -> dict[str, Any]:
    """Read a body."""
    return Order.model_validate(app.current_event.json_body).model_dump()


def handler(event: dict[str, Any], context: Any) -> dict[str, Any]:
    """Return the Lambda entry point."""
    return app.resolve(event, context)
