"""The whole gateway on one machine: AWS emulator, simulated vendors and the deployed stack."""

import json
import os
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Collection, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NoReturn

import boto3
import urllib3

from local.console import build_console
from local.gateway_responses import set_gateway_responses
from local.keys import store_key
from local.packages import kept_packages
from local.parent import VARIABLE
from local.processes import StackError, check_port, stop_process, wait_for
from local.simulators.registry import accounts, routes
from sms_gateway.config.api_keys import SCOPES
from sms_gateway.config.stack_keys import CALLBACK_KEY, MESSAGE_KEY, SEARCH_KEY, WEBHOOK_KEY
from smsgw.secrets import Secret
from smsgw.stack_keys import make_key, make_keys
from smsgw.vendors import change_accounts

ROOT = Path(__file__).parent.parent
STACK_NAME = "sms-gateway"
REGION = "us-east-1"

WATCH_SECONDS = 1
STOP_SECONDS = 30  # until the emulator has stored what it keeps

USER_POOL = "us-east-1_demo"
# Every trigger may send here, for the tenant of `make run`'s key.
SOURCES: dict[str, Any] = {
    "bus": {"demo": {"tenant": "demo"}},
    "queue": {"default": {"tenant": "demo"}},
    "topic": {
        "alarms": {"tenant": "demo", "to": ["+8801000000001"]},
        "messages": {"tenant": "demo"},
    },
    "cognito": {USER_POOL: {"tenant": "demo"}},
    "direct": {"tenant": "demo"},
}

Say = Callable[[str], None]


