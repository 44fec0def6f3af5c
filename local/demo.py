"""`make demo`: fill the running local stack with three days of made-up traffic, and a campaign."""

import csv
import io
import os
import signal
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import timedelta
from types import FrameType
from typing import Any
from urllib.parse import urlsplit

import boto3
import urllib3
from botocore.exceptions import BotoCoreError, ClientError

from local.keys import local_key, store_key
from local.past import TENANTS, PastTraffic
from local.processes import StackError
from local.simulators.registry import vendor_number
from sms_gateway.config.api_keys import PARTITION, digest
from sms_gateway.config.public_accounts import public_accounts
from sms_gateway.config.routes import routes
from sms_gateway.config.stack_keys import message_key
from sms_gateway.core.observability import logger
from sms_gateway.core.problems import GatewayError
from sms_gateway.core.timestamps import utc_now
from sms_gateway.storage import dynamodb
from sms_gateway.storage.models import ItemKey
from smsgw.errors import CommandError
from smsgw.stack import local_facts

FACTS = ("endpoint_url", "region", "stack_name", "table", "keys_secret", "campaigns_bucket", "url")
DAYS = 3  # before today, by UTC
SCOPES = ("messages:send", "messages:read", "balances:read", "verifications")
CAMPAIGN = "campaigns/shop/made-up-spring.csv"
CAMPAIGN_VENDORS = ("dinisoft", "rajasms", "server2sms")
CAMPAIGN_ROWS = 42

Facts = Mapping[str, str]


def main() -> int:
    """Fill the stack; return the exit status."""
    try:
        with _interrupts() as stopped:
            return fill(_running_stack(), stopped)
    except (StackError, CommandError, GatewayError, BotoCoreError, ClientError) as error:
        print(f"make demo: {error}", file=sys.stderr)
        return 1


@contextmanager
def _interrupts() -> Iterator[list[int]]:
    """Note Ctrl-C instead of breaking off: a message is written whole, or not at all."""
    stopped: list[int] = []

    def note(number: int, _frame: FrameType | None) -> None:
        stopped.append(number)

    before = {one: signal.signal(one, note) for one in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield stopped
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _running_stack() -> Facts:
    """Return what the running local stack is, and let AWS's clients know no other.

    Raise StackError for a stack that is not on this machine or does not run, CommandError without
    one.
    """
    facts = local_facts(FACTS)
    endpoint = facts["endpoint_url"]
    if urlsplit(endpoint).hostname != "127.0.0.1":
        raise StackError(f"{endpoint} is not on this machine: made-up traffic is for the local one")
    try:
        answer = urllib3.request(
            "GET", f"{endpoint}/_ministack/health", retries=False, timeout=5
        ).status
    except urllib3.exceptions.HTTPError:
        answer = 0
    if answer != 200:
        raise StackError("the local stack does not run: start it with `make run`")
    for name in [one for one in os.environ if one.startswith("AWS_")]:
        del os.environ[name]
    os.environ |= {
        "AWS_ENDPOINT_URL": endpoint,
        "AWS_DEFAULT_REGION": facts["region"],
        "AWS_ACCESS_KEY_ID": "test",
        "AWS_SECRET_ACCESS_KEY": "test",
        "TABLE_NAME": facts["table"],
        "KEYS_SECRET": facts["keys_secret"],
    }
    return facts


def fill(facts: Facts, stopped: list[int]) -> int:
    """Write what is not there yet, and tell of it; return the exit status.

    `stopped` gets a signal's number, and what is not begun is left. Raises GatewayError when the
    table does not answer.
    """
    started = time.monotonic()

    def say(line: str) -> None:
        print(f"[{time.monotonic() - started:5.1f} s] {line}", flush=True)

    keys = {tenant: _key(facts, tenant) for tenant in TENANTS}
    ids = {tenant: digest(key)[:12] for tenant, key in keys.items()}
    past, today = PastTraffic(public_accounts(), routes(), ids, message_key), utc_now().date()
    for day in (today - timedelta(days=back) for back in range(DAYS, 0, -1)):
        added = there = 0
        for made in past.day(day):
            if stopped:
                say(f"stopped: {day} has {added + there} messages; `make demo` goes on there")
                return 130
            head = made.items[-1]
            if dynamodb.get(ItemKey(head["pk"]["S"], head["sk"]["S"])) is not None:
                there += 1
                continue
            dynamodb.put_all(made.items)
            added += 1
        say(f"{day}: {added} messages added" + (f", {there} were there" if there else ""))
    if stopped:
        return 130
    say(_upload_campaign(facts))
    _print_usage(facts, keys, str(today - timedelta(days=1)))
    return 0


def _key(facts: Facts, tenant: str) -> str:
    """Return a tenant's key, stored unless it is there, even if it was revoked."""
    name = f"{facts['stack_name']} {tenant}"
    key = local_key(name)
    if dynamodb.get(ItemKey(PARTITION, digest(key))) is None:
        store_key(dynamodb.client(), facts["table"], name, tenant, SCOPES)
    return key


def _upload_campaign(facts: Facts) -> str:
    """Upload a small campaign, which the gateway sends now; return what was done."""
    bucket, client = facts["campaigns_bucket"], boto3.client("s3")
    try:
        client.head_object(Bucket=bucket, Key=CAMPAIGN)
    except ClientError as error:
        if error.response["ResponseMetadata"]["HTTPStatusCode"] != 404:
            raise
        client.put_object(Bucket=bucket, Key=CAMPAIGN, Body=campaign_file())
        return f"{CAMPAIGN}: {CAMPAIGN_ROWS} rows uploaded, which leave now"
    return f"{CAMPAIGN} was there"


def campaign_file() -> bytes:
    """Return a campaign of rows to numbers that no subscriber has; one in twenty fails."""
    file = io.StringIO()
    rows: Any = csv.writer(file)
    rows.writerow(("to", "text", "reference"))
    for nth in range(CAMPAIGN_ROWS):
        vendor = CAMPAIGN_VENDORS[nth % len(CAMPAIGN_VENDORS)]
        number = vendor_number(vendor, 97 if nth % 20 == 19 else 100 + nth)
        rows.writerow((number, "Made-up shop: made-up spring tea is here.", f"spring-{nth + 1}"))
    return file.getvalue().encode()


def _print_usage(facts: Facts, keys: Mapping[str, str], day: str) -> None:
    exports = "\n".join(f"  {tenant.upper()}_KEY={key}" for tenant, key in keys.items())
    print(
        f"""
{exports}
  curl -s "{facts["url"]}/messages?created_from={day}T00:00:00Z&status=undelivered" \\
    -H "Authorization: Bearer $SHOP_KEY"
  .venv/bin/smsgw messages list --local --tenant bank --limit 20
  .venv/bin/smsgw campaigns list --local
""",
        flush=True,
    )


if __name__ == "__main__":
    logger.setLevel("ERROR")  # that the vendors' addresses are plain http is known
    sys.exit(main())
