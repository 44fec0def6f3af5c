"""`smsgw doctor`: what is wrong, and what to do about it."""

from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any, NamedTuple

import click
from botocore.exceptions import BotoCoreError, ClientError

from sms_gateway.config import api_keys
from sms_gateway.core.timestamps import utc_now
from smsgw import clients
from smsgw.audit_log import caller
from smsgw.errors import CommandError, explain
from smsgw.line import Command, given
from smsgw.resources import Resources, last_tick
from smsgw.stack import Stack, find_stack
from smsgw.status import age
from smsgw.tables import coloured
from smsgw.terminal import flush, say, say_json
from smsgw.vendor_states import Asked, vendor_rows
from smsgw.vendors import is_published, read_accounts

OK, WARNING, PROBLEM = "ok", "warning", "problem"
MIN_CONCURRENCY = 100  # functions at once; a new account has 10
MAX_TICK_AGE = timedelta(minutes=5)  # CloudWatch tells of a minute up to some minutes late
MAX_QUEUE_AGE_SECONDS = 900


class Finding(NamedTuple):
    """What was looked at, how it is, and what to do where it is not well."""

    about: str
    state: str
    found: str
    step: str | None = None


@click.command(
    "doctor",
    cls=Command,
    help="Look for what is wrong, and say what to do: credentials, region, stack, quotas, each "
    "vendor's login, keys, the scheduler, alarms, queues, dead letters. Changes nothing. The exit "
    "status is 1 when there is a problem.",
    reads=True,
    lists=True,
    offline=True,
    examples=("smsgw doctor", "smsgw doctor --stack sms-test --profile operations"),
)
@click.pass_context
def COMMAND(context: click.Context) -> None:  # noqa: N802 - one name in each module
    """Print each finding as it is found."""
    findings = []
    for finding in examine():
        findings.append(finding)
        if not given("json"):
            _print(finding)
            flush()
    if given("json"):
        say_json([finding._asdict() for finding in findings])
    problems = sum(finding.state == PROBLEM for finding in findings)
    if not given("json"):
        say(f"Problems: {problems or 'none'}")
    context.exit(1 if problems else 0)


def _print(finding: Finding) -> None:
    coloured(finding.state, f"{finding.state:8}", f"{finding.about:12}  {finding.found}")
    if finding.step:
        say(f"{'':8}  {'':12}  -> {finding.step}")


def examine() -> Iterator[Finding]:
    """Yield findings; a part that can't be looked at is one, and the others go on."""
    try:
        stack = find_stack()
        who = caller()
    except (CommandError, BotoCoreError, ClientError) as error:
        yield Finding("stack", PROBLEM, explain(error) or "")
        return
    yield Finding("credentials", OK, who)
    yield Finding("stack", OK, stack.place)
    yield from _part("stack", lambda: _whole(stack))
    yield from _part("quotas", _quotas)
    yield from _part("vendors", lambda: _vendors(stack))
    yield from _part("keys", _keys)
    yield from _part("resources", lambda: _resources(stack))


def _part(about: str, look: Callable[[], Iterator[Finding]]) -> Iterator[Finding]:
    try:
        yield from look()
    except (CommandError, BotoCoreError, ClientError) as error:
        yield Finding(about, PROBLEM, f"can't be looked at: {explain(error)}")


def _whole(stack: Stack) -> Iterator[Finding]:
    found: Any = clients.client("cloudformation").describe_stacks(StackName=stack.name)["Stacks"][0]
    status = str(found.get("StackStatus"))
    events = f"`aws cloudformation describe-stack-events --stack-name {stack.name}` says why"
    if status.endswith("_IN_PROGRESS"):
        yield Finding("deployment", WARNING, status, "wait until it is over")
    elif status in ("CREATE_COMPLETE", "UPDATE_COMPLETE", "IMPORT_COMPLETE"):
        yield Finding("deployment", OK, status)
    elif status == "UPDATE_ROLLBACK_COMPLETE":
        step = f"the version before runs; {events}; then deploy again"
        yield Finding("deployment", WARNING, status, step)
    else:
        yield Finding("deployment", PROBLEM, status, f"{events}; then deploy again")


def _quotas() -> Iterator[Finding]:
    limits: Any = clients.client("lambda").get_account_settings()["AccountLimit"]
    limit, free = limits["ConcurrentExecutions"], limits["UnreservedConcurrentExecutions"]
    found = f"Lambda runs {limit} functions at once, {free} of them not reserved"
    if min(limit, free) < MIN_CONCURRENCY:
        step = (
            "aws service-quotas request-service-quota-increase --service-code lambda "
            "--quota-code L-B99A9384 --desired-value 1000"
        )
        yield Finding("quotas", WARNING, found, step)
    else:
        yield Finding("quotas", OK, found)


