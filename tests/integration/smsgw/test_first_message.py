"""`smsgw init`, `messages send` and `messages tail`: the first message, by the API itself."""

import json
import re
import threading
from collections.abc import Iterator
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import boto3
import pytest

from sms_gateway.config import api_keys
from smsgw import sending, tailing
from smsgw.errors import CommandError
from smsgw.sending import send
from smsgw.stack import Stack
from testing.gateway import Gateway
from testing.settings import ACCOUNTS

from .conftest import FRESH, Operator

SENT = {"id": "01J00000000000000000000000000", "status": "accepted", "vendor": "jst", "segments": 1}
STEP: dict[str, Any] = {
    "at": "2026-11-28T10:00:00Z",
    "status": "accepted",
    "source": "api",
    "vendor": "jst",
}
STEP |= {"vendor_code": None, "vendor_text": None, "note": "first usable"}


class Api:
    """An API on loopback that answers one thing after the other, and remembers."""

    def __init__(self) -> None:
        self.answers: list[tuple[int, Any]] = []
        self.asked: list[tuple[str, str, str | None, Any]] = []
        self.url = ""


@pytest.fixture
def api() -> Iterator[Api]:
    got = Api()

    class Handler(BaseHTTPRequestHandler):
        def answer(self) -> None:
            length = int(self.headers.get("content-length") or 0)
            body = json.loads(self.rfile.read(length)) if length else None
            key = self.headers.get("idempotency-key")
            got.asked.append((self.command, self.path, key, body))
            status, said = got.answers.pop(0)
            if status == 0:  # no answer at all
                self.close_connection = True
                return
            self.send_response(status)
            self.end_headers()
            self.wfile.write(json.dumps(said).encode())

        do_GET = do_POST = answer

        def log_message(self, *_: Any) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    got.url = f"http://127.0.0.1:{server.server_address[1]}"
    yield got
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture
def deployed(api: Api, monkeypatch: pytest.MonkeyPatch) -> Stack:
    monkeypatch.setattr(sending, "PAUSE_SECONDS", 0)
    return Stack("test", {"ApiId": "a"}, "us-east-1", endpoint=api.url, local_key="sms_k")


MESSAGE = {"to": "+447700900001", "text": "Hi", "from": None}
ACCEPTED = (202, {"messages": [SENT], "rejected": []})


def test_a_message_is_sent_as_any_caller_would(
    api: Api, deployed: Stack, capsys: pytest.CaptureFixture[str]
) -> None:
    api.answers = [ACCEPTED]
    send(deployed, MESSAGE, wait=False)
    ((method, path, key, body),) = api.asked
    assert (method, path) == ("POST", "/_aws/execute-api/a/v1/messages")
    assert key
    assert body == {"to": "+447700900001", "text": "Hi"}
    assert f"smsgw messages show {SENT['id']}" in capsys.readouterr().out


def test_a_try_without_an_answer_is_repeated_under_the_same_key(api: Api, deployed: Stack) -> None:
    api.answers = [(0, None), (0, None), ACCEPTED]
    send(deployed, MESSAGE, wait=False)
    assert len(api.asked) == 3
    assert len({key for _, _, key, _ in api.asked}) == 1


def test_no_answer_says_that_it_may_be_taken(api: Api, deployed: Stack) -> None:
    api.answers = [(0, None)] * 3
    with pytest.raises(CommandError, match="it may have taken the message all the same"):
        send(deployed, MESSAGE, wait=False)


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        ((401, {"title": "Unauthorized", "detail": "The key is wrong."}), "401 Unauthorized: The"),
        ((403, {"message": "Forbidden"}), "403 : Forbidden"),
        (
            (202, {"messages": [], "rejected": [{"problem": {"title": "No", "detail": "route"}}]}),
            "refused: No: route",
        ),
    ],
)
def test_a_refusal_is_one_line(api: Api, deployed: Stack, answer: Any, said: str) -> None:
    api.answers = [answer]
    with pytest.raises(CommandError, match=said):
        send(deployed, MESSAGE, wait=False)


