"""The real stack with relays in it, and what a scenario does with it."""

import contextlib
import copy
import itertools
import json
import subprocess
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import urllib3
from failures.chaos import Action, Chaos, Relay, Rule
from failures.oracle import Identity, Promise, Reported, Row, Taken, judge, ledger

from local.processes import StackError
from local.simulators.registry import SIMULATORS, routes
from local.stack import LocalStack, running
from sms_gateway.config.api_keys import SCOPES
from sms_gateway.messages.queue import EXPRESS, queue_of
from testing.deployed import Answer, Api
from testing.descriptions import whole
from testing.log_search import searched
from testing.waiting import free_port

VENDORS = tuple(SIMULATORS)
DESCRIBED = "acme"  # a vendor that is described
REACHED = (*VENDORS, DESCRIBED)
FIRST = {  # the first of the numbers that can't be anybody's, by vendor
    **{vendor: simulator.first_number for vendor, simulator in SIMULATORS.items()},
    DESCRIBED: 33639980001,  # of films
    "jst, server2sms": 911000005001,  # routes of two vendors
    "dinisoft, server2sms": 8801000005001,
}
ROUTES = [
    {"prefix": "+911000005", "vendors": ["jst", "server2sms"]},
    {"prefix": "+8801000005", "vendors": ["dinisoft", "server2sms"]},
    {"prefix": "+3363998", "vendors": [DESCRIBED]},
    *routes(),
]
TIMEOUT = 10  # seconds that a vendor call may take
REQUEUE_AFTER = 10  # seconds that the queue has before the scheduler requeues
INTERRUPTED_AFTER = 20  # seconds until a call without a record counts as interrupted
DEADLINE = 36_000  # seconds that a receipt may take: it passes only where a scenario says so
HASTENED_AFTER = 40  # seconds after which it says so of what may end as unknown
AT_ONCE = 4  # callers at once, and callbacks: each further one is a process more in the emulator
VISIBILITY = 20  # seconds until a queue message whose worker died comes again
THROUGH = ("dynamodb", "sqs")  # which services the functions reach through relays
PATIENCE = 400  # seconds after which a hope is given up, on however busy a machine
PARAMETERS = {
    "ReceiptDeadline": str(DEADLINE),
    "RequeueAfter": str(REQUEUE_AFTER),
    "InterruptedAfter": str(INTERRUPTED_AFTER),
    "DispatchWorkers": "2",
    "Events": "none",  # a fault that strikes whoever calls next is meant for the workers
}


@dataclass
class ArenaStack(LocalStack):
    """A local stack whose functions reach the vendors and the services `through` by relays. With
    `visibility` the queues wait so long, in seconds, and not as long as the template says."""

    chaos: Chaos = field(default_factory=Chaos)
    through: Sequence[str] = THROUGH
    visibility: int | None = VISIBILITY

    def prepare(self) -> None:
        """Puts the relays in place; before `start`, since the functions inherit the addresses."""
        self.chaos.root = lambda: self.emulator.pid if self.emulator else None
        for service in self.through:
            self.chaos.relay(service, self.gateway_port)
        for vendor in REACHED:
            self.chaos.relay(vendor, self.simulator_port)
        for service in ("callers", "callbacks"):
            self.chaos.relay(service, self.gateway_port, AT_ONCE)

    emulator: subprocess.Popen[bytes] | None = None

    def _spawn(
        self, name: str, command: list[str], extra: Mapping[str, str]
    ) -> subprocess.Popen[bytes]:
        if name == "simulators":
            command = [*command[:-1], self.chaos.relays["callbacks"].url]
        if name != "emulator":
            return super()._spawn(name, command, extra)
        through = {
            f"AWS_ENDPOINT_URL_{service.upper()}": self.chaos.relays[service].url
            for service in self.through
        }
        self.emulator = super()._spawn(name, command, {**extra, **through})
        return self.emulator

    def settle_in(self) -> None:
        """Accounts that go through the relays, and short times, before the first call."""
        changes = {}
        for vendor in VENDORS:
            base = f"{self.chaos.relays[vendor].url}/{vendor}"
            base += "/index.php/api" if vendor == "jst" else ""
            changes[vendor] = {"base_url": base, "timeout": TIMEOUT, "poll_after": 2}
        self.set_accounts(changes)
        file = self.folder / f"{DESCRIBED}.json"
        file.write_text(json.dumps(whole(DESCRIBED)))
        self.describe(file, self.chaos.relays[DESCRIBED].url, timeout=TIMEOUT, poll_after=2)
        front = self.chaos.relays["callers"].url
        self.facts["url"] = self.facts["url"].replace(self.endpoint, front)
        gateway = self.client("apigateway")
        (api,) = gateway.get_rest_apis()["items"]
        (authorizer,) = gateway.get_authorizers(restApiId=api["id"])["items"]
        trust = {"op": "replace", "path": "/authorizerResultTtlInSeconds", "value": "300"}
        gateway.update_authorizer(
            restApiId=api["id"], authorizerId=authorizer["id"], patchOperations=[trust]
        )
        gateway.create_deployment(restApiId=api["id"], stageName="v1")
        self.set_setting("routes", {"routes": ROUTES})
        if self.visibility is None:
            return
        sqs = self.client("sqs")
        for url in sqs.list_queues()["QueueUrls"]:
            if "DeadLetters" not in url:
                sqs.set_queue_attributes(
                    QueueUrl=url, Attributes={"VisibilityTimeout": str(self.visibility)}
                )

    def warm_up(self) -> None:
        """Has the emulator start its processes before anything is measured by their speed."""
        api = Api(self, self.facts["key"])
        at_once(AT_ONCE, lambda: api("POST", "/messages", {"to": "+1"}))
        at_once(AT_ONCE, lambda: api("GET", "/messages?limit=1"))
        at_once(AT_ONCE, lambda: api("GET", "/callbacks/rajasms/nobody"))

    def restart_emulator(self) -> None:
        """Stops the emulator with all that it runs, and starts it again on its kept state."""
        assert self.emulator
        old = self.emulator
        old.terminate()
        old.wait(30)
        self.start_emulator()


