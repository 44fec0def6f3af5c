"""Settings and secrets by the command: made when needed, checked before they are stored, kept."""

import errno
import io
import json
import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import boto3
import pytest

from sms_gateway.config import routes, vendor_accounts
from sms_gateway.config.stored_settings import StoredSetting, read_setting, write_setting
from smsgw.errors import CommandError
from smsgw.secrets import Secret
from smsgw.settings import SETTINGS
from testing.settings import ACCOUNTS, forget_settings

from .conftest import FRESH, Operator

NEW: dict[str, Any] = {
    "routes": {"routes": [{"prefix": "+44", "vendors": ["jst", "rajasms"]}]},
    "sources": {"direct": {"orders": {"tenant": "acme"}}},
    "senders": {"acme": ["ACME", "+447700900001"], "*": ["*"]},
    "campaign-defaults": {"*": {"category": "otp"}, "acme": {"from": "ACME"}},
}
WRONG: dict[str, list[str]] = {
    "routes": ["no JSON", "{}", '{"routes": [{"prefix": "+44", "vendors": ["nobody"]}]}'],
    "sources": ["no JSON", '{"bus": 7}', '{"direct": {"orders": {}}}'],
    "senders": ["no JSON", '{"acme": "ACME"}', '{"No Tenant": []}', '{"acme": [""]}'],
    "campaign-defaults": [
        "no JSON",
        '{"acme": 7}',
        '{"acme": {"category": "spam"}}',
        '{"No Tenant": {}}',
    ],
}


@pytest.fixture
def secrets(operator: Operator) -> Iterator[Any]:
    client = boto3.client("secretsmanager")
    yield client
    for name in (f"{FRESH}/vendors", f"{FRESH}/webhooks"):
        client.delete_secret(SecretId=name, ForceDeleteWithoutRecovery=True)


def stored(secrets: Any, name: str) -> str:
    """A secret's text; moto's default is not the current version."""
    found = secrets.get_secret_value(SecretId=f"{FRESH}/{name}", VersionStage="AWSCURRENT")
    return str(found["SecretString"])


def file(folder: Path, value: object) -> str:
    path = folder / "given.json"
    path.write_text(value if isinstance(value, str) else json.dumps(value))
    return str(path)


def complains(said: tuple[int, str, str]) -> bool:
    """One readable line, and an exit status that says so."""
    status, out, error = said
    return status == 1 and out == "" and re.fullmatch(r"smsgw: [^\n]{10,250}\n", error) is not None


def forgotten(area: str) -> None:
    """As on a new stack."""
    key: Any = {"pk": {"S": "SETTINGS"}, "sk": {"S": SETTINGS[area].name}}
    boto3.client("dynamodb").delete_item(TableName="test-table", Key=key)
    forget_settings()


@pytest.mark.parametrize("area", SETTINGS)
def test_a_setting_is_shown_compared_set_and_shown_again(
    operator: Operator, area: str, tmp_path: Path
) -> None:
    forgotten(area)
    status, out, error = operator(area, "show")
    assert (status, json.loads(out)) == (0, json.loads(SETTINGS[area].default))
    assert "the default" in error
    given = file(tmp_path, NEW[area])
    status, changes, _ = operator(area, "diff", given)
    assert status == 0
    assert "\n+" in changes
    assert read_setting(SETTINGS[area].name) is None  # only compared
    status, out, _ = operator(area, "set", given)
    assert status == 0
    assert changes.strip() in out
    status, out, error = operator(area, "show")
    assert json.loads(out) == NEW[area]
    assert "version 1" in error
    assert "no difference" in operator(area, "diff", given)[1]


@pytest.mark.parametrize(
    ("area", "written"), [(area, one) for area, wrong in WRONG.items() for one in wrong]
)
@pytest.mark.parametrize("what", ["set", "diff"])
def test_what_is_not_valid_is_never_stored(
    operator: Operator, area: str, written: str, what: str, tmp_path: Path
) -> None:
    before = read_setting(SETTINGS[area].name)
    assert complains(operator(area, what, file(tmp_path, written)))
    assert read_setting(SETTINGS[area].name) == before


class Broken(io.StringIO):
    """A pipe that ends in an error."""

    def read(self, size: int | None = -1) -> str:
        raise OSError(errno.EIO, os.strerror(errno.EIO))


