"""A campaign of a million rows: how fast its rows are accepted, what memory that takes, what it
costs beside its messages.
"""

import json
import os
import subprocess
import sys

import conftest  # noqa: F401 - the environment that a function has

from bench.aws import ENVIRONMENT
from bench.campaign_work import CHUNK, ROWS, SAMPLE, File
from bench.pricing import ASSUMED, MILLION, PRICES, Spent, dollars, shown
from bench.report import Result, Row

LIMIT = 256  # MB that a campaign of a million rows may take


def apart(what: str) -> dict[str, float]:
    """What one of the two measures, in a process of its own."""
    done = subprocess.run(  # noqa: S603 - our own program
        [sys.executable, "-m", "bench.campaign_work", what],
        env={**os.environ, **ENVIRONMENT, "AWS_ENDPOINT_URL": "http://127.0.0.1:1"},
        capture_output=True,
        text=True,
        check=True,
    )
    answer: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return answer


def main() -> Result:
    """Rate, memory and cost, with the target of memory."""
    fast, wide = apart("rate"), apart("memory")
    each = fast["seconds"] / SAMPLE
    chunks = MILLION / CHUNK
    spent = Spent(
        # By chunk: its record of two KB, in one transaction with a check of the campaign; the
        # campaign's two moves, whose due time stays as it is.
        writes=chunks * (2 * (3 + 1) + 2 * 1) / MILLION,
        # By chunk: campaign, chunk and batch, read once each; for a results file 1,000 messages
        # of about 300 bytes, consistently, and three files until most messages are final.
        reads=chunks * (3 + 3 * (75 + 1)) / MILLION,
    )
    # Ten calls of the table follow one another for a chunk; the rest of its writes go side by side.
    waits = 10 * ASSUMED["dynamodb_ms"] / 1000 / CHUNK
    spent.gb_seconds["campaign"] = (each + waits) * 1769 / 1024
    prices = dollars(spent)
    dearer = sum(prices.values())
    blocks = 2 * (File(ROWS).size / 2**20) / 1000 * PRICES["s3"]["thousand_gets"]
    writes = 3 * 15 / 1000 * PRICES["s3"]["thousand_puts"]
    return Result(
        "campaign",
        "A campaign of a million rows",
        [
            Row("rows a second, one CPU", SAMPLE / fast["seconds"], "rows/s"),
            Row("the most memory for a million rows", wide["peak"], "MB", LIMIT),
            Row("a million rows, beside their messages", dearer + blocks + writes, "$"),
        ],
        "rows/s",
        [
            f"CPU of the function alone, with every byte of HTTP to the table and without TLS, "
            f"waiting and answers, over {SAMPLE:,} rows: checking, accepting and one results file. "
            f"The memory is the whole process's, after {ROWS:,} rows and "
            f"{wide['results'] / 1e6:.0f} MB of results in {wide['seconds']:.0f} s; the messages' "
            "own writes, one chunk at a time, are left out there.",
            f"Dollars for a million rows beside what their messages cost: {shown(prices)}, S3 "
            f"{blocks + writes:.2f}. The units are worked out from the sizes of the items, with "
            "three results files.",
        ],
    )
