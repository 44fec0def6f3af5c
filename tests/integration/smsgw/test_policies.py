"""`smsgw tenants set|show|list|remove` and `smsgw keys create --policy`."""

import json
from pathlib import Path

import pytest

from sms_gateway.config import cached_setting, stopped_tenants
from sms_gateway.config.policies import tenant_policy

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
