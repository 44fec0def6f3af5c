"""Failover: which vendor is next, and when."""

from hypothesis import given
from hypothesis import strategies as st

from sms_gateway.dispatch.failover import MAX_PAUSE_SECONDS, NextAttempt, next_attempt
from sms_gateway.vendors.registry import VENDORS

EVERY = sorted(VENDORS)
ROUTES = st.permutations(EVERY).flatmap(
    lambda every: st.integers(1, len(EVERY)).map(lambda count: every[:count])
)
SOME = st.frozensets(st.sampled_from(EVERY))
Case = tuple[list[str], str, frozenset[str], frozenset[str], int]


@st.composite
def cases(draw: st.DrawFn) -> Case:
    """A route, the vendor whose attempt ended, who refused, who is configured, the attempt."""
    route = draw(ROUTES)
    current = draw(st.sampled_from(route))
    return route, current, draw(SOME), draw(SOME), draw(st.integers(1, 10_000))


def left(case: Case) -> list[str]:
    """Who may still take it, in the route's order."""
    route, current, refused, usable, _ = case
    return [one for one in route if one not in refused and one in usable | {current}]


@given(cases())
def test_it_ends_exactly_when_every_vendor_has_refused(case: Case) -> None:
    assert (next_attempt(*case) is None) == (not left(case))


@given(cases())
def test_a_vendor_that_refused_or_is_off_is_never_next(case: Case) -> None:
    step = next_attempt(*case)
    assert step is None or step.vendor in left(case)


@given(cases())
def test_each_vendor_has_its_turn_before_any_has_another(case: Case) -> None:
    route, current = case[0], case[1]
    behind = [one for one in left(case) if route.index(one) > route.index(current)]
    step = next_attempt(*case)
    if behind:
        assert step == NextAttempt(behind[0], 0)
    elif step is not None:
        assert step.vendor == left(case)[0]


@given(cases())
def test_only_the_way_forward_has_no_pause(case: Case) -> None:
    route, current, *_ = case
    step = next_attempt(*case)
    if step is not None:
        assert (step.pause == 0) == (route.index(step.vendor) > route.index(current))
        assert 0 <= step.pause <= MAX_PAUSE_SECONDS == 300


@given(ROUTES, st.integers(1, 100))
def test_each_round_waits_at_least_as_long_as_the_one_before(route: list[str], nth: int) -> None:
    pauses = []
    for attempt in range(nth * len(route), (nth + 2) * len(route), len(route)):
        step = next_attempt(route, route[-1], (), route, attempt)
        assert step
        pauses.append(step.pause)
    # With the jitter, the longest pauses are anywhere in their upper half.
    assert pauses[1] >= min(pauses[0], MAX_PAUSE_SECONDS // 2)


def test_a_vendor_alone_is_tried_again_after_a_pause() -> None:
    step = next_attempt(["jst"], "jst", (), (), 1)
    assert step
    assert step.vendor == "jst"
    assert 1 <= step.pause <= 5
