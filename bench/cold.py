"""Cold starts: every function of the built stack under Lambda's own runtime client.

`sam build`'s output runs under awslambdaric and the Runtime Interface Emulator that aws-sam-cli
carries. Its INIT REPORT is the cold start; what the first invocation takes is shown beside it, so
that nothing is won by putting work off. Functions and references take turns, in an order drawn anew
each time, on one CPU.
"""

import json
import os
import random
import re
import subprocess
import sys
from base64 import b64encode
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from statistics import median
from typing import Any

from bench.gateway import EVENTS
from bench.targets import Family, Table
from testing.aws import CALLBACK_KEY, ENVIRONMENT, Aws, served
from testing.paths import ROOT
from testing.runtime_client import running
from testing.sealed import sealed
from testing.template import TEMPLATE

FOLDER = ROOT / ".bench"  # what `make` installed for the references, and what is built here
BUILT = FOLDER / "build"
LAYER = BUILT / "GatewayLayer" / "python"
PYTHON = FOLDER / "runtime" / "bin" / "python"
REFERENCES = ROOT / "bench" / "references"
TURNS = 14
CLIENT, TYPICAL = "a boto3 DynamoDB client", "a typical handler"

_INIT = re.compile(r"INIT REPORT\(durationMs: ([\d.]+)\)")
_INVOKE = re.compile(r"INVOKE RTDONE\(status: (\w+), produced bytes: \d+, duration: ([\d.]+)ms\)")
UPLOAD = b"to,text\n+447700900002,Hello\n"


@dataclass
class Case:
    """One handler: its folder, what is on its path, and its first event."""

    name: str
    folder: Path
    paths: Sequence[Path]
    event: Any
    handler: str = "app.handler"
    variables: Mapping[str, str] = field(default_factory=dict)


def main() -> Family:
    """Measure; the layer and the functions are built anew before."""
    _build()
    times: dict[str, list[tuple[float, float]]] = defaultdict(list)  # start and first, ms
    with served() as aws:
        aws.upload = UPLOAD
        references = _references()
        cases = [*references, *_functions(aws)]
        compiled = _byte_code()
        # Those who answer have the other CPU: they were there before.
        os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})
        for turn in range(1 + TURNS):  # the first brings all files into the page cache
            for case in random.sample([*cases, references[0]], len(cases) + 1):
                with aws.unchanged():
                    taken = _start(case, aws.base)
                if turn:
                    times[case.name].append(taken)
    if _byte_code() != compiled:
        raise RuntimeError("byte code was written into the code folders, as Lambda never does")
    tables = {"cold starts": _table(times, [case.name for case in cases])}
    plot = ("cold starts", "start, ms", "first invocation, ms")
    return Family("cold", "Cold starts", tables, plot, [HOW], log=True)


