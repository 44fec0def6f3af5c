"""The operator's command, on a stack whose secrets nobody made yet."""

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest

from smsgw.__main__ import main
from testing.command import new_session
from testing.gateway import Gateway

FRESH = "fresh"  # a stack's name
Operator = Callable[..., tuple[int, str, str]]


def _describe_stacks(**_: Any) -> Any:
    outputs = {
        "TableName": "test-table",
        "AccountsSecretName": f"{FRESH}/vendors",
        "KeysSecretName": f"{FRESH}/keys",
        "Url": "https://x/v1",
        "CallbackUrl": "https://x/callbacks",
    }
    shown = [{"OutputKey": name, "OutputValue": value} for name, value in outputs.items()]
    return SimpleNamespace(status_code=200, headers={}), {"Stacks": [{"Outputs": shown}]}


@pytest.fixture
def operator(
    gateway: Gateway, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> Operator:
    """Runs a command; its exit status, output and errors."""
    session = new_session(monkeypatch)
    session.register("before-call.cloudformation.DescribeStacks", _describe_stacks)
    monkeypatch.setenv("STACK_NAME", "test")  # which the command sets, and which is put back

    def run(*arguments: str) -> tuple[int, str, str]:
        capsys.readouterr()
        status = main(["--stack", FRESH, "--yes", *arguments])
        shown = capsys.readouterr()
        return status, shown.out, shown.err

    return run
