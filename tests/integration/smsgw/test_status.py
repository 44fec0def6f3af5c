"""`smsgw status` and `smsgw doctor`, on a faked AWS that tells what AWS would."""

import io
import json
import re
import threading
import time
from collections import Counter
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from threading import Lock
from types import SimpleNamespace
from typing import Any

import msgspec
import pytest

from sms_gateway.config import api_keys, vendor_accounts
from sms_gateway.core.timestamps import epoch_seconds, utc_now
from sms_gateway.storage.balances import Hours, keep_hours
from sms_gateway.vendor_accounts.account_check import check_account
from smsgw import outcomes
from smsgw.__main__ import main
from smsgw.outcomes import recent_outcomes
from testing.command import new_session
from testing.gateway import Gateway
from testing.numbers import number
from testing.transport import Wire
from testing.vendor_answers import balances

OUTPUTS = {
    **{"TableName": "test-table", "AccountsSecretName": "test/vendors"},
    **{"KeysSecretName": "test/keys", "SchedulerFunctionName": "scheduler"},
    **{"BalanceFunctionName": "balance", "CallbackUrl": "https://x/callbacks"},
}
Run = Callable[..., tuple[int, str, str]]


class Aws:
    """What AWS tells of the stack; a test changes it."""

    def __init__(self, wire: Wire) -> None:
        self.wire = wire
        self.status = "UPDATE_COMPLETE"
        self.tick: datetime | None = datetime.now(UTC)
        self.concurrency = 1000
        self.raised: list[str] = []
        self.got = ["arn:aws:sns:eu-central-1:123456789012:alarms"]
        self.queues = {"JstQueue": 0, "JstDeadLetters": 0}
        self.oldest: float | None = None

    def answers(self) -> dict[str, Callable[[dict[str, Any]], Any]]:
        """Answers by event of botocore."""
        return {
            "cloudformation.DescribeStacks": lambda _: {
                "Stacks": [
                    {
                        "StackName": "sms-gateway",
                        "StackStatus": self.status,
                        "Outputs": [
                            {"OutputKey": key, "OutputValue": value}
                            for key, value in OUTPUTS.items()
                        ],
                    }
                ]
            },
            "cloudformation.ListStackResources": lambda _: {
                "StackResourceSummaries": [
                    *(
                        resource("AWS::SQS::Queue", name, f"https://sqs/1/{name}")
                        for name in self.queues
                    ),
                    resource("AWS::CloudWatch::Alarm", "SchedulerAlarm", "s-SchedulerAlarm-1"),
                ]
            },
            "sqs.GetQueueAttributes": lambda body: {
                "Attributes": {
                    "ApproximateNumberOfMessages": str(
                        self.queues[json.loads(body)["QueueUrl"].rsplit("/", 1)[1]]
                    )
                }
            },
            "cloudwatch.DescribeAlarms": lambda _: {
                "MetricAlarms": [
                    {
                        "AlarmName": "s-SchedulerAlarm-1",
                        "StateValue": "ALARM" if self.raised else "OK",
                        "AlarmActions": self.got,
                    }
                ]
            },
            "cloudwatch.GetMetricData": self.metrics,
            "lambda.GetAccountSettings": lambda _: {
                "AccountLimit": {
                    "ConcurrentExecutions": self.concurrency,
                    "UnreservedConcurrentExecutions": self.concurrency,
                }
            },
            "lambda.Invoke": self.invoked,
        }

    def metrics(self, body: Any) -> Any:
        """The scheduler's runs, or the ages of queues."""
        ticks = "Invocations" in str(body)
        value = self.tick if ticks else (datetime.now(UTC) if self.oldest is not None else None)
        if value is None:
            return {"MetricDataResults": []}
        values = [1.0 if ticks else float(self.oldest or 0)]
        # The resources' queues are in this order: dead letters come behind.
        return {"MetricDataResults": [{"Id": "m0", "Timestamps": [value], "Values": values}]}

    def invoked(self, body: Any) -> Any:
        """The balance function's answer."""
        event = json.loads(body)
        found = check_account(event, vendor_accounts.accounts(), utc_now(), self.wire)
        return {"StatusCode": 200, "Payload": io.BytesIO(msgspec.json.encode(found))}


