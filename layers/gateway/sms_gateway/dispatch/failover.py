"""Where a message goes after an attempt that certainly sent nothing.

To the next vendor of the route, at once. After the last one a new round begins after a pause that
grows, rather than bounce between vendors that are down. A vendor that refused is not tried again.
"""

import random
from collections.abc import Collection, Sequence

from sms_gateway.core.value_object import ValueObject

FIRST_PAUSE_SECONDS = 5  # before the second round; doubles with each one
MAX_PAUSE_SECONDS = 300


class NextAttempt(ValueObject, frozen=True):
    """The next vendor, and the pause before it in seconds."""

    vendor: str
    pause: int


def next_attempt(
    vendors: Sequence[str],
    current: str,
    refused: Collection[str],
    usable: Collection[str],
    attempt: int,
) -> NextAttempt | None:
    """Return the vendor after `current` on a route; None when every vendor has refused.

    `attempt` counts the attempts so far. A vendor outside `usable` (configured now) is skipped,
    except `current`, which may come back.
    """
    candidates = [
        vendor
        for vendor in vendors
        if vendor not in refused and (vendor in usable or vendor == current)
    ]
    if not candidates:
        return None
    later = [vendor for vendor in candidates if vendors.index(vendor) > vendors.index(current)]
    if later:
        return NextAttempt(later[0], 0)
    rounds = max(0, attempt - 1) // len(candidates)
    pause = min(FIRST_PAUSE_SECONDS * 2 ** min(rounds, 10), MAX_PAUSE_SECONDS)
    return NextAttempt(candidates[0], max(1, round(pause * random.uniform(0.5, 1.0))))  # noqa: S311 - jitter
