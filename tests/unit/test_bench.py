"""The frame of the benchmarks: what a target is, and how figures are shown."""

import pytest

from bench.report import Result, Row, chart, kept, read, section, shown
from bench.summary import BEGIN, END, FIGURES, README, summary


@pytest.mark.parametrize(
    ("row", "met"),
    [
        (Row("a", 2.0, "ms"), True),
        (Row("a", 2.0, "ms", 2.0), True),
        (Row("a", 2.1, "ms", 2.0), False),
        (Row("a", 400, "messages/s", 400, "at least"), True),
        (Row("a", 399, "messages/s", 400, "at least"), False),
    ],
)
def test_a_target_is_met_on_its_side(row: Row, met: bool) -> None:
    assert row.met is met
    assert Result("x", "X", [row], "ms").misses == ([] if met else [f"x: {row.miss}"])


@pytest.mark.parametrize(
    ("value", "text"),
    [(0, "0"), (0.0, "0"), (0.04213, "0.0421"), (1.1, "1.10"), (35.26, "35.3"), (1004.4, "1,004")],
)
def test_a_figure_has_three_digits_that_count(value: float, text: str) -> None:
    assert shown(value) == text


def test_a_missed_target_is_told_in_table_and_chart() -> None:
    rows = [Row("good <one>", 1, "ms", 2), Row("bad", 3, "ms", 2), Row("other", 5, "x")]
    result = Result("x", "X", rows, "ms", ["A note."])
    page = section(kept(result, 1))
    assert "| bad | 3 ms | at most 2 | **missed** |" in page
    assert "| good <one> | 1 ms | at most 2 | met |" in page
    drawn = chart(result)
    assert drawn.count('<rect class="bar') == 2
    assert drawn.count('class="bar missed"') == 1
    assert "good &lt;one&gt;" in drawn


def test_the_readme_shows_the_figures_that_were_measured() -> None:
    table = summary(read())
    assert BEGIN + table + END in README.read_text()
    assert table.count("\n") == 2 + len(FIGURES)
