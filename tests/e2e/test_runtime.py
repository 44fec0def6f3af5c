"""The deployed functions run under Lambda's own runtime client, with all that it logs."""

import json

from testing.deployed import Api
from testing.log_search import logs_of


def test_an_error_is_logged_as_lambda_does_and_by_type_and_place(api: Api) -> None:
    word = "a word of whoever invokes: +447700900188"
    answer = api.stack.client("lambda").invoke(
        FunctionName=api.stack.facts["publish_events_function"],
        Payload=json.dumps({word: word}).encode(),
    )
    assert "FunctionError" in answer
    got = [line for line in logs_of(api.stack).splitlines() if line.startswith('{"timestamp"')]
    errors = [one for one in map(json.loads, got) if "errorType" in one]
    found = [one for one in errors if "KeyError at" in one["errorMessage"]]
    # Other tests of this stack may have met the same.
    assert {(one["errorType"], bool(one["stackTrace"])) for one in found} == {
        ("UnexpectedError", True)
    }
    assert word not in str(got)
