"""`smsgw keys rotate`, and when a key was last used."""

import json
from datetime import timedelta
from typing import Any

import pytest

from sms_gateway.config import api_keys
from sms_gateway.core.timestamps import epoch_seconds, utc_now
from sms_gateway.storage import key_uses
from testing.gateway import Gateway

from .conftest import Operator


def keys(operator: Operator) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads(operator("keys", "list", "--json")[1])
    return found


@pytest.mark.parametrize("test", [False, True])
def test_a_rotated_key_is_as_the_old_one_which_works_for_some_days(
    gateway: Gateway, operator: Operator, test: bool
) -> None:
    now = utc_now()
    _, old = api_keys.create_key(
        "acme",
        ["messages:send", "messages:read"],
        "shop",
        now,
        "BD",
        now + timedelta(days=400),
        policy='{"countries": ["BD"]}',
        test=test,
    )
    status, said, _ = operator("keys", "rotate", old.id, "--days", "3", "--yes")
    assert status == 0
    (text,) = [line for line in said.splitlines() if line.startswith("sms_")]
    new, refusal = api_keys.find_key(text, utc_now())
    assert refusal is None
    assert new is not None
    same = ("tenant", "scopes", "label", "region", "expires", "policy", "test")
    assert [getattr(new, one) for one in same] == [getattr(old, one) for one in same]
    assert new.id != old.id
    first = next(key for key in api_keys.list_keys() if key.id == old.id)
    assert first.refusal(now + timedelta(days=2, hours=23)) is None
    assert first.refusal(now + timedelta(days=3, minutes=1)) == "expired"
    assert f"The key {old.id} works until " in said


def test_an_old_key_that_ends_sooner_keeps_its_end(gateway: Gateway, operator: Operator) -> None:
    now = utc_now()
    end = now + timedelta(days=1)
    _, old = api_keys.create_key("acme", ["messages:send"], "", now, expires=end)
    answer = json.loads(operator("keys", "rotate", old.id, "--yes", "--json")[1])
    assert {key.expires for key in api_keys.list_keys()} == {epoch_seconds(end)}
    assert answer["old"]["id"] == old.id
    assert answer["key"].startswith("sms_")


@pytest.mark.parametrize("days", ["-1", "91", "1.5", "week"])
def test_days_that_are_none_are_refused(gateway: Gateway, operator: Operator, days: str) -> None:
    _, old = api_keys.create_key("acme", ["messages:send"], "", utc_now())
    status, _, error = operator("keys", "rotate", old.id, "--days", days, "--yes")
    assert (status, "from 0 to 90" in error) == (2, True)
    assert len(api_keys.list_keys()) == 1


def test_a_key_that_is_over_is_not_rotated(gateway: Gateway, operator: Operator) -> None:
    _, old = api_keys.create_key("acme", ["messages:send"], "", utc_now())
    api_keys.revoke_key(old.id, utc_now())
    status, _, error = operator("keys", "rotate", old.id, "--yes")
    assert (status, "revoked already" in error) == (1, True)
    status, _, error = operator("keys", "rotate", "0" * 12, "--yes")
    assert (status, "there is no key" in error) == (1, True)
    assert len(api_keys.list_keys()) == 1


def test_the_list_shows_when_a_key_was_last_used(gateway: Gateway, operator: Operator) -> None:
    _, used = api_keys.create_key("acme", ["messages:send"], "", utc_now())
    api_keys.create_key("acme", ["messages:send"], "", utc_now())
    key_uses._noted.clear()
    key_uses.note_use(used.id, 1_795_262_400)
    shown = {key["id"]: key["last_used"] for key in keys(operator)}
    assert shown.pop(used.id) == "2026-11-21T12:00:00.000Z"
    assert list(shown.values()) == [None]
