"""Nothing lost, nothing sent twice: every scenario ends with the same checks."""

import pytest
from failures.scenarios import SCENARIOS, Finished


@pytest.mark.parametrize("name", SCENARIOS)
def test_nothing_is_lost_or_sent_twice_when(name: str, done: Finished) -> None:
    what = done.done[name]
    assert what.error is None, what.error
    assert what.row.good, "\n".join(what.row.faults)
    assert set(what.row.statuses) <= SCENARIOS[name].may, what.row.statuses
    assert what.row.messages


def test_nothing_is_left_that_nobody_asked_for(done: Finished) -> None:
    assert done.unexplained == []
