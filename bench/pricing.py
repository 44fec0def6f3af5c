"""From what was counted and timed to dollars: a message's, and the idle deployment's."""

import tomllib
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median
from typing import Any

from bench.conditions import deployed, enabled
from bench.counting import TEMPLATE
from bench.life import LEASES, MEMORY, Step

PRICES: dict[str, Any] = tomllib.loads(Path(__file__).with_name("prices.toml").read_text())
ASSUMED: dict[str, Any] = PRICES["assumed"]
CHANGES, EVENTS = 3, 4  # of a single message: records of the stream that are let through, and told
MINUTES = 60 * 24 * 30  # in a month
MILLION = 1_000_000

# Types of resources that cost nothing while nothing happens; one that is not here stops the
# benchmark until somebody has looked up what it costs.
FREE_WHEN_IDLE = {
    "AWS::DynamoDB::Table",
    "AWS::Events::EventBus",
    "AWS::Events::Rule",
    "AWS::Lambda::EventSourceMapping",
    "AWS::Lambda::Permission",
    "AWS::Logs::LogGroup",
    "AWS::S3::Bucket",
    "AWS::SNS::Topic",
    "AWS::SQS::Queue",
    "AWS::SQS::QueuePolicy",
    "AWS::SSM::Parameter",
    "AWS::Serverless::Api",
    "AWS::Serverless::Function",
    "AWS::Serverless::LayerVersion",
}
PRICED = {"AWS::CloudWatch::Alarm", "AWS::SecretsManager::Secret"}


@dataclass
class Spent:
    """What something costs in AWS's own units; `gb_seconds` and `runs` by function."""

    writes: float = 0
    reads: float = 0
    calls: Counter[str] = field(default_factory=Counter)
    api_requests: float = 0
    queue_requests: float = 0
    log_bytes: float = 0
    bytes: float = 0
    events: float = 0
    runs: Counter[str] = field(default_factory=Counter)
    gb_seconds: Counter[str] = field(default_factory=Counter)

    def add(self, other: "Spent", times: float = 1) -> None:
        """Adds, or with a negative `times` takes away."""
        for name in self.__dataclass_fields__:
            mine, theirs = getattr(self, name), getattr(other, name)
            if isinstance(mine, Counter):
                for key, value in theirs.items():
                    mine[key] += value * times
            else:
                setattr(self, name, mine + theirs * times)


def spent(counted: Step, billed: Mapping[str, Sequence[float]]) -> Spent:
    """What a step costs: its counts, and for each run of a function the middle of the times (ms)
    that it was found to be billed."""
    total = Spent(
        counted.tally.writes,
        counted.tally.reads,
        Counter(counted.tally.calls),
        counted.api_requests,
        counted.source_requests + sum(n for c, n in counted.tally.calls.items() if c[:3] == "sqs"),
        counted.tally.log_bytes,
        counted.tally.bytes_out + counted.tally.bytes_in,
    )
    for name, runs in counted.runs.items():
        total.runs[name] = runs
        seconds = runs * median(billed[name]) / 1000
        total.gb_seconds[name] = seconds * MEMORY[name] / 1024  # type: ignore[assignment] # a Counter adds fractions too
        total.log_bytes += runs * platform_bytes()
    return total


def platform_bytes() -> int:
    """What Lambda itself logs of an invocation, with the template's default parameters."""
    level = TEMPLATE["Globals"]["Function"]["LoggingConfig"].get("SystemLogLevel", "INFO")
    if isinstance(level, dict):  # INFO only while debugging
        level = level["Fn::If"][2]
    return 0 if level == "WARN" else int(ASSUMED["platform_bytes"])


def dollars(one: Spent) -> dict[str, float]:
    """Dollars for a million times as much, by service."""
    return {
        "API Gateway": one.api_requests * PRICES["api_gateway"]["million_requests"],
        "DynamoDB": one.writes * PRICES["dynamodb"]["million_writes"]
        + one.reads * PRICES["dynamodb"]["million_reads"],
        "SQS": one.queue_requests
        * (PRICES["sqs"]["million_requests"] + PRICES["sqs"]["million_fair"]),
        "Lambda": sum(one.runs.values()) * PRICES["lambda"]["million_requests"]
        + sum(one.gb_seconds.values()) * PRICES["lambda"]["gb_second"] * MILLION,
        "logs": one.log_bytes * PRICES["logs"]["gb"] * MILLION / 1e9,
        "EventBridge": one.events * PRICES["eventbridge"]["million_custom_events"],
    }


