"""A campaign of a million rows: rows a second, memory, and cost beside its messages.

python -m bench.campaign <address> is the function's process whose memory is measured, over the
table at that address.
"""

import json
import os
import resource
import subprocess
import sys
import time
from contextlib import redirect_stdout
from io import StringIO
from typing import Any
from unittest.mock import patch

from testing.campaign_file import CHUNK, File, uploaded, work

ROWS, SAMPLE = 1_000_000, 20_000
RESULTS = 3  # files that are written until most messages are final


def main() -> Any:
    """Rate, memory and cost, with the target of memory."""
    from bench.pricing import ASSUMED, added, dollars
    from bench.targets import Family
    from testing.aws import ENVIRONMENT
    from testing.campaign_units import units

    os.environ |= ENVIRONMENT | {"AWS_ENDPOINT_URL": "http://aws.example.com"}
    wide = memory()
    each = units(SAMPLE)
    seconds = rate() / SAMPLE
    waited = each["calls"] * ASSUMED["ms"]["dynamodb"] / 1000 / CHUNK
    row = {
        "write units": each["writes"] / CHUNK,
        "read units": (each["reads"] + RESULTS * each["results"]) / CHUNK,
        "GB-seconds": (seconds + waited) * ASSUMED["full_cpu_mb"] / 1024,
        "S3 GETs": 2 * File(ROWS).size / 2**20 / ROWS,
        "S3 PUTs": RESULTS * (wide["parts"] + 2) / ROWS,  # each is begun and finished by one more
    }
    found = {
        "rows a second of one CPU": 1 / seconds,
        "memory for a million rows, MB": wide["peak"],
        "a million rows beside their messages, $": dollars(added((row, 1))),
    }
    table = "A million rows"
    tables = {table: {name: {"figure": value} for name, value in found.items()}}
    how = HOW.format(**each, size=wide["results"] / 1e6, took=wide["seconds"])
    return Family("campaign", "A campaign of a million rows", tables, (table, "figure"), [how])


def rate() -> float:
    """CPU seconds that SAMPLE rows take, accepted and then written as results."""
    from testing.campaign_table import CampaignAws
    from testing.server import Wire

    with uploaded(SAMPLE) as file, redirect_stdout(StringIO()):
        wire = Wire(CampaignAws(file).answer)
        began = wire.cpu()
        work(SAMPLE)
        return wire.cpu() - began


def memory() -> dict[str, float]:
    """Return what the function's own process says after ROWS rows."""
    from testing.campaign_table import CampaignAws
    from testing.server import serving

    with serving(CampaignAws(File(ROWS)).answer) as address:
        command = [sys.executable, "-m", "bench.campaign"]
        environment = os.environ | {"AWS_ENDPOINT_URL": address}
        said = subprocess.check_output(command, env=environment)  # noqa: S603 - our own program
    answer: dict[str, float] = json.loads(said)
    return answer


def worker() -> dict[str, float]:
    """Return the most memory (MB) that the work on ROWS rows takes.

    The writes of messages are left out, which hold one chunk at a time.
    """
    from sms_gateway.storage import dynamodb, message_repository

    put_all, whole_batch = dynamodb.put_all, message_repository.whole_batch
    first: list[Any] = []

    def put_first(items: Any) -> None:
        if not first:
            first.append(put_all(items))

    def read_first(batch: str) -> Any:
        if len(first) < 2:
            first.append(whole_batch(batch))
        return first[1]

    with (
        uploaded(ROWS) as file,
        redirect_stdout(StringIO()),
        patch.object(dynamodb, "put_all", put_first),
        patch.object(message_repository, "whole_batch", read_first),
    ):
        began = time.monotonic()
        work(ROWS)
        seconds = time.monotonic() - began
    return {
        "peak": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
        "seconds": seconds,
        "results": sum(file.parts),
        "parts": len(file.parts),
    }


HOW = f"""\
CPU of the function alone, with every byte of HTTP to the table and without TLS, waiting and
answers, over {SAMPLE:,} rows: checking, accepting and one results file. The memory is the
function's own process's, after {ROWS:,} rows and {{size:.0f}} MB of results in {{took:.0f}} s. A
chunk of {CHUNK:,} takes {{writes:.1f}} write units, {{reads:.1f}} read units, {{results:.0f}} more
for each of {RESULTS} results files, and {{calls:.1f}} calls that follow one another."""


if __name__ == "__main__":
    print(json.dumps(worker()))
