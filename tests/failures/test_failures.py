"""Nothing lost, nothing sent twice: every scenario ends with the same checks."""

import pytest
from failures.scenarios import SCENARIOS, Done


@pytest.mark.parametrize("name", SCENARIOS)
def test_nothing_is_lost_or_sent_twice_when(name: str, done: dict[str, Done]) -> None:
    what = done[name]
    assert what.error is None, what.error
    assert what.row.good, "\n".join(what.row.faults)
    assert set(what.row.statuses) <= SCENARIOS[name].may, what.row.statuses
    assert what.row.messages
