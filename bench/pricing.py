"""From what was counted and timed to dollars, of messages and of the idle deployment."""

import tomllib
from collections import Counter, defaultdict
from collections.abc import Mapping
from math import ceil
from pathlib import Path
from typing import Any

from bench.gateway import SCHEDULER, Run
from sms_gateway.vendor_accounts.balances import BALANCE_MINUTES
from sms_gateway.vendors.registry import VENDORS
from testing.counting import Tally
from testing.template import FUNCTIONS, TEMPLATE, deployed, enabled, holds

PRICES: dict[str, Any] = tomllib.loads(Path(__file__).with_name("prices.toml").read_text())
ASSUMED: dict[str, Any] = PRICES["assumed"]
MINUTES = 60 * 24 * 30  # in a month
HOURS = 24 * 30
LEASES = 2  # write units of a scheduler's run that finds anything due, however much
HOURLY = {"write units": 12, "read units": 3}  # at most, of an account's hour: its balance is asked
DEFAULT_MEMORY = TEMPLATE["Globals"]["Function"]["MemorySize"]

PRICED = {"AWS::CloudWatch::Alarm", "AWS::CloudWatch::Dashboard"}
SECRETS = ("accounts", "keys")  # that smsgw makes

type Units = Mapping[str, float]


def memory(function: str) -> int:
    """Return a function's MB."""
    return int(FUNCTIONS[function].get("MemorySize", DEFAULT_MEMORY))


def billed(run: Run) -> int:
    """Return the milliseconds that Lambda bills of an invocation.

    That is what it computes with its share of a CPU, and what it waits: for the main thread's calls
    one after the other, and for the longest thread of each pool. The waits are reckoned, so that a
    busy machine waits no longer than an idle one.
    """
    pools: dict[str, Counter[str]] = defaultdict(Counter)
    for (thread, service), times in run.asked.items():
        pools[thread.rpartition("_")[0]][thread] += times * ASSUMED["ms"].get(service, 0)
    waited: float = sum(max(threads.values()) for threads in pools.values())
    share: float = min(1.0, memory(run.function) / ASSUMED["full_cpu_mb"])
    return ceil(1000 * run.cpu / share + waited)


def units(tally: Tally, milliseconds: Mapping[str, float], runs: Counter[str]) -> Units:
    """Return what is billed of so many invocations of functions, each of so many milliseconds."""
    calls = tally.calls
    sources = 2 * runs["dispatch"]  # one request receives its messages, one deletes them
    seconds = {name: times * milliseconds[name] / 1000 for name, times in runs.items()}
    return {
        "write units": tally.consumed,
        "read units": tally.reads,
        "API Gateway requests": runs["send"] + runs["status"],
        "SQS requests": sources + sum(n for name, n in calls.items() if name[:3] == "sqs"),
        "log bytes": tally.log_bytes + runs.total() * platform_bytes(),
        "invocations": runs.total(),
        "GB-seconds": sum(one * memory(name) / 1024 for name, one in seconds.items()),
    }


def added(*parts: tuple[Units, float]) -> dict[str, float]:
    """Return the sum of units, each so many times."""
    total: dict[str, float] = defaultdict(float)
    for one, times in parts:
        for name, value in one.items():
            total[name] += value * times
    return total


def dollars(one: Units) -> float:
    """Dollars for a million times as much."""
    return float(sum(value * PRICES["million"][name] for name, value in one.items()))


def platform_bytes() -> int:
    """Return what Lambda itself logs of an invocation, with the template's default parameters."""
    level = TEMPLATE["Globals"]["Function"]["LoggingConfig"].get("SystemLogLevel", "INFO")
    if isinstance(level, dict):  # INFO only while debugging
        level = level["Fn::If"][2]
    return 0 if level == "WARN" else int(ASSUMED["platform_bytes"])


def idle(run: Units, template: Mapping[str, Any] = TEMPLATE) -> dict[str, float]:
    """Dollars a month while nobody sends, item by item, where the scheduler's `run` finds nothing.

    Raises ValueError for a resource whose idle price nobody has entered.
    """
    resources = deployed(template).values()
    kinds = Counter(str(one["Type"]) for one in resources)
    if strange := sorted(set(kinds) - set(PRICES["free_when_idle"]) - PRICED):
        raise ValueError(f"what does an idle {strange[0]} cost? Enter it in bench/prices.toml")
    events = [
        event
        for one in resources
        if one["Type"] == "AWS::Serverless::Function"
        for event in one["Properties"].get("Events", {}).values()
    ]
    schedules = [one for one in events if one["Type"] in ("Schedule", "ScheduleV2")]
    if any(one["Properties"]["ScheduleExpression"] != "rate(1 minute)" for one in schedules):
        raise ValueError("only runs once a minute are priced here")
    # Reading DynamoDB's streams is free for Lambda, which is what asks an idle one.
    sources = sum(one["Type"] == "SQS" and enabled(one, template) for one in events)
    receives = sources * ASSUMED["pollers"] * MINUTES * 60 / ASSUMED["long_poll_seconds"]
    ticks, month = len(schedules) * MINUTES, PRICES["month"]
    reads = len(schedules) * HOURS * BALANCE_MINUTES  # of the accounts, and of the balances
    asked = added((HOURLY, len(VENDORS)), ({"read units": len(VENDORS)}, BALANCE_MINUTES))
    alarms = kinds["AWS::CloudWatch::Alarm"]
    leases = {"write units": LEASES}  # if something is due each minute
    items = {
        "alarms": alarms * month["alarm"],
        "event sources": receives * month["receive"],
        "secrets": len(SECRETS) * month["secret"] + reads * month["secret_call"],
        "balances": len(schedules) * HOURS * dollars(asked) / 1e6,
        SCHEDULER: ticks * (month["schedule"] + dollars(added((run, 1), (leases, 1))) / 1e6),
    }
    if dashboards := kinds["AWS::CloudWatch::Dashboard"]:
        items["dashboard"] = dashboards * month["dashboard"]
    if holds({"Condition": "HasKey"}, template):
        # A run that reads the accounts' secret needs it; DynamoDB asks for the table's key.
        requests = reads + MINUTES / ASSUMED["table_key_minutes"]
        items["key"] = month["key"] + requests * month["key_request"]
    return items
