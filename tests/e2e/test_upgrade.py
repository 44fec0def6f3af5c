"""A second stack beside the first, and a new version deployed over it while messages are under way.

The second one takes the first one's build and its vendors: a deployment more is all that it costs.
"""

import compileall
import py_compile
import shutil
from collections.abc import Iterator, Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import urllib3
from e2e.receiver import listening, until

from local.stack import LocalStack
from testing.deployed import NUMBERS, Api

CLOCK = 150  # seconds in which each clock has run by itself, and the message has its receipt
AHEAD = 40  # seconds until what is scheduled is due: a first request starts its functions cold
AHEAD_OF_UPDATE = 120  # seconds: the update is over by then on any but the busiest machine
# Words of the layer that a message's timeline shows, and what the new layer says instead.
MARK = "first usable of the new route"
CHANGES = {
    "messages/planning.py": ("first usable of route", MARK),
    "dispatch/submission.py": (
        'Status.SUBMITTING, "dispatch", vendor)',
        f'Status.SUBMITTING, "dispatch", vendor, note="{MARK}")',
    ),
}
BEFORE = {
    "Events": "none",
    "DispatchWorkers": "2",
    "EventDetail": "masked",
    "CallbackEntry": "api",
}
AFTER = {
    "Events": "all",
    "DispatchWorkers": "10",
    "EventDetail": "full",
    "CallbackEntry": "function-url",
}


@pytest.fixture(scope="module")
def beside(stack: LocalStack) -> Iterator[LocalStack]:
    """Another stack in the same account and region."""
    made = replace(
        stack, stack_name="beside", parameters=BEFORE, poll_after=20, processes={}, facts={}
    )
    made.deploy()
    yield made
    made.stop()


@pytest.fixture(scope="module")
def other(beside: LocalStack) -> Api:
    return Api(beside, beside.facts["key"])


def taken(api: Api, number: str) -> int:
    """How often a vendor took a message for a number."""
    got = urllib3.request("GET", f"{api.stack.simulators}/_ledger").json()["submissions"]
    numbers = [message["number"].lstrip("+") for one in got for message in one["messages"]]
    return numbers.count(number.removeprefix("+"))


def later(seconds: int) -> str:
    return (datetime.now(UTC) + timedelta(seconds=seconds)).isoformat()


def has(status: str, message: Mapping[str, Any]) -> bool:
    """Whether a message has a status."""
    return bool(message["status"] == status)


def steps(message: Mapping[str, Any]) -> dict[str, str | None]:
    """The note of each step of a message."""
    return {step["status"]: step["note"] for step in message["timeline"]}


def test_two_stacks_side_by_side_each_have_a_clock_and_see_nothing_of_the_other(
    api: Api, other: Api
) -> None:
    names = {one.stack.facts["stack_name"] for one in (api, other)}
    assert len(names) == 2
    both = (api, other)
    numbers = [f"{NUMBERS['rajasms'][:-3]}81{nth}" for nth in range(2)]
    sent = [
        one.send({"to": number, "text": "later", "send_at": later(AHEAD)})[0]["id"]
        for one, number in zip(both, numbers, strict=True)
    ]
    for mine, theirs in ((0, 1), (1, 0)):
        assert both[mine]("GET", f"/messages/{sent[theirs]}").status == 404
        listed = both[mine]("GET", "/messages").body["messages"]
        assert sent[theirs] not in [message["id"] for message in listed]
        intruder = Api(both[mine].stack, both[theirs].key)
        assert intruder("GET", f"/messages/{sent[mine]}").status == 401

    # Nobody runs a clock here: what is scheduled leaves when the stack's own one does.
    for one, identifier in zip(both, sent, strict=True):
        message = one.until(identifier, lambda found: bool(found["final"]), CLOCK, clock=False)
        assert message["status"] == "delivered"
        assert ("accepted", "clock") in [(s["status"], s["source"]) for s in message["timeline"]]
    assert [taken(api, number) for number in numbers] == [1, 1]


