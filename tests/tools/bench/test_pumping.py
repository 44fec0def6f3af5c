"""The simulation of pumping: its attacks are as described, and its counters those of the guard."""

import random

import pytest

from bench.pumping import (
    ABROAD,
    ATTACKS,
    DAY,
    HOUR,
    JUDGED_DAYS,
    LEARNING_DAYS,
    TENANTS,
    Code,
    Ledger,
    Person,
    attack,
    honest,
    run,
)


def test_an_attack_that_nobody_has_users_for_ends_at_the_published_limits() -> None:
    rng = random.Random(1)  # noqa: S311 - a simulation
    codes = [*attack("one number block", ABROAD, rng)]
    of_an_hour = [code for code in codes if code.at // HOUR == codes[0].at // HOUR][:200]
    found = run(Ledger(), of_an_hour)
    assert (found.missed, found.caught, found.honest) == (3, len(of_an_hour) - 3, 0)


def test_the_attacks_have_the_shapes_that_are_printed() -> None:
    rng = random.Random(1)  # noqa: S311 - a simulation
    codes = {shape: [*attack(shape, ABROAD, rng)] for shape in ATTACKS}
    assert {shape: len(found) for shape, found in codes.items()} == {
        "one number block": 3000,
        "rotating numbers": 3000,
        "many countries": 3000,
        "slow trickle": 720,
    }
    assert len({code.who.line // 10_000 for code in codes["one number block"]}) == 1
    assert len({code.who.ip for code in codes["one number block"]}) == 1
    assert len({code.who.ip for code in codes["rotating numbers"]}) == 200
    assert len({code.who.country for code in codes["many countries"]}) == 60
    assert len({code.who.ip for code in codes["slow trickle"]}) == 720
    assert not [code for found in codes.values() for code in found if code.typed or code.honest]
    times = [code.at for found in codes.values() for code in found]
    assert min(times) >= LEARNING_DAYS * DAY
    assert max(times) < (LEARNING_DAYS + JUDGED_DAYS) * DAY


def test_honest_users_type_in_the_share_that_is_assumed() -> None:
    for tenant in TENANTS:
        seeds = range(max(1, 240 // tenant.a_day))  # of a small one more, to be sure
        rngs = [random.Random(seed) for seed in seeds]  # noqa: S311 - a simulation
        codes = [code for rng in rngs for code in honest(tenant, rng)]
        share = sum(code.typed is not None for code in codes) / len(codes)
        assert abs(share - tenant.used) < 0.03


@pytest.mark.parametrize(("without", "refused"), [([], False), (["known"], True)])
def test_what_is_left_out_makes_a_difference(without: list[str], refused: bool) -> None:
    ledger = Ledger(without)
    regular = Person("DE", 170_000_000, "own-1", "own-1")
    ledger.approve(Code(0, regular, 30), few=ledger.ask(Code(0, regular, 30)).few)
    for nth in range(9):
        ledger.ask(Code(DAY, Person("DE", 180_000_000 + nth * 10_000, f"x-{nth}", f"x-{nth}")))
    assert bool(ledger.ask(Code(DAY, regular, DAY + 30)).reasons) == refused