def _build() -> None:
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    done = subprocess.run(  # noqa: S603 - our own program
        [sys.executable, "-m", "samcli", "build", "--build-dir", str(BUILT)],
        cwd=ROOT,
        env=os.environ | {"PATH": path, "SAM_CLI_TELEMETRY": "0"},
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise RuntimeError(f"sam build failed:\n{done.stderr}")


def _references() -> list[Case]:
    reduced = {"AWS_DATA_PATH": str(LAYER / "sms_gateway/aws/botocore_data")}
    return [
        Case(CLIENT, REFERENCES, [LAYER], EVENTS["status"], "client.handler", reduced),
        Case(TYPICAL, REFERENCES, [FOLDER / "typical"], EVENTS["status"], "typical.handler"),
    ]


def _functions(aws: Aws) -> list[Case]:
    """All functions of the template, each with an event that makes it do its work."""
    common = TEMPLATE["Globals"]["Function"]
    shared = common["Environment"]["Variables"]
    changes = _work(aws)
    cases = []
    for logical, resource in TEMPLATE["Resources"].items():
        if resource["Type"] != "AWS::Serverless::Function":
            continue
        properties = resource["Properties"]
        name = Path(properties["CodeUri"]).name
        own = properties.get("Environment", {}).get("Variables", {})
        variables = dict.fromkeys((*shared, *own), "1")
        paths = [BUILT / layer["Ref"] / "python" for layer in properties.get("Layers", [])]
        event = EVENTS[name] | changes.get(name, {})
        handler = common["Handler"]
        cases.append(Case(name, BUILT / logical, [LAYER, *paths], event, handler, variables))
    return cases


def _work(aws: Aws) -> dict[str, dict[str, Any]]:
    """Put a key and an accepted message into the table, and a campaign's file into the bucket.

    What the events say of them.
    """
    os.environ |= ENVIRONMENT | {"AWS_ENDPOINT_URL": aws.base}
    from sms_gateway.config import api_keys
    from sms_gateway.messages import send
    from sms_gateway.receipts import callback_tokens
    from sms_gateway.storage import models

    now = datetime.now(UTC)
    key, _ = api_keys.create_key("acme", ["messages:send"], "bench", now)
    sent = send.send("acme", b'{"to": "+447700900001", "text": "Hello"}', now)
    identifier = sent["messages"][0]["id"]
    submission = models.ItemKey(identifier[:26], f"M#{identifier[26:]}")
    code = b64encode(sealed(b"482913", aws.base)).decode()
    at, secret = int(now.timestamp()), CALLBACK_KEY.encode()
    token = callback_tokens.make_token("server2sms", submission, at, secret)
    return {
        "authorize": {"authorizationToken": f"Bearer {key}"},
        "status": {"path": f"/messages/{identifier}", "resource": "/messages/{identifier}"},
        "callback": {
            "pathParameters": {"vendor": "server2sms", "token": token},
            "queryStringParameters": {"DST": "0", "RSN": "000", "ID": identifier},
        },
        "dispatch": {"Records": aws.receive("server2sms")},
        "campaign_worker": _uploaded(),
        "from_cognito": {"request": EVENTS["from_cognito"]["request"] | {"code": code}},
    }


def _uploaded() -> dict[str, Any]:
    """Return the event of a campaign of one row."""
    (record,) = EVENTS["campaign_worker"]["Records"]
    notice = json.loads(record["body"])
    place = notice["Records"][0]["s3"]
    place["bucket"]["name"] = ENVIRONMENT["CAMPAIGNS_BUCKET"]
    place["object"]["size"] = len(UPLOAD)
    return {"Records": [record | {"body": json.dumps(notice)}]}


def _byte_code() -> int:
    return sum(1 for folder in (FOLDER, REFERENCES) for _ in folder.rglob("*.pyc"))


def _start(case: Case, aws: str) -> tuple[float, float]:
    """One cold start and its first invocation, in ms."""
    variables = {**case.variables, **ENVIRONMENT, "AWS_ENDPOINT_URL": aws}
    with running(PYTHON, case.folder, case.paths, case.handler, variables) as function:
        answer = function.invoke(case.event) or {}
    said = function.written()
    start, invocation = _INIT.findall(said), _INVOKE.findall(said)
    if len(start) != 1 or len(invocation) != 1 or invocation[0][0] != "success":
        raise RuntimeError(f"{case.name} did not run:\n{said}")
    if int(answer.get("statusCode", 200)) >= 500 or answer.get("batchItemFailures"):
        raise RuntimeError(f"{case.name} failed: {answer}\n{said}")
    return float(start[0]), float(invocation[0][1])


def _table(times: Mapping[str, Sequence[tuple[float, float]]], names: Sequence[str]) -> Table:
    middle = {name: [median(taken) for taken in zip(*times[name], strict=True)] for name in names}
    client, typical = middle[CLIENT], middle[TYPICAL]
    table = {}
    for name, (start, first) in middle.items():
        table[name] = {"start, ms": start, "first invocation, ms": first}
        if name not in (CLIENT, TYPICAL):
            table[name] |= {
                "to a boto3 client": start / client[0],
                "to a typical handler": start / typical[0],
                "both, to a boto3 client": (start + first) / sum(client),
            }
    return table


HOW = f"""\
Medians of {TURNS} starts. References: a handler that makes a DynamoDB client, from the layer's own
boto3 with its byte code and the reduced descriptions; one with Powertools (Logger, Metrics,
router), one pydantic model and a DynamoDB client, without byte code, as plain `sam build` leaves
it. Files are in the page cache and the whole CPU is there: on Lambda both take longer, alike for
all. The first invocation is with AWS and the vendors on loopback: a known key, a message accepted,
read, dispatched and reported, nothing due, `GET /vendors`, a campaign of one row, a code decrypted
and sent; the reference's makes one call of DynamoDB."""