def test_a_vendor_reports_at_the_api_where_there_is_no_function_url(other: Api) -> None:
    name = other.stack.facts["stack_name"]
    (made,) = other.stack.client("cloudformation").describe_stacks(StackName=name)["Stacks"]
    (entry,) = [out["OutputValue"] for out in made["Outputs"] if out["OutputKey"] == "CallbackUrl"]
    assert ".execute-api." in entry
    (sent,) = other.send({"to": f"{NUMBERS['rajasms'][:-3]}810", "text": "reported"})
    timeline = other.final(sent["id"], clock=False)["timeline"]
    assert (timeline[-1]["status"], timeline[-1]["source"]) == ("delivered", "callback")


def changed_build(built: Path, folder: Path) -> Path:
    """A copy of the build whose layer has other words in it, compiled as the layer's are."""
    shutil.copytree(built, folder)
    package = folder / "GatewayLayer" / "python" / "sms_gateway"
    for name, (old, new) in CHANGES.items():
        module = package / name
        text = module.read_text()
        assert old in text
        module.write_text(text.replace(old, new))
    unchecked = py_compile.PycInvalidationMode.UNCHECKED_HASH
    assert compileall.compile_dir(package, quiet=1, force=True, invalidation_mode=unchecked)
    return folder


def vendor_queue(stack: LocalStack, vendor: str) -> Any:
    """The event source by which a vendor's queue calls its worker."""
    (found,) = [
        one
        for one in stack.client("lambda").list_event_source_mappings()["EventSourceMappings"]
        if f":{stack.stack_name}-{vendor.capitalize()}Queue" in one["EventSourceArn"]
    ]
    return found


def test_a_new_layer_and_new_parameters_take_effect_and_nothing_under_way_is_lost(
    other: Api, tmp_path: Path
) -> None:
    stack = other.stack
    functions = stack.client("lambda")
    numbers = {
        way: f"{NUMBERS[vendor][:-3]}82{nth}"
        for nth, (way, vendor) in enumerate(
            {"scheduled": "rajasms", "submitted": "dinisoft", "queued": "server2sms"}.items()
        )
    }
    # A queue that nobody reads meanwhile: what stands in it was put there by the old layer.
    queue = vendor_queue(stack, "server2sms")
    functions.update_event_source_mapping(UUID=queue["UUID"], Enabled=False)
    heard = listening(stack)
    bodies: dict[str, dict[str, Any]] = {
        way: {"to": to, "text": "under way"} for way, to in numbers.items()
    }
    bodies["scheduled"]["send_at"] = later(AHEAD_OF_UPDATE)
    sent = {way: other.send(body)[0]["id"] for way, body in bodies.items()}
    waits_as = {"scheduled": "scheduled", "submitted": "submitted", "queued": "accepted"}
    for way, status in waits_as.items():
        other.until(sent[way], partial(has, status), clock=False)

    update = replace(stack, parameters=AFTER)
    update.update(changed_build(stack.built, tmp_path / "build"))

    assert other("GET", f"/messages/{sent['queued']}").body["status"] == "accepted"
    functions.update_event_source_mapping(UUID=queue["UUID"], Enabled=True)
    (fresh,) = other.send({"to": f"{NUMBERS['jst'][:-3]}829", "text": "seen whole"})
    ends = {way: other.final(one) for way, one in {**sent, "fresh": fresh["id"]}.items()}

    assert {way: one["status"] for way, one in ends.items()} == dict.fromkeys(ends, "delivered")
    assert [taken(other, to) for to in numbers.values()] == [1, 1, 1]
    # The new layer accepts, and sends what the old one accepted.
    assert MARK in str(steps(ends["fresh"])["accepted"])
    assert MARK not in str(steps(ends["queued"])["accepted"])
    assert MARK in str(steps(ends["queued"])["submitting"])
    assert MARK in str(steps(ends["scheduled"])["submitting"])
    assert MARK not in str(steps(ends["submitted"])["submitting"])
    # So do the parameters: workers, events, and what these show.
    assert vendor_queue(stack, "jst")["ScalingConfig"] == {"MaximumConcurrency": 10}
    until(lambda: any(fresh["id"] in one["detail"]["id"] for one in heard()))
    got = [one["detail"] for one in heard() if fresh["id"] in one["detail"]["id"]]
    assert {one["data"]["to"] for one in got} == {fresh["to"]}
