"""Cold starts: every function of the built stack under Lambda's own runtime client.

`sam build`'s output runs under awslambdaric and the Runtime Interface Emulator that aws-sam-cli
carries. Its INIT REPORT is the cold start; what the first invocation takes is shown beside it, and
both together, so that nothing is won by putting work off. Functions and references take turns, in
an order drawn anew each time; the references come three times in a turn, and a function is compared
with those before and after it, so that whatever else the machine does hits both alike.
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
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from statistics import fmean, median
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
from samcli.yamlhelper import yaml_parse

from bench.aws import CALLBACK_KEY, ENVIRONMENT, Memory, served, unchanged
from bench.report import Result, Row

ROOT = Path(__file__).parent.parent
FOLDER = ROOT / ".bench"  # what `make` installed for the references, and what is built here
BUILT = FOLDER / "build"
LAYER = BUILT / "GatewayLayer" / "python"
PYTHON = FOLDER / "runtime" / "bin" / "python"
EMULATOR = (
    Path(samcli.__file__).parent
    / "local/rapid"
    / f"aws-lambda-rie-{'arm64' if platform.machine() in ('aarch64', 'arm64') else 'x86_64'}"
)
RUNS = 7
EMPTY, CLIENT, TYPICAL = "an empty handler", "a boto3 DynamoDB client", "a typical handler"
TO_CLIENT, TO_TYPICAL = 1.25, 0.35
WORKERS = ("authorize", "callback", "dispatch", "poll")
TO_CLIENT_WORKER = 1.15
NOT_GATED = (("cognito", CLIENT),)  # where a target only shows; NOTES say why
TIMEOUT = 60.0  # seconds for a start and its first invocation

_INIT = re.compile(r"INIT REPORT\(durationMs: ([\d.]+)\)")
_INVOKE = re.compile(r"INVOKE RTDONE\(status: (\w+), produced bytes: \d+, duration: ([\d.]+)ms\)")
UPLOAD = b"to,text\n+447700900002,Hello\n"


@dataclass
class Case:
    """One handler: its folder, what is on its path, its first event, and its times in ms."""

    name: str
    folder: Path
    paths: Sequence[Path]
    event: Any
    variables: Mapping[str, str] = field(default_factory=dict)
    starts: list[float] = field(default_factory=list)
    invocations: list[float] = field(default_factory=list)
    ratios: dict[str, list[float]] = field(default_factory=lambda: defaultdict(list))


def main() -> Result:
    """Measures; the layer and the functions are built anew before."""
    _build()
    with served() as memory:
        memory.upload = UPLOAD
        memory.answers = {"SendTextSMS": {"StatusCode": "1", "StatusInfo": "OK"}}
        references = {case.name: case for case in _references()}
        functions = _functions(memory)
        compiled = _byte_code()
        for run in range(RUNS + 1):  # the first only warms the page cache
            print(f"  run {run} of {RUNS}", end="\r", file=sys.stderr, flush=True)
            _turn(references, functions, memory)
            if not run:
                for case in (*references.values(), *functions):
                    case.starts.clear()
                    case.invocations.clear()
                    case.ratios.clear()
        if _byte_code() != compiled:
            raise RuntimeError("byte code was written into the code folders, as Lambda never does")
    return _result([*references.values(), *functions])


def _turn(references: Mapping[str, Case], functions: Sequence[Case], memory: Memory) -> None:
    """Starts every function once, in two halves, and the references before, between and after
    them; notes how each function stands to the mean of the references around its half."""
    compared = [references[name] for name in (CLIENT, TYPICAL)]
    order = random.sample(functions, len(functions))
    middle = len(order) // 2
    _once(references[EMPTY], memory)
    _all_once(compared, memory)
    for half in (order[:middle], order[middle:]):
        for case in half:
            _once(case, memory)
        _all_once(compared, memory)
        for case in half:
            for other in compared:
                start = fmean(other.starts[-2:])
                both = start + fmean(other.invocations[-2:])
                case.ratios[other.name].append(case.starts[-1] / start)
                case.ratios[f"both, {other.name}"].append(
                    (case.starts[-1] + case.invocations[-1]) / both
                )


def _all_once(cases: Sequence[Case], memory: Memory) -> None:
    for case in random.sample(cases, len(cases)):
        _once(case, memory)


def _once(case: Case, memory: Memory) -> None:
    """A cold start and its first invocation, noted."""
    _into_page_cache(case)
    with unchanged(memory):
        start, invocation = _start(case, memory.base)
    case.starts.append(start)
    case.invocations.append(invocation)


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
    event = json.loads((ROOT / "events" / "status.json").read_text())
    cases = []
    for name, module, paths in (
        (EMPTY, "empty", []),
        (CLIENT, "client", [LAYER]),
        (TYPICAL, "typical", [FOLDER / "typical"]),
    ):
        folder = FOLDER / "references" / module
        folder.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / "bench" / "references" / f"{module}.py", folder / "app.py")
        cases.append(Case(name, folder, paths, event))
    return cases


def _functions(memory: Memory) -> list[Case]:
    """All functions of the template, each with an event that makes it do its work."""
    template = yaml_parse((ROOT / "template.yaml").read_text())
    shared = template["Globals"]["Function"]["Environment"]["Variables"]
    changes = _work(memory)
    cases = []
    for logical, resource in template["Resources"].items():
        if resource["Type"] != "AWS::Serverless::Function":
            continue
        properties = resource["Properties"]
        name = Path(properties["CodeUri"]).name
        own = properties.get("Environment", {}).get("Variables", {})
        event = json.loads((ROOT / "events" / f"{name}.json").read_text()) | changes.get(name, {})
        variables = dict.fromkeys((*shared, *own), "1")
        paths = [BUILT / layer["Ref"] / "python" for layer in properties.get("Layers", [])]
        cases.append(Case(name, BUILT / logical, [LAYER, *paths], event, variables))
    return cases


def _work(memory: Memory) -> dict[str, dict[str, Any]]:
    """Puts a key and an accepted message into the table, and a campaign's file into the bucket;
    what the events say of them."""
    os.environ |= ENVIRONMENT | {"AWS_ENDPOINT_URL": memory.base}
    from sms_gateway import apikeys, records, sending, tokens

    memory.answers["CheckOriginatorAuthorization"] = {"StatusCode": "31", "StatusInfo": "OK"}
    now = datetime.now(UTC)
    key, _ = apikeys.create("acme", ["messages:send"], "bench", now)
    sent = sending.send("acme", b'{"to": "+447700900001", "text": "Hello"}', now)
    identifier = sent["messages"][0]["id"]
    submission = records.split_id(identifier)
    token = tokens.token("server2sms", submission, CALLBACK_KEY.encode())
    (task,) = memory.queued
    record = json.loads((ROOT / "events" / "dispatch.json").read_text())["Records"][0]
    return {
        "authorize": {"authorizationToken": f"Bearer {key}"},
        "status": {"path": f"/messages/{identifier}"},
        "callback": {
            "pathParameters": {"vendor": "server2sms", "token": token},
            "queryStringParameters": {"DST": "0", "RSN": "000", "ID": identifier},
        },
        "dispatch": {"Records": [record | {"body": task}]},
        "campaign": _uploaded(),
        "cognito": _sealed(),
    }


def _uploaded() -> dict[str, Any]:
    """The event of a campaign of one row."""
    (record,) = json.loads((ROOT / "events" / "campaign.json").read_text())["Records"]
    notice = json.loads(record["body"])
    place = notice["Records"][0]["s3"]
    place["bucket"]["name"] = ENVIRONMENT["CAMPAIGNS_BUCKET"]
    place["object"]["size"] = len(UPLOAD)
    return {"Records": [record | {"body": json.dumps(notice)}]}


def _sealed() -> dict[str, Any]:
    """The event of a code that is encrypted as Cognito does it."""
    client = EncryptionSDKClient(commitment_policy=CommitmentPolicy.FORBID_ENCRYPT_ALLOW_DECRYPT)
    keys = StrictAwsKmsMasterKeyProvider(
        key_ids=[ENVIRONMENT["COGNITO_KEY"]], botocore_session=Session()
    )
    sealed, _ = client.encrypt(
        source=b"482913",
        key_provider=keys,
        algorithm=Algorithm.AES_256_GCM_IV12_TAG16_HKDF_SHA384_ECDSA_P384,
    )
    event: dict[str, Any] = json.loads((ROOT / "events" / "cognito.json").read_text())
    return {"request": event["request"] | {"code": b64encode(sealed).decode()}}


def _byte_code() -> int:
    return sum(1 for _ in FOLDER.rglob("*.pyc"))


def _into_page_cache(case: Case) -> None:
    """Reads what the case may load: between its turns the system may have let go of it."""
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
            *(str(PYTHON), "-m", "awslambdaric", "app.handler"),
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


def _result(cases: list[Case]) -> Result:
    starts = {case.name: median(case.starts) for case in cases}
    functions = [case for case in cases if case.name not in (EMPTY, CLIENT, TYPICAL)]
    rows = [Row(name, start, "ms") for name, start in starts.items()]
    for case in functions:
        most = TO_CLIENT_WORKER if case.name in WORKERS else TO_CLIENT
        for other, words, bound in (
            (CLIENT, "the boto3 client", most),
            (TYPICAL, "the typical handler", TO_TYPICAL),
        ):
            gated = (case.name, other) not in NOT_GATED
            ratio = median(case.ratios[other])
            rows.append(Row(f"{case.name} to {words}", ratio, "x", bound, gated=gated))
    rows += [
        Row(
            f"{case.name}, start and first invocation, to the boto3 client's",
            median(case.ratios[f"both, {CLIENT}"]),
            "x",
        )
        for case in functions
    ]
    rows += [
        Row(f"{case.name}, its first invocation", median(case.invocations), "ms of work")
        for case in cases
    ]
    return Result("cold", "Cold starts", rows, "ms", NOTES)


NOTES = [
    f"The INIT REPORT of `awslambdaric` under the Runtime Interface Emulator, in {RUNS} turns of "
    "all functions in an order drawn anew, after one that does not count; the two references that "
    "functions are held to come three times in each. Times are medians. A ratio is the median of "
    "the turns' ratios, each to the mean of the references next before and after. The code "
    "folders hold what `sam build` made, and nothing is compiled into them. Files are in "
    "the page cache and the whole CPU is there: on Lambda both take longer, alike for all.",
    "References: a handler that answers at once; one that makes a DynamoDB client, from the "
    "layer's own boto3 with its byte code; one with Powertools (Logger, Metrics, router), one "
    "pydantic model and a DynamoDB client, without byte code, as plain `sam build` leaves it.",
    "The first invocation is with AWS and the vendor answered on loopback: a known key, a message "
    "accepted, read, dispatched and reported, a clock with nothing due, `GET /vendors`, a campaign "
    "of one row, a code decrypted and sent. On Lambda "
    "a start has the whole CPU and an invocation only its share by memory: what every invocation "
    "needs is therefore made ready at the start.",
    "Start and first invocation together are what the first caller waits for, here with the whole "
    "CPU for both. The reference's invocation makes one call of DynamoDB; the functions' do their "
    "whole work.",
    "`cognito` is shown against the boto3 client's target and not held to it: it imports the AWS "
    "Encryption SDK with `cryptography` besides, without which a code can't be opened, and stands "
    "around that target, above it in one run and below it in another.",
]
