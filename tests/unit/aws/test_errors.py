"""What AWS's clients raise is told apart by one module."""

from typing import Any

import pytest
from botocore.exceptions import ClientError, ReadTimeoutError

from sms_gateway.aws.errors import AWS_ERRORS, answer_of, error_code

REFUSED = ClientError({"Error": {"Code": "AccessDenied"}}, "GetObject")
UNANSWERED = ReadTimeoutError(endpoint_url="https://sqs.example")


@pytest.mark.parametrize("error", [REFUSED, UNANSWERED])
def test_every_fault_of_a_call_is_caught(error: Exception) -> None:
    with pytest.raises(AWS_ERRORS):
        raise error


def test_a_refusal_has_a_code_and_an_answer() -> None:
    assert error_code(REFUSED) == "AccessDenied"
    assert answer_of(REFUSED) == {"Error": {"Code": "AccessDenied"}}
    without_code: Any = {"ResponseMetadata": {}}  # as an answer of S3 without a body
    assert error_code(ClientError(without_code, "GetObject")) == "error"


def test_without_an_answer_there_is_no_code() -> None:
    assert error_code(UNANSWERED) is None
    assert answer_of(UNANSWERED) == {}
