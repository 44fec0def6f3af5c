"""`smsgw listen`: events by polling, signed as webhooks are."""

import json
from datetime import timedelta
from typing import Any

import pytest
from standardwebhooks import Webhook

from sms_gateway.core.timestamps import epoch_ms, utc_now
from smsgw.__main__ import main
from smsgw.listen import Listener
from testing.callbacks import rajasms
from testing.gateway import Gateway
from testing.numbers import number

SECRET = "whsec_MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIz"


class Program:
    """A program on this machine, which checks each signature."""

    def __init__(self, status: int | None = 200) -> None:
        self.status = status
        self.got: list[Any] = []

    def __call__(self, url: str, body: bytes, headers: dict[str, str]) -> int | None:
        assert url == "http://localhost:3000/hooks"
        Webhook(SECRET).verify(body, headers)
        self.got.append(json.loads(body))
        return self.status


def listener(program: Program, ahead: timedelta = timedelta()) -> Listener:
    since = epoch_ms(utc_now() + ahead)
    return Listener("acme", "http://localhost:3000/hooks", SECRET, since, program)


@pytest.mark.parametrize("count", [0, 3])
def test_each_event_is_told_once_in_order_and_masked(gateway: Gateway, count: int) -> None:
    program = Program()
    listening = listener(program)
    ids = gateway.sent("rajasms", count)
    listening.look()
    rajasms(gateway, ids[0], "3")
    for _ in range(3):
        listening.look()
    first = [one for one in program.got if one["data"]["message_id"] == ids[0]]
    assert [one["type"] for one in first] == [
        "MessageAccepted",
        "MessageSubmitted",
        "MessageDelivered",
    ]
    assert [one["sequence"] for one in first] == [1, 2, 4]
    assert len(program.got) == 3 + 2 * max(0, count - 1)
    assert number("rajasms") not in str(program.got)


def test_what_was_before_is_not_told(gateway: Gateway) -> None:
    program = Program()
    gateway.sent("rajasms")
    listener(program, timedelta(minutes=1)).look()
    assert program.got == []


def test_a_program_that_does_not_answer_is_told_of_and_not_asked_again(
    gateway: Gateway, capsys: pytest.CaptureFixture[str]
) -> None:
    program = Program(None)
    listening = listener(program)
    gateway.sent("rajasms")
    listening.look()
    listening.look()
    assert len(program.got) == 2
    assert capsys.readouterr().out.count("no answer  Message") == 2


@pytest.mark.parametrize(
    "url",
    [
        "http://example.com",
        "ftp://localhost",
        "localhost:3000",
        "http://localhost@example.com",
        "http://example.com\\@localhost/",  # two readers of addresses differ in its host
        "http://localhost:99999",
        "http://[::",
    ],
)
def test_events_leave_this_machine_for_nobody(url: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["listen", "--tenant", "acme", "--forward-to", url]) == 2
    assert "an address on this machine" in capsys.readouterr().err
