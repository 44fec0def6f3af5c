"""What of an error leaves a function."""

import pytest

from sms_gateway.core.function_guard import UnexpectedError, guarded
from sms_gateway.core.problems import GatewayError, InvalidRequestError
from sms_gateway.triggers.direct_invocation import SendRefused, TryAgain


def raising(error: Exception) -> None:
    def handler(_event: object, _context: object) -> None:
        raise error

    guarded(handler)({}, None)


@pytest.mark.parametrize(
    "error",
    [InvalidRequestError("No."), SendRefused("no-route: No."), TryAgain("unavailable: No.")],
)
def test_our_own_errors_leave_under_their_names(error: Exception) -> None:
    # State machines match the two of a direct invocation.
    with pytest.raises(type(error)) as raised:
        raising(error)
    assert raised.value is error


def test_words_of_any_other_error_do_not_leave() -> None:
    with pytest.raises(UnexpectedError) as raised:
        raising(ValueError("+8801000000001"))
    assert "8801000000001" not in str(raised.value)
    assert not isinstance(raised.value, GatewayError)
