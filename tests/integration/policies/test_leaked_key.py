"""The drill of docs/guides/limits.md: how far a stolen key gets under the starter policy there."""

import json
import re
from datetime import UTC, datetime, timedelta

import pytest
from msgspec.structs import replace

from sms_gateway.config.stack_keys import message_key
from sms_gateway.messages.send import send
from sms_gateway.policies.document import parse_policy
from sms_gateway.policies.limits import Part, QuotaExhaustedError, Scope
from sms_gateway.policies.quota import count_parts
from testing.gateway import Gateway
from testing.numbers import number
from testing.paths import ROOT
from testing.settings import set_policy

GUIDE = (ROOT / "docs/guides/limits.md").read_text()
MIDNIGHT = datetime(2026, 11, 28, tzinfo=UTC)


def starter() -> str:
    found = re.search(r"```json policy\.json\n(.*?)```", GUIDE, re.DOTALL)
    assert found
    return found[1]


def test_a_loop_of_single_sends_gets_so_far_in_its_first_minute(gateway: Gateway) -> None:
    """A hundred tries a second, each to another number."""
    policy = parse_policy(starter())
    scopes = [Scope("tenant", replace(policy, most_per_number_per_day=None))]  # never twice to one
    went = 0
    for tried in range(6_000):
        at = MIDNIGHT + timedelta(milliseconds=10 * tried)
        part = Part(number("jst", tried), 1)
        counted = count_parts(scopes, "acme", [part], at, message_key)
        went += counted.problems == [None]
    assert went == 319
    assert f"{went} messages in its first minute" in GUIDE


def test_the_largest_batches_get_no_further_than_the_day(gateway: Gateway) -> None:
    policy = json.loads(starter())
    set_policy("acme", json.dumps({**policy, "most_per_number_per_day": None}))

    def most(nth: int) -> int:
        to = [number("jst", 1_000 * nth + one) for one in range(1_000)]
        body = json.dumps({"to": to, "text": "x" * 160}).encode()
        return len(send("acme", body, MIDNIGHT + timedelta(milliseconds=nth))["messages"])

    assert [most(0), most(1)] == [1_000, 1_000]
    with pytest.raises(QuotaExhaustedError):
        most(2)
    assert "In two batches of 1,000 it" in GUIDE


def test_long_texts_and_one_number_get_less(gateway: Gateway) -> None:
    set_policy("acme", starter())
    to = number("jst")
    answer = send("acme", json.dumps({"to": [to] * 50, "text": "x" * 160}).encode(), MIDNIGHT)
    assert len(answer["messages"]) == 10
    scopes = [Scope("tenant", replace(parse_policy(starter()), most_per_number_per_day=None))]
    parts = [Part(number("jst", one), 3) for one in range(1_500)]
    counted = count_parts(scopes, "other", parts, MIDNIGHT, message_key)
    assert sum(problem is None for problem in counted.problems) == 1_000
