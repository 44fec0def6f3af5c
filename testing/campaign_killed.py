"""A campaign whose worker dies three times.

python -m testing.campaign_killed prints how often the row that was accepted most often was, and how
many rows were.
"""

import json
import os
from collections import Counter
from contextlib import redirect_stdout
from io import StringIO

from testing.aws import ENVIRONMENT
from testing.campaign_file import CAMPAIGN, uploaded, work
from testing.campaign_table import CampaignAws, Killed
from testing.server import Wire

ROWS = 100_000
CALLS = (700, 1_311, 1_702)  # of the table, after which it dies: anywhere in a chunk


def killed() -> dict[str, int]:
    """Return the counts."""
    with uploaded(ROWS) as file, redirect_stdout(StringIO()):
        aws, deaths = CampaignAws(file), 0
        Wire(aws.answer)
        for aws.calls_left in CALLS:
            try:
                work(ROWS)
            except Killed:
                deaths += 1
            # Whoever wrote it is surely dead.
            chunks = [one for one in aws.items()[CAMPAIGN].values() if "started" in one]
            aws.put([one | {"started": {"N": "0"}} for one in chunks])
        aws.calls_left = -1
        work(ROWS)
    sent = Counter(one for batch in aws.accepted for one in aws.rows[batch])
    return {"deaths": deaths, "most": max(sent.values()), "rows": len(sent)}


if __name__ == "__main__":
    os.environ |= ENVIRONMENT | {"AWS_ENDPOINT_URL": "http://aws.example.com"}
    print(json.dumps(killed()))
