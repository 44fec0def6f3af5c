"""Guarded codes while the guard's own counters fail: none is lost, sent twice or refused for it."""

import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from typing import Any

import pytest
from e2e.receiver import until
from failures.arena import Case, Ground, arena, number
from failures.chaos import Action

from testing.deployed import Answer
from testing.log_search import logs_of

VENDOR = "dinisoft"
LIMIT = 5  # unverified codes a day to one block of numbers; all other limits are out of reach
RULES = ("country_day=1000", "country_hour=1000", "elsewhere_day=100000", f"prefix_day={LIMIT}")


@pytest.fixture(scope="module")
def ground(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ground]:
    """A stack on which everybody is guarded, before a function reads whether."""
    with arena(tmp_path_factory.mktemp("pumping") / "run", persist=False) as made:
        rules = [part for rule in RULES for part in ("--rule", rule)]
        made.stack.run_smsgw("guard", "set", "*", "--mode", "block", *rules)
        yield made


@pytest.fixture
def case(ground: Ground, request: pytest.FixtureRequest) -> Case:
    """A scenario of a tenant of its own."""
    marker = f"pump{time.time_ns() % 10**10:010d}z"
    return Case(request.node.name, marker, ground.for_tenant(marker))


def counted(case: Case) -> dict[str, int]:
    """What is counted today of the block that the case's numbers are in."""
    block = number(VENDOR, 0)[:-4]
    key = {"S": f"GUARD#{case.marker}#prefix#{block}"}
    item = case.ground.stack.client("dynamodb").get_item(
        TableName=case.ground.stack.facts["table"],
        Key={"pk": key, "sk": {"S": datetime.now(UTC).date().isoformat()}},
        ConsistentRead=True,
    )["Item"]
    return {
        name: int(item[name]["N"]) for name in ("started", "approved", "refused") if name in item
    }


def begin(case: Case, nth: int, key: str) -> Answer:
    """Begins a verification, as often as its caller hears of no answer."""
    body = {"to": number(VENDOR, nth), "text": f"{case.marker} {{code}}"}

    def answered() -> Answer | None:
        headers = {"Idempotency-Key": key}
        answer = case.ground.api("POST", "/verifications", body, headers=headers)
        return answer if answer.status in (201, 429) else None

    found: Answer = until(answered)
    return found


def texts(case: Case, nth: int) -> list[str]:
    """What a handset has of the case."""
    to = number(VENDOR, nth).removeprefix("+")
    found = case.ground.simulators("GET", f"_handset?number={to}")["texts"]
    return [one for one in found if one.startswith(case.marker)]


def delivered(case: Case, verifications: list[dict[str, Any]]) -> None:
    """Waits until each verification's message has arrived."""
    for one in verifications:
        message = case.ground.api.final(one["message_id"], clock=False)
        assert message["status"] == "delivered"


def test_feedback_that_is_told_again_is_counted_once(case: Case) -> None:
    ids = case.send(VENDOR, LIMIT, category="otp", reference=case.marker)
    assert len(ids) == LIMIT
    lost = case.rule("dynamodb", "lose-before", "UpdateItem", "feedback", count=2)
    twice = case.rule("dynamodb", "repeat", "UpdateItem", "feedback", skip=2, count=2)

    def tell(identifier: str) -> int:
        path = f"/messages/{identifier}/feedback"
        return case.ground.api("POST", path, {"outcome": "used"}).status

    with ThreadPoolExecutor(4) as pool:
        assert {*pool.map(tell, ids * 6)} == {200}
    assert (lost.struck, twice.struck) == (2, 2)
    assert counted(case) == {"started": LIMIT, "approved": LIMIT}
    refused = case.ground.api("POST", f"/messages/{ids[0]}/feedback", {"outcome": "not_used"})
    assert refused.status == 409
    row = case.settle()
    assert row.good, row.faults


@pytest.mark.parametrize("action", ["kill-before", "kill-after"])
def test_a_start_that_is_killed_at_its_counter_is_sent_once(case: Case, action: Action) -> None:
    """It counts once too much at most: nobody gets more codes by that."""
    counter = f"GUARD#{case.marker}#prefix"
    rule = case.rule("dynamodb", action, "UpdateItem", counter, "started", marker="")
    answer = begin(case, 0, "k-1")
    assert answer.status == 201
    assert rule.killed
    delivered(case, [answer.body])
    assert len(texts(case, 0)) == 1
    assert counted(case) == {"started": 2 if action == "kill-after" else 1}
    again = begin(case, 0, "k-1")
    assert again.body["id"] == answer.body["id"]
    went = [begin(case, nth, f"n-{nth}") for nth in range(1, LIMIT + 2)]
    assert [one.status for one in went].count(201) == LIMIT - counted_too_much(action) - 1
    delivered(case, [one.body for one in went if one.status == 201])
    assert [len(texts(case, nth)) for nth in range(1, LIMIT + 2)] == [
        int(one.status == 201) for one in went
    ]


def counted_too_much(action: Action) -> int:
    """How many codes were counted and never asked for again under the same count."""
    return int(action == "kill-after")


@pytest.mark.parametrize("action", ["throttle", "lose-before", "unavailable"])
def test_a_counter_that_does_not_answer_refuses_nobody_and_says_so(
    case: Case, action: Action
) -> None:
    counter = f"GUARD#{case.marker}#"
    rule = case.rule("dynamodb", action, "UpdateItem", counter, marker="", count=10_000)
    before = said_so(case)
    went = [begin(case, nth, f"n-{nth}") for nth in range(LIMIT + 2)]
    assert {one.status for one in went} == {201}
    assert rule.struck >= LIMIT + 2
    case.ground.chaos.remove(rule)
    delivered(case, [one.body for one in went])
    assert [len(texts(case, nth)) for nth in range(LIMIT + 2)] == [1] * (LIMIT + 2)
    until(lambda: said_so(case) >= before + LIMIT + 2)
    # And where it answers again, it counts again.
    after = [begin(case, nth, f"m-{nth}").status for nth in range(20, 20 + LIMIT + 2)]
    assert after == [201] * LIMIT + [429] * 2


def said_so(case: Case) -> int:
    """How often the metric counted that a code went without the guard."""
    metrics = [line for line in logs_of(case.ground.stack).splitlines() if '"_aws"' in line]
    return sum('"GuardFailedOpen"' in line for line in metrics)
