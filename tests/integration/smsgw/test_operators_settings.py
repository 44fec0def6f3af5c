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

from sms_gateway.config import routes, stack_keys, vendor_accounts
from sms_gateway.config.public_accounts import public_accounts
from sms_gateway.config.stored_settings import StoredSetting, read_setting, write_setting
from smsgw.errors import CommandError
from smsgw.secrets import ReadSecret, Secret
from smsgw.settings import SETTINGS
from testing.settings import ACCOUNTS, forget_settings

from .conftest import FRESH, Operator

NEW: dict[str, Any] = {
    "routes": {"routes": [{"prefix": "+44", "vendors": ["jst", "rajasms"]}]},
    "sources": {"direct": {"tenant": "acme"}},
    "senders": {"acme": ["ACME", "+447700900001"], "*": ["*"]},
    "campaign-defaults": {"*": {"category": "otp"}, "acme": {"from": "ACME"}},
}
WRONG: dict[str, list[str]] = {
    "routes": ["no JSON", "{}", '{"routes": [{"prefix": "+44", "vendors": ["nobody"]}]}'],
    "sources": ["no JSON", '{"bus": 7}', '{"direct": {"orders": {"tenant": "acme"}}}'],
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
    for name in ("vendors", "keys"):
        client.delete_secret(SecretId=f"{FRESH}/{name}", ForceDeleteWithoutRecovery=True)


def stored(secrets: Any, name: str) -> str:
    """The text of the accounts, or of the key with a label."""
    where = ("vendors", "AWSCURRENT") if name == "vendors" else ("keys", name)
    found = secrets.get_secret_value(SecretId=f"{FRESH}/{where[0]}", VersionStage=where[1])
    return str(found["SecretString"])


def current_version(secrets: Any) -> str:
    found = secrets.get_secret_value(SecretId=f"{FRESH}/vendors", VersionStage="AWSCURRENT")
    return str(found["VersionId"])


def file(folder: Path, value: object) -> str:
    path = folder / "given.json"
    path.write_text(value if isinstance(value, str) else json.dumps(value))
    return str(path)


def complains(said: tuple[int, str, str]) -> bool:
    """One readable line, and an exit status that says so."""
    status, out, error = said
    return status == 1 and out == "" and re.fullmatch(r"smsgw: [^\n]{10,320}\n", error) is not None


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


def test_settings_in_place_of_a_files_name_are_not_repeated(operator: Operator) -> None:
    """The command line of an operator may end in the log of a build."""
    said = operator("vendors", "set", "jst", '{"api_key": "sixteen-secrets!"}')
    assert complains(said)
    assert "sixteen" not in said[2]
    assert "a file's name" in said[2]


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


def test_the_first_account_makes_its_secret_and_the_stacks_keys(
    operator: Operator, secrets: Any, tmp_path: Path
) -> None:
    assert operator("vendors", "list")[1].count("not configured") == 4
    assert operator("vendors", "set", "--no-check", "jst", file(tmp_path, ACCOUNTS["jst"]))[0] == 0
    first = json.loads(stored(secrets, "vendors"))
    assert first.keys() == {"jst"}
    keys = stored(secrets, "CALLBACK_KEY"), stored(secrets, "MESSAGE_KEY")
    search = stored(secrets, "SEARCH_KEY")
    assert search == stack_keys.derive_search_key(keys[1].encode())
    assert len(stack_keys.parse_callback_keys(keys[0]).current) >= 32
    assert len(keys[1]) >= 32
    assert vendor_accounts.parse_accounts(json.dumps(first)).adapters.keys() == {"jst"}
    assert (
        operator("vendors", "set", "--no-check", "rajasms", file(tmp_path, ACCOUNTS["rajasms"]))[0]
        == 0
    )
    second = json.loads(stored(secrets, "vendors"))
    assert second == first | {"rajasms": ACCOUNTS["rajasms"]}
    assert operator("vendors", "remove", "jst")[0] == 0
    third = json.loads(stored(secrets, "vendors"))
    assert third == {"rajasms": ACCOUNTS["rajasms"]}
    assert (stored(secrets, "CALLBACK_KEY"), stored(secrets, "MESSAGE_KEY")) == keys
    assert stored(secrets, "SEARCH_KEY") == search
    assert operator("callback-url", "rajasms")[1].startswith("https://x/callbacks/rajasms/ACCOUNT")


def test_entries_that_this_version_does_not_know_stay(
    operator: Operator, secrets: Any, tmp_path: Path
) -> None:
    there = {"another": {"key": 1}}
    secrets.create_secret(Name=f"{FRESH}/vendors", SecretString=json.dumps(there))
    assert operator("vendors", "set", "--no-check", "jst", file(tmp_path, ACCOUNTS["jst"]))[0] == 0
    found = json.loads(stored(secrets, "vendors"))
    assert found == there | {"jst": ACCOUNTS["jst"]}


def test_an_account_is_shown_without_what_is_secret(
    operator: Operator, secrets: Any, tmp_path: Path
) -> None:
    operator("vendors", "set", "--no-check", "jst", file(tmp_path, ACCOUNTS["jst"]))
    status, out, _ = operator("vendors", "show", "jst")
    assert (status, json.loads(out)["password"]) == (0, "(secret)")
    assert json.loads(out).keys() == ACCOUNTS["jst"].keys()
    assert ACCOUNTS["jst"]["password"] not in out
    assert ACCOUNTS["jst"]["username"] not in out
    assert complains(operator("vendors", "show", "rajasms"))


@pytest.mark.parametrize("written", ["no JSON", "[]"])
def test_a_secret_that_is_broken_is_not_written_over(
    operator: Operator, secrets: Any, written: str, tmp_path: Path
) -> None:
    secrets.create_secret(Name=f"{FRESH}/vendors", SecretString=written)
    assert complains(
        operator("vendors", "set", "--no-check", "jst", file(tmp_path, ACCOUNTS["jst"]))
    )
    assert stored(secrets, "vendors") == written


def test_what_is_no_secret_is_published_with_each_change(
    operator: Operator, secrets: Any, tmp_path: Path
) -> None:
    for vendor in ("jst", "rajasms"):
        assert (
            operator("vendors", "set", "--no-check", vendor, file(tmp_path, ACCOUNTS[vendor]))[0]
            == 0
        )
    forget_settings()
    assert public_accounts().adapters.keys() == {"jst", "rajasms"}
    published = read_setting("accounts")
    assert published
    for secret in (ACCOUNTS["jst"]["password"], ACCOUNTS["rajasms"]["api_key"]):
        assert secret not in published.text
    assert operator("vendors", "remove", "jst")[0] == 0
    forget_settings()
    assert public_accounts().adapters.keys() == {"rajasms"}
    assert operator("vendors", "list")[2] == ""


@pytest.mark.parametrize("changed", ["password", "base_url"])
def test_a_change_of_the_secret_by_hand_is_told_until_it_is_published(
    operator: Operator, secrets: Any, changed: str, tmp_path: Path
) -> None:
    operator("vendors", "set", "--no-check", "jst", file(tmp_path, ACCOUNTS["jst"]))
    by_hand = {"jst": ACCOUNTS["jst"] | {changed: "https://another.example.com"}}
    Secret(secrets, f"{FRESH}/vendors").replace(
        ReadSecret("", current_version(secrets)), json.dumps(by_hand)
    )
    for asked in (("list",), ("show", "jst")):
        status, _, error = operator("vendors", *asked)
        assert status == 0
        assert "smsgw vendors publish" in error
        assert "another" not in error
    assert operator("vendors", "publish")[0] == 0
    assert operator("vendors", "list")[2] == ""


def test_of_two_operators_who_publish_one_is_told_to_do_it_again(
    operator: Operator, secrets: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    given = file(tmp_path, ACCOUNTS["jst"])
    operator("vendors", "set", "--no-check", "jst", given)
    stale = read_setting("accounts")
    operator("vendors", "publish")
    monkeypatch.setattr("smsgw.vendors.read_setting", lambda _name: stale)
    other = file(tmp_path, ACCOUNTS["rajasms"])
    said = operator("vendors", "set", "--no-check", "rajasms", other)
    assert complains(said)
    assert "smsgw vendors publish" in said[2]


def test_accounts_that_a_burst_of_starts_could_not_read_are_not_set(
    operator: Operator, secrets: Any, tmp_path: Path
) -> None:
    long = {f"+1{number:05d}": "0.1" for number in range(2000)}
    prices = {"prices": {"currency": "INR", "per_segment": long}}
    assert complains(
        operator("vendors", "set", "--no-check", "jst", file(tmp_path, ACCOUNTS["jst"] | prices))
    )
    assert json.loads(operator("routes", "show")[1])
    with pytest.raises(secrets.exceptions.ResourceNotFoundException):
        stored(secrets, "vendors")


@pytest.mark.parametrize(
    ("name", "written"),
    [
        ("CALLBACK_KEY", "no JSON"),
        ("CALLBACK_KEY", "{}"),
        ("MESSAGE_KEY", "short"),
        ("SEARCH_KEY", "short"),
    ],
)
def test_a_key_that_is_broken_is_not_written_over(
    operator: Operator, secrets: Any, name: str, written: str, tmp_path: Path
) -> None:
    secrets.create_secret(Name=f"{FRESH}/keys", SecretString="no key")
    secrets.put_secret_value(SecretId=f"{FRESH}/keys", SecretString=written, VersionStages=[name])
    assert complains(
        operator("vendors", "set", "--no-check", "jst", file(tmp_path, ACCOUNTS["jst"]))
    )
    assert stored(secrets, name) == written


def test_a_rotated_callback_key_leaves_the_one_before_it_good_until_the_next(
    operator: Operator, secrets: Any, tmp_path: Path
) -> None:
    assert complains(operator("callback-key", "rotate"))
    operator("vendors", "set", "--no-check", "rajasms", file(tmp_path, ACCOUNTS["rajasms"]))
    keys = [stack_keys.parse_callback_keys(stored(secrets, "CALLBACK_KEY"))]
    addresses = [operator("callback-url", "rajasms")[1]]
    for _ in range(2):
        assert operator("callback-key", "rotate")[0] == 0
        keys.append(stack_keys.parse_callback_keys(stored(secrets, "CALLBACK_KEY")))
        addresses.append(operator("callback-url", "rajasms")[1])
    assert len(set(addresses)) == 3
    assert [one.previous for one in keys] == [None, keys[0].current, keys[1].current]


def test_a_rotated_message_key_marks_under_another_search_key_and_all_before_it_find(
    operator: Operator, secrets: Any, tmp_path: Path
) -> None:
    assert complains(operator("message-key", "rotate"))
    operator("vendors", "set", "--no-check", "rajasms", file(tmp_path, ACCOUNTS["rajasms"]))
    found = [stored(secrets, "MESSAGE_KEY")]
    for _ in range(2):
        assert operator("message-key", "rotate")[0] == 0
        found.insert(0, stored(secrets, "MESSAGE_KEY"))
    assert len(set(found)) == 3
    searched = [stack_keys.derive_search_key(one.encode()) for one in found]
    assert stored(secrets, "SEARCH_KEY").split() == searched


@pytest.mark.parametrize("by_hand", ["SEARCH_KEY", "MESSAGE_KEY"])
def test_a_search_key_that_is_not_of_the_message_key_gets_it_and_keeps_its_own(
    operator: Operator, secrets: Any, by_hand: str, tmp_path: Path
) -> None:
    """As on a stack whose search key was made up, or whose message key was written by hand."""
    given = file(tmp_path, ACCOUNTS["rajasms"])
    operator("vendors", "set", "--no-check", "rajasms", given)
    secrets.put_secret_value(
        SecretId=f"{FRESH}/keys", SecretString="by hand " * 4, VersionStages=[by_hand]
    )
    before = stored(secrets, "SEARCH_KEY")
    if by_hand == "SEARCH_KEY":
        before = "by-hand-" * 4
        secrets.put_secret_value(
            SecretId=f"{FRESH}/keys", SecretString=before, VersionStages=[by_hand]
        )
    assert operator("vendors", "set", "--no-check", "rajasms", given)[0] == 0
    key = stack_keys.derive_search_key(stored(secrets, "MESSAGE_KEY").encode())
    assert stored(secrets, "SEARCH_KEY") == f"{key}\n{before}"


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


def test_of_two_operators_who_make_or_change_the_same_key_one_does(secrets: Any) -> None:
    secret = Secret(secrets, f"{FRESH}/keys", label="MESSAGE_KEY")
    other = Secret(secrets, f"{FRESH}/keys", label="WEBHOOK_KEY")
    assert secret.read() is None
    secret.create("one", "in a test")
    other.create("another", "in a test")
    read = secret.read()
    assert read
    secret.replace(read, "two")
    with pytest.raises(CommandError, match="somebody else"):
        secret.replace(read, "three")
    assert stored(secrets, "MESSAGE_KEY") == "two"
    assert stored(secrets, "WEBHOOK_KEY") == "another"


def test_a_secret_in_its_recovery_window_is_brought_back_and_not_deleted_for_good(
    operator: Operator, secrets: Any, tmp_path: Path
) -> None:
    given = file(tmp_path, ACCOUNTS["jst"])
    operator("vendors", "set", "--no-check", "jst", given)
    secrets.delete_secret(SecretId=f"{FRESH}/vendors")
    said = operator("vendors", "set", "--no-check", "jst", given)
    assert complains(said)
    assert f"aws secretsmanager restore-secret --secret-id {FRESH}/vendors" in said[2]
    secrets.restore_secret(SecretId=f"{FRESH}/vendors")
    assert operator("vendors", "set", "--no-check", "jst", given)[0] == 0


def test_the_webhooks_key_is_made_once_with_a_key_that_manages_webhooks(
    operator: Operator, secrets: Any
) -> None:
    create = ("keys", "create", "--tenant", "acme", "--scope")
    assert operator(*create, "messages:send")[0] == 0
    assert f"{FRESH}/keys" not in {one["Name"] for one in secrets.list_secrets()["SecretList"]}
    assert operator(*create, "webhooks:manage")[0] == 0
    made = stored(secrets, "WEBHOOK_KEY")
    assert len(made) >= 32
    assert operator(*create, "webhooks:manage")[0] == 0
    assert stored(secrets, "WEBHOOK_KEY") == made