class Ground:
    """Where scenarios happen: callers, vendors, faults, the clock and the witnesses."""

    def __init__(self, stack: ArenaStack) -> None:
        self.stack = stack
        self.chaos = stack.chaos
        self.api = Api(stack, stack.facts["key"])
        self.asked: set[Identity] = set()  # all that callers ever asked for
        self._stopped = threading.Event()
        self._still = threading.Lock()
        self._clock = threading.Thread(target=self._run_clock, daemon=True)
        self._clock.start()

    def stop(self) -> None:
        """Stops the clock."""
        self._stopped.set()
        self._clock.join(60)

    def _run_clock(self) -> None:
        while not self._stopped.wait(1.0):
            # A scenario may kill the clock, or the emulator: the next minute comes anyway.
            with self._still, contextlib.suppress(StackError, Exception):
                self.stack.tick()

    @contextlib.contextmanager
    def stopped_clock(self) -> Iterator[None]:
        """Without the clock for a while."""
        with self._still:
            yield

    def for_tenant(self, tenant: str) -> "Ground":
        """The same ground, for callers of a tenant of its own that may do everything."""
        other = copy.copy(self)
        other.api = Api(self.stack, self.stack.key(tenant, SCOPES))
        return other

    def relay(self, vendor: str) -> Relay:
        """The relay in front of a vendor."""
        return self.chaos.relays[vendor]

    def simulators(self, method: str, path: str, body: object = None) -> Any:
        """A control call."""
        answer = urllib3.request(
            method,
            f"{self.stack.simulators}/{path}",
            body=None if body is None else json.dumps(body).encode(),
            timeout=10,
        )
        assert answer.status < 300, answer.data
        return answer.json() if answer.data else None

    def ledger(self) -> list[Taken]:
        """Every message that a vendor took."""
        return ledger(self.simulators("GET", "_ledger")["submissions"])

    def queues(self) -> dict[str, list[dict[str, Any]]]:
        """What stands in each queue, seen without taking it."""
        answer = urllib3.request(
            "GET", f"{self.stack.endpoint}/_ministack/sqs/messages", timeout=30
        ).json()
        return {
            url.rpartition("/")[2]: messages
            for regions in answer["messages"].values()
            for queues in regions.values()
            for url, messages in queues.items()
        }

    def left_in_queues(self) -> list[tuple[str, str]]:
        """What stands in the vendors' queues, as batch and description."""
        return [
            (task[1].partition("/")[0], f"{name}: {one['Body']}")
            for name, messages in self.queues().items()
            for one in messages
            if len(task := one["Body"].split(" ")) in (3, 4)  # the fourth: its place in the line
        ]

    def unexplained(self) -> list[str]:
        """When all scenarios are over: what a vendor took unasked, and what queues still hold."""
        end = time.monotonic() + 3 * VISIBILITY
        while (left := self.left_in_queues()) and time.monotonic() < end:
            time.sleep(1)
        found = [what for _, what in left]
        for one in self.ledger():
            if one.identity not in self.asked:
                found.append(f"{one.vendor} took a message that nobody asked for")
        refused = self.chaos.lineage.refused
        return found + [
            f"{one} would be lost: Lambda takes its chain for a loop" for one in refused
        ]

    def deadline_passes(self, batch: str) -> None:
        """Makes what is under way in a batch older than the clock waits for receipts."""
        client, table = self.stack.client("dynamodb"), self.stack.facts["table"]
        found = client.query(
            TableName=table,
            KeyConditionExpression="pk = :batch",
            ExpressionAttributeValues={":batch": {"S": batch}},
        )["Items"]
        for item in found:
            if item.get("status", {}).get("S") not in ("submitting", "submitted"):
                continue
            changed = int(item["changed"]["N"])
            with contextlib.suppress(client.exceptions.ConditionalCheckFailedException):
                client.update_item(
                    TableName=table,
                    Key={"pk": item["pk"], "sk": item["sk"]},
                    UpdateExpression="SET #changed = :past, #due = :now",
                    ConditionExpression="attribute_exists(#due) AND #changed = :changed",
                    ExpressionAttributeNames={"#changed": "changed", "#due": "due"},
                    ExpressionAttributeValues={
                        ":changed": {"N": str(changed)},
                        ":past": {"N": str(changed - DEADLINE)},
                        ":now": {"N": str(int(time.time()))},
                    },
                )

    def enqueue(self, bodies: Sequence[str]) -> None:
        """Hands queue messages to the dispatchers, as a second delivery does."""
        sqs = self.stack.client("sqs")
        urls = sqs.list_queues()["QueueUrls"]
        for body in bodies:
            vendor, _, _, *lane = body.split(" ")
            queue = EXPRESS if lane == ["code"] else queue_of(vendor)
            (url,) = [u for u in urls if f"-{queue.capitalize()}Queue" in u]
            sqs.send_message(QueueUrl=url, MessageBody=body, MessageGroupId="again")


