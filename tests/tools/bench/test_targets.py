"""What a target is, and how figures are shown."""

import subprocess
import sys

import msgspec
import pytest

from bench import FAMILIES
from bench.__main__ import late
from bench.cost import fast
from bench.report import section
from bench.scale import DUE, HOTTEST, _linear
from bench.targets import TARGETS, Family, Table, cell, missed, shown, target


@pytest.fixture(autouse=True)
def known(monkeypatch: pytest.MonkeyPatch) -> None:
    """Targets of a made-up family."""
    mine = {"good*: ms": 2, "*: ms": 4, "*: messages/s": {"at_least": 400}}
    monkeypatch.setitem(TARGETS, "x", mine)


def of(table: Table) -> Family:
    return Family("x", "X", {"times": table}, ("times", "ms"), ["A note."])


def met(family: str, row: str, column: str, value: float) -> bool:
    wanted = target(family, row, column)
    assert wanted
    return wanted.met(value)


@pytest.mark.parametrize(
    ("row", "column", "value", "holds"),
    [
        ("good one", "ms", 2.0, True),
        ("good one", "ms", 2.1, False),
        ("other", "ms", 4.0, True),
        ("other", "ms", 4.1, False),
        ("other", "messages/s", 400, True),
        ("other", "messages/s", 399, False),
    ],
)
def test_a_target_is_met_on_its_side_and_the_first_that_fits_counts(
    row: str, column: str, value: float, holds: bool
) -> None:
    assert met("x", row, column, value) is holds
    assert cell("x", row, column, value)[1] is holds


def test_a_figure_without_a_target_only_tells() -> None:
    assert target("x", "other", "s") is None
    assert cell("x", "other", "s", 4.1) == ("4.10", True)


def test_each_miss_is_told_and_each_target_without_a_figure() -> None:
    family = of({"good": {"ms": 3}, "bad": {"ms": 3}})
    assert list(missed(family)) == [
        "x: good: ms: 3 (≤ 2)",
        "x: no figure for the target *: messages/s",
    ]


@pytest.mark.parametrize(
    ("value", "text"),
    [(0, "0"), (0.0, "0"), (0.04213, "0.0421"), (1.1, "1.10"), (35.26, "35.3"), (1004.4, "1,004")],
)
def test_a_figure_has_three_digits_that_count(value: float, text: str) -> None:
    assert shown(value) == text


def test_a_page_shows_each_figure_with_its_target() -> None:
    page = section(of({"good": {"ms": 1, "calls": 7}, "bad": {"ms": 5}}))
    assert "| times | ms | calls |\n|---|--:|--:|\n" in page
    assert "| good | 1 (≤ 2) | 7 |" in page
    assert "| bad | **5 (≤ 4) missed** |  |" in page
    assert "![X](x.svg)\n\nA note.\n" in page


def test_every_family_has_targets() -> None:
    assert {"all", *FAMILIES} == TARGETS.keys() - {"x"}


def test_all_benchmarks_together_have_fourteen_minutes() -> None:
    family = of({})
    assert late([msgspec.structs.replace(family, seconds=120) for _ in FAMILIES]) == []
    (line,) = late([msgspec.structs.replace(family, seconds=121) for _ in FAMILIES])
    assert line == "all together: 847 s, at most 840"


def test_a_time_is_that_of_the_machine_at_its_full_speed() -> None:
    assert fast([3.0] * 5 + [1.0] * 3 + [9.0] * 12) == 1.0


def test_what_is_due_must_cost_neither_more_nor_less_where_more_is() -> None:
    counts = {due: {"calls": due * 1.0, HOTTEST: 5.0} for due in DUE} | {0: {"calls": 0.0}}
    counts[100]["calls"] *= 1.05
    counts[10_000]["calls"] *= 0.8
    found = _linear(counts)
    for due, apart, holds in (("100", 5.0, True), ("10,000", 20.0, False)):
        row = f"{due} due against 1,000, %"
        assert found[row]["calls"] == apart
        assert met("scale", row, "calls", apart) is holds


def test_benchmarks_sign_as_the_layer_does() -> None:
    """Without awscrt, which the emulator brings here."""
    ask = "import bench, botocore.compat; print(botocore.compat.HAS_CRT)"
    done = subprocess.run([sys.executable, "-c", ask], capture_output=True, text=True, check=True)
    assert done.stdout == "False\n"