@dataclass
class LocalStack:
    """A running stack.

    `folder` has its logs and its state; with `persist` the emulator's state outlasts a restart,
    `cache` keeps the layers' packages between builds (one build at a time).
    The vendors deliver after `delay` seconds and are first polled after `poll_after` seconds.
    """

    folder: Path
    gateway_port: int
    simulator_port: int
    delay: float = 1.0
    poll_after: int = 5
    persist: bool = False
    cache: Path | None = None
    parameters: Mapping[str, str] = field(default_factory=dict)
    stack_name: str = STACK_NAME
    say: Say = print
    processes: dict[str, subprocess.Popen[bytes]] = field(default_factory=dict)  # by its log's name
    facts: dict[str, Any] = field(default_factory=dict)
    _clients: dict[str, Any] = field(default_factory=dict)
    _clients_lock: threading.Lock = field(default_factory=threading.Lock)

    def __post_init__(self) -> None:
        self.folder = self.folder.absolute()  # its processes run in another
        if self.gateway_port == self.simulator_port:
            raise StackError(
                f"GATEWAY_PORT and SIMULATOR_PORT are both {self.gateway_port}: set two that differ"
            )

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
        """The environment variables of a process that uses the emulator as AWS."""
        return {
            "AWS_ENDPOINT_URL": self.endpoint,
            "AWS_ACCESS_KEY_ID": "test",
            "AWS_SECRET_ACCESS_KEY": "test",
            "AWS_DEFAULT_REGION": REGION,
            "AWS_EC2_METADATA_DISABLED": "true",
            "SAM_CLI_TELEMETRY": "0",
        }

    def client(self, service: str) -> Any:
        """Return the boto3 client of a service; it is cached, since making one takes long."""
        with self._clients_lock:
            if service not in self._clients:
                self._clients[service] = boto3.client(
                    service,  # type: ignore[call-overload]  # any service
                    endpoint_url=self.endpoint,
                    region_name=REGION,
                    aws_access_key_id="test",
                    aws_secret_access_key="test",  # noqa: S106 - the emulator's own
                )
            return self._clients[service]

    def start(self) -> None:
        """Start the emulator and the simulators. Raise StackError for a port that is in use."""
        check_port(self.gateway_port, "GATEWAY_PORT")
        check_port(self.simulator_port, "SIMULATOR_PORT")
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
        wait_for(f"{self.simulators}/_health", 20, "simulators", self.folder)

    def start_emulator(self) -> subprocess.Popen[bytes]:
        """Start the emulator with IAM enforced, and wait until it answers."""
        folder = self.folder.absolute()  # it runs in another one
        temporary = folder / "tmp"
        temporary.mkdir(exist_ok=True)
        process = self._spawn(
            "emulator",
            [sys.executable, "-m", "local.emulator"],
            {
                "AUTH": "true",
                "BIND_HOST": "127.0.0.1",
                "GATEWAY_PORT": str(self.gateway_port),
                "MINISTACK_REGION": REGION,
                "SFTP_ENABLED": "0",
                "IOT_MTLS_ENABLED": "0",
                "LOG_LEVEL": "WARNING",
                "PERSIST_STATE": "1" if self.persist else "0",
                "STATE_DIR": str(folder / "state"),
                "S3_PERSIST": "1" if self.persist else "0",
                "S3_DATA_DIR": str(folder / "objects"),
                "TMPDIR": str(temporary),
            },
        )
        wait_for(f"{self.endpoint}/_ministack/health", 60, "emulator", self.folder)
        return process

    @property
    def built(self) -> Path:
        """The folder of the built template; another stack may build in this checkout."""
        return self.folder / "build"

    def build(self) -> None:
        """Build template.yaml; with `cache`, only what changed, from packages kept there."""
        packages: Mapping[str, str] = {}
        self.say("loading packages and building the console, where new")
        with ThreadPoolExecutor(1) as pool:  # one waits for a network, the other for a processor
            console = pool.submit(build_console)
            if self.cache:
                packages = kept_packages(ROOT / "layers", self.cache)
            console.result()
        self.say("building (sam build)")
        cached = ("--cached", "--cache-dir", str(self.cache / "built")) if self.cache else ()
        self._sam(
            "build",
            "build",
            *("--template-file", str(ROOT / "template.yaml")),
            *("--build-dir", str(self.built), *cached),
            **packages,
        )

    def deploy(self) -> None:
        """Deploy what was built, set accounts, routes and sources, make keys."""
        key = self.client("kms").create_key(Description="codes of user pools")["KeyMetadata"]
        self.facts["cognito_key"] = key["Arn"]
        self.update(self.built)
        self.set_accounts({vendor: {} for vendor in accounts(self.simulators)})
        self.set_setting("routes", {"routes": routes()})
        self.set_setting("sources", SOURCES)
        self.store_keys()

    def update(self, built: Path) -> None:
        """Deploy a built template with `parameters`, over the stack if there is one."""
        self.say("deploying (sam deploy)")
        parameters = {
            "Architecture": "x86_64",
            "AuthorizerCacheSeconds": "0",
            "DeclaredVendors": "true",
            "SendFromBucket": "true",
            "PumpingGuard": "true",
            "SendFromBus": "true",
            "SendFromQueue": "true",
            "SendFromTopic": "true",
            "SendFromInvocation": "true",
            "CognitoKeyArn": self.facts["cognito_key"],
            "CognitoUserPoolId": USER_POOL,
            "Events": "all",
            "DeletionProtection": "false",
            "WebhookLoopback": "true",
            "Console": "true",
            **self.parameters,
        }
        overrides = [f"{name}={value}" for name, value in parameters.items()]
        self._sam(
            "deploy",
            "deploy",
            *("--template-file", str(built / "template.yaml")),
            *("--config-file", str(ROOT / "samconfig.toml")),
            *("--config-env", "local"),
            *("--stack-name", self.stack_name),
            *("--parameter-overrides", *overrides),
        )
        stacks = self.client("cloudformation").describe_stacks(StackName=self.stack_name)["Stacks"]
        outputs = {one["OutputKey"]: one["OutputValue"] for one in stacks[0]["Outputs"]}
        self.facts |= {
            "url": f"{self.endpoint}/_aws/execute-api/{outputs['ApiId']}/v1",
            "endpoint_url": self.endpoint,
            "region": REGION,
            "stack_name": self.stack_name,
            "table": outputs["TableName"],
            "secret": outputs["AccountsSecretName"],
            "keys_secret": outputs["KeysSecretName"],
            "campaigns_bucket": outputs["CampaignsBucketName"],
            "scheduler_function": outputs["SchedulerFunctionName"],
            "from_invocation_function": outputs["FromInvocationFunctionArn"],
            "queue": outputs["IngressQueueUrl"],
            "topic": outputs["TopicArn"],
            "from_cognito_function": outputs["FromCognitoFunctionArn"],
            "publish_events_function": outputs["PublishEventsFunctionName"],
            "queue_webhooks_function": outputs["QueueWebhooksFunctionName"],
            "bus": outputs["BusName"],
            "simulators": {name: f"{self.simulators}/{name}" for name in accounts(self.simulators)},
        }
        set_gateway_responses(self.client("apigateway"), outputs["ApiId"], ROOT / "template.yaml")

    def set_setting(self, name: str, value: object) -> None:
        """Set routes, sources or campaigns' defaults; running functions read it within a minute."""
        self.run_smsgw(name, "set", "-", given=json.dumps(value))

    def set_accounts(self, changes: Mapping[str, Mapping[str, Any]]) -> None:
        """Set the simulators' accounts with `changes` merged over them.

        Remove those of vendors that `changes` does not name.
        """
        known = accounts(self.simulators)

        def change(stored: dict[str, object]) -> None:
            for vendor in known:
                stored.pop(vendor, None)
            for vendor, own in changes.items():
                stored[vendor] = {**known[vendor], "poll_after": self.poll_after, **own}

        client = self.client("secretsmanager")
        callback, message, search = (
            Secret(client, self.facts["keys_secret"], label=one)
            for one in (CALLBACK_KEY, MESSAGE_KEY, SEARCH_KEY)
        )
        make_keys(callback, message, search)
        change_accounts(Secret(client, self.facts["secret"]), change)
        self.run_smsgw("vendors", "publish")

    def describe(self, file: Path, base: str | None = None, **settings: object) -> None:
        """Play a description in the simulators, and set its account, with `settings` over it.

        `base` is where the functions find the simulators. What its cases would prove is not asked.
        """
        answer = urllib3.request("POST", f"{self.simulators}/_describe", body=file.read_bytes())
        account: dict[str, Any] = answer.json()
        if answer.status != 200:
            raise StackError(f"{file} can't be played: {account}")
        if base is not None:
            account["base_url"] = account["base_url"].replace(self.simulators, base)
        written = json.dumps(account | {"poll_after": self.poll_after} | settings)
        name = json.loads(file.read_text(encoding="utf-8"))["name"]
        self.run_smsgw(
            *("vendors", "set", name, "-", "--no-check"),
            *("--description", str(file), "--force"),
            given=written,
        )

    def key(self, tenant: str, scopes: tuple[str, ...]) -> str:
        """Create an API key with `smsgw`."""
        options = [option for scope in scopes for option in ("--scope", scope)]
        return self.run_smsgw("keys", "create", "--tenant", tenant, *options).split()[-1]

    def run_smsgw(self, *arguments: str, given: str = "", statuses: Collection[int] = (0,)) -> str:
        """Run `smsgw` and return what it prints. Raise StackError for another exit status.

        `given` is its standard input.
        """
        done = subprocess.run(  # noqa: S603 - our own program
            [sys.executable, "-m", "smsgw", "--stack", self.stack_name, *arguments],
            cwd=ROOT,
            env={**os.environ, **self.environment, "PYTHONPATH": f"{ROOT}/layers/gateway:{ROOT}"},
            input=given,
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode not in statuses:
            raise StackError(done.stderr.strip())
        return done.stdout

    def store_keys(self) -> None:
        """Store the demo tenant's two keys, which are always the same, and what webhooks need."""
        usual = ("messages:send", "messages:read", "balances:read", "verifications")
        for fact, scopes in (("key", usual), ("admin_key", SCOPES)):
            name = f"{self.stack_name} {fact}"
            self.facts[fact] = store_key(
                self.client("dynamodb"), self.facts["table"], name, "demo", scopes
            )
        secrets, keys = self.client("secretsmanager"), self.facts["keys_secret"]
        make_key(Secret(secrets, keys, label=WEBHOOK_KEY))  # as `smsgw keys create` does

    def tick(self) -> None:
        """Run the scheduler now, instead of waiting for its minute."""
        answer = self.client("lambda").invoke(FunctionName=self.facts["scheduler_function"])
        if "FunctionError" in answer:
            raise StackError(f"the scheduler failed: {answer['Payload'].read()!r}")

    def watch(self) -> NoReturn:
        """Wait for ever. Raise StackError when the emulator or the simulators end by themselves."""
        while True:
            for name, process in self.processes.items():
                if process.poll() is not None:
                    raise StackError(f"the {name} ended by itself; see {self.folder / name}.log")
            time.sleep(WATCH_SECONDS)

    def stop(self) -> None:
        """Stop every process that this stack started, and their children."""
        for process in reversed(self.processes.values()):
            stop_process(process, STOP_SECONDS)
        self.processes.clear()

    def _spawn(
        self, name: str, command: list[str], extra: Mapping[str, str]
    ) -> subprocess.Popen[bytes]:
        parent = {VARIABLE: str(os.getpid())}
        environment = {**os.environ, **self.environment, **parent, **extra}
        environment.setdefault("PYTHONPATH", f"{ROOT}/layers/gateway:{ROOT}")
        with (self.folder / f"{name}.log").open("ab") as log:
            process = subprocess.Popen(  # noqa: S603 - our own programs
                command, cwd=ROOT, env=environment, stdout=log, stderr=log, start_new_session=True
            )
        self.processes[name] = process
        return process

    def _sam(self, name: str, *arguments: str, **environment: str) -> None:
        # The layer's build asks for python3.13 on PATH: this interpreter's folder has it.
        path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
        log = self.folder / f"{name}.log"
        folder = self.cache or ROOT  # where it keeps what it downloads
        folder.mkdir(parents=True, exist_ok=True)
        with log.open("wb") as output:
            process = subprocess.Popen(  # noqa: S603 - our own programs
                [sys.executable, "-m", "samcli", *arguments],
                cwd=folder,
                env={**os.environ, **self.environment, **environment, "PATH": path},
                stdout=output,
                stderr=output,
                start_new_session=True,
            )
            self.processes[name] = process
            status = process.wait()
            del self.processes[name]
        if status:
            last = log.read_text(errors="replace").strip().splitlines()[-8:]
            raise StackError(f"sam {arguments[0]} failed; {log} has it all:\n" + "\n".join(last))


@contextmanager
def running(stack: LocalStack, *, fresh: bool = True) -> Iterator[LocalStack]:
    """Start and deploy a stack, and stop it whatever happens."""
    if fresh:
        shutil.rmtree(stack.folder, ignore_errors=True)
    try:
        stack.start()
        stack.build()
        stack.deploy()
        yield stack
    finally:
        stack.stop()