@contextlib.contextmanager
def arena(
    folder: Path, parameters: Mapping[str, str] = PARAMETERS, **more: Any
) -> Iterator[Ground]:
    """A stack with relays between the functions and everything that they call; `more` are fields
    of ArenaStack."""
    stack = ArenaStack(
        folder,
        free_port(),
        free_port(),
        delay=0.3,
        poll_after=2,
        parameters=parameters,
        **{"persist": True, **more},
    )
    stack.prepare()
    try:
        with running(stack), searched(stack):
            stack.settle_in()
            stack.warm_up()
            ground = Ground(stack)
            try:
                yield ground
            finally:
                ground.stop()
    finally:
        stack.chaos.stop()


def number(vendor: str, nth: int) -> str:
    """The nth number of a vendor that behaves like any other."""
    hundreds, rest = divmod(nth, 95)  # 97 and 98 at the end stand for special numbers
    return f"+{FIRST[vendor] + hundreds * 100 + rest}"


@dataclass
class Case:
    """A scenario while it runs: what was asked for, and which faults are in force."""

    name: str
    marker: str
    ground: Ground
    promises: list[Promise] = field(default_factory=list)
    batches: list[str] = field(default_factory=list)
    rules: list[Rule] = field(default_factory=list)
    faults: list[int] = field(default_factory=list)
    started: float = field(default_factory=time.monotonic)
    _texts: Iterator[int] = field(default_factory=itertools.count)
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _final: set[str] = field(default_factory=set)

    def __post_init__(self) -> None:
        self.ground.chaos.know(self.marker)

    # What callers do

    def body(self, vendor: str, count: int = 1, *, first: int = 0, **fields: Any) -> dict[str, Any]:
        """A send's body, with a text that nobody else has."""
        text = f"{self.marker} {next(self._texts)}."
        numbers = [number(vendor, first + n) for n in range(count)]
        return {"to": numbers[0] if count == 1 else numbers, "text": text, **fields}

    def different(self, vendor: str, count: int, **fields: Any) -> dict[str, Any]:
        """A send's body with another text for each number."""
        messages = [
            {"to": number(vendor, n), "text": f"{self.marker} {next(self._texts)}."}
            for n in range(count)
        ]
        return {"messages": messages, **fields}

    def post(self, body: dict[str, Any], key: str | None = None) -> Answer:
        """One call, as it is answered."""
        headers = {"Idempotency-Key": key} if key else None
        try:
            return self.ground.api("POST", "/messages", body, headers=headers)
        except urllib3.exceptions.HTTPError:
            return Answer(0, {}, None)  # the caller never heard

    def note(self, body: dict[str, Any], answer: Answer | None) -> list[str]:
        """Notes what the caller was promised; the ids, none without a 202."""
        given = answer.body if answer and answer.status == 202 else None
        ids = {one["to"]: one["id"] for one in given["messages"]} if given else {}
        every = body.get("messages") or [
            {"to": to, "text": body["text"]}
            for to in (body["to"] if isinstance(body["to"], list) else [body["to"]])
        ]
        resend = body.get("on_unknown") == "resend"
        promises = [Promise(one["to"], one["text"], ids.get(one["to"]), resend) for one in every]
        with self._lock:
            self.promises += promises
            self.ground.asked.update(promise.identity for promise in promises)
            if given and given["batch_id"] not in self.batches:
                self.batches.append(given["batch_id"])
        return list(ids.values())

    def send(self, vendor: str, count: int = 1, **fields: Any) -> list[str]:
        """Sends one text to so many; the ids. A caller without a 202 is no surprise."""
        body = self.body(vendor, count, **fields)
        return self.note(body, self.post(body))

    def code(self, vendor: str, **fields: Any) -> list[str]:
        """Sends a code, which goes by the express queue; its id. A sealed text shows no marker: the
        reference does."""
        return self.send(vendor, category="otp", reference=self.marker, **fields)

    # What goes wrong

    def rule(
        self, service: str, action: Action, operation: str = "", *words: str, **more: Any
    ) -> Rule:
        """A rule for this scenario's own calls."""
        more.setdefault("marker", self.marker)
        made = self.ground.chaos.add(Rule(service, action, operation, words, **more))
        self.rules.append(made)
        return made

    def fault(self, vendor: str, fault: str, count: int = 1, **more: Any) -> None:
        """A fault of the vendor itself; it strikes whoever calls it next."""
        made = self.ground.simulators(
            "POST", "_faults", {"vendor": vendor, "fault": fault, "count": count, **more}
        )
        self.faults.append(made["id"])

    def spent(self) -> None:
        """Waits until this scenario's faults have all struck."""
        end = time.monotonic() + PATIENCE
        while True:
            left = {one["id"] for one in self.ground.simulators("GET", "_faults")["faults"]}
            if not left & set(self.faults):
                return
            if time.monotonic() > end:
                raise TimeoutError(f"{self.name}: a fault did not strike")
            time.sleep(0.2)

    # How it ends

    def ended(self) -> bool:
        """Whether every message of every batch has a final status."""
        for batch in self.batches:
            if batch in self._final:
                continue
            answer = self.ground.api("GET", f"/batches/{batch}")
            if answer.status != 200 or not answer.body["final"]:
                return False
            self._final.add(batch)
        return True

    def leave(self) -> None:
        """Waits until no message waits to be sent."""
        end = time.monotonic() + PATIENCE
        for batch in list(self.batches):
            while self.ground.api("GET", f"/batches/{batch}").body["counts"].get("accepted"):
                if time.monotonic() > end:
                    raise TimeoutError(f"{self.name}: a batch has not left")
                time.sleep(0.5)

    def got(self) -> dict[str, Reported]:
        """What the API says of every message."""
        found: dict[str, Reported] = {}
        for batch in self.batches:
            cursor = ""
            while True:
                page = self.ground.api("GET", f"/messages?batch_id={batch}&limit=100{cursor}").body
                for one in page["messages"]:
                    found[one["id"]] = Reported(one["status"], one["final"])
                if page["cursor"] is None:
                    break
                cursor = f"&cursor={page['cursor']}"
        return found

    def settle(self, *, doubtful: bool = False) -> Row:
        """Waits until all has ended, or must have; then the oracle speaks. When it is `doubtful`,
        the deadline passes for what has no receipt after a while."""
        begun = time.monotonic()
        while not self.ended() and time.monotonic() < begun + PATIENCE:
            if doubtful and time.monotonic() > begun + HASTENED_AFTER:
                for batch in set(self.batches) - self._final:
                    self.ground.deadline_passes(batch)
            time.sleep(4)
        self.ground.chaos.remove(*self.rules)
        mine = {promise.identity for promise in self.promises}
        # A vendor may take what is still under way: the ledger is read last.
        got = self.got()
        taken = [one for one in self.ground.ledger() if one.identity in mine]
        row = judge(self.name, self.promises, got, taken, self._left())
        row.seconds = time.monotonic() - self.started
        return row

    def _left(self) -> list[str]:
        """What the queues hold of this scenario when a delivery more has had its time."""
        mine = set(self.batches) | self.ground.chaos.batches(self.marker)
        end = time.monotonic() + 3 * VISIBILITY
        while True:
            left = [what for batch, what in self.ground.left_in_queues() if batch in mine]
            if not left or time.monotonic() > end:
                return left
            time.sleep(1)


def at_once(calls: int, what: Any) -> list[Any]:
    """Does something so many times side by side; the results."""
    with ThreadPoolExecutor(calls) as pool:
        return list(pool.map(lambda _: what(), range(calls)))


def processes_of(folder: Path) -> list[int]:
    """Processes that work in a folder: there are none when a stack has stopped."""
    found = []
    for process in Path("/proc").iterdir():
        with contextlib.suppress(OSError):
            if process.name.isdigit() and str(folder) in (process / "cmdline").read_text():
                found.append(int(process.name))
    return found