def resource(kind: str, logical: str, physical: str) -> dict[str, str]:
    return {
        **{"ResourceType": kind, "LogicalResourceId": logical},
        **{"PhysicalResourceId": physical, "ResourceStatus": "CREATE_COMPLETE"},
    }


@pytest.fixture
def session(monkeypatch: pytest.MonkeyPatch) -> Any:
    """What the command makes its clients from."""
    return new_session(monkeypatch)


@pytest.fixture
def cloud(gateway: Gateway, wire: Wire, session: Any, monkeypatch: pytest.MonkeyPatch) -> Aws:
    """AWS around the gateway; every vendor tells its balance."""
    wire.answers |= balances()
    got = Aws(wire)
    for name, answer in got.answers().items():

        def answered(params: dict[str, Any], _answer: Any = answer, **_: Any) -> Any:
            return SimpleNamespace(status_code=200, headers={}), _answer(params["body"])

        session.register(f"before-call.{name}", answered)
    monkeypatch.setenv("STACK_NAME", "test")
    return got


@pytest.fixture
def run(cloud: Aws, capsys: pytest.CaptureFixture[str]) -> Run:
    """Runs a command; its exit status, output and errors."""

    def line(*words: str) -> tuple[int, str, str]:
        capsys.readouterr()
        status = main(words)
        shown = capsys.readouterr()
        return status, shown.out, shown.err

    return line


def test_one_screen_says_how_vendors_and_the_rest_stand(
    gateway: Gateway, cloud: Aws, run: Run
) -> None:
    api_keys.create_key("acme", ["messages:send"], "", utc_now())
    gateway.one("jst")
    cloud.queues["JstQueue"] = 3
    cloud.oldest = 240
    status, said, error = run("status")
    assert (status, error) == (0, "")
    assert "sms-gateway in eu-central-1" in said
    row = next(line.split() for line in said.splitlines() if line.startswith("jst"))
    assert row[1:3] == ["works", "closed"]
    assert row[-3:] == ["0", "1", "0"]  # delivered, open, failed
    assert ["JstQueue", "3", "0", "4", "min"] in [line.split() for line in said.splitlines()]
    assert "Dead letters: none" in said
    assert "Alarms: none of 1" in said
    assert "Scheduler: ran in the minute that began" in said


@pytest.mark.parametrize("command", [("status",), ("vendors", "list"), ("vendors", "check", "jst")])
def test_a_balance_has_its_forecast_beside_it_where_there_is_one(
    cloud: Aws, run: Run, command: tuple[str, ...]
) -> None:
    hour = epoch_seconds(utc_now()) // 3600
    amounts: list[str | None] = [str(4000 - 10 * nth) for nth in range(48)]
    hours = {product: Hours("credits", hour - 1, amounts) for product in ("promotional", "x")}
    assert keep_hours("jst", hour - 1, hours)
    said = run(*command)[1]
    row = next(line for line in said.splitlines() if line.startswith("jst"))
    assert re.search(r"promotional +\d+ credits until \d{4}-\d\d-\d\d \([\d.]+ a day\)", row)
    assert said.count(" a day)") == 1  # of the other product no use was seen


def test_status_is_json_on_demand(cloud: Aws, run: Run) -> None:
    cloud.queues["JstDeadLetters"] = 2
    cloud.raised, cloud.tick = ["SchedulerAlarm"], None
    got = json.loads(run("status", "--json")[1])
    assert got["dead_letters"] == {"JstDeadLetters": 2}
    assert [alarm["state"] for alarm in got["alarms"]] == ["ALARM"]
    assert got["scheduler_ran_at"] is None
    assert {row["vendor"]: row["state"] for row in got["vendors"]}["jst"] == "works"


AT_ONCE = (  # what a screen asks for at the same time, first and then
    {"GetCallerIdentity", "ListStackResources", "GetSecretValue", "GetMetricData"},
    {"GetQueueAttributes", "DescribeAlarms", "Invoke"},
)


@pytest.mark.parametrize("operations", AT_ONCE, ids=["first", "then"])
def test_a_screen_asks_at_the_same_time_for_what_waits_for_nothing(
    cloud: Aws, session: Any, run: Run, operations: set[str]
) -> None:
    all_ask, left, lock = threading.Barrier(len(operations), timeout=60), set(operations), Lock()

    def wait(model: Any, **_: Any) -> None:
        with lock:
            is_first = model.name in left
            left.discard(model.name)
        if is_first:
            all_ask.wait()

    session.register("provide-client-params", wait)
    assert run("status")[0] == 0
    assert left == set()


