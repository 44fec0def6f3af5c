"""A described vendor on the command line: what it would send, and what its answers mean."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from smsgw import audit_log
from smsgw.__main__ import main
from testing.descriptions import DESCRIBED, DESCRIPTIONS, sending
from testing.server import Asked, Said, serving
from testing.vendor_cases import CASES

TO = "+8801000000001"
Operator = Callable[..., tuple[int, str, str]]
KEY = "s3cr3t-Key-0815"


@pytest.fixture
def emulated(monkeypatch: pytest.MonkeyPatch) -> None:
    """Described vendors may be on this machine, as on the local stack; moto stays AWS."""
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:1")
    monkeypatch.setenv("AWS_IGNORE_CONFIGURED_ENDPOINT_URLS", "true")


class Line:
    """Runs a command; its exit status, and what it printed."""

    def __init__(self, capsys: pytest.CaptureFixture[str]) -> None:
        self._capsys = capsys

    def __call__(self, *words: str) -> tuple[int, str]:
        self._capsys.readouterr()
        status = main(["vendors", *words])
        shown = self._capsys.readouterr()
        return status, shown.out + shown.err


@pytest.fixture
def line(capsys: pytest.CaptureFixture[str]) -> Line:
    return Line(capsys)


def written(folder: Path, name: str, value: object) -> str:
    path = folder / name
    path.write_text(json.dumps(value))
    return str(path)


@pytest.mark.parametrize("vendor", DESCRIBED)
def test_the_shipped_descriptions_pass_their_cases(line: Line, vendor: str) -> None:
    status, shown = line(
        "test", str(DESCRIPTIONS / f"{vendor}.json"), "--answers", str(CASES / vendor)
    )
    assert status == 0, shown
    assert "cases pass, and none is missing" in shown


def test_a_missing_case_and_a_failing_one_are_named(line: Line, tmp_path: Path) -> None:
    answers = tmp_path / "answers"
    shutil.copytree(CASES / "dinisoft", answers)
    (answers / "submitted-html.expected.json").unlink()
    (answers / "submitted-refused.json").write_text('{"Status": "0"}')
    (answers / "submitted-account.expected.json").write_text('{"operation": "submitted"}')
    status, shown = line("test", str(DESCRIPTIONS / "dinisoft.json"), "--answers", str(answers))
    assert status == 1
    assert "missing: submitted-html.expected.json" in shown
    assert "fails: submitted-refused: means" in shown
    assert "fails: submitted-account: can't be run: KeyError" in shown
    assert "2 fail, and 1 are missing: what they would show is not proven" in shown


def test_a_rule_that_no_case_needs_is_named_as_not_proven(line: Line, tmp_path: Path) -> None:
    answers, file = tmp_path / "answers", str(DESCRIPTIONS / "rajasms.json")
    shutil.copytree(CASES / "rajasms", answers)
    expired = "not proven: /send/answer/rules/4: every case passes without this rule"
    assert expired not in line("test", file, "--answers", str(answers))[1]
    for path in answers.glob("submitted-global-50.*"):
        path.unlink()
    status, shown = line("test", file, "--answers", str(answers))
    assert status == 0, shown
    assert expired in shown


@pytest.mark.parametrize(
    ("spoiled", "said"),
    [
        (None, "can't be read"),
        ("{", "not JSON"),
        ('{"base_url": "https://a.example"}', "is not valid: "),
    ],
)
def test_a_folder_that_is_none_is_one_line(
    line: Line, tmp_path: Path, spoiled: str | None, said: str
) -> None:
    if spoiled:
        (tmp_path / "account.json").write_text(spoiled)
    status, shown = line("test", str(DESCRIPTIONS / "dinisoft.json"), "--answers", str(tmp_path))
    assert (status, shown.count("\n")) == (1, 1)
    assert said in shown


def test_a_description_that_cannot_work_is_told_by_its_pointer(line: Line, tmp_path: Path) -> None:
    status, shown = line("try", written(tmp_path, "acme.json", sending(url="{host}/send")))
    assert (status, shown.count("\n")) == (1, 1)
    assert "acme.json is no description that works: /send/request/url: there is nothing" in shown


@pytest.mark.parametrize("vendor", DESCRIBED)
def test_a_description_is_tried_without_an_account(line: Line, vendor: str) -> None:
    status, shown = line("try", str(DESCRIPTIONS / f"{vendor}.json"))
    assert status == 0, shown
    assert "send\n" in shown
    assert "balance\n" in shown
    assert "hidden-api_key" in shown


AUTHS = [
    None,
    {"kind": "basic", "user": "me", "password": "{key}"},
    {"kind": "bearer", "token": "{key}"},
    {"kind": "header", "name": "X-Key", "value": "{key}"},
    {"kind": "hmac", "algorithm": "sha1", "key": "{key}", "parts": ["{body}"], "header": "X-S"},
]


@pytest.mark.parametrize("auth", AUTHS)
@pytest.mark.parametrize("body", ["json", "form", "xml", "query"])
def test_no_secret_is_shown_and_nothing_is_sent(
    line: Line, tmp_path: Path, auth: object, body: str
) -> None:
    fields = {"key": "{key}", "to": "{to}", "text": "{text}"}
    request = {body: {"m": fields} if body == "xml" else fields}
    description = sending(**request) | ({"auth": auth} if auth else {})
    heard: list[Asked] = []
    with serving(lambda asked: heard.append(asked) or Said(b"")) as address:  # type: ignore[func-returns-value]  # a list
        account = {"base_url": address, "allow_http": True, "key": KEY}
        status, shown = line(
            *("try", written(tmp_path, "acme.json", description)),
            *("--account", written(tmp_path, "account.json", account)),
        )
    assert status == 0, shown
    assert KEY not in shown
    assert "0815" not in shown
    assert (auth is None) or "(hidden)" in shown
    assert heard == []


def test_one_message_is_sent_once_and_its_answer_shows_no_secret(
    operator: Operator, emulated: None, tmp_path: Path
) -> None:
    heard: list[Asked] = []

    def answering(asked: Asked) -> Said:
        heard.append(asked)
        return Said(
            f'{{"code": "ok", "id": "7", "text": "{KEY} {TO[1:]} Hello there, you"}}'.encode()
        )

    with serving(answering) as address:
        account = {"base_url": address, "allow_http": True, "key": KEY}
        status, shown, _ = operator(
            *("vendors", "try", written(tmp_path, "acme.json", sending()), "--to", TO),
            *("--text", "Hello there, you"),
            *("--account", written(tmp_path, "account.json", account)),
        )
    assert status == 0, shown
    assert [json.loads(one.body)["text"] for one in heard] == ["Hello there, you"]
    (record,) = audit_log.latest(10)
    assert (record["what"]["S"], record["end"]["S"]) == ("vendors try", "done")
    assert TO[1:] not in json.dumps(record)
    assert "means: accepted (code 'ok'" in shown
    assert KEY not in shown
    assert TO[1:] not in shown.partition("answer\n")[2]


def test_an_answer_that_no_rule_knows_is_told_as_unknown(
    operator: Operator, emulated: None, tmp_path: Path
) -> None:
    with serving(lambda _: Said(b"<html>200 OK</html>")) as address:
        account = {"base_url": address, "allow_http": True, "key": KEY}
        status, shown, _ = operator(
            *("vendors", "try", written(tmp_path, "acme.json", sending()), "--to", TO),
            *("--account", written(tmp_path, "account.json", account)),
        )
    assert status == 0, shown
    assert "means: unknown" in shown


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--to", TO), "name the account's settings by --account"),
        (("--account", "{account}", "--to", "0100"), "--to is a number with +"),
        (("--account", "{account}", "--to", TO, "--text", "é" * 200), "nothing was sent: "),
        (("--account", "{account}", "--to", TO), "nothing was sent: no connection"),
    ],
)
def test_what_is_not_sent_says_so(
    operator: Operator, emulated: None, tmp_path: Path, words: tuple[str, ...], said: str
) -> None:
    with serving(lambda _: Said(b"")) as address:
        pass  # nobody listens there any more
    description = sending()
    description["send"]["max_characters"] = 100
    account = {"base_url": address, "allow_http": True, "key": KEY}
    named = written(tmp_path, "account.json", account)
    status, _, shown = operator(
        *("vendors", "try"),
        written(tmp_path, "acme.json", description),
        *(named if word == "{account}" else word for word in words),
    )
    assert status == 1
    assert said in shown
    assert KEY not in shown
