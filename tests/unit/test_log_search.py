"""What the search of a stack's logs finds, and what is no leak."""

import base64
import json
from typing import Any
from urllib.parse import quote

import pytest

from testing.log_search import MAX_EVENTS, Known, lines_of

SECRET, NUMBER, TEXT = "a-vendors-Passw0rd", "447700900123", "Your parcel waits at the door"
KEY = "sms_" + "k" * 48


def known() -> Known:
    made = Known(secrets={SECRET})
    made.add(f"+{NUMBER}", TEXT)
    made.add(f"+{NUMBER}", "Your code is 738201")
    return made


@pytest.mark.parametrize(
    "line",
    [
        SECRET,
        SECRET.upper(),
        quote(f"key={SECRET}&to=x", safe=""),
        base64.b64encode(f"user:{SECRET}".encode()).decode(),
        f"to=%2B{NUMBER}",
        f"+{NUMBER}",
        TEXT,
        json.dumps({"text": TEXT}),
        TEXT.lower(),
        '{"code": "738201"}',
        f"Authorization: Bearer {KEY}",
        f"the key {KEY}",
        "whsec_" + "b" * 32,
        "GET /v1/callbacks/server2sms/01M8GTRW8TPTK9SW0ZWZKHVGP5M00091AD4VBPP7H6RJXM7YR2QD5DAW",
    ],
)
def test_whatever_must_not_be_logged_is_found(line: str) -> None:
    (found, *_) = known().found_in(f'{{"level":"INFO"}}\n{{"said": "{line}"}}\n')
    assert found


def test_what_only_looks_like_it_is_no_leak() -> None:
    lines = (
        '{"message":"dispatched","message_id":"01M8GTRW8TPTK9SW0ZWZKHVGP5000"}',
        '{"_aws":{"Timestamp":1795861286056},"reports":[1.0]}',
        "REPORT RequestId: 3f738201-1111-4a57-b7fc-5f75228f83f7 Duration: 0.738201 ms",
        "Your account is ready; see /callbacks/ and sms_gateway.entry.handler",
    )
    assert known().found_in("\n".join(lines)) == []


def test_a_finding_shows_its_line() -> None:
    (found,) = known().found_in(f"one\nvendor call failed: {NUMBER}\nthree")
    assert found == f"{NUMBER}: vendor call failed: {NUMBER}"


class Logs:
    """The emulator's logs: the oldest of an answer's most, and nothing of those left."""

    def __init__(self, times: list[int]) -> None:
        self.times = times

    def filter_log_events(self, logGroupName: str, startTime: int) -> Any:
        found = [at for at in self.times if at >= startTime][:MAX_EVENTS]
        return {"events": [{"timestamp": at, "message": f"{logGroupName} {at}"} for at in found]}


@pytest.mark.parametrize("count", [0, 1, MAX_EVENTS, MAX_EVENTS + 1, 3 * MAX_EVENTS])
def test_all_lines_of_a_group_are_read(count: int) -> None:
    times = [1_800_000_000_000 + nth // 3 for nth in range(count)]
    assert {*lines_of(Logs(times), "send")} == {f"send {at}" for at in times}
