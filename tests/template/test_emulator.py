"""What the emulator is told of a request to the table, so that it can judge it as AWS does."""

from typing import Any

import pytest

from local.emulator import leading_keys

ITEM = {"pk": {"S": "KEYS"}, "sk": {"S": "0"}}
OTHER = {"pk": {"S": "CAMPAIGNS"}, "sk": {"S": "0"}}


@pytest.mark.parametrize(
    ("request_", "keys"),
    [
        ({"Key": ITEM}, ["KEYS"]),
        ({"Item": ITEM | {"data": {"S": "x"}}}, ["KEYS"]),
        ({"RequestItems": {"table": {"Keys": [ITEM, OTHER]}}}, ["CAMPAIGNS", "KEYS"]),
        (
            {
                "RequestItems": {
                    "table": [{"PutRequest": {"Item": ITEM}}, {"DeleteRequest": {"Key": OTHER}}]
                }
            },
            ["CAMPAIGNS", "KEYS"],
        ),
        (
            {"TransactItems": [{"ConditionCheck": {"Key": ITEM}}, {"Put": {"Item": OTHER}}]},
            ["CAMPAIGNS", "KEYS"],
        ),
        (
            {
                "KeyConditionExpression": "pk = :pk AND sk BETWEEN :low AND :high",
                "ExpressionAttributeValues": {":low": {"S": "0"}, ":pk": {"S": "KEYS"}},
            },
            ["KEYS"],
        ),
        (
            {
                "KeyConditionExpression": "#shard = :shard",
                "ExpressionAttributeValues": {":shard": {"S": "07"}},
            },
            ["07"],
        ),
        ({"TableName": "table"}, []),
    ],
)
def test_a_request_names_its_partitions(request_: dict[str, Any], keys: list[str]) -> None:
    assert leading_keys(request_) == keys
