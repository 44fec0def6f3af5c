"""Cold starts: every function of the built stack under Lambda's own runtime client.

`sam build`'s output runs under awslambdaric and the Runtime Interface Emulator that aws-sam-cli
carries. Its INIT REPORT is the cold start; what the first invocation takes is shown beside it, so
that nothing is won by putting work off. Functions and references take turns, in an order drawn anew
each time, on one CPU.
"""

import json
import os
import platform
import random
import re
import shutil
import socket
import subprocess
import sys
import time
from base64 import b64encode
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from statistics import median
from typing import Any

import samcli
import urllib3
from aws_encryption_sdk import (
    Algorithm,
    CommitmentPolicy,
    EncryptionSDKClient,
    StrictAwsKmsMasterKeyProvider,
)
from botocore.session import Session

from bench.gateway import EVENTS
from bench.targets import Family, Figure
from testing.aws import ENVIRONMENT, Aws, served
from testing.paths import ROOT
from testing.template import TEMPLATE

FOLDER = ROOT / ".bench"  # what `make` installed for the references, and what is built here
BUILT = FOLDER / "build"
LAYER = BUILT / "GatewayLayer" / "python"
PYTHON = FOLDER / "runtime" / "bin" / "python"
EMULATOR = (
    Path(samcli.__file__).parent
    / "local/rapid"
    / f"aws-lambda-rie-{'arm64' if platform.machine() in ('aarch64', 'arm64') else 'x86_64'}"
)
TURNS = 8
EMPTY, CLIENT, TYPICAL = "an empty handler", "a boto3 DynamoDB client", "a typical handler"
START, FIRST = "start", "first"
TIMEOUT = 60.0  # seconds for a start and its first invocation

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


Times = dict[tuple[str, str], list[float]]  # ms


def main() -> Family:
    """Measure; the layer and the functions are built anew before."""
    _build()
    times: Times = defaultdict(list)
    with served() as aws:
        aws.upload = UPLOAD
        references = _references()
        cases = [*references, *_functions(aws)]
        compiled = _byte_code()
        for case in cases:
            _into_page_cache(case)
        # Those who answer have the other CPU: they were there before.
        os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})
        for case in references:
            _start(case, aws.base)  # the emulator and the runtime come into the page cache too
        often = next(case for case in references if case.name == CLIENT)
        for _ in range(TURNS):
            for case in random.sample([*cases, often], len(cases) + 1):
                with aws.unchanged():
                    start, first = _start(case, aws.base)
                times[case.name, START].append(start)
                times[case.name, FIRST].append(first)
        if _byte_code() != compiled:
            raise RuntimeError("byte code was written into the code folders, as Lambda never does")
    plot = ("cold starts", "start, ms", "first invocation, ms")
    return Family("cold", "Cold starts", list(_figures(cases, times)), plot, [HOW], log=True)


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
    cases = []
    reduced = {"AWS_DATA_PATH": str(LAYER / "sms_gateway/aws/botocore_data")}
    for name, module, paths, variables in (
        (EMPTY, "empty", [], {}),
        (CLIENT, "client", [LAYER], reduced),
        (TYPICAL, "typical", [FOLDER / "typical"], {}),
    ):
        folder = FOLDER / "references" / module
        folder.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / "bench" / "references" / f"{module}.py", folder / "app.py")
        cases.append(Case(name, folder, paths, EVENTS["status"], variables=variables))
    return cases


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
    submission = models.split_id(identifier)
    callback_key = aws.accounts["callback_key"].encode()
    token = callback_tokens.make_token("server2sms", submission, callback_key)
    return {
        "authorize": {"authorizationToken": f"Bearer {key}"},
        "status": {"path": f"/messages/{identifier}", "resource": "/messages/{identifier}"},
        "callback": {
            "pathParameters": {"vendor": "server2sms", "token": token},
            "queryStringParameters": {"DST": "0", "RSN": "000", "ID": identifier},
        },
        "dispatch": {"Records": aws.receive("server2sms")},
        "campaign_worker": _uploaded(),
        "from_cognito": _sealed(),
    }


def _uploaded() -> dict[str, Any]:
    """Return the event of a campaign of one row."""
    (record,) = EVENTS["campaign_worker"]["Records"]
    notice = json.loads(record["body"])
    place = notice["Records"][0]["s3"]
    place["bucket"]["name"] = ENVIRONMENT["CAMPAIGNS_BUCKET"]
    place["object"]["size"] = len(UPLOAD)
    return {"Records": [record | {"body": json.dumps(notice)}]}


