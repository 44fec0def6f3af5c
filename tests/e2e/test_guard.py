"""The guard against pumped codes, from the operator's word to the answer, with IAM enforced."""

import json
import time
from typing import Any

import pytest

from local.stack import LocalStack
from testing.deployed import NUMBERS, Answer, Api

TENANT = "pumped"
PATIENCE = 90  # seconds; a running function knows a setting within a minute


@pytest.fixture(scope="module")
def guarded(stack: LocalStack) -> Api:
    """A caller of a tenant that is guarded by the operator's command."""
    rules = ("--rule", "prefix_day=2", "--rule", "country_hour=100", "--rule", "country_day=100")
    stack.run_smsgw("guard", "set", TENANT, "--mode", "block", *rules)
    return Api(stack, stack.key(TENANT, ("messages:send", "messages:read", "verifications")))


def begin(api: Api, nth: int) -> Answer:
    to = f"{NUMBERS['dinisoft'][:-4]}{7000 + nth}"
    client = {"ip": "192.0.2.7", "device": "phone-1", "user": None}
    return api("POST", "/verifications", {"to": to, "text": "Code {code}", "client": client})


def blocked(api: Api) -> Any:
    """Asks for codes until one is refused."""
    end = time.monotonic() + PATIENCE
    for nth in range(1000):
        answer = begin(api, nth)
        if answer.status == 429:
            return answer
        assert answer.status == 201, answer.body
        assert time.monotonic() < end
        time.sleep(1)
    raise AssertionError("nothing was refused")


def test_codes_that_nobody_types_in_are_refused_until_they_are_forgiven(
    stack: LocalStack, guarded: Api
) -> None:
    answer = blocked(guarded)
    assert answer.body["type"] == "/problems/verification-blocked"
    assert answer.body["reasons"] == ["prefix-day"]
    assert 1 <= int(answer.headers["Retry-After"]) <= 3600
    (row,) = json.loads(stack.run_smsgw("guard", "show", TENANT, "--json"))
    assert row["refused"] >= 1
    assert row["numbers"] == NUMBERS["dinisoft"][:-4]
    stack.run_smsgw("guard", "unblock", TENANT, row["numbers"], "--yes")
    assert begin(guarded, 2000).status == 201


def test_own_codes_are_guarded_and_told_of(stack: LocalStack, guarded: Api) -> None:
    blocked(guarded)
    stack.run_smsgw("guard", "unblock", TENANT, NUMBERS["dinisoft"][:-4], "--yes")
    numbers = [f"{NUMBERS['dinisoft'][:-4]}{8000 + nth}" for nth in range(4)]
    body = {"to": numbers, "text": "Your code is 1234", "category": "otp"}
    answer = guarded("POST", "/messages", body).body
    assert [one["to"] for one in answer["messages"]] == numbers[:2]
    assert {one["problem"]["type"] for one in answer["rejected"]} == {
        "/problems/verification-blocked"
    }
    path = f"/messages/{answer['messages'][0]['id']}/feedback"
    told = guarded("POST", path, {"outcome": "used"})
    assert (told.status, told.body["outcome"]) == (200, "used")
    assert guarded("POST", path, {"outcome": "used"}).body == told.body
    assert guarded("POST", path, {"outcome": "not_used"}).status == 409
    assert guarded("POST", "/messages", body | {"to": numbers[3]}).status == 202


def test_feedback_needs_a_key_of_the_tenant_with_the_scope(
    guarded: Api, stranger: Api, nobody: Api
) -> None:
    path = f"/messages/{'0' * 29}/feedback"
    assert nobody("POST", path, {"outcome": "used"}).status == 401
    assert stranger("POST", path, {"outcome": "used"}).status == 404


def test_a_client_is_checked_whoever_is_guarded(api: Api) -> None:
    body = {"to": NUMBERS["dinisoft"], "text": "Code {code}"}
    wrong = api("POST", "/verifications", {**body, "client": {"ip": "nowhere"}})
    assert (wrong.status, wrong.body["type"]) == (422, "/problems/invalid-ip")
    assert wrong.body["pointer"] == "/client/ip"
    unknown = api("POST", "/verifications", {**body, "client": {"address": "192.0.2.1"}})
    assert unknown.status == 422
    assert "address" in unknown.body["detail"]
