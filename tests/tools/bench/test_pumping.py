"""The simulation of pumping: its attacks are as described, and its counters those of the guard."""

import random

from bench.pumping import ABROAD, ATTACKS, TENANTS, Ledger, attack, honest, run


def test_an_attack_that_nobody_has_users_for_ends_at_the_published_limits() -> None:
    rng = random.Random(1)  # noqa: S311 - a simulation
    found = run(Ledger(), [*attack("one number block", ABROAD, rng)][:200])
    assert (found.missed, found.caught, found.honest) == (3, 197, 0)


def test_the_attacks_have_the_shapes_that_are_printed() -> None:
    rng = random.Random(1)  # noqa: S311 - a simulation
    codes = {shape: [*attack(shape, ABROAD, rng)] for shape in ATTACKS}
    assert {shape: len(found) for shape, found in codes.items()} == {
        "one number block": 3000,
        "rotating numbers": 3000,
        "many countries": 3000,
        "slow trickle": 720,
    }
    assert len({code.number[:-4] for code in codes["one number block"]}) == 1
    assert len({code.client["ip"] for code in codes["rotating numbers"]}) == 200
    assert not [code for found in codes.values() for code in found if code.typed or code.honest]


def test_honest_users_type_in_the_share_that_is_assumed() -> None:
    rng = random.Random(1)  # noqa: S311 - a simulation
    for tenant in TENANTS:
        codes = [*honest(tenant, 0, 60, rng)]
        share = sum(code.typed is not None for code in codes) / len(codes)
        assert abs(share - tenant.used) < 0.03
