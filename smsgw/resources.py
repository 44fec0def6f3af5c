"""What a stack is made of, and what AWS tells of it: queues, alarms, when a function last ran."""

from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from typing import Any

from sms_gateway.core.timestamps import utc_now
from smsgw import clients
from smsgw.stack import Stack

METRICS_AT_ONCE = 500  # CloudWatch's bound for a call
ALARMS_AT_ONCE = 100
LOOK_BACK = timedelta(minutes=20)  # CloudWatch's metrics of a minute come up to some minutes late

QUEUE, ALARM = "AWS::SQS::Queue", "AWS::CloudWatch::Alarm"

Resource = Mapping[str, Any]


class Resources:
    """A stack's resources, as CloudFormation lists them."""

    def __init__(self, stack: Stack) -> None:
        pages = clients.client("cloudformation").get_paginator("list_stack_resources")
        self.all: list[Resource] = [
            one
            for page in pages.paginate(StackName=stack.name)
            for one in page["StackResourceSummaries"]
        ]

    def of(self, kind: str) -> dict[str, str]:
        """Return the physical ids of a kind of resource, by logical id."""
        return {
            one["LogicalResourceId"]: one["PhysicalResourceId"]
            for one in self.all
            if one["ResourceType"] == kind and one.get("PhysicalResourceId")
        }

    @property
    def broken(self) -> list[str]:
        """The logical ids of what could not be made or changed."""
        return [one["LogicalResourceId"] for one in self.all if "FAILED" in one["ResourceStatus"]]

    def queues(self) -> list[dict[str, Any]]:
        """Return each queue: how many messages wait and are worked on, and the oldest's age.

        `oldest` is in seconds, of the last minutes; None where CloudWatch tells none.
        """
        urls = self.of(QUEUE)
        names = {logical: url.rsplit("/", 1)[-1] for logical, url in urls.items()}
        ages = {
            logical: ("AWS/SQS", "ApproximateAgeOfOldestMessage", {"QueueName": name})
            for logical, name in names.items()
        }
        with ThreadPoolExecutor(clients.CALLS_AT_ONCE) as pool:
            asked = pool.submit(_newest, ages, "Maximum")
            counts = dict(zip(urls, pool.map(count, urls.values()), strict=True))
            oldest = asked.result()
        return [
            {
                "queue": logical,
                "dead": logical.endswith("DeadLetters"),
                "waiting": counts[logical][0],
                "at_work": counts[logical][1],
                "oldest": int(oldest[logical][1]) if logical in oldest else None,
            }
            for logical in sorted(urls)
        ]

    def alarms(self) -> list[dict[str, Any]]:
        """Return each alarm: its state, since when, and whether anybody is told."""
        logical = {physical: name for name, physical in self.of(ALARM).items()}
        names = list(logical)
        found: list[Any] = []
        for start in range(0, len(names), ALARMS_AT_ONCE):
            chunk = names[start : start + ALARMS_AT_ONCE]
            page = clients.client("cloudwatch").describe_alarms(
                AlarmNames=chunk, MaxRecords=ALARMS_AT_ONCE
            )
            found += page["MetricAlarms"]
        return [
            {
                "alarm": logical.get(one["AlarmName"], one["AlarmName"]),
                "state": one["StateValue"],
                "since": one.get("StateUpdatedTimestamp"),
                "has_action": bool(one.get("AlarmActions")),
            }
            for one in sorted(found, key=lambda one: str(one["AlarmName"]))
        ]


def count(url: str) -> tuple[int, int]:
    """Return how many messages of a queue wait and are worked on, about a minute late."""
    attributes = clients.client("sqs").get_queue_attributes(
        QueueUrl=url,
        AttributeNames=[
            "ApproximateNumberOfMessages",
            "ApproximateNumberOfMessagesNotVisible",
            "ApproximateNumberOfMessagesDelayed",
        ],
    )["Attributes"]
    waits = ("ApproximateNumberOfMessages", "ApproximateNumberOfMessagesDelayed")
    return (
        sum(int(attributes.get(name, 0)) for name in waits),
        int(attributes.get("ApproximateNumberOfMessagesNotVisible", 0)),
    )


def last_tick(stack: Stack) -> datetime | None:
    """Return the minute of the scheduler's last run; None without one lately."""
    name = stack.output("SchedulerFunctionName")
    runs = {"scheduler": ("AWS/Lambda", "Invocations", {"FunctionName": name})}
    found = _newest(runs, "Sum")
    return found["scheduler"][0] if found else None


def _newest(
    wanted: Mapping[str, tuple[str, str, Mapping[str, str]]], statistic: str
) -> dict[str, tuple[datetime, float]]:
    """Return the newest value of each metric lately, with its minute (UTC)."""
    now = utc_now()
    found: dict[str, tuple[datetime, float]] = {}
    names = list(wanted)
    for start in range(0, len(names), METRICS_AT_ONCE):
        chunk = names[start : start + METRICS_AT_ONCE]
        answer = clients.client("cloudwatch").get_metric_data(
            MetricDataQueries=[
                _query(f"m{nth}", wanted[name], statistic) for nth, name in enumerate(chunk)
            ],
            StartTime=now - LOOK_BACK,
            EndTime=now + timedelta(minutes=1),
            ScanBy="TimestampDescending",
        )
        for one in answer["MetricDataResults"]:
            if one["Values"]:
                at, value = max(zip(one["Timestamps"], one["Values"], strict=True))
                found[chunk[int(one["Id"][1:])]] = (at.astimezone(UTC), value)
    return found


def _query(
    identifier: str, metric: tuple[str, str, Mapping[str, str]], statistic: str
) -> Mapping[str, Any]:
    namespace, name, dimensions = metric
    pairs: Sequence[Mapping[str, str]] = [
        {"Name": key, "Value": value} for key, value in dimensions.items()
    ]
    described = {"Namespace": namespace, "MetricName": name, "Dimensions": pairs}
    return {
        "Id": identifier,
        "MetricStat": {"Metric": described, "Period": 60, "Stat": statistic},
    }
