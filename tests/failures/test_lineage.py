"""Chains of invocations through queues: what Lambda would end, and that the check can fail."""

import pytest
from failures.guards import guards, off

from sms_gateway.dispatch import outcome_handling
from testing.fast_motion import FastMotion
from testing.gateway import Gateway
from testing.lineage import LIMIT, Lineage, of_template
from testing.transport import UNREACHABLE
from testing.vendor_answers import SUBMIT

TASK = "jst 01J0000000000000000000000A/M#000 1"


def sent(lineage: Lineage, *functions: str) -> list[bool]:
    return [lineage.sent(function, TASK) for function in functions]


def test_lambda_ends_the_chain_of_a_function_that_wakes_itself() -> None:
    lineage = of_template(with_property=False)
    rounds = ["SendFunction", *["DispatchFunction"] * LIMIT]
    assert sent(lineage, *rounds) == [True] * LIMIT + [False]
    assert lineage.refused
    assert sent(lineage, "SchedulerFunction") == [True]  # another chain


def test_the_templates_own_property_spares_it() -> None:
    lineage = of_template()
    assert all(sent(lineage, "SendFunction", *["DispatchFunction"] * LIMIT))
    assert (lineage.refused, len(lineage.spared)) == ([], 1)


def test_a_turn_in_a_line_is_the_same_submissions() -> None:
    lineage = of_template(with_property=False)
    lineage.sent("SendFunction", TASK)
    lineage.sent("DispatchFunction", f"{TASK} @1800000000000")
    assert lineage.longest == 2


@guards("the due index holds what has failed often")
def test_without_the_due_index_lambda_would_end_what_waits_for_a_vendor_that_is_down(
    guard: str, gateway: Gateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    off(guard, monkeypatch, outcome_handling, "MAX_CHAIN", 10_000)
    gateway.wire.answers[SUBMIT["jst"]] = UNREACHABLE
    motion = FastMotion(gateway, "jst", monkeypatch)
    motion.plan(0, lambda: gateway.one("jst"))
    motion.run(4000)
    assert bool(motion.lineage.refused) == (guard == "off")
