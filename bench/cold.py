"""Cold starts: every function of the built stack under Lambda's own runtime client.

`sam build`'s output runs under awslambdaric and the Runtime Interface Emulator that aws-sam-cli
carries. Its INIT REPORT is the cold start; what the first invocation takes is shown beside it, and
both together, so that nothing is won by putting work off. Functions and references take turns, in
an order drawn anew each time, on one CPU, and each start is taken as it would be at that CPU's full
speed.
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
from collections.abc import Mapping, Sequence
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
from samcli.yamlhelper import yaml_parse

from bench.aws import CALLBACK_KEY, ENVIRONMENT, Memory, served, unchanged
from bench.calm import Samples
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
TURNS = 8
EMPTY, CLIENT, TYPICAL = "an empty handler", "a boto3 DynamoDB client", "a typical handler"
START, FIRST, BOTH = "start", "first invocation", "both"
TO_CLIENT, TO_TYPICAL = 1.25, 0.35
WORKERS = ("authorize", "callback", "dispatch", "scheduler")
TO_CLIENT_WORKER = 1.15
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


def main() -> Result:
    """Measures; the layer and the functions are built anew before."""
    _build()
    with served() as memory:
        memory.upload = UPLOAD
        memory.answers = {"SendTextSMS": {"StatusCode": "1", "StatusInfo": "OK"}}
        references = _references()
        cases = [*references, *_functions(memory)]
        compiled = _byte_code()
        for case in cases:
            _into_page_cache(case)
        # Those who answer have the other CPU: they were there before.
        os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})
        for case in references:
            _start(case, memory.base)  # the emulator and the runtime come into the page cache too
        samples = Samples()
        often = next(case for case in references if case.name == CLIENT)
        for turn in range(1, TURNS + 1):
            print(f"  turn {turn} of {TURNS}", end="\r", file=sys.stderr, flush=True)
            for case in random.sample([*cases, often], len(cases) + 1):
                _once(case, memory, samples)
        if _byte_code() != compiled:
            raise RuntimeError("byte code was written into the code folders, as Lambda never does")
    return _result([case.name for case in cases], samples)


def _once(case: Case, memory: Memory, samples: Samples) -> None:
    """A cold start and its first invocation, noted in ms."""
    before = samples.look()
    with unchanged(memory):
        start, invocation = _start(case, memory.base)
    after = samples.look()
    for what, took in ((START, start), (FIRST, invocation), (BOTH, start + invocation)):
        samples.add((case.name, what), took, before, after)


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
    reduced = {"AWS_DATA_PATH": str(LAYER / "sms_gateway/aws/botocore_data")}
    for name, module, paths, variables in (
        (EMPTY, "empty", [], {}),
        (CLIENT, "client", [LAYER], reduced),
        (TYPICAL, "typical", [FOLDER / "typical"], {}),
    ):
        folder = FOLDER / "references" / module
        folder.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / "bench" / "references" / f"{module}.py", folder / "app.py")
        cases.append(Case(name, folder, paths, event, variables=variables))
    return cases


def _functions(memory: Memory) -> list[Case]:
    """All functions of the template, each with an event that makes it do its work."""
    template = yaml_parse((ROOT / "template.yaml").read_text())
    common = template["Globals"]["Function"]
    shared = common["Environment"]["Variables"]
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
        cases.append(
            Case(name, BUILT / logical, [LAYER, *paths], event, common["Handler"], variables)
        )
    return cases


def _work(memory: Memory) -> dict[str, dict[str, Any]]:
    """Puts a key and an accepted message into the table, and a campaign's file into the bucket;
    what the events say of them."""
    os.environ |= ENVIRONMENT | {"AWS_ENDPOINT_URL": memory.base}
    from sms_gateway.config import api_keys
    from sms_gateway.messages import send
    from sms_gateway.receipts import callback_tokens
    from sms_gateway.storage import models

    memory.answers["CheckOriginatorAuthorization"] = {"StatusCode": "31", "StatusInfo": "OK"}
    now = datetime.now(UTC)
    key, _ = api_keys.create_key("acme", ["messages:send"], "bench", now)
    sent = send.send("acme", b'{"to": "+447700900001", "text": "Hello"}', now)
    identifier = sent["messages"][0]["id"]
    submission = models.split_id(identifier)
    token = callback_tokens.make_token("server2sms", submission, CALLBACK_KEY.encode())
    (task,) = memory.queued
    record = json.loads((ROOT / "events" / "dispatch.json").read_text())["Records"][0]
    return {
        "authorize": {"authorizationToken": f"Bearer {key}"},
        "status": {"path": f"/messages/{identifier}", "resource": "/messages/{identifier}"},
        "callback": {
            "pathParameters": {"vendor": "server2sms", "token": token},
            "queryStringParameters": {"DST": "0", "RSN": "000", "ID": identifier},
        },
        "dispatch": {"Records": [record | {"body": task}]},
        "campaign_worker": _uploaded(),
        "from_cognito": _sealed(),
    }


def _uploaded() -> dict[str, Any]:
    """The event of a campaign of one row."""
    (record,) = json.loads((ROOT / "events" / "campaign_worker.json").read_text())["Records"]
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
    event: dict[str, Any] = json.loads((ROOT / "events" / "from_cognito.json").read_text())
    return {"request": event["request"] | {"code": b64encode(sealed).decode()}}


def _byte_code() -> int:
    return sum(1 for _ in FOLDER.rglob("*.pyc"))


def _into_page_cache(case: Case) -> None:
    """Reads what the case may load."""
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


def _result(names: Sequence[str], samples: Samples) -> Result:
    def middle(name: str, what: str) -> float:
        return median(samples.of((name, what)))

    starts = {name: middle(name, START) for name in names}
    functions = [name for name in names if name not in (EMPTY, CLIENT, TYPICAL)]
    rows = [Row(name, start, "ms") for name, start in starts.items()]
    for name in functions:
        most = TO_CLIENT_WORKER if name in WORKERS else TO_CLIENT
        for other, words, bound in (
            (CLIENT, "the boto3 client", most),
            (TYPICAL, "the typical handler", TO_TYPICAL),
        ):
            rows.append(Row(f"{name} to {words}", starts[name] / starts[other], "x", bound))
    rows += [
        Row(
            f"{name}, start and first invocation, to the boto3 client's",
            middle(name, BOTH) / middle(CLIENT, BOTH),
            "x",
        )
        for name in functions
    ]
    rows += [
        Row(f"{name}, its first invocation", middle(name, FIRST), "ms of work") for name in names
    ]
    return Result("cold", "Cold starts", rows, "ms", NOTES)


NOTES = [
    f"The INIT REPORT of `awslambdaric` under the Runtime Interface Emulator, in {TURNS} turns of "
    "all functions and references in an order drawn anew, on one CPU. Times are medians of the "
    "calmer half of the starts, as at the machine's full speed (see above). The code "
    "folders hold what `sam build` made, and nothing is compiled into them. Files are in "
    "the page cache and the whole CPU is there: on Lambda both take longer, alike for all.",
    "References: a handler that answers at once; one that makes a DynamoDB client, from the "
    "layer's own boto3 with its byte code and the reduced descriptions; one with Powertools "
    "(Logger, Metrics, router), one pydantic model and a DynamoDB client, without byte code, as "
    "plain `sam build` leaves it.",
    "The first invocation is with AWS and the vendor answered on loopback: a known key, a message "
    "accepted, read, dispatched and reported, a clock with nothing due, `GET /vendors`, a campaign "
    "of one row, a code decrypted and sent. On Lambda "
    "a start has the whole CPU and an invocation only its share by memory: what every invocation "
    "needs is therefore made ready at the start.",
    "Start and first invocation together are what the first caller waits for, here with the whole "
    "CPU for both. The reference's invocation makes one call of DynamoDB; the functions' do their "
    "whole work.",
    "`cognito` is the dearest: it imports the AWS Encryption SDK with `cryptography` besides, "
    "without which a code can't be opened. Taking out of the layer what else that imports and does "
    "not use (SSH keys, most of wrapt) was tried, and could not be told from noise in 25 turns.",
]
