"""What a restore does with each kind of item that docs/data-model.md lists."""

import re

import pytest

from smsgw.restore_rules import Fate, Restore
from testing.paths import ROOT

FATES = {
    Fate.AS_IT_WAS: {
        *("ACCOUNTS", "AUDIT", "CAMPAIGNS", "CAMPAIGNS#", "DESCRIPTION#", "REPORTS#", "REQUEST#"),
        *("SETTINGS", "V#"),
    },
    Fate.ACCESS: {"HOOK#", "HOOKS#", "KEYS"},
    Fate.PASSING: {
        *("BALANCE#", "CIRCUIT", "CODES#", "COUNTS#", "GUARD#", "KEY_USES", "PLANNED#", "QUOTA#"),
        *("RATE#", "SCHEDULER", "SEARCH", "SEARCH#", "SENDS#", "UNLOCKS#", "VERSION#"),
    },
}


def listed() -> set[str]:
    """How partitions begin, but for those that are ULIDs."""
    table = (ROOT / "docs" / "data-model.md").read_text().partition("| item | `pk` |")[2]
    rows = [row.split(" | ") for row in table.partition("\n\n")[0].splitlines() if " | " in row]
    return {name for row in rows for name in re.findall(r"`([A-Z][A-Z_]*#?)", row[1])}


def test_each_kind_of_item_has_a_fate() -> None:
    assert set().union(*FATES.values()) == listed()


@pytest.mark.parametrize(
    ("fate", "begin"), [(fate, one) for fate, names in FATES.items() for one in sorted(names)]
)
def test_an_item_comes_back_or_is_left_out_by_its_kind(fate: Fate, begin: str) -> None:
    partition = f"{begin}acme" if begin.endswith("#") else begin
    found, _ = Restore(at=1000, now=2000).settle({"pk": {"S": partition}, "sk": {"S": "x"}})
    assert found is fate