def test_a_command_makes_one_client_of_each_service(cloud: Aws, session: Any, run: Run) -> None:
    made: list[str] = []
    session.register("creating-client-class", lambda event_name, **_: made.append(event_name))
    assert run("status")[0] == 0
    assert sorted(name.partition(".")[2] for name in made) == [
        *("cloudformation", "cloudwatch", "lambda", "secrets-manager", "sqs", "sts")
    ]


def test_the_last_hours_outcomes_are_those_of_each_tenant(gateway: Gateway) -> None:
    api_keys.create_key("acme", ["messages:send"], "", utc_now())
    gateway.many("rajasms", 3)
    gateway.one("jst")
    counts, cut = recent_outcomes(utc_now())
    assert counts == {"rajasms": Counter(accepted=3), "jst": Counter(accepted=1)}
    assert not cut
    assert recent_outcomes(utc_now() + timedelta(hours=2)) == ({}, False)


def test_the_newest_are_counted_whichever_tenant_sent_them(
    gateway: Gateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    for tenant, vendor in (("acme", "jst"), ("acme", "jst"), ("shop", "dinisoft")):
        gateway.accept({"to": number(vendor), "text": "Hello"}, tenant)
        time.sleep(0.002)  # a batch's id says when it was made
    monkeypatch.setattr(outcomes, "MAX_BATCHES", 1)
    assert recent_outcomes(utc_now()) == ({"dinisoft": {"accepted": 1}}, True)


def findings(run: Run) -> dict[str, dict[str, Any]]:
    return {one["about"]: one for one in json.loads(run("doctor", "--json")[1])}


def test_a_gateway_that_is_well_has_no_problem(cloud: Aws, run: Run) -> None:
    api_keys.create_key("acme", ["messages:send"], "", utc_now())
    status, said, error = run("doctor")
    assert (status, error) == (0, "")
    assert said.endswith("Problems: none\n")
    assert "->" not in said


@pytest.mark.parametrize(
    ("about", "change", "step"),
    [
        ("quotas", {"concurrency": 10}, "request-service-quota-increase"),
        ("deployment", {"status": "UPDATE_ROLLBACK_FAILED"}, "describe-stack-events"),
        ("scheduler", {"tick": None}, "its schedule"),
        ("scheduler", {"tick": datetime.now(UTC) - timedelta(minutes=15)}, "its schedule"),
        ("alarms", {"raised": ["SchedulerAlarm"]}, "operate.md#alarms"),
        ("alarms", {"got": []}, "AlarmTopicArn"),
        ("dead letters", {"queues": {"JstDeadLetters": 1}}, "smsgw dlq list"),
        ("queues", {"queues": {"JstQueue": 5}, "oldest": 4000.0}, "rate"),
    ],
)
def test_each_finding_says_what_to_do(
    cloud: Aws, run: Run, about: str, change: dict[str, Any], step: str
) -> None:
    for name, value in change.items():
        setattr(cloud, name, value)
    found = findings(run)[about]
    assert found["state"] in ("warning", "problem")
    assert step in found["step"]


def test_a_vendor_that_refuses_the_login_is_a_problem_in_its_own_words(
    cloud: Aws, wire: Wire, run: Run
) -> None:
    wire.answers = {
        "balance_json.php": {"balance_respon": [{"globalstatus": 30}]},
        **wire.answers,
    }
    status, said, _ = run("doctor")
    assert status == 1
    assert 'RajaSMS says "ApiKey not register" (code 30)' in said
    assert "-> see docs/vendors/rajasms.md; then smsgw vendors check rajasms" in said


def test_without_credentials_the_doctor_says_so_and_ends(
    cloud: Aws, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_PROFILE"):
        monkeypatch.setenv(name, "")  # which the command takes out, and which are put back
    new_session(monkeypatch)
    status, said, _ = run("doctor", "--profile", "nobody")
    assert (status, said.count("problem ")) == (1, 1)
    assert "aws configure list-profiles" in said
