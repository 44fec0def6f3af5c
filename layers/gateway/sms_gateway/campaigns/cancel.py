"""Takes back what has not left of a cancelled campaign, the last rows first: the first ones are the
likeliest to have left. What is done is remembered chunk by chunk, so that a million rows take as
many workers as they need.
"""

import time
from collections.abc import Callable
from itertools import batched

from sms_gateway.campaigns import repository as campaign_repository
from sms_gateway.campaigns.model import WAKE, Campaign
from sms_gateway.core.problems import Unavailable
from sms_gateway.core.status import Status
from sms_gateway.storage import dynamodb, message_repository
from sms_gateway.storage.dynamodb import Change
from sms_gateway.storage.models import Entry, Key

AT_ONCE = 10 * dynamodb.WRITERS  # writes between two looks at the clock
A_LOOK = 10.0  # seconds that reading a chunk, or so many writes, may take at the worst

TimeFor = Callable[[float], bool]


def take_back(one: Campaign, time_for: TimeFor) -> Campaign | None:
    """Goes on taking back as far as there is time; the campaign as it is then, None when another
    worker is at it. Raises Unavailable when AWS does not answer."""
    now: Campaign | None = one if one.left is not None else _remember(one, one.row)
    while now is not None and now.left and time_for(A_LOOK):
        chunk = campaign_repository.chunk_with(now.id, now.left)
        if chunk is None:
            raise Unavailable("A chunk of the campaign is not there; try again.")
        if chunk.batch and not _cancel(chunk.batch, time_for):
            break
        now = _remember(now, chunk.first - 1)
    return now


def _remember(one: Campaign, left: int) -> Campaign | None:
    change = Change(one.place).put("left", left).put("turn", one.turn + 1)
    # While this worker is alive the clock need call no other.
    return campaign_repository.move(one, change.look_at(int(time.time()) + WAKE))


def _cancel(batch: str, time_for: TimeFor) -> bool:
    """Cancels the submissions of a batch that have not left; False when time ran out. What is in
    a vendor's hands, or may be, is not touched: its status, or its doubt, fails the condition."""
    now = time.time()
    entry = Entry(int(now * 1000), Status.CANCELLED, "operator")
    changes = [
        Change(Key(item["pk"]["S"], item["sk"]["S"]))
        .put("status", Status.CANCELLED)
        .put("changed", int(now))
        .note(entry)
        .look_at(None)
        .when("status", Status.SCHEDULED, Status.ACCEPTED)
        .when_missing("doubt")
        for item in message_repository.submissions_of(batch)
        if item["status"]["S"] in (Status.SCHEDULED, Status.ACCEPTED)
    ]
    for some in batched(changes, AT_ONCE, strict=False):
        if not time_for(A_LOOK):
            return False
        dynamodb.apply_all(some)
    return True
