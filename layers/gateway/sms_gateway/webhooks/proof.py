"""Prove that a webhook's host wants it: its answer to a test repeats the test's challenge.

A host that merely answers 2xx, or sends back what it was sent, proves nothing.
"""

import hmac

import msgspec

from sms_gateway.core.problems import ConflictError, TooManyRequestsError
from sms_gateway.storage.dynamodb import ItemUpdate
from sms_gateway.webhooks import minute_counter
from sms_gateway.webhooks.endpoints import Endpoint, EndpointState, key_of

CHALLENGE_BYTES = 24  # of chance
MAX_ANSWER_BYTES = 1024  # read of an answer to a test
MAX_TESTS_PER_MINUTE = 10  # of a tenant, whichever webhooks and hosts
LEASE_SECONDS = 30  # a test ends within 15, and its function within 27


class _Answer(msgspec.Struct):
    challenge: str


def repeats(body: bytes, challenge: str) -> bool:
    """Whether an answer is the JSON object `{"challenge": "…"}` with the challenge.

    Its bytes are compared in constant time, whatever else the object has.
    """
    try:
        answered = msgspec.json.decode(body, type=_Answer).challenge
    except (msgspec.DecodeError, UnicodeDecodeError):
        return False
    return hmac.compare_digest(answered.encode(), challenge.encode())


def begin_test(endpoint: Endpoint, now: int) -> int:
    """Take the endpoint's one test, and return what `end_test` and `prove` want to know of it.

    Raise TooManyRequestsError for a tenant that tests too often, ConflictError while another test
    is made or when the operator disabled the endpoint.
    """
    if endpoint.disabled_by_operator:
        raise ConflictError(
            "The operator disabled this webhook: ask the operator.",
            slug="webhook-disabled-by-operator",
        )
    if minute_counter.count(endpoint.tenant, "tests", now, 1) > MAX_TESTS_PER_MINUTE:
        raise TooManyRequestsError(
            f"You may make {MAX_TESTS_PER_MINUTE} tests a minute: wait for the next one.",
            slug="too-many-tests",
            headers={"Retry-After": str(minute_counter.seconds_left(now))},
        )
    lease = now + LEASE_SECONDS
    if _update(endpoint).set("testing", lease).if_before("testing", now).apply() is None:
        raise ConflictError(
            "Another test of this webhook is just made: wait for its answer.", slug="test-running"
        )
    return lease


def end_test(endpoint: Endpoint, lease: int) -> None:
    """Let the next test begin."""
    _update(endpoint).set("testing", 0).if_in("testing", lease).apply()


def prove(endpoint: Endpoint, lease: int, now: int) -> bool:
    """Make an endpoint active whose host answered the challenge, and end the test.

    Its failures, its pause and why it was disabled are forgotten. Return False when it was deleted
    or the operator disabled it meanwhile.
    """
    change = _update(endpoint).set("status", EndpointState.ACTIVE).set("proven", now)
    change.set("failures", 0).set("paused", 0).set("testing", 0)
    change.remove("failing_since", "disabled", "disabled_at")
    return change.if_in("testing", lease).if_missing("by_operator").apply() is not None


def _update(endpoint: Endpoint) -> ItemUpdate:
    return ItemUpdate(key_of(endpoint.tenant, endpoint.id))
