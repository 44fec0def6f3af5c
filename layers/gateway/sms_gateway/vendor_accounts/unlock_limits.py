"""Limit unlock codes: each is a text to a number whose owner may not have asked for it."""

import hmac

from sms_gateway.core.derived_keys import derive_key
from sms_gateway.core.observability import increment
from sms_gateway.core.problems import TooManyRequestsError
from sms_gateway.core.timestamps import DAY_SECONDS, epoch_seconds
from sms_gateway.storage import send_limits
from sms_gateway.vendor_accounts.calls import Caller

CODES_PER_NUMBER = 5  # a day, over all tenants
CODES_PER_TENANT = 20  # a day


def count_unlock_code(caller: Caller, originator: str, secret: bytes) -> None:
    """Count a code to a sender's number. Raises TooManyRequestsError when there were too many."""
    key = derive_key(secret, "unlock codes")
    digest = hmac.digest(key, originator.lstrip("+0").casefold().encode(), "sha256").hex()
    now = epoch_seconds(caller.now)
    for partition, limit, whose in (
        # The tenant first: what it is refused must not use up another's codes to the number.
        (f"UNLOCKS#TENANT#{caller.tenant}", CODES_PER_TENANT, "A tenant"),
        (f"UNLOCKS#NUMBER#{digest}", CODES_PER_NUMBER, "A number"),
    ):
        wait = send_limits.count_send(partition, now, limit, DAY_SECONDS)
        if wait is not None:
            increment("UnlockCodeRefused", vendor=caller.vendor)
            raise TooManyRequestsError(
                f"{whose} gets {limit} unlock codes a day: use the last one, or wait.",
                slug="too-many-unlock-codes",
                headers={"Retry-After": str(wait)},
            )
