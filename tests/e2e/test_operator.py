"""The operator's first hour, on the deployed stack."""

import json

import pytest

from local.processes import StackError
from local.stack import LocalStack
from testing.deployed import NUMBERS


def test_a_new_stack_is_set_up_and_its_first_message_is_delivered(stack: LocalStack) -> None:
    said = stack.run_smsgw("init", "--tenant", "fresh", "--to", NUMBERS["dinisoft"])
    assert f"export URL={stack.facts['url']}" in said
    assert "delivered" in said.splitlines()[-1]


def test_the_screen_has_all_that_the_stack_is_made_of(stack: LocalStack) -> None:
    got = json.loads(stack.run_smsgw("status", "--json"))
    states = {row["vendor"]: row["state"] for row in got["vendors"]}
    assert states.items() >= dict.fromkeys(NUMBERS, "works").items()
    assert len(got["queues"]) >= len(NUMBERS)
    assert got["alarms"]
    assert got["account"] == "000000000000"


def test_the_doctor_looks_at_everything(stack: LocalStack) -> None:
    # Other tests of this stack leave dead letters, which the doctor finds.
    found = json.loads(stack.run_smsgw("doctor", "--json", statuses=(0, 1)))
    assert {one["about"] for one in found} >= {
        *("credentials", "stack", "deployment", "quotas", "keys", "scheduler", "alarms"),
        *("dead letters", "queues", *NUMBERS),
    }


def test_another_stack_is_told_from_those_that_are_there(stack: LocalStack) -> None:
    with pytest.raises(StackError, match=r"\(the gateway there: sms-gateway\)"):
        stack.run_smsgw("keys", "list", "--stack", "unheard-of")


def test_a_vendor_that_refuses_the_login_keeps_the_account_that_works(stack: LocalStack) -> None:
    before = stack.run_smsgw("vendors", "show", "rajasms")
    account = json.loads(before) | {"api_key": "wrong", "base_url": "http://127.0.0.1:9"}
    with pytest.raises(StackError, match="nothing was changed"):
        stack.run_smsgw("vendors", "set", "rajasms", "-", given=json.dumps(account))
    assert stack.run_smsgw("vendors", "show", "rajasms") == before
