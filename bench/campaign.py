"""A campaign of a million rows: how fast its rows are accepted, what memory that takes, what it
costs beside its messages.
"""

import json
import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

import conftest  # noqa: F401 - the environment that a function has

from bench.aws import ENVIRONMENT
from bench.campaign_work import CHUNK, ROWS, SAMPLE, File
from bench.pricing import ASSUMED, MILLION, PRICES, Spent, dollars, shown
from bench.report import Result, Row

RESULTS = 3  # files that are written until most messages are final
LIMIT = 256  # MB that a campaign of a million rows may take


def apart(what: str) -> dict[str, float]:
    """What one of them measures, in a process of its own."""
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
    fast = apart("rate")  # which is timed, and the others are not
    with ThreadPoolExecutor() as both:
        each, wide = both.map(apart, ("units", "memory"))
    chunks = MILLION / CHUNK
    spent = Spent(
        writes=chunks * each["writes"] / MILLION,
        reads=chunks * (each["reads"] + RESULTS * each["results"]) / MILLION,
    )
    seconds = fast["seconds"] / SAMPLE + each["calls"] * ASSUMED["dynamodb_ms"] / 1000 / CHUNK
    full = ASSUMED["full_cpu_mb"] / 1024  # GB of a function that has one CPU
    spent.gb_seconds["campaign_worker"] = seconds * full
    prices = dollars(spent)
    dearer = sum(prices.values())
    blocks = 2 * (File(ROWS).size / 2**20) / 1000 * PRICES["s3"]["thousand_gets"]
    calls = RESULTS * (wide["parts"] + 2)  # each file is begun and finished by one more
    writes = calls / 1000 * PRICES["s3"]["thousand_puts"]
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
            f"{blocks + writes:.2f}. Units are counted over {SAMPLE:,} rows by the items' sizes: a "
            f"chunk of {CHUNK:,} takes {each['writes']:.1f} write units, {each['reads']:.1f} read "
            f"units, {each['results']:.0f} more for each of {RESULTS} results files, and "
            f"{each['calls']:.1f} calls that follow one another.",
        ],
    )
