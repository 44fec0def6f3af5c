"""What harms is asked for first; lists are JSON on demand; an account is tried before it is set."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from sms_gateway.config import api_keys
from sms_gateway.core.timestamps import utc_now
from sms_gateway.vendors.registry import build_adapter
from smsgw import terminal
from smsgw.__main__ import main
from smsgw.balance_check import refuse_what_does_not_work
from smsgw.errors import CommandError
from testing.gateway import Gateway
from testing.numbers import number
from testing.settings import ACCOUNTS
from testing.transport import UNREACHABLE, Wire

from .conftest import FRESH, Operator

KEY = ["messages:send"]


@pytest.fixture
def asked(operator: Operator, capsys: pytest.CaptureFixture[str]) -> Callable[..., Any]:
    """Runs a command without --yes; its exit status, output and errors."""

    def run(*words: str) -> tuple[int, str, str]:
        capsys.readouterr()
        status = main(["--stack", FRESH, *words])
        shown = capsys.readouterr()
        return status, shown.out, shown.err

    return run


@pytest.mark.parametrize(
    "words",
    [
        ("tenants", "stop", "acme"),
        ("messages", "cancel", "--tenant", "acme"),
        ("dlq", "dismiss"),
        ("vendors", "remove", "jst"),
        ("campaigns", "cancel", "x"),
        ("webhooks", "disable", "--tenant", "acme"),
        ("callback-key", "rotate"),
        ("message-key", "rotate"),
        ("restore", "apply", "--table", "x", "--at", "2026-01-01T00:00:00Z"),
    ],
    ids=" ".join,
)
def test_what_harms_is_not_done_unasked(asked: Any, words: tuple[str, ...]) -> None:
    status, out, error = asked(*words)
    assert (status, out) == (1, "")
    assert "say so by --yes" in error


@pytest.mark.parametrize(("answer", "revoked"), [(True, True), (False, False)])
def test_an_answer_decides(
    gateway: Gateway,
    asked: Any,
    monkeypatch: pytest.MonkeyPatch,
    answer: bool,
    revoked: bool,
) -> None:
    _, key = api_keys.create_key("acme", KEY, "", utc_now())
    questions: list[str] = []

    def ask(question: str) -> bool:
        questions.append(question)
        return answer

    monkeypatch.setattr("smsgw.running.is_asked", lambda: True)
    monkeypatch.setattr("smsgw.running.ask", ask)
    status, _, _ = asked("keys", "revoke", key.id)
    assert (status == 0) is answer
    assert f"ends the key {key.id} for good" in questions[0]
    assert FRESH in questions[0]
    (found,) = [one for one in api_keys.list_keys() if one.id == key.id]
    assert (found.revoked_at is not None) is revoked


@pytest.mark.parametrize(
    "words",
    [
        ("keys", "list"),
        ("tenants", "list"),
        ("campaigns", "list"),
        ("audit", "list"),
        ("messages", "list", "--tenant", "acme"),
        ("webhooks", "list", "--tenant", "acme"),
        ("tenants", "show", "acme"),
        ("routes", "show"),
    ],
    ids=" ".join,
)
def test_what_lists_or_shows_is_json_on_demand(
    gateway: Gateway, operator: Operator, words: tuple[str, ...]
) -> None:
    gateway.one("jst")
    status, said, _ = operator(*words, "--json")
    assert status == 0
    assert isinstance(json.loads(said), list | dict)


def test_a_message_is_json_without_its_text_or_number(gateway: Gateway, operator: Operator) -> None:
    (identifier,) = gateway.sent("rajasms")
    said = operator("messages", "show", identifier, "--json")[1]
    view = json.loads(said)
    assert (view["id"], view["tenant"], view["status"]) == (identifier, "acme", "submitted")
    assert "Hello" not in said
    assert number("rajasms") not in said


@pytest.mark.parametrize("words", [(), ("--tenant", "acme", "--key", "0" * 12)], ids=str)
def test_whose_messages_is_said_once(operator: Operator, words: tuple[str, ...]) -> None:
    status, _, error = operator("messages", "list", *words)
    assert status == 2
    assert "give either --tenant or --key" in error


def test_a_change_says_where_to_a_person_and_not_to_a_script(
    gateway: Gateway, operator: Operator, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert operator("tenants", "start", "acme")[2] == ""
    noted: list[str] = []
    monkeypatch.setattr("smsgw.running.note", noted.append)
    operator("tenants", "start", "acme")
    assert noted == [f"{FRESH} in eu-central-1, account 123456789012"]


RAJASMS = build_adapter("rajasms", ACCOUNTS["rajasms"])


def got(code: int) -> dict[str, Any]:
    return {"balance_json.php": {"balance_respon": [{"globalstatus": code, "Balance": 880}]}}


def test_an_account_that_works_tells_its_balance(
    wire: Wire, capsys: pytest.CaptureFixture[str]
) -> None:
    wire.answers |= got(10)
    refuse_what_does_not_work(RAJASMS, wire)
    assert "RajaSMS otp balance: 880 IDR" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("answers", "said"),
    [
        (got(30), "RajaSMS says 'ApiKey not register' (code 30): see user and password"),
        ({"balance_json.php": b"<html>"}, "what answers is not RajaSMS"),
        ({"balance_json.php": UNREACHABLE}, "does not answer at this address"),
    ],
    ids=["wrong password", "another server", "no server"],
)
def test_an_account_that_does_not_work_is_not_set(
    wire: Wire, answers: dict[str, Any], said: str
) -> None:
    wire.answers |= answers
    with pytest.raises(CommandError, match=r"nothing was changed$") as refused:
        refuse_what_does_not_work(RAJASMS, wire)
    assert said in str(refused.value)


def test_a_vendor_that_knows_the_stacks_address_only_is_a_warning(
    wire: Wire, capsys: pytest.CaptureFixture[str]
) -> None:
    wire.answers |= got(40)
    refuse_what_does_not_work(RAJASMS, wire)
    assert "smsgw vendors check rajasms asks from there" in capsys.readouterr().out


def test_an_account_is_tried_before_it_is_stored(operator: Operator, tmp_path: Path) -> None:
    account = tmp_path / "account.json"
    nowhere = {"base_url": "http://127.0.0.1:9/", "allow_http": True}
    account.write_text(json.dumps(ACCOUNTS["jst"] | nowhere))
    status, _, error = operator("vendors", "set", "jst", str(account))
    assert status == 1
    assert "JST does not answer at this address" in error
    assert "not configured" in operator("vendors", "show", "jst")[2]


def test_nobody_is_asked_where_nobody_is(operator: Operator) -> None:
    assert not terminal.is_asked()
    status, out, error = operator("init")
    assert (status, out) == (1, "")
    assert "give --vendor and --account, --tenant, --to or --no-message" in error
