"""Vendors that break HTTP and repeat what they were sent: no log and no result shows any of it."""

import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from runtime.conftest import UNGUARDED, Start

from local.simulators.registry import accounts, vendor_number
from sms_gateway.vendors.registry import VENDORS, build_adapter
from testing.aws import Aws, served
from testing.hostile_vendor import ANSWERS, HostileVendor, hostile_vendor
from testing.paths import ROOT
from testing.spellings import found_in

EVENTS = {path.stem: json.loads(path.read_text()) for path in (ROOT / "events").glob("*.json")}
FUNCTIONS = ROOT / "functions"
TEXT = "Hello through Ärmel with code 738201"
CODE = "738201"
INFO = {"POWERTOOLS_LOG_LEVEL": "INFO", "AWS_LAMBDA_LOG_LEVEL": "INFO"}  # as deployed


@contextmanager
def gateway() -> Iterator[tuple[Aws, HostileVendor]]:
    """AWS, and a vendor for all accounts."""
    with served() as aws, hostile_vendor(aws.vendors.answer) as vendor:
        aws.accounts |= {
            name: {**account, "timeout": 1} for name, account in accounts(vendor.base).items()
        }
        yield aws, vendor


def secrets(aws: Aws, vendor: str) -> set[str]:
    """The secrets of a vendor's account."""
    adapter = build_adapter(vendor, aws.accounts[vendor])
    shown = repr(adapter)
    found = {
        value
        for value in aws.accounts[vendor].values()
        if isinstance(value, str) and value not in shown
    }
    assert found
    return found


def hidden(aws: Aws, vendor: str) -> set[str]:
    """The secrets of a vendor's account, and what the message has."""
    return {*secrets(aws, vendor), vendor_number(vendor).removeprefix("+"), TEXT, CODE}


def api(function: str, method: str, path: str, body: Any = None) -> Any:
    written = None if body is None else json.dumps(body)
    route = {"path": path, "resource": path, "httpMethod": method, "body": written}
    return EVENTS[function] | route


def make_due(aws: Aws) -> None:
    """Every message waits for its vendor's report since long."""
    past = {"N": str(int(time.time()) - 1)}
    items = [one for partition in aws.items().values() for one in partition.values()]
    aws.put([one | {"due": past} for one in items if "due" in one])


@pytest.mark.parametrize("vendor", VENDORS)
def test_a_submission_shows_nothing(vendor: str, start: Start) -> None:
    with gateway() as (aws, hostile):
        send = start(FUNCTIONS / "send", AWS_ENDPOINT_URL=aws.base)
        dispatch = start(FUNCTIONS / "dispatch", AWS_ENDPOINT_URL=aws.base)
        message = {"to": vendor_number(vendor), "text": TEXT}
        results = []
        for kind in ANSWERS:
            for answer in (kind, None):  # a true answer keeps the circuit closed
                hostile.kind, before = answer, len(hostile.asked)
                sent = send.invoke(api("send", "POST", "/messages", message))
                assert sent["statusCode"] == 202, sent
                results.append(dispatch.invoke({"Records": aws.receive(vendor)}))
                assert len(hostile.asked) > before, f"{kind}: the vendor was not called"
        assert any(CODE in one.body.decode() + str(one.fields) for one in hostile.asked)
        logs = send.written() + dispatch.written()
        for kind, result in zip(ANSWERS, results[::2], strict=True):
            assert not found_in(str(result), hidden(aws, vendor)), kind
        assert not found_in(logs, hidden(aws, vendor))
        # A message has its number and text; no vendor's word brings a secret to them.
        stored = json.dumps(list(aws.items().values()))
        assert not found_in(stored, secrets(aws, vendor))


READS = {
    "balance": api("balance", "GET", "/balances"),
    "vendor_account": EVENTS["vendor_account"],
    "scheduler": EVENTS["scheduler"],
}


@pytest.mark.parametrize("function", READS)
def test_what_is_asked_of_vendors_shows_nothing(function: str, start: Start) -> None:
    with gateway() as (aws, hostile):
        send = start(FUNCTIONS / "send", AWS_ENDPOINT_URL=aws.base)
        dispatch = start(FUNCTIONS / "dispatch", AWS_ENDPOINT_URL=aws.base)
        asking = start(FUNCTIONS / function, AWS_ENDPOINT_URL=aws.base)
        for vendor in VENDORS:
            message = {"to": vendor_number(vendor), "text": TEXT}
            send.invoke(api("send", "POST", "/messages", message))
            dispatch.invoke({"Records": aws.receive(vendor)})
        for kind in ANSWERS:
            hostile.kind, before = kind, len(hostile.asked)
            with aws.unchanged():
                make_due(aws)
                result = asking.invoke(READS[function])
            assert len(hostile.asked) > before, f"{kind}: no vendor was called"
            for vendor in VENDORS:
                assert not found_in(str(result), hidden(aws, vendor)), kind
        for vendor in VENDORS:
            assert not found_in(asking.written(), hidden(aws, vendor)), vendor


def unguarded(vendor: str, start: Start, **level: str) -> set[str]:
    """What the log shows of one call that a malformed header answers, without the entry."""
    with gateway() as (aws, hostile):
        send = start(FUNCTIONS / "send", AWS_ENDPOINT_URL=aws.base)
        dispatch = start(FUNCTIONS / "dispatch", UNGUARDED, AWS_ENDPOINT_URL=aws.base, **level)
        hostile.kind = "a malformed header"
        message = {"to": vendor_number(vendor), "text": TEXT}
        assert send.invoke(api("send", "POST", "/messages", message))["statusCode"] == 202
        dispatch.invoke({"Records": aws.receive(vendor)})
        return found_in(dispatch.written(), hidden(aws, vendor))


def test_without_the_entry_a_malformed_header_shows_the_whole_url(start: Start) -> None:
    # Of the four, Dinisoft has credentials, number and text in the URL of a send.
    found = unguarded("dinisoft", start, **INFO)
    assert {CODE, vendor_number("dinisoft").removeprefix("+")} < found
    assert found & set(accounts("")["dinisoft"].values())


@pytest.mark.parametrize("vendor", VENDORS)
def test_without_the_entry_debugging_shows_something_of_every_vendor(
    vendor: str, start: Start
) -> None:
    assert unguarded(vendor, start)