def onward(published: Spent) -> dict[str, Spent]:
    """What a single message costs more, by the parameter Events, from what publishing its CHANGES
    one by one takes: on the bus, to one webhook, and both. Deliveries arrive at the first try."""
    on_bus, to_webhook, both = Spent(events=EVENTS), Spent(), Spent()
    on_bus.add(published)
    seconds = published.gb_seconds["publish_events"]
    each = seconds / CHANGES / MEMORY["publish_events"]  # of a run, by the MB that it has
    waiting = (ASSUMED["vendor_ms"] + ASSUMED["dynamodb_ms"]) / 1000 / 1024
    to_webhook.add(
        Spent(
            reads=published.reads + 1 + EVENTS,
            queue_requests=3 * EVENTS,
            log_bytes=published.log_bytes,
            runs=Counter(queue_webhooks=CHANGES, deliver_webhooks=EVENTS),
            gb_seconds=Counter(
                queue_webhooks=seconds,
                deliver_webhooks=EVENTS * (each + waiting) * MEMORY["deliver_webhooks"],
            ),
        )
    )
    both.add(on_bus)
    both.add(to_webhook)
    return {"bus": on_bus, "webhooks": to_webhook, "all": both}


def idle(tick: Spent, template: Mapping[str, Any] = TEMPLATE) -> dict[str, float]:
    """Dollars a month for a deployment with the template's defaults while nobody sends, item by
    item. Raises ValueError for a resource whose idle price nobody has entered."""
    resources = deployed(template)
    kinds = Counter(str(one["Type"]) for one in resources.values())
    if strange := sorted(set(kinds) - FREE_WHEN_IDLE - PRICED):
        raise ValueError(f"what does an idle {strange[0]} cost? Enter it in bench/pricing.py")
    events = [
        event
        for one in resources.values()
        if one["Type"] == "AWS::Serverless::Function"
        for event in one["Properties"].get("Events", {}).values()
    ]
    schedules = [one for one in events if one["Type"] in ("Schedule", "ScheduleV2")]
    if any(one["Properties"]["ScheduleExpression"] != "rate(1 minute)" for one in schedules):
        raise ValueError("only ticks of a minute are priced here")
    # Reading DynamoDB's streams is free for Lambda, which is what asks an idle one.
    sources = sum(one["Type"] == "SQS" and enabled(one, template) for one in events)
    receives = sources * ASSUMED["pollers"] * MINUTES * 60 / ASSUMED["long_poll_seconds"]
    ticks = len(schedules) * MINUTES
    secret = PRICES["secrets"]
    by_service = {name: price * ticks / MILLION for name, price in dollars(tick).items()}
    alarms, secrets = kinds["AWS::CloudWatch::Alarm"], kinds["AWS::SecretsManager::Secret"]
    return {
        f"{alarms} alarms": alarms * PRICES["cloudwatch"]["alarm_month"],
        f"{sources} event sources asking their queues ({receives:,.0f} times)": receives
        / MILLION
        * PRICES["sqs"]["million_requests"],
        f"{secrets} secrets": secrets * secret["secret_month"],
        f"the clock reading the accounts ({ticks:,} times)": ticks
        / 10_000
        * secret["ten_thousand_calls"],
        f"the schedule ({ticks:,} ticks)": ticks
        / MILLION
        * PRICES["scheduler"]["million_invocations"],
        "the ticks' Lambda": by_service["Lambda"],
        "the ticks' DynamoDB reads": by_service["DynamoDB"],
        "the ticks' leases, if something is due each minute": ticks
        / MILLION
        * LEASES
        * PRICES["dynamodb"]["million_writes"],
        "the ticks' logs": by_service["logs"],
    }


def kept(item_bytes: float) -> float:
    """Dollars for keeping a million messages of so many bytes for the template's 90 days, with
    point-in-time recovery; 100 bytes an item are DynamoDB's own ("Item sizes")."""
    months = ASSUMED["retention_days"] / 30
    price = PRICES["dynamodb"]["gb_month"] + PRICES["dynamodb"]["gb_month_recovery"]
    return float((item_bytes + 100) * MILLION / 1e9 * months * price)


def shown(prices: Mapping[str, float]) -> str:
    """Prices in one line."""
    return ", ".join(f"{name} {price:.2f}" for name, price in prices.items())
