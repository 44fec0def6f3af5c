"""Test keys on a deployed stack, with IAM enforced: every step, and no vendor."""

from typing import Any

import pytest
import urllib3

from local.stack import LocalStack
from testing.deployed import Api

PREFIX = "+88010000000"
STEPS = {
    "01": ["accepted", "submitting", "submitted", "delivered"],
    "98": ["accepted", "submitting", "submitted", "undelivered"],
    "93": ["accepted", "submitting", "accepted", "accepted", "submitting", "rejected"],
}
SCOPES = ("messages:send", "messages:read", "verifications")


@pytest.fixture(scope="module")
def tester(stack: LocalStack) -> Api:
    options = [option for scope in SCOPES for option in ("--scope", scope)]
    said = stack.run_smsgw("keys", "create", "--test", "--tenant", "demo", *options)
    return Api(stack, said.split()[-1])


def calls(stack: LocalStack) -> dict[str, int]:
    """How often each vendor was called for a message."""
    counts = urllib3.request("GET", f"{stack.simulators}/_ledger/counts").json()
    return {vendor: one["submissions"] for vendor, one in counts.items()}


@pytest.mark.parametrize("ending", STEPS)
def test_a_number_says_what_becomes_of_a_message(
    tester: Api, stack: LocalStack, ending: str
) -> None:
    before = calls(stack)
    (sent,) = tester.send({"to": PREFIX + ending, "text": "Hello"})
    shown = tester.final(sent["id"])
    assert shown["test"] is True
    assert [step["status"] for step in shown["timeline"]] == STEPS[ending]
    assert calls(stack) == before


def test_a_batch_may_be_refused_in_part(tester: Api, stack: LocalStack) -> None:
    before = calls(stack)
    sent = tester.send({"to": [PREFIX + ending for ending in ("01", "94", "93")], "text": "Hi"})
    ends = [tester.final(one["id"]) for one in sent]
    assert [(end["status"], end["vendor"]) for end in ends] == [
        ("delivered", "sandbox"),
        ("delivered", "sandbox2"),
        ("rejected", "sandbox2"),
    ]
    batch = tester("GET", f"/batches/{sent[0]['id'][:26]}").body
    assert (batch["test"], batch["final"]) == (True, True)
    assert calls(stack) == before


def test_a_code_of_a_test_is_approved_with_zeros(tester: Api, api: Api) -> None:
    begun = tester("POST", "/verifications", {"to": PREFIX + "01", "text": "{code}"}).body
    path = f"/verifications/{begun['id']}/checks"
    assert api("POST", path, {"code": "000000"}).status == 404
    assert tester("POST", path, {"code": "123456"}).body["status"] == "pending"
    approved = tester("POST", path, {"code": "000000"}).body
    assert (approved["status"], approved["test"]) == ("approved", True)


@pytest.mark.parametrize("path", ["/balances", "/vendors", "/webhooks"])
def test_a_test_key_reaches_nothing_of_a_vendor(tester: Api, path: str) -> None:
    answer: Any = tester("GET", path)
    assert answer.status == 403


def test_a_live_key_sees_both_kinds_and_a_test_key_one(tester: Api, api: Api) -> None:
    (tested,) = tester.send({"to": PREFIX + "01", "text": "Hello"})
    (live,) = api.send({"to": PREFIX + "01", "text": "Hello"})
    assert api("GET", f"/messages/{tested['id']}").body["test"] is True
    assert "test" not in api("GET", f"/messages/{live['id']}").body
    assert tester("GET", f"/messages/{live['id']}").status == 404
    assert live["id"] not in {one["id"] for one in tester("GET", "/messages").body["messages"]}
