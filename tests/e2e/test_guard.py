"""The guard against pumped codes, from the operator's word to the answer, with IAM enforced."""

import itertools
import json
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import pytest
import urllib3
from e2e.receiver import Receiver, hook, receiving, until
from unit.events.test_builders import validator

from local.stack import LocalStack
from testing.deployed import NUMBERS, Answer, Api

TENANT = "pumped"
PATIENCE = 90  # seconds; a running function knows a setting within a minute


@pytest.fixture(scope="module")
def receiver() -> Iterator[Receiver]:
    with receiving() as made:
        yield made


@pytest.fixture(scope="module")
def guarded(stack: LocalStack) -> Api:
    """A caller of a tenant that is guarded by the operator's command."""
    rules = ("--rule", "prefix_day=2", "--rule", "country_hour=100", "--rule", "country_day=100")
    stack.run_smsgw("guard", "set", TENANT, "--mode", "block", *rules)
    scopes = ("messages:send", "messages:read", "verifications", "webhooks:manage")
    return Api(stack, stack.key(TENANT, scopes))


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
    row, elsewhere = json.loads(stack.run_smsgw("guard", "show", TENANT, "--json"))
    assert elsewhere["country"] == "elsewhere"
    assert row["refused"] >= 1
    assert row["numbers"] == NUMBERS["dinisoft"][:-4]
    stack.run_smsgw("guard", "unblock", TENANT, row["numbers"], "--yes")
    assert begin(guarded, 2000).status == 201


def test_a_refusal_is_told_to_a_webhook_once_an_hour(stack: LocalStack, receiver: Receiver) -> None:
    """Of a tenant of its own: the hour's first refusal comes once."""
    tenant = "told-of-pumping"
    rules = ("--rule", "prefix_day=1", "--rule", "country_hour=100", "--rule", "country_day=100")
    stack.run_smsgw("guard", "set", tenant, "--mode", "block", *rules)
    scopes = ("messages:send", "messages:read", "verifications", "webhooks:manage")
    customer = Api(stack, stack.key(tenant, scopes))
    hook(customer, receiver, "/guard", events=["VerificationBlocked"])
    before = datetime.now(UTC)
    blocked(customer)
    for nth in range(3):
        assert begin(customer, 500 + nth).status == 429
    events = until(lambda: receiver.at("/guard"))
    assert {one["type"] for one in events} == {"VerificationBlocked"}
    assert events[0]["tenant"] == tenant
    assert events[0]["data"]["mode"] == "block"
    assert events[0]["data"]["reasons"] == ["prefix-day"]
    assert events[0]["data"]["country"] == "BD"
    assert receiver.refused == []
    hours = 1 + (datetime.now(UTC).hour - before.hour) % 24  # the clock may have struck meanwhile
    assert len({one["id"] for one in events}) <= hours
    validator("VerificationBlocked").validate(events[0])


def test_who_is_allowed_by_the_operator_is_not_refused(stack: LocalStack, guarded: Api) -> None:
    blocked(guarded)
    trusted = NUMBERS["dinisoft"][:8]
    stack.run_smsgw("guard", "allow", TENANT, trusted)
    others = itertools.count(1500)  # a number gets few codes, whoever is allowed
    until(lambda: begin(guarded, next(others)).status == 201, PATIENCE)
    assert {begin(guarded, next(others)).status for _ in range(4)} == {201}
    stack.run_smsgw("guard", "allow", TENANT, trusted, "--remove")
    (shown,) = [
        one["mode"]
        for name, one in json.loads(stack.run_smsgw("guard", "show", "--json")).items()
        if name == TENANT
    ]
    assert shown == "block"
    blocked(guarded)


def test_a_number_whose_code_was_typed_in_goes_in_a_refused_country(stack: LocalStack) -> None:
    """The code is read from the simulated handset, as its owner does."""
    tenant = "knows-its-users"
    stack.run_smsgw("guard", "set", tenant, "--mode", "block", "--rule", "prefix_day=1000")
    scopes = ("messages:send", "messages:read", "verifications")
    customer = Api(stack, stack.key(tenant, scopes))
    blocked(customer)  # from here on the functions know that it is guarded
    for row in json.loads(stack.run_smsgw("guard", "show", tenant, "--json")):
        stack.run_smsgw("guard", "unblock", tenant, row["country"], "--yes")
    to = f"{NUMBERS['dinisoft'][:-4]}6001"
    body = {"to": to, "text": "The code is {code}"}
    verification = customer("POST", "/verifications", body).body
    customer.final(verification["message_id"])
    code = {"code": handset(stack, to)[-1].removeprefix("The code is ")}
    checked = customer("POST", f"/verifications/{verification['id']}/checks", code)
    assert checked.body["status"] == "approved"
    assert "country-hour" in blocked(customer).body["reasons"]
    assert customer("POST", "/verifications", body).status == 201


def handset(stack: LocalStack, to: str) -> list[str]:
    """What a number's handset has."""
    path = f"{stack.simulators}/_handset?number={to.removeprefix('+')}"
    texts: list[str] = urllib3.request("GET", path, timeout=10).json()["texts"]
    return texts


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
    got = guarded("POST", path, {"outcome": "used"})
    assert (got.status, got.body["outcome"]) == (200, "used")
    assert guarded("POST", path, {"outcome": "used"}).body == got.body
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
