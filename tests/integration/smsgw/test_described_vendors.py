"""`smsgw vendors set --description`: what it takes, what it refuses, and what it leaves behind."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from sms_gateway.config import cached_setting, described_vendors
from sms_gateway.config.vendor_accounts import accounts
from sms_gateway.storage import dynamodb
from smsgw.__main__ import main
from testing.command import new_session
from testing.descriptions import DESCRIPTIONS, whole
from testing.gateway import Gateway
from testing.vendor_cases import CASES

STACK = "described"
KEY = "s3cr3t-Key-0815"
Run = Callable[..., tuple[int, str, str]]


def written(folder: Path, name: str, value: object) -> str:
    path = folder / name
    path.write_text(json.dumps(value))
    return str(path)


@pytest.fixture
def outputs() -> dict[str, str]:
    return {
        "TableName": "test-table",
        "AccountsSecretName": f"{STACK}/vendors",
        "KeysSecretName": f"{STACK}/keys",
        "CallbackUrl": "https://x/callbacks",
        "DeclaredQueueUrl": "https://sqs.example/declared",
    }


@pytest.fixture
def run(
    gateway: Gateway,
    outputs: dict[str, str],
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> Run:
    """Runs a command on a stack that knows described vendors."""

    def describe_stacks(**_: Any) -> Any:
        shown = [{"OutputKey": name, "OutputValue": value} for name, value in outputs.items()]
        return SimpleNamespace(status_code=200, headers={}), {"Stacks": [{"Outputs": shown}]}

    session = new_session(monkeypatch)
    session.register("before-call.cloudformation.DescribeStacks", describe_stacks)
    monkeypatch.setenv("STACK_NAME", "test")

    def one(*arguments: str) -> tuple[int, str, str]:
        capsys.readouterr()
        described_vendors._read.clear()  # as in a process of its own
        status = main(["--stack", STACK, "--yes", "vendors", *arguments])
        shown = capsys.readouterr()
        return status, shown.out, shown.err

    return one


@pytest.fixture
def files(tmp_path: Path) -> tuple[str, str]:
    """An account and a description."""
    account = {"base_url": "https://acme.example", "key": KEY}
    return written(tmp_path, "account.json", account), written(tmp_path, "acme.json", whole())


def rows(name: str) -> list[Any]:
    return dynamodb.query_range(f"DESCRIPTION#{name}", "0", "z", 10)


def as_functions_see(monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.setenv("ACCOUNTS_SECRET", f"{STACK}/vendors")
    described_vendors._read.clear()
    cached_setting.reset_all()
    return accounts()


def test_a_description_without_cases_is_refused_by_name_of_each(
    run: Run, files: tuple[str, str]
) -> None:
    status, out, error = run("set", "acme", files[0], "--description", files[1], "--no-check")
    assert status == 1
    assert "missing: submitted-accepted.expected.json" in out
    assert "missing: callback-delivered.expected.json" in out
    assert "by --force" in error
    assert rows("acme") == []


def test_by_force_it_is_taken_and_what_is_not_proven_is_said(
    run: Run, files: tuple[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    status, out, _ = run(
        *("set", "acme", files[0], "--description", files[1], "--no-check", "--force")
    )
    assert status == 0
    assert "not proven: submitted-html.expected.json" in out
    assert "Acme is set; functions that are running see it within a minute." in out
    found = as_functions_see(monkeypatch)
    assert found.faults == {}
    assert found.adapters["acme"].key == KEY
    status, out, _ = run("show", "acme")
    assert json.loads(out)["key"] == "(secret)"
    assert KEY not in out
    status, out, _ = run("list", "--no-check")
    assert [line.split()[:2] for line in out.splitlines() if "acme" in line] == [
        ["acme", "configured"]
    ]


def test_with_its_cases_it_is_taken_without_a_word_of_doubt(run: Run, tmp_path: Path) -> None:
    answers = tmp_path / "answers"
    shutil.copytree(CASES / "rajasms", answers)
    description = json.loads((DESCRIPTIONS / "rajasms.json").read_text()) | {"name": "other"}
    account = json.loads((answers / "account.json").read_text())
    account = {**account, "base_url": "https://other.example"}
    account.pop("allow_http", None)
    status, out, error = run(
        *("set", "other", written(tmp_path, "account.json", account), "--no-check"),
        *("--description", written(tmp_path, "other.json", description)),
        *("--answers", str(answers)),
    )
    assert status == 0, (out, error)
    assert "missing" not in out


def test_a_case_that_fails_is_refused_also_by_force(
    run: Run, files: tuple[str, str], tmp_path: Path
) -> None:
    answers = tmp_path / "answers"
    answers.mkdir()
    written(answers, "account.json", json.loads(Path(files[0]).read_text()))
    written(answers, "submitted-accepted.json", {"messages": []})
    written(
        answers,
        "submitted-accepted.expected.json",
        {
            "operation": "submitted",
            "members": [{"id": "1", "to": "+8801000000001", "text": "Hi"}],
            "expect": [{"verdict": "accepted"}],
        },
    )
    status, out, error = run(
        *("set", "acme", files[0], "--description", files[1], "--answers", str(answers)),
        *("--no-check", "--force"),
    )
    assert status == 1
    assert "fails: submitted-accepted: means" in out
    assert "1 cases fail" in error
    assert rows("acme") == []


def test_another_description_takes_the_place_of_the_first_which_is_forgotten_in_a_day(
    run: Run, files: tuple[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    how = ("--no-check", "--force")
    assert run("set", "acme", files[0], "--description", files[1], *how)[0] == 0
    changed = whole(title="Acme the second")
    file = written(tmp_path, "second.json", changed)
    assert run("set", "acme", files[0], "--description", file, *how)[0] == 0
    assert as_functions_see(monkeypatch).adapters["acme"].title == "Acme the second"
    assert sorted("ttl" in one for one in rows("acme")) == [False, True]
    assert run("set", "acme", files[0], "--description", files[1], *how)[0] == 0
    assert as_functions_see(monkeypatch).adapters["acme"].title == "Acme"
    kept = [one for one in rows("acme") if "ttl" not in one]
    assert ["Acme the second" in one["data"]["S"] for one in kept] == [False]


def test_only_its_account_is_changed_where_no_description_is_named(
    run: Run, files: tuple[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert run("set", "acme", files[0], "--description", files[1], "--no-check", "--force")[0] == 0
    account = {"base_url": "https://acme.example", "key": "another"}
    assert run("set", "acme", written(tmp_path, "b.json", account), "--no-check")[0] == 0
    assert as_functions_see(monkeypatch).adapters["acme"].key == "another"


def test_a_removed_one_is_off_and_its_description_forgotten(
    run: Run, files: tuple[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert run("set", "acme", files[0], "--description", files[1], "--no-check", "--force")[0] == 0
    assert run("remove", "acme")[0] == 0
    assert "acme" not in as_functions_see(monkeypatch).adapters
    assert ["ttl" in one for one in rows("acme")] == [True]
    status, _, error = run("show", "acme")
    assert status == 1
    assert "acme is not configured" in error


@pytest.mark.parametrize(
    ("name", "account", "parts", "said"),
    [
        ("other", {}, {}, "describes acme, and not other"),
        ("jst", {}, {"name": "jst"}, "the name jst is taken"),
        ("acme", {"description": "x"}, {}, "description is no setting"),
        ("acme", {"base_url": "http://acme.example"}, {}, "is not valid: base_url is plain http"),
        ("acme", {"base_url": "https://10.1.2.3"}, {}, "leads inside"),
        ("acme", {"nothing": 1}, {}, "unknown setting nothing"),
        ("acme", {}, {"source": "x" * 20_000}, "can't be stored: it has"),
    ],
)
def test_what_cannot_be_set_is_refused_and_leaves_nothing(
    run: Run,
    tmp_path: Path,
    name: str,
    account: dict[str, Any],
    parts: dict[str, Any],
    said: str,
) -> None:
    file = written(
        tmp_path, "account.json", {"base_url": "https://acme.example", "key": KEY} | account
    )
    description = written(tmp_path, "acme.json", whole(**parts))
    status, out, error = run(
        *("set", name, file, "--description", description, "--no-check", "--force")
    )
    assert status == 1
    assert said in error, (out, error)
    assert KEY not in out + error
    assert rows(name) == []


def test_a_vendor_that_nobody_described_is_told_how(run: Run, files: tuple[str, str]) -> None:
    status, _, error = run("set", "acme", files[0], "--no-check")
    assert status == 1
    assert "there is no vendor acme" in error
    assert "--description" in error
    assert run("show", "No!")[0] == 2


def test_where_the_stack_has_no_queue_for_them_it_is_said(
    run: Run, outputs: dict[str, str], files: tuple[str, str]
) -> None:
    del outputs["DeclaredQueueUrl"]
    status, _, error = run("set", "acme", files[0], "--description", files[1], "--force")
    assert status == 1
    assert "DeclaredVendors=true" in error
