"""`smsgw audit`: who changed what, and when; no secret, text or number."""

from collections.abc import Callable
from typing import Any

import click
import pytest

from sms_gateway.storage import dynamodb
from smsgw import __main__ as smsgw
from smsgw import audit_log, tenants
from smsgw.errors import CommandError
from smsgw.line import Command
from testing.gateway import Gateway
from testing.rights import may
from testing.template import TEMPLATE

Operator = Callable[..., tuple[int, str, str]]


def records() -> list[dict[str, Any]]:
    return dynamodb.query_range("AUDIT", "0", "Z", 100)


def test_a_change_leaves_a_record_of_who_what_and_when(
    gateway: Gateway, operator: Operator
) -> None:
    _, said, _ = operator(
        *("keys", "create", "--tenant", "acme", "--scope", "messages:send", "--label", "a label")
    )
    key = said.split()[-1]
    assert operator("tenants", "stop", "acme", "--reason", "+447700900001 rang")[0] == 0
    assert operator("keys", "revoke", "0" * 12)[0] == 1
    made, stopped, failed = operator("audit", "list")[1].splitlines()[:0:-1]
    assert "arn:aws:sts::123456789012:" in made
    assert " ".join(made.split()).endswith("keys create tenant=acme scope=messages:send")
    assert " ".join(stopped.split()).endswith("tenants stop tenant=acme")
    assert " ".join(failed.split()).endswith(f"keys revoke id={'0' * 12}")
    assert [line.split()[1] for line in (made, stopped, failed)] == ["done", "done", "failed"]
    shown = str(records())
    assert not any(one in shown for one in (key, "a label", "+447700900001"))


def test_a_key_pasted_where_a_name_belongs_is_recorded_nowhere(
    gateway: Gateway, operator: Operator
) -> None:
    pasted = "sms_" + "a" * 48
    for line in (
        ("keys", "create", "--tenant", pasted, "--scope", "messages:send"),
        ("keys", "create", "--tenant", "acme", "--scope", "messages:send", "--country", pasted),
        ("campaigns", "pause", pasted),
    ):
        status, out, error = operator(*line)
        assert status
        assert pasted not in out + error
    assert pasted not in str(records())
    assert pasted not in operator("audit", "list")[1]


def test_a_command_that_only_looks_leaves_none(gateway: Gateway, operator: Operator) -> None:
    for arguments in (
        ("keys", "list"),
        ("tenants", "show", "acme"),
        ("tenants", "list"),
        ("messages", "list", "--tenant", "acme"),
        ("campaigns", "list"),
        ("audit", "list"),
    ):
        assert operator(*arguments)[0] == 0
    assert records() == []


def test_every_other_command_leaves_one() -> None:
    """One that nobody has sorted changes something."""
    found = {" ".join(words): not command.reads for words, command in commands(smsgw.ROOT)}
    looking = {
        *("keys list", "tenants show", "tenants list", "vendors list", "vendors show"),
        *("vendors check", "messages show", "messages list", "campaigns list", "campaigns show"),
        *("dlq list", "restore plan", "callback-url", "audit list", "completion"),
        *("messages tail", "webhooks list", "status", "doctor", "listen", "guard show"),
        *("vendors try", "vendors test", "reports"),
        *(f"{area} {what}" for area in SETTINGS for what in ("show", "diff")),
    }
    assert looking <= {name for name, changes in found.items() if not changes}
    assert {name for name, changes in found.items() if not changes} == looking


SETTINGS = ("routes", "sources", "senders", "campaign-defaults")


def commands(area: click.Group) -> list[tuple[list[str], Command]]:
    found: list[tuple[list[str], Command]] = []
    for name in area.list_commands(click.Context(area)):
        inner = area.get_command(click.Context(area), name)
        if isinstance(inner, click.Group):
            found += [([name, *words], command) for words, command in commands(inner)]
        else:
            assert isinstance(inner, Command)
            found.append(([name], inner))
    return found


def test_nothing_is_done_without_a_record(
    gateway: Gateway, operator: Operator, monkeypatch: pytest.MonkeyPatch
) -> None:
    done: list[object] = []
    monkeypatch.setattr(tenants.stop, "callback", lambda **_: done.append(1))

    def refused(*_: object) -> None:
        raise CommandError("no record")

    monkeypatch.setattr(audit_log, "begin", refused)
    assert operator("tenants", "stop", "acme") == (1, "", "smsgw: no record\n")
    assert done == []


def test_no_function_may_write_or_read_a_record() -> None:
    functions = [
        name
        for name, one in TEMPLATE["Resources"].items()
        if one["Type"].endswith("less::Function")
    ]
    assert functions
    for name in functions:
        for action in ("PutItem", "UpdateItem", "DeleteItem", "GetItem", "Query"):
            assert not may(name, action, "AUDIT"), name
