"""Where a message goes after an attempt that certainly sent nothing.

Along the route: each vendor that may still take it has its turn, at once. When all had theirs, it
waits before the next round, longer each time, rather than bounce between vendors that are down.
A vendor that refused it for good is not asked again.
"""

import random
from collections.abc import Collection, Sequence

from sms_gateway.core.value_object import ValueObject

FIRST_PAUSE_SECONDS = 5  # seconds before another round; doubles each time
MAX_PAUSE_SECONDS = 300


class NextAttempt(ValueObject, frozen=True):
    """Which vendor is next, and after how many seconds."""

    vendor: str
    pause: int


def next_attempt(
    vendors: Sequence[str],
    current: str,
    refused: Collection[str],
    usable: Collection[str],
    attempt: int,
) -> NextAttempt | None:
    """The next vendor of a route after `current`, whose `attempt`-th try it was; None when every
    vendor has refused for good. A vendor outside `usable` (configured now) is passed over, but for
    `current`, which may come back."""
    left = [v for v in vendors if v not in refused and (v in usable or v == current)]
    if not left:
        return None
    behind = [v for v in left if vendors.index(v) > vendors.index(current)]
    if behind:
        return NextAttempt(behind[0], 0)
    rounds = max(0, attempt - 1) // len(left)
    pause = min(FIRST_PAUSE_SECONDS * 2 ** min(rounds, 10), MAX_PAUSE_SECONDS)
    return NextAttempt(left[0], max(1, round(pause * random.uniform(0.5, 1.0))))  # noqa: S311 - jitter
