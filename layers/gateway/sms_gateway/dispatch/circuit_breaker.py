"""A circuit breaker for each vendor: after some failures in a row it is left alone for a while.

Powertools' breaker counts in the worker and keeps the state in the table, where all workers and
GET /vendors see it. Only silence, refused connections and unreadable answers count as failures; a
vendor that refuses a message is well.
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

FAILURES_TO_OPEN = 5  # in a row, in one worker, that open a circuit


class VendorFailureError(Exception):
    """A call that failed as calls to a sick vendor do; `answer` is what it came to all the same."""

    def __init__(self, answer: object) -> None:
        super().__init__("the vendor is failing")
        self.answer = answer


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
    """What `call` returns, or `shut` without a call while the vendor's circuit is open. `call`
    raises VendorFailing to report a failure; its answer is returned."""
    # The breaker imports all of boto3: a worker's first call waits for that, not its every start.
    from aws_lambda_powertools.utilities.circuit_breaker import (
        CircuitBreakerConfig,
        circuit_breaker,
    )

    begun = False

    def begin() -> T:
        nonlocal begun
        begun = True
        return call()

    def changed(transition: Any) -> None:
        state = str(transition.to_state)
        logger.warning("circuit", extra={"vendor": vendor, "state": state})
        increment("CircuitChanged", vendor=vendor, state=state)

    protected = circuit_breaker(
        name=vendor,
        persistence_store=_store(),
        on_circuit_open=lambda circuit: fallback(),
        on_transition=changed,
        config=CircuitBreakerConfig(
            failure_threshold=FAILURES_TO_OPEN,
            recovery_timeout=RECOVERY_SECONDS,
            success_threshold=1,
            handled_exceptions=VendorFailureError,
        ),
    )(begin)
    try:
        try:
            answer: T = protected()
        except Exception:
            if begun:
                raise
            # A store that fails must not keep what has been claimed from being sent.
            logger.exception("circuit not known", extra={"vendor": vendor})
            answer = call()
    except VendorFailureError as failing:
        return failing.answer  # type: ignore[return-value]
    return answer
