"""A circuit breaker for each vendor: after some failures in a row, calls stop for a while.

Powertools' breaker counts in the worker and stores the state in the table, where all workers and
GET /vendors see it. Only a missing answer, a refused connection or an unreadable answer is a
failure; refusing a message is not.
"""

from collections.abc import Callable
from functools import cache
from typing import TYPE_CHECKING, Any

from sms_gateway.core.observability import increment, logger
from sms_gateway.dispatch.circuit_states import CIRCUITS, RECOVERY_SECONDS
from sms_gateway.storage import dynamodb

if TYPE_CHECKING:
    from aws_lambda_powertools.utilities.circuit_breaker.persistence import (
        CircuitBreakerDynamoDBPersistence,
    )

FAILURES_TO_OPEN = 5  # in a row, in one worker


class VendorFailureError(Exception):
    """A call that failed as calls to a failing vendor do; `result` is its outcome."""

    def __init__(self, answer: object) -> None:
        super().__init__("the vendor is failing")
        self.result = answer


@cache
def _store() -> "CircuitBreakerDynamoDBPersistence":
    from aws_lambda_powertools.utilities.circuit_breaker.persistence import (
        CircuitBreakerDynamoDBPersistence,
    )

    return CircuitBreakerDynamoDBPersistence(
        table_name=dynamodb.table_name(),
        key_attr="pk",
        sort_key_attr="sk",
        static_pk_value=CIRCUITS,
        expiry_attr="ttl",
        boto3_client=dynamodb.client(),
    )


def call_guarded[T](vendor: str, call: Callable[[], T], fallback: Callable[[], T]) -> T:
    """Return what `call` returns, or `fallback` while the vendor's circuit is open.

    `call` raises VendorFailureError to count a failure; the error's result is returned.
    """
    # The breaker imports all of boto3: the first call pays for that, not every start.
    from aws_lambda_powertools.utilities.circuit_breaker import (
        CircuitBreakerConfig,
        circuit_breaker,
    )

    called = False

    def call_once() -> T:
        nonlocal called
        called = True
        return call()

    def log_transition(transition: Any) -> None:
        state = str(transition.to_state)
        logger.warning("circuit state changed", extra={"vendor": vendor, "state": state})
        increment("CircuitChanged", vendor=vendor, state=state)

    protected = circuit_breaker(
        name=vendor,
        persistence_store=_store(),
        on_circuit_open=lambda **_circuit: fallback(),
        on_transition=log_transition,
        config=CircuitBreakerConfig(
            failure_threshold=FAILURES_TO_OPEN,
            recovery_timeout=RECOVERY_SECONDS,
            success_threshold=1,
            handled_exceptions=VendorFailureError,
        ),
    )(call_once)
    try:
        try:
            result: T = protected()
        except Exception:
            if called:
                raise
            # A store that fails must not keep a claimed submission from being sent.
            logger.exception("circuit state unknown", extra={"vendor": vendor})
            result = call()
    except VendorFailureError as failure:
        return failure.result  # type: ignore[return-value]  # a T: call raised it
    return result
