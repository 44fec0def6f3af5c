"""What a chunk of a campaign costs beside its messages, which are billed like any others.

python -m testing.campaign_units prints it.
"""

import json
import os
from typing import Any

from testing.aws import ENVIRONMENT
from testing.campaign_file import CHUNK, uploaded, work
from testing.campaign_table import CampaignAws
from testing.counting import Meter, Tally
from testing.server import Wire


class Beside(Meter):
    """Bills what has to do with the campaign and its chunks; `of_results` is what results read."""

    of_results = 0.0

    def _bill(self, total: Tally, name: str, params: Any, *rest: Any) -> None:
        if name == "BatchWriteItem" or params.get("Item", {}).get("sk") == {"S": "B"}:
            return  # of its messages
        before = total.reads
        super()._bill(total, name, params, *rest)
        if name == "Query":
            self.of_results += total.reads - before


def units(rows: int) -> dict[str, float]:
    """Of a chunk: write units.

    Read units without and for one results file, in which every message has its receipt; calls
    of the table that follow one another, its messages' among them.
    """
    from sms_gateway.core.status import Status
    from sms_gateway.storage import dynamodb, items
    from sms_gateway.storage.models import TimelineEntry

    with uploaded(rows) as file:
        aws = CampaignAws(file)
        log = items.timeline_attribute(
            [TimelineEntry(1, Status.DELIVERED, "poll", "jst", 1, "DELIVRD")]
        )
        aws.receipt = {"status": {"S": "delivered"}, "timeline": log}
        Wire(aws.answer)
        meter = Beside(aws.peek, ask=True)
        with meter.listening(dynamodb.client()):
            work(rows)
    chunks, calls = rows / CHUNK, meter.total.calls
    side_by_side = calls["dynamodb.BatchWriteItem"]
    one_by_one = calls.total() - side_by_side + side_by_side / dynamodb.MAX_PARALLEL_WRITES
    return {
        "writes": meter.total.consumed / chunks,
        "reads": (meter.total.reads - meter.of_results) / chunks,
        "results": meter.of_results / chunks,
        "calls": one_by_one / chunks,
    }


if __name__ == "__main__":
    os.environ |= ENVIRONMENT | {"AWS_ENDPOINT_URL": "http://aws.example.com"}
    print(json.dumps(units(20_000)))
