"""`smsgw tenants set|show|list|remove` and `smsgw keys create --policy`."""

import json
from pathlib import Path

import pytest

from sms_gateway.config import cached_setting, policies, stopped_tenants
from sms_gateway.config.policies import stored_text, tenant_policy
from sms_gateway.core.timestamps import utc_now
from sms_gateway.messages.send import send
from smsgw import tenants
from testing.gateway import Gateway
from testing.numbers import number

from .conftest import Operator

WRITTEN = '{"countries": ["BD"]}'


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "policy.json"
    path.write_text(WRITTEN)
    return path


def test_a_policy_is_set_shown_listed_and_removed(operator: Operator, file: Path) -> None:
    assert operator("tenants", "set", "acme", str(file))[0] == 0
    cached_setting.reset_all()
    assert tenant_policy("acme") == WRITTEN
    assert WRITTEN in operator("tenants", "show", "acme")[1]
    shown = json.loads(operator("tenants", "show", "acme", "--json")[1])
    assert (shown["policy"], shown["stopped_at"]) == ({"countries": ["BD"]}, None)
    assert "acme" in operator("tenants", "list")[1]
    assert operator("tenants", "remove", "acme")[0] == 0
    assert "acme" not in operator("tenants", "list")[1]
    cached_setting.reset_all()
    assert tenant_policy("acme") is None


def test_stopping_and_starting_a_tenant_keeps_its_policy(operator: Operator, file: Path) -> None:
    operator("tenants", "set", "acme", str(file))
    operator("tenants", "stop", "acme", "--reason", "why")
    cached_setting.reset_all()
    assert set(stopped_tenants.stops()) == {"acme"}
    operator("tenants", "start", "acme")
    cached_setting.reset_all()
    assert stopped_tenants.stops() == {}
    assert tenant_policy("acme") == WRITTEN


def test_what_an_editor_puts_before_a_text_is_not_part_of_it(
    operator: Operator, file: Path
) -> None:
    file.write_text(WRITTEN, encoding="utf-8-sig")
    assert operator("tenants", "set", "acme", str(file))[0] == 0
    assert stored_text("acme") == WRITTEN


@pytest.mark.parametrize("bad", ['{"countris": []}', '{"countries": ["XX"]}', "[" + " " * 4000])
def test_a_policy_that_is_not_valid_is_never_stored(
    operator: Operator, file: Path, bad: str
) -> None:
    file.write_text(bad)
    status, _, error = operator("tenants", "set", "acme", str(file))
    assert status != 0
    assert "limits.md" in error
    cached_setting.reset_all()
    assert tenant_policy("acme") is None


def test_a_keys_policy_is_within_its_tenants(operator: Operator, file: Path) -> None:
    operator("tenants", "set", "acme", str(file))
    file.write_text('{"countries": ["BD", "IN"]}')
    create = ("keys", "create", "--tenant", "acme", "--scope", "messages:send")
    status, _, error = operator(*create, "--policy", str(file))
    assert (status != 0, "countries" in error) == (True, True)
    file.write_text('{"countries": ["BD"], "recipients": []}')
    assert operator(*create, "--policy", str(file))[0] == 0
    (listed,) = json.loads(operator("keys", "list", "--json")[1])
    assert listed["limited"] == "yes"
    assert file.read_text() in operator("tenants", "show", "acme")[1]
    (shown,) = json.loads(operator("tenants", "show", "acme", "--json")[1])["keys"]
    assert shown["policy"] == json.loads(file.read_text())


def test_what_is_used_of_a_limit_is_shown_of_tenant_and_keys(
    operator: Operator, gateway: Gateway, file: Path
) -> None:
    spend = {
        "spend_per_month": {"amount": "20", "currency": "USD"},
        "assumed_price": {"amount": "0.05", "currency": "USD"},
    }
    file.write_text(json.dumps({**spend, "most_per_number_per_day": 3}))
    operator("tenants", "set", "acme", str(file))
    file.write_text('{"messages_per_day": 7}')
    create = ("keys", "create", "--tenant", "acme", "--scope", "messages:send")
    operator(*create, "--policy", str(file))
    (key,) = json.loads(operator("keys", "list", "--json")[1])
    cached_setting.reset_all()
    body = json.dumps({"to": number("jst"), "text": "Hello"}).encode()
    send("acme", body, utc_now(), key_id=key["id"], key_policy=file.read_text())
    said = operator("tenants", "show", "acme")[1]
    assert "spend_per_month  0.05 USD of 20 USD, until " in said
    assert "most_per_number_per_day  3 to each number" in said
    assert "messages_per_day  1 of 7, until " in said
    shown = json.loads(operator("tenants", "show", "acme", "--json")[1])
    assert shown["usage"][0]["left"] == {"amount": "19.95", "currency": "USD"}
    assert [(one["quota"], one["used"]) for one in shown["keys"][0]["usage"]] == [
        ("messages_per_day", 1)
    ]


@pytest.mark.parametrize("empty", ["", " "])
def test_a_policy_without_a_name_is_not_a_key_without_limits(
    operator: Operator, empty: str
) -> None:
    """As where a script's variable is not set."""
    create = ("keys", "create", "--tenant", "acme", "--scope", "messages:send")
    assert operator(*create, "--policy", empty)[0] == 1
    assert json.loads(operator("keys", "list", "--json")[1]) == []


def test_a_policy_of_a_tenant_that_nobody_knows_says_so(operator: Operator, file: Path) -> None:
    assert "the tenant you mean" in operator("tenants", "set", "acmee", str(file))[1]
    operator("keys", "create", "--tenant", "acme", "--scope", "messages:send")
    assert "the tenant you mean" not in operator("tenants", "set", "acme", str(file))[1]


def test_however_many_have_a_policy_a_tenant_can_be_stopped(operator: Operator, file: Path) -> None:
    for nth in range(200):
        status, _, error = operator("tenants", "set", f"tenant-number-{nth}", str(file))
        if status:
            break
    assert "remove a policy" in error
    assert stored_text(f"tenant-number-{nth}") is None
    assert operator("tenants", "set", "tenant-number-0", str(file))[0] == 0  # takes no more room
    stop = ("tenants", "stop", "a" * 40, "--reason", "why" * 60)
    assert operator(*stop)[0] == 0
    cached_setting.reset_all()
    assert set(stopped_tenants.stops()) == {"a" * 40}


def test_of_two_policies_set_at_once_the_one_that_is_stored_is_in_use(
    operator: Operator, file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    later = '{"countries": ["IN"]}'

    def store(tenant: str, text: str) -> bool:
        stored = policies.store_policy(tenant, text)
        return stored and policies.store_policy(tenant, later)  # by another operator

    monkeypatch.setattr(tenants, "store_policy", store)
    assert operator("tenants", "set", "acme", str(file))[0] == 0
    cached_setting.reset_all()
    standing = stopped_tenants.standing("acme")
    assert standing
    assert (tenant_policy("acme"), standing.policy) == (later, policies.digest_of(later))


def test_a_policy_that_another_removes_at_once_does_not_shut_its_tenant_out(
    operator: Operator, file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def store(tenant: str, text: str) -> bool:
        stored = policies.store_policy(tenant, text)
        policies.drop_policy(tenant)
        return stored

    monkeypatch.setattr(tenants, "store_policy", store)
    status, _, error = operator("tenants", "set", "acme", str(file))
    assert (status, "run this again" in error) == (1, True)
    cached_setting.reset_all()
    assert tenant_policy("acme") is None