def test_each_step_is_shown_until_the_message_is_final(
    api: Api, deployed: Stack, capsys: pytest.CaptureFixture[str]
) -> None:
    open_, final = STEP, STEP | {"status": "delivered", "vendor_text": "x\x1b[2J"}
    api.answers = [
        ACCEPTED,
        (200, {"timeline": [open_], "final": False}),
        (200, {"timeline": [open_, final], "final": True}),
    ]
    send(deployed, MESSAGE, wait=True)
    said = capsys.readouterr().out
    assert [line.split()[1] for line in said.splitlines()] == ["accepted", "delivered"]
    assert "\x1b" not in said


def test_without_a_key_it_is_said_where_to_put_one(
    operator: Operator, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("SMSGW_KEY", raising=False)
    status, _, error = operator("messages", "send", "--to", "+447700900001", "--text", "Hi")
    assert status == 1
    assert "set SMSGW_KEY" in error


@pytest.fixture
def no_account(operator: Operator) -> Iterator[None]:
    """A stack whose secrets are forgotten afterwards."""
    yield
    client = boto3.client("secretsmanager")
    for name in ("vendors", "keys"):
        with suppress(client.exceptions.ResourceNotFoundException):
            client.delete_secret(SecretId=f"{FRESH}/{name}", ForceDeleteWithoutRecovery=True)


def test_a_new_stack_is_set_up_by_options_alone(
    gateway: Gateway, operator: Operator, no_account: None, tmp_path: Path
) -> None:
    account = tmp_path / "jst.json"
    account.write_text(json.dumps(ACCOUNTS["jst"]))
    status, said, _ = operator(
        *("init", "--vendor", "jst", "--account", str(account), "--no-check"),
        *("--tenant", "acme", "--no-message"),
    )
    assert status == 0
    assert "JST is set" in said
    assert "export URL=https://x/v1" in said
    assert re.search(r"export KEY=sms_\S{40,}", said)
    assert [key.tenant for key in api_keys.list_keys()] == ["acme"]


def test_on_a_terminal_it_asks_for_what_is_missing(
    gateway: Gateway, operator: Operator, no_account: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[tuple[str, bool]] = []
    answers = {"Vendor": "rajasms", "RajaSMS base_url": "http://127.0.0.1:9/", "Tenant": "acme"}

    def prompt(question: str, *, hidden: bool = False) -> str:
        asked.append((question, hidden))
        return next((one for name, one in answers.items() if question.startswith(name)), "-")

    monkeypatch.setattr("smsgw.init.is_asked", lambda: True)
    monkeypatch.setattr("smsgw.init.prompt", prompt)
    monkeypatch.setattr("smsgw.init.ask", lambda _: True)
    status, _, error = operator("init")
    assert status == 1
    assert "RajaSMS does not answer at this address" in error
    assert ("RajaSMS api_key", True) in asked
    assert ("RajaSMS base_url", False) in asked


def test_the_tail_tells_each_change_once(
    gateway: Gateway, capsys: pytest.CaptureFixture[str]
) -> None:
    def got(known: dict[str, str]) -> tuple[dict[str, str], list[str]]:
        capsys.readouterr()
        after = tailing._tell_changes("acme", None, known)
        return after, [line.split()[2] for line in capsys.readouterr().out.splitlines()]

    gateway.one("rajasms")
    known, first = got({})
    known, none = got(known)
    (sent,) = gateway.sent("rajasms")
    known, then = got(known)
    assert first == ["accepted"]
    assert none == []
    assert then
    assert sent in known


def test_the_tail_goes_on_until_it_is_stopped(
    gateway: Gateway, operator: Operator, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(_seconds: float) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("smsgw.tailing.time.sleep", interrupted)
    gateway.one("rajasms")
    status, said, error = operator("messages", "tail", "--tenant", "acme", "--json")
    assert (status, error) == (1, "smsgw: stopped\n")
    assert json.loads(said)["status"] == "accepted"
