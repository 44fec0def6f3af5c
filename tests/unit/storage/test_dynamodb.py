"""What DynamoDB refuses is a condition that failed, a conflict, or a fault of the service."""

from typing import Any

import pytest
from botocore.exceptions import ClientError, ReadTimeoutError

from sms_gateway.core.problems import ServiceUnavailableError
from sms_gateway.storage.dynamodb import ConditionFailedError, translate_errors

ITEM = {"pk": {"S": "KEYS"}}
CANCELLED = "TransactionCanceledException"


def refused(code: str, *reasons: str, **answer: Any) -> ClientError:
    said: Any = {"Error": {"Code": code}, "CancellationReasons": [{"Code": one} for one in reasons]}
    return ClientError(said | answer, "PutItem")


@pytest.mark.parametrize(
    ("error", "item"),
    [
        (refused("ConditionalCheckFailedException", Item=ITEM), ITEM),
        (refused("ConditionalCheckFailedException"), {}),
        (refused(CANCELLED, "None", "ConditionalCheckFailed"), {}),
        (refused(CANCELLED, "TransactionConflict", "ConditionalCheckFailed"), {}),
    ],
)
def test_a_failed_condition_has_the_existing_item(error: ClientError, item: object) -> None:
    with pytest.raises(ConditionFailedError) as failed, translate_errors():
        raise error
    assert failed.value.item == item


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (refused(CANCELLED, "TransactionConflict"), "Others are writing"),
        (refused("TransactionConflictException"), "Others are writing"),
        (refused("ThrottlingException"), r"refused a request \(ThrottlingException\)"),
        (refused(CANCELLED, "ThrottlingError"), "refused a request"),
        (ReadTimeoutError(endpoint_url="https://dynamodb.example"), "does not answer"),
    ],
)
def test_all_else_is_to_be_tried_again(error: Exception, words: str) -> None:
    with pytest.raises(ServiceUnavailableError, match=words), translate_errors():
        raise error
