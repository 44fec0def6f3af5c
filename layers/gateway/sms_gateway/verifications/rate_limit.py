"""Limit the codes that a tenant sends to a number, so that nobody can pump codes."""

import os

from sms_gateway.core.observability import increment
from sms_gateway.core.problems import TooManyRequestsError
from sms_gateway.storage import send_limits


def count_send(tenant: str, digest: str, now: int) -> None:
    """Count a send at `now` (epoch seconds) to a number, given by its keyed hash.

    Raise TooManyRequestsError when there were VERIFICATION_SENDS in the last VERIFICATION_WINDOW
    seconds.
    """
    limit, window = int(os.environ["VERIFICATION_SENDS"]), int(os.environ["VERIFICATION_WINDOW"])
    wait = send_limits.count_send(f"SENDS#{tenant}#{digest}", now, limit, window)
    if wait is None:
        return
    increment("VerificationRateLimited")
    raise TooManyRequestsError(
        f"A number gets {limit} codes in {window} seconds: wait, or let its owner try the last "
        "one.",
        slug="too-many-codes",
        headers={"Retry-After": str(wait)},
    )
