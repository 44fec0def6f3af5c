"""Errors as logs show them."""

import pytest
from botocore.exceptions import ClientError, ParamValidationError

from sms_gateway.core.error_places import describe, trace
from sms_gateway.core.problems import ServiceUnavailableError

SECRET = "Your code is 738201"
REFUSAL = {"Error": {"Code": "ValidationException", "Message": SECRET}}


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (KeyError(SECRET), "KeyError"),
        (ParamValidationError(report=SECRET), "ParamValidationError"),
        (ClientError(REFUSAL, "PutItem"), "ClientError: PutItem ValidationException"),  # type: ignore[arg-type]  # a part is enough
        (ServiceUnavailableError("Try again."), "ServiceUnavailableError: Try again."),
    ],
)
def test_an_error_is_shown_without_what_it_failed_on(error: Exception, words: str) -> None:
    assert describe(error) == words


def test_a_trace_has_every_error_that_led_to_it_and_no_words() -> None:
    def fail() -> None:
        try:
            raise KeyError(SECRET)
        except KeyError as error:
            error.add_note(SECRET)
            raise ValueError(SECRET) from error

    with pytest.raises(ValueError, match="code") as failed:
        fail()
    shown = trace(failed.value)
    assert "ValueError at test_error_places.py:" in shown
    assert "KeyError at test_error_places.py:" in shown
    assert "in fail" in shown
    assert "738201" not in shown


def test_errors_that_led_to_each_other_are_shown_once() -> None:
    first, second = KeyError(SECRET), ValueError(SECRET)
    first.__cause__, second.__cause__ = second, first
    assert trace(first).splitlines() == ["KeyError", "ValueError"]
