"""Limit the codes that a tenant sends to a number, so that nobody can pump codes."""

import os

from sms_gateway.core.observability import increment, logger
from sms_gateway.core.problems import ServiceUnavailableError, TooManyRequestsError
from sms_gateway.storage import send_limits


def count_send(tenant: str, digest: str, now: int) -> None:
    """Count a send at `now` (epoch seconds) to a number, given by its keyed hash.

    Raise TooManyRequestsError when there were VERIFICATION_SENDS in the last VERIFICATION_WINDOW
    seconds.
    """
    limit, window = int(os.environ["VERIFICATION_SENDS"]), int(os.environ["VERIFICATION_WINDOW"])
    wait = send_limits.count_send(_partition(tenant, digest), now, limit, window)
    if wait is None:
        return
    increment("VerificationRateLimited")
    raise TooManyRequestsError(
        f"A number gets {limit} codes in {window} seconds: wait, or let its owner try the last "
        "one.",
        slug="too-many-codes",
        headers={"Retry-After": str(wait)},
    )


def give_back(tenant: str, digest: str, now: int) -> None:
    """Take off a send that `count_send` counted and the guard refused. Raises nothing."""
    try:
        window = int(os.environ["VERIFICATION_WINDOW"])
        send_limits.take_off_send(_partition(tenant, digest), now, window)
    except ServiceUnavailableError as error:
        logger.warning("send to a number not given back", extra={"why": error.detail})


def _partition(tenant: str, digest: str) -> str:
    return f"SENDS#{tenant}#{digest}"
