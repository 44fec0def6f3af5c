"""The whole gateway on one machine: AWS emulator, simulated vendors and the deployed stack."""

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import boto3
import urllib3
from samcli.yamlhelper import yaml_parse

from local.simulators.registry import accounts
from sms_gateway.config.api_keys import SCOPES
from sms_gateway.config.vendor_accounts import CALLBACK_KEY

ROOT = Path(__file__).parent.parent
STACK_NAME = "sms-gateway"
REGION = "us-east-1"

USER_POOL = "us-east-1_demo"
# Every way in is open here, for the tenant that the key of `make run` belongs to.
SOURCES: dict[str, Any] = {
    "bus": {"demo": {"tenant": "demo"}},
    "queue": {"default": {"tenant": "demo"}},
    "topic": {
        "alarms": {"tenant": "demo", "to": ["+8801000000001"]},
        "messages": {"tenant": "demo"},
    },
    "cognito": {USER_POOL: {"tenant": "demo"}},
    "direct": {"demo": {"tenant": "demo"}},
}

Say = Callable[[str], None]


class StackError(Exception):
    """Why the local stack can't run, in one line that says what to do."""


@dataclass
class LocalStack:
    """A running stack. `folder` takes its logs and its state; with `keep` the emulator's state is
    still there after a restart. `delay` is how long the vendors take to deliver, `poll_after` when
    they are first asked, both in seconds."""

    folder: Path
    gateway_port: int
    simulator_port: int
    delay: float = 1.0
    poll_after: int = 5
    keep: bool = False
    parameters: Mapping[str, str] = field(default_factory=dict)
    say: Say = print
    processes: list[subprocess.Popen[bytes]] = field(default_factory=list)
    facts: dict[str, Any] = field(default_factory=dict)
    _clients: dict[str, Any] = field(default_factory=dict)
    _making: threading.Lock = field(default_factory=threading.Lock)

    @property
    def endpoint(self) -> str:
        """The emulator's address."""
        return f"http://127.0.0.1:{self.gateway_port}"

    @property
    def simulators(self) -> str:
        """The simulators' address."""
        return f"http://127.0.0.1:{self.simulator_port}"

    @property
    def environment(self) -> dict[str, str]:
        """What a process needs to talk to the emulator as AWS."""
        return {
            "AWS_ENDPOINT_URL": self.endpoint,
            "AWS_ACCESS_KEY_ID": "test",
            "AWS_SECRET_ACCESS_KEY": "test",
            "AWS_DEFAULT_REGION": REGION,
            "AWS_EC2_METADATA_DISABLED": "true",
            "SAM_CLI_TELEMETRY": "0",
        }

    def client(self, service: str) -> Any:
        """A boto3 client of the emulator; one for each service, since making one takes as long as
        many calls."""
        with self._making:
            if service not in self._clients:
                self._clients[service] = boto3.client(
                    service,  # type: ignore[call-overload]
                    endpoint_url=self.endpoint,
                    region_name=REGION,
                    aws_access_key_id="test",
                    aws_secret_access_key="test",  # noqa: S106 - the emulator's own
                )
            return self._clients[service]

    def start(self) -> None:
        """Starts the emulator and the simulators. Raises StackError for a port that is in use."""
        for port, variable in (
            (self.gateway_port, "GATEWAY_PORT"),
            (self.simulator_port, "SIMULATOR_PORT"),
        ):
            _must_be_free(port, variable)
        self.folder.mkdir(parents=True, exist_ok=True)
        self.say(f"starting the AWS emulator on port {self.gateway_port}")
        self.start_emulator()
        self.say(f"starting the vendors on port {self.simulator_port}")
        self._spawn(
            "simulators",
            [
                sys.executable,
                *("-m", "local.simulators"),
                *("--port", str(self.simulator_port)),
                *("--delay", str(self.delay)),
                *("--aws-endpoint", self.endpoint),
            ],
            {},
        )
        _wait_for(f"{self.simulators}/_health", 20, "simulators", self.folder)

    def start_emulator(self) -> subprocess.Popen[bytes]:
        """Starts the emulator with IAM enforced, and waits until it answers."""
        temporary = self.folder / "tmp"
        temporary.mkdir(exist_ok=True)
        process = self._spawn(
            "emulator",
            [sys.executable, "-m", "ministack"],
            {
                "AUTH": "true",
                "BIND_HOST": "127.0.0.1",
                "GATEWAY_PORT": str(self.gateway_port),
                "MINISTACK_REGION": REGION,
                "SFTP_ENABLED": "0",
                "IOT_MTLS_ENABLED": "0",
                "LOG_LEVEL": "WARNING",
                "PERSIST_STATE": "1" if self.keep else "0",
                "STATE_DIR": str(self.folder / "state"),
                "TMPDIR": str(temporary),
            },
        )
        _wait_for(f"{self.endpoint}/_ministack/health", 60, "emulator", self.folder)
        return process

    def deploy(self) -> None:
        """Builds and deploys template.yaml, sets the vendors' accounts, makes two keys."""
        self.say("building (sam build)")
        built = self.folder.absolute() / "build"  # another stack may be at work in this checkout
        self._sam("build", "build", "--build-dir", str(built))
        self.say("deploying (sam deploy)")
        key = self.client("kms").create_key(Description="codes of user pools")["KeyMetadata"]
        every = {
            "Architecture": "x86_64",
            "AuthorizerCacheSeconds": "0",
            "SendFromBucket": "true",
            "SendFromBus": "true",
            "SendFromQueue": "true",
            "SendFromTopic": "true",
            "CognitoKeyArn": key["Arn"],
            "CognitoUserPoolId": USER_POOL,
            "Events": "all",
            "WebhookLoopback": "true",
            **self.parameters,
        }
        overrides = [f"{name}={value}" for name, value in every.items()]
        self._sam(
            "deploy",
            "deploy",
            *("--template-file", str(built / "template.yaml")),
            *("--config-file", str(ROOT / "samconfig.toml")),
            *("--config-env", "local"),
            *("--parameter-overrides", *overrides),
        )
        stacks = self.client("cloudformation").describe_stacks(StackName=STACK_NAME)["Stacks"]
        outputs = {one["OutputKey"]: one["OutputValue"] for one in stacks[0]["Outputs"]}
        self.facts = {
            "url": f"{self.endpoint}/_aws/execute-api/{outputs['ApiId']}/v1",
            "endpoint_url": self.endpoint,
            "region": REGION,
            "stack_name": STACK_NAME,
            "table": outputs["TableName"],
            "secret": outputs["AccountsSecretName"],
            "campaigns_bucket": outputs["CampaignsBucketName"],
            "scheduler_function": outputs["SchedulerFunctionName"],
            "send_function": outputs["SendFunctionArn"],
            "queue": outputs["IngressQueueUrl"],
            "topic": outputs["TopicArn"],
            "from_cognito_function": outputs["FromCognitoFunctionArn"],
            "cognito_key": key["Arn"],
            "publish_events_function": outputs["PublishEventsFunctionName"],
            "queue_webhooks_function": outputs["QueueWebhooksFunctionName"],
            "bus": outputs["BusName"],
            "simulators": {
                vendor: f"{self.simulators}/{vendor}" for vendor in accounts(self.simulators)
            },
        }
        self._answer_as_aws(outputs["ApiId"])
        self.set_accounts({vendor: {} for vendor in accounts(self.simulators)})
        self.set_sources(SOURCES)
        self._make_keys()

    def set_sources(self, sources: Mapping[str, Any]) -> None:
        """Writes the sources parameter; functions that are running see it within a minute."""
        self.client("ssm").put_parameter(
            Name=f"/{STACK_NAME}/sources", Value=json.dumps(sources), Type="String", Overwrite=True
        )

    def _answer_as_aws(self, api: str) -> None:
        """Gives the emulator the API's own error answers: AWS takes them from the API's definition
        (x-amazon-apigateway-gateway-responses), the emulator only by this call."""
        client = self.client("apigateway")
        template = yaml_parse((ROOT / "template.yaml").read_text())
        for kind, given in template["Resources"]["Api"]["Properties"]["GatewayResponses"].items():
            client.put_gateway_response(
                restApiId=api,
                responseType=kind,
                statusCode=str(given["StatusCode"]),
                responseParameters={
                    f"gatewayresponse.header.{name}": value
                    for name, value in given["ResponseParameters"]["Headers"].items()
                },
                responseTemplates=given["ResponseTemplates"],
            )
        # The emulator takes the parameter's default for the time that a key is trusted.
        (authorizer,) = client.get_authorizers(restApiId=api)["items"]
        client.update_authorizer(
            restApiId=api,
            authorizerId=authorizer["id"],
            patchOperations=[
                {"op": "replace", "path": "/authorizerResultTtlInSeconds", "value": "0"}
            ],
        )
        client.create_deployment(restApiId=api, stageName="v1")

    def set_accounts(self, changes: Mapping[str, Mapping[str, Any]]) -> None:
        """Writes the accounts secret: the simulators' accounts with `changes` over them; vendors
        that `changes` does not name are left out."""
        secrets = self.client("secretsmanager")
        written = json.loads(
            secrets.get_secret_value(SecretId=self.facts["secret"])["SecretString"]
        )
        known = accounts(self.simulators)
        every: dict[str, Any] = {CALLBACK_KEY: written[CALLBACK_KEY]}
        for vendor, change in changes.items():
            every[vendor] = {**known[vendor], "poll_after": self.poll_after, **change}
        secrets.put_secret_value(SecretId=self.facts["secret"], SecretString=json.dumps(every))

    def key(self, tenant: str, scopes: tuple[str, ...]) -> str:
        """A new API key, as an operator makes it."""
        given = [word for scope in scopes for word in ("--scope", scope)]
        return self.operate("keys", "create", "--tenant", tenant, *given).split()[-1]

    def operate(self, *arguments: str) -> str:
        """What the `smsgw` command prints. Raises StackError when it fails."""
        done = subprocess.run(  # noqa: S603 - our own program
            [sys.executable, "-m", "smsgw", "--stack", STACK_NAME, *arguments],
            cwd=ROOT,
            env={**os.environ, **self.environment, "PYTHONPATH": f"{ROOT}/layers/gateway:{ROOT}"},
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode:
            raise StackError(done.stderr.strip())
        return done.stdout

    def _make_keys(self) -> None:
        usual = ("messages:send", "messages:read", "balances:read", "verifications")
        self.facts["key"] = self.key("demo", usual)
        self.facts["admin_key"] = self.key("demo", SCOPES)

    def tick(self) -> None:
        """Runs the clock now, instead of waiting for its minute."""
        answer = self.client("lambda").invoke(
            FunctionName=f"{self.facts['scheduler_function']}:live"
        )
        if "FunctionError" in answer:
            raise StackError(f"the clock failed: {answer['Payload'].read()!r}")

    def stop(self) -> None:
        """Stops every process that this started, and what those started."""
        for process in reversed(self.processes):
            _end(process)
        self.processes.clear()

    def _spawn(
        self, name: str, command: list[str], extra: Mapping[str, str]
    ) -> subprocess.Popen[bytes]:
        environment = {**os.environ, **self.environment, **extra}
        environment.setdefault("PYTHONPATH", f"{ROOT}/layers/gateway:{ROOT}")
        with (self.folder / f"{name}.log").open("ab") as log:
            process = subprocess.Popen(  # noqa: S603 - our own programs
                command, cwd=ROOT, env=environment, stdout=log, stderr=log, start_new_session=True
            )
        self.processes.append(process)
        return process

    def _sam(self, name: str, *arguments: str) -> None:
        # The layer's build asks for python3.13 on PATH: this interpreter's folder has it.
        path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
        log = self.folder / f"{name}.log"
        with log.open("wb") as output:
            process = subprocess.Popen(  # noqa: S603 - our own programs
                [sys.executable, "-m", "samcli", *arguments],
                cwd=ROOT,
                env={**os.environ, **self.environment, "PATH": path},
                stdout=output,
                stderr=output,
                start_new_session=True,
            )
            self.processes.append(process)
            status = process.wait()
            self.processes.remove(process)
        if status:
            last = log.read_text(errors="replace").strip().splitlines()[-8:]
            raise StackError(f"sam {arguments[0]} failed; {log} has it all:\n" + "\n".join(last))


@contextmanager
def running(stack: LocalStack, *, fresh: bool = True) -> Iterator[LocalStack]:
    """A started and deployed stack, stopped whatever happens."""
    if fresh:
        shutil.rmtree(stack.folder, ignore_errors=True)
    try:
        stack.start()
        stack.deploy()
        yield stack
    finally:
        stack.stop()


def _must_be_free(port: int, variable: str) -> None:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            raise StackError(f"port {port} is in use: free it, or set {variable}") from None


def _wait_for(url: str, seconds: float, name: str, folder: Path) -> None:
    until = time.monotonic() + seconds
    pool = urllib3.PoolManager(retries=False, timeout=2.0)
    while time.monotonic() < until:
        try:
            if pool.request("GET", url).status < 500:
                return
        except urllib3.exceptions.HTTPError:
            pass
        time.sleep(0.2)
    raise StackError(f"the {name} did not answer in {seconds:.0f} s; see {folder / name}.log")


def _end(process: subprocess.Popen[bytes]) -> None:
    for number, patience in ((signal.SIGTERM, 8), (signal.SIGKILL, 5)):
        try:
            os.killpg(process.pid, number)
        except ProcessLookupError:
            break
        try:
            process.wait(patience)
        except subprocess.TimeoutExpired:
            continue
        break
    try:
        os.killpg(process.pid, signal.SIGKILL)  # what the process itself has started
    except ProcessLookupError:
        return
