"""The operator sees a tenant's webhooks and ends them."""

import json
from collections.abc import Iterator
from datetime import UTC, datetime

import pytest
from integration.smsgw.conftest import Operator

from sms_gateway.webhooks import endpoints, management
from testing.webhooks import activate

NOW = datetime(2026, 11, 22, 3, 0, tzinfo=UTC)


@pytest.fixture(autouse=True)
def _nothing_cached() -> Iterator[None]:
    yield
    endpoints.reset_cache()


def made(path: str, tenant: str = "acme", key_id: str | None = None) -> str:
    body = json.dumps({"url": f"https://hooks.example.com/{path}"}).encode()
    answer = management.create_webhook(
        tenant, body, NOW, resolver=lambda host, port: ["93.184.215.14"], key_id=key_id
    )
    return str(answer["id"])


def state(identifier: str, tenant: str = "acme") -> str:
    return str(management.get_endpoint(tenant, identifier).state)


def test_a_tenants_webhooks_are_listed_with_who_made_them_without_their_paths(
    operator: Operator,
) -> None:
    first, second = made("T0KEN/1"), made("T0KEN/2", key_id="50d858e0985e")
    made("T0KEN/3", tenant="other")
    activate("acme", second)
    status, said, errors = operator("webhooks", "list", "--tenant", "acme")
    assert (status, errors) == (0, "")
    _, *lines = said.splitlines()
    assert [line.split() for line in lines] == [
        [first, "pending", "0", "https://hooks.example.com"],
        [second, "50d858e0985e", "active", "0", "https://hooks.example.com"],
    ]
    assert "T0KEN" not in said


def test_all_of_a_tenant_are_disabled_and_stay_so(operator: Operator) -> None:
    first, second, others = made("1"), made("2"), made("3", tenant="other")
    activate("acme", second)
    status, said, _ = operator("webhooks", "disable", "--tenant", "acme")
    assert status == 0
    assert [line.split()[0] for line in said.splitlines()] == [first, second]
    assert (state(first), state(second), state(others, "other")) == (
        "disabled",
        "disabled",
        "pending",
    )
    listed = operator("webhooks", "list", "--tenant", "acme")[1]
    assert listed.count("disabled by the operator") == 2
    again = operator("webhooks", "disable", "--tenant", "acme")
    assert (again[0], again[1].count("before")) == (0, 2)


def test_one_is_disabled_by_its_id(operator: Operator) -> None:
    first, second = made("1"), made("2")
    assert operator("webhooks", "disable", "--tenant", "acme", "--endpoint", second)[0] == 0
    assert (state(first), state(second)) == ("pending", "disabled")


@pytest.mark.parametrize(
    ("more", "said"),
    [
        ((), "the tenant nobody has no webhook"),
        (("--endpoint", "01M80KD8NAXEPBMQYG8412XQAJ"), "no webhook 01M80KD8NAXEPBMQYG8412XQAJ"),
    ],
)
def test_what_is_not_there_is_said(operator: Operator, more: tuple[str, ...], said: str) -> None:
    status, shown, errors = operator("webhooks", "disable", "--tenant", "nobody", *more)
    assert (status, shown) == (1, "")
    assert said in errors
    assert "smsgw webhooks list --tenant nobody" in errors