def _vendors(stack: Stack) -> Iterator[Finding]:
    accounts = read_accounts(stack)
    rows = vendor_rows(stack, accounts, Asked.NOW)
    if all(row["state"] == "not configured" for row in rows):
        step = "smsgw init, or smsgw vendors set VENDOR account.json"
        yield Finding("vendors", PROBLEM, "none has an account", step)
        return
    for row in rows:
        if row["state"] != "not configured":
            yield _vendor(row)
    if not is_published(stack):
        found = "the secret was changed by hand, and is not in use everywhere"
        yield Finding("vendors", PROBLEM, found, "smsgw vendors publish")


def _vendor(row: Any) -> Finding:
    name, found = row["vendor"], row["detail"] or row["balance"] or row["state"]
    page = f"docs/vendors/{name}.md"
    if row["state"] == "refused":
        return Finding(name, PROBLEM, found, f"smsgw vendors set {name} account.json; see {page}")
    if row["state"] == "problem":
        step = "docs/guides/egress.md" if found.startswith("address") else f"see {page}"
        return Finding(name, PROBLEM, found, f"{step}; then smsgw vendors check {name}")
    if row["state"] != "works":
        return Finding(name, WARNING, found, f"smsgw vendors check {name}, in a minute")
    if row["circuit"] != "closed":
        step = "calls go again by themselves once it answers; smsgw status"
        return Finding(name, WARNING, f"the circuit is {row['circuit']}", step)
    return Finding(name, OK, found)


def _keys() -> Iterator[Finding]:
    now = utc_now()
    active = [key for key in api_keys.list_keys() if key.refusal(now) is None and not key.test]
    if active:
        yield Finding("keys", OK, f"{len(active)} active")
    else:
        step = "smsgw keys create --tenant NAME --scope messages:send --scope messages:read"
        yield Finding("keys", WARNING, "none is active: nobody can send by HTTP", step)


def _resources(stack: Stack) -> Iterator[Finding]:
    resources = Resources(stack)
    if resources.broken:
        step = "see the stack's events, then deploy again"
        yield Finding("resources", PROBLEM, f"failed: {', '.join(resources.broken)}", step)
    yield _scheduler(stack)
    yield from _alarms(resources)
    yield from _queues(resources)


def _scheduler(stack: Stack) -> Finding:
    at, now = last_tick(stack), utc_now()
    if at is None and stack.endpoint:
        return Finding("scheduler", OK, "an emulator does not tell when its schedule ran it")
    if at is None or now - at > MAX_TICK_AGE:
        found = (
            "did not run lately"
            if at is None
            else f"ran {age(int((now - at).total_seconds()))} ago"
        )
        step = (
            "nothing scheduled leaves meanwhile: see its errors in the log, its schedule and the "
            "account's concurrency (docs/guides/operate.md#alarms)"
        )
        return Finding("scheduler", PROBLEM, found, step)
    return Finding("scheduler", OK, "runs")


def _alarms(resources: Resources) -> Iterator[Finding]:
    alarms = resources.alarms()
    for alarm in alarms:
        if alarm["state"] == "ALARM":
            step = "docs/guides/operate.md#alarms says what to do"
            yield Finding("alarms", PROBLEM, f"{alarm['alarm']} is raised", step)
    if alarms and not any(alarm["has_action"] for alarm in alarms):
        step = "deploy with AlarmTopicArn, an SNS topic of yours"
        yield Finding("alarms", WARNING, f"nobody is told of {len(alarms)} alarms", step)
    elif not any(alarm["state"] == "ALARM" for alarm in alarms):
        yield Finding("alarms", OK, f"none of {len(alarms)} is raised")


def _queues(resources: Resources) -> Iterator[Finding]:
    queues = resources.queues()
    dead = [one for one in queues if one["dead"] and one["waiting"]]
    for one in dead:
        found = f"{one['waiting']} in {one['queue']}"
        yield Finding("dead letters", PROBLEM, found, "smsgw dlq list; docs/guides/operate.md")
    if not dead:
        yield Finding("dead letters", OK, "none")
    late = [
        one for one in queues if not one["dead"] and (one["oldest"] or 0) > MAX_QUEUE_AGE_SECONDS
    ]
    for one in late:
        found = f"{one['queue']}: {one['waiting']} wait, the oldest for {age(one['oldest'])}"
        yield Finding("queues", WARNING, found, "smsgw vendors list; the vendor's rate, the quotas")
    if not late:
        yield Finding(
            "queues", OK, f"{sum(one['waiting'] for one in queues if not one['dead'])} wait"
        )
