"""Search all that a stack's functions logged for secrets, numbers and texts.

Known are the stack's own secrets, and what its table has and its vendors took. Keys of callers,
secrets of webhooks and addresses of callbacks are known by their form, whoever made them.
"""

import json
import re
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import urllib3

from local.stack import LocalStack
from sms_gateway.config.stored_settings import DESCRIPTION
from sms_gateway.vendors.redaction import secrets_of
from sms_gateway.vendors.registry import VENDORS, build_adapter
from testing.spellings import found_in

FORMS = {
    "an API key": re.compile(r"sms_(test_)?[A-Za-z0-9_-]{48}"),
    "a webhook's secret": re.compile(r"whsec_[A-Za-z0-9+/=]{24,}"),
    "a callback's address": re.compile(r"/callbacks/\w+/[A-Za-z0-9.~_-]{24,}"),
    "an Authorization": re.compile(r"Bearer\s+[A-Za-z0-9_-]{8,}"),
}
MIN_SECRET, MIN_TEXT, MIN_NUMBER = 8, 8, 10  # characters that are no coincidence
TEXT_BEGINS = 20  # characters by which a text is known: those of a campaign begin alike
CODES = re.compile(r"\d{6,8}")
WORDS = re.compile(r"(?<![\w.-])\d{6,8}(?![\w.-])")
NUMBERS = re.compile(r"\d{10,15}")
MAX_EVENTS = 10_000  # of one answer of the emulator
MAX_SEARCHED = 400  # of each, in every spelling; of all others only what is plain


@dataclass
class Known:
    """What no log may have."""

    secrets: set[str] = field(default_factory=set)
    numbers: set[str] = field(default_factory=set)  # digits
    texts: set[str] = field(default_factory=set)
    codes: set[str] = field(default_factory=set)

    def add(self, number: str, text: str) -> None:
        """Add what a message has."""
        self.numbers |= {digits for digits in NUMBERS.findall(number)}
        if len(text) >= MIN_TEXT:
            self.texts.add(text[:TEXT_BEGINS])
        if "code" in text.lower():
            self.codes |= {*CODES.findall(text)}

    def found_in(self, logs: str) -> list[str]:
        """Return what stands in the logs, each with the beginning of its line."""
        shown = {*logs.splitlines()}  # what is the same a thousand times is searched once
        logs = "\n".join(sorted(shown))
        found = [(form.search(logs), what) for what, form in FORMS.items()]
        forms = [f"{what}: {_place(logs, one.start())}" for one, what in found if one]
        spelled = found_in(logs, {*self.secrets, *_some(self.numbers), *_some(self.texts)})
        spelled |= {text for text in self.texts if text in logs}
        spelled |= self.numbers.intersection(NUMBERS.findall(logs))
        spelled |= self.codes.intersection(WORDS.findall(logs))
        return forms + [f"{one}: {_place(logs, logs.find(one))}" for one in sorted(spelled)]


def _some(known: Iterable[str]) -> list[str]:
    return sorted(known)[:MAX_SEARCHED]


def _place(logs: str, start: int) -> str:
    """Return the line of a place, or nothing where a spelling hides it."""
    if start < 0:
        return "in another spelling"
    return logs[logs.rfind("\n", 0, start) + 1 :].partition("\n")[0][:300]


def logs_of(stack: LocalStack) -> str:
    """Return all that functions logged, with what awslambdaric wrote of their errors."""
    client = stack.client("logs")
    groups = client.get_paginator("describe_log_groups").paginate()
    return "\n".join(
        line
        for page in groups
        for group in page["logGroups"]
        for line in lines_of(client, group["logGroupName"])
    )


def lines_of(client: Any, group: str) -> Iterator[str]:
    """Yield all lines of a group, some twice: the emulator gives 10,000 and no token for more."""
    start, got = 0, MAX_EVENTS
    while got == MAX_EVENTS:
        events = client.filter_log_events(logGroupName=group, startTime=start)["events"]
        yield from (event["message"] for event in events)
        got = len(events)
        last = events[-1]["timestamp"] if events else start
        start = max(last, start + 1)


def known_of(stack: LocalStack) -> Known:
    """Return the stack's secrets, and the numbers and texts of all messages."""
    known = Known(secrets={*_secrets(stack)})
    taken = _simulated(stack, "_ledger")["submissions"]
    known.numbers |= {message["number"] for one in taken for message in one["messages"]}
    for number in _some(known.numbers):
        for text in _simulated(stack, f"_handset?number={number}")["texts"]:
            known.add(number, text)
    scan = stack.client("dynamodb").get_paginator("scan")
    for page in scan.paginate(TableName=stack.facts["table"]):
        for item in page["Items"]:
            if "data" in item and item["sk"]["S"][:2] in ("M#", "B"):
                data = json.loads(item["data"]["S"])
                known.add(str(data.get("to") or ""), str(data.get("text") or ""))
    return known


def _simulated(stack: LocalStack, path: str) -> Any:
    return urllib3.request("GET", f"{stack.simulators}/{path}", timeout=30).json()


def _secrets(stack: LocalStack) -> Iterator[str]:
    client = stack.client("secretsmanager")
    for page in client.get_paginator("list_secrets").paginate():
        for secret in page["SecretList"]:
            for version in secret.get("SecretVersionsToStages", {}):
                got = client.get_secret_value(SecretId=secret["ARN"], VersionId=version)
                yield from _secret_words(got["SecretString"])


def _secret_words(written: str) -> Iterator[str]:
    """Yield what is secret of a secret: accounts have settings that are not."""
    try:
        read: Any = json.loads(written)
    except ValueError:
        read = written
    for name, value in (read if isinstance(read, dict) else {"": read}).items():
        values = [value]
        if name in VENDORS:
            values = [*secrets_of(build_adapter(name, value))]
        elif isinstance(value, dict):  # of a described vendor
            plain = {"base_url", "sender", DESCRIPTION}
            values = [one for setting, one in value.items() if setting not in plain]
        yield from (one for one in values if isinstance(one, str) and len(one) >= MIN_SECRET)


@contextmanager
def searched(stack: LocalStack) -> Iterator[None]:
    """Search the logs of a running stack at the end of a block. Raises AssertionError."""
    yield
    logs = logs_of(stack)
    if not logs:
        raise AssertionError("no function logged anything: there is nothing to search")
    known = known_of(stack)
    if not known.secrets:  # numbers and texts are known only where something was sent
        raise AssertionError("no secret is known that could be found")
    if found := known.found_in(logs):
        raise AssertionError("functions logged what they must not:\n" + "\n".join(found[:20]))