@pytest.mark.parametrize("area", SETTINGS)
def test_an_input_that_breaks_off_stores_nothing(
    operator: Operator, area: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As of a command before the pipe that failed: it wrote nothing, or half."""
    before, whole = read_setting(SETTINGS[area].name), json.dumps(NEW[area])
    for end in range(len(whole)):
        with pytest.raises(ValueError, match=r"."):
            SETTINGS[area].check(whole[:end])
    given = [io.StringIO(one) for one in ("", "\n", whole[: len(whole) // 2], whole[:-1])]
    for pipe in (*given, Broken()):
        monkeypatch.setattr("sys.stdin", pipe)
        assert complains(operator(area, "set", "-"))
    assert read_setting(SETTINGS[area].name) == before


@pytest.mark.parametrize("area", SETTINGS)
def test_whoever_can_not_see_what_changes_changes_nothing(
    operator: Operator, area: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = read_setting(SETTINGS[area].name)
    reading, writing = os.pipe()
    os.close(reading)
    with os.fdopen(writing, "w") as gone:
        monkeypatch.setattr("sys.stdout", gone)
        assert operator(area, "set", file(tmp_path, NEW[area]))[0] == 1
    assert read_setting(SETTINGS[area].name) == before


def test_a_setting_that_a_burst_of_starts_could_not_read_is_refused(
    operator: Operator, tmp_path: Path
) -> None:
    many = [{"prefix": f"+1{number:05d}", "vendors": ["jst"]} for number in range(500)]
    assert complains(operator("routes", "set", file(tmp_path, {"routes": many})))


def test_of_two_operators_who_read_the_same_setting_one_writes(operator: Operator) -> None:
    read = read_setting("routes")
    assert read
    text = json.dumps(NEW["routes"])
    assert write_setting("routes", text, read)
    assert not write_setting("routes", "{}", read)
    assert not write_setting("routes", "{}", None)
    assert read_setting("routes") == StoredSetting(text, read.version + 1)


def test_a_new_stacks_routes_lead_to_the_vendors_own_countries_only(operator: Operator) -> None:
    forgotten("routes")
    known = routes.routes()
    assert {one.prefix: one.vendors for one in known.routes} == {
        "+91": ["jst"],
        "+880": ["dinisoft"],
        "+41": ["server2sms"],
        "+62": ["rajasms"],
    }
    assert known.route("+447700900001") is None


def test_the_first_account_makes_the_secret_and_its_callback_key(
    operator: Operator, secrets: Any, tmp_path: Path
) -> None:
    assert operator("vendors", "list")[1].count("not configured") == 4
    assert operator("vendors", "set", "jst", file(tmp_path, ACCOUNTS["jst"]))[0] == 0
    first = json.loads(stored(secrets, "vendors"))
    assert first.keys() == {"jst", "callback_key"}
    assert len(first["callback_key"]) >= 32
    assert vendor_accounts.parse_accounts(json.dumps(first)).adapters.keys() == {"jst"}
    assert operator("vendors", "set", "rajasms", file(tmp_path, ACCOUNTS["rajasms"]))[0] == 0
    second = json.loads(stored(secrets, "vendors"))
    assert second == first | {"rajasms": ACCOUNTS["rajasms"]}
    assert operator("vendors", "remove", "jst")[0] == 0
    third = json.loads(stored(secrets, "vendors"))
    assert third == {name: second[name] for name in ("callback_key", "rajasms")}
    assert operator("callback-url", "rajasms")[1].startswith("https://x/callbacks/rajasms/ACCOUNT")


def test_entries_that_this_version_does_not_know_stay(
    operator: Operator, secrets: Any, tmp_path: Path
) -> None:
    there = {"callback_key": "k" * 40, "another": {"key": 1}}
    secrets.create_secret(Name=f"{FRESH}/vendors", SecretString=json.dumps(there))
    assert operator("vendors", "set", "jst", file(tmp_path, ACCOUNTS["jst"]))[0] == 0
    found = json.loads(stored(secrets, "vendors"))
    assert found == there | {"jst": ACCOUNTS["jst"]}


def test_an_account_is_shown_without_what_is_secret(
    operator: Operator, secrets: Any, tmp_path: Path
) -> None:
    operator("vendors", "set", "jst", file(tmp_path, ACCOUNTS["jst"]))
    status, out, _ = operator("vendors", "show", "jst")
    assert (status, json.loads(out)["password"]) == (0, "(secret)")
    assert json.loads(out).keys() == ACCOUNTS["jst"].keys()
    assert ACCOUNTS["jst"]["password"] not in out
    assert ACCOUNTS["jst"]["username"] not in out
    assert complains(operator("vendors", "show", "rajasms"))


@pytest.mark.parametrize("written", ["no JSON", '{"callback_key": "short"}', "[]"])
def test_a_secret_that_is_broken_is_not_written_over(
    operator: Operator, secrets: Any, written: str, tmp_path: Path
) -> None:
    secrets.create_secret(Name=f"{FRESH}/vendors", SecretString=written)
    assert complains(operator("vendors", "set", "jst", file(tmp_path, ACCOUNTS["jst"])))
    assert stored(secrets, "vendors") == written


def test_of_two_operators_who_read_the_same_secret_one_writes(secrets: Any) -> None:
    secret = Secret(secrets, f"{FRESH}/vendors")
    secret.create("one", "in a test")
    read = secret.read()
    assert read
    secret.replace(read, "two")
    with pytest.raises(CommandError, match="somebody else"):
        secret.replace(read, "three")
    with pytest.raises(CommandError, match="somebody else"):
        secret.create("four", "in a test")
    found = secret.read()
    assert found
    assert found.text == "two"
    secret.replace(found, "five")
    assert stored(secrets, "vendors") == "five"


def test_a_secret_in_its_recovery_window_is_brought_back_and_not_deleted_for_good(
    operator: Operator, secrets: Any, tmp_path: Path
) -> None:
    given = file(tmp_path, ACCOUNTS["jst"])
    operator("vendors", "set", "jst", given)
    secrets.delete_secret(SecretId=f"{FRESH}/vendors")
    said = operator("vendors", "set", "jst", given)
    assert complains(said)
    assert f"aws secretsmanager restore-secret --secret-id {FRESH}/vendors" in said[2]
    secrets.restore_secret(SecretId=f"{FRESH}/vendors")
    assert operator("vendors", "set", "jst", given)[0] == 0


def test_the_webhooks_key_is_made_once_with_a_key_that_manages_webhooks(
    operator: Operator, secrets: Any
) -> None:
    create = ("keys", "create", "--tenant", "acme", "--scope")
    assert operator(*create, "messages:send")[0] == 0
    assert f"{FRESH}/webhooks" not in {one["Name"] for one in secrets.list_secrets()["SecretList"]}
    assert operator(*create, "webhooks:manage")[0] == 0
    made = stored(secrets, "webhooks")
    assert len(made) >= 32
    assert operator(*create, "webhooks:manage")[0] == 0
    assert stored(secrets, "webhooks") == made