def _sealed() -> dict[str, Any]:
    """Return the event of a code that is encrypted as Cognito does it."""
    client = EncryptionSDKClient(commitment_policy=CommitmentPolicy.FORBID_ENCRYPT_ALLOW_DECRYPT)
    keys = StrictAwsKmsMasterKeyProvider(
        key_ids=[ENVIRONMENT["COGNITO_KEY"]], botocore_session=Session()
    )
    sealed, _ = client.encrypt(
        source=b"482913",
        key_provider=keys,
        algorithm=Algorithm.AES_256_GCM_IV12_TAG16_HKDF_SHA384_ECDSA_P384,
    )
    return {"request": EVENTS["from_cognito"]["request"] | {"code": b64encode(sealed).decode()}}


def _byte_code() -> int:
    return sum(1 for _ in FOLDER.rglob("*.pyc"))


def _into_page_cache(case: Case) -> None:
    """Read what the case may load."""
    for folder in (case.folder, *case.paths):
        for path in folder.rglob("*"):
            if path.is_file():
                path.read_bytes()


def _start(case: Case, aws: str) -> tuple[float, float]:
    """One cold start and its first invocation, in ms."""
    port, other = _free_port(), _free_port()
    environment = {
        **case.variables,
        **ENVIRONMENT,
        "AWS_ENDPOINT_URL": aws,
        "AWS_LAMBDA_FUNCTION_NAME": "bench",
        "LAMBDA_TASK_ROOT": str(case.folder),
        "PATH": os.environ["PATH"],
        "PYTHONDONTWRITEBYTECODE": "1",  # root may write anywhere; on Lambda nobody may
        "PYTHONPATH": os.pathsep.join(map(str, case.paths)),
    }
    process = subprocess.Popen(  # noqa: S603 - SAM's own emulator
        [
            str(EMULATOR),
            *("--runtime-interface-emulator-address", f"127.0.0.1:{port}"),
            *("--runtime-api-address", f"127.0.0.1:{other}"),
            *(str(PYTHON), "-m", "awslambdaric", case.handler),
        ],
        cwd=case.folder,
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    try:
        _wait_for(port)
        answer = (
            urllib3.request(
                "POST",
                f"http://127.0.0.1:{port}/2015-03-31/functions/function/invocations",
                json=case.event,
                timeout=TIMEOUT,
            ).json()
            or {}
        )
    finally:
        process.terminate()
        said, _ = process.communicate(timeout=10)
    start, invocation = _INIT.findall(said), _INVOKE.findall(said)
    if len(start) != 1 or len(invocation) != 1 or invocation[0][0] != "success":
        raise RuntimeError(f"{case.name} did not run:\n{said}")
    if int(answer.get("statusCode", 200)) >= 500 or answer.get("batchItemFailures"):
        raise RuntimeError(f"{case.name} failed: {answer}\n{said}")
    return float(start[0]), float(invocation[0][1])


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def _wait_for(port: int) -> None:
    until = time.monotonic() + 10
    while time.monotonic() < until:
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.02)
    raise RuntimeError("the Runtime Interface Emulator did not start")


def _figures(cases: Sequence[Case], times: Times) -> Iterator[Figure]:
    middle = {key: median(taken) for key, taken in times.items()}
    references = (EMPTY, CLIENT, TYPICAL)
    client = middle[CLIENT, START], middle[CLIENT, START] + middle[CLIENT, FIRST]
    for name in (case.name for case in cases):
        start, first = middle[name, START], middle[name, FIRST]
        found = {"start, ms": start, "first invocation, ms": first}
        if name not in references:
            found |= {
                "to a boto3 client": start / client[0],
                "to a typical handler": start / middle[TYPICAL, START],
                "both, to a boto3 client": (start + first) / client[1],
            }
        for column, value in found.items():
            yield Figure("cold starts", name, column, value)


HOW = f"""\
Medians of {TURNS} starts. References: a handler that answers at once; one that makes a DynamoDB
client, from the layer's own boto3 with its byte code and the reduced descriptions; one with
Powertools (Logger, Metrics, router), one pydantic model and a DynamoDB client, without byte code,
as plain `sam build` leaves it. Nothing is compiled into the code folders; files are in the page
cache and the whole CPU is there: on Lambda both take longer, alike for all. The first invocation is
with AWS and the vendors on loopback: a known key, a message accepted, read, dispatched and
reported, nothing due, `GET /vendors`, a campaign of one row, a code decrypted and sent; the
reference's makes one call of DynamoDB."""
