"""The frame of the benchmarks: what a target is, and how figures are shown."""

import re

import pytest

from bench import BENCHMARKS
from bench.__main__ import LONGEST, missed
from bench.report import Kept, Result, Row, chart, kept, read, section, shown
from bench.summary import BEGIN, END, FIGURES, README, summary

DATE = "2026-11-26 10:00 UTC"


def of(name: str, *rows: Row, seconds: float = 60, date: str = DATE) -> Kept:
    return kept(Result(name, name.title(), rows, "ms"), seconds, date)


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
    page = section(kept(result, 1, DATE))
    assert "| bad | 3 ms | at most 2 | **missed** |" in page
    assert "| good <one> | 1 ms | at most 2 | met |" in page
    drawn = chart(result)
    assert drawn.count('<rect class="bar') == 2
    assert drawn.count('class="bar missed"') == 1
    assert "good &lt;one&gt;" in drawn


def test_a_target_that_only_shows_fails_nothing() -> None:
    row = Row("a", 3, "ms", 2, gated=False)
    result = Result("x", "X", [row], "ms")
    assert not row.met
    assert result.misses == []
    assert "| a | 3 ms | at most 2 | **missed, see the notes** |" in section(kept(result, 1, DATE))


def test_all_benchmarks_together_have_ten_minutes() -> None:
    each = LONGEST / len(BENCHMARKS)
    assert missed([of(name, seconds=each) for name in BENCHMARKS]) == []
    (late,) = missed([of(name, seconds=each + 1) for name in BENCHMARKS])
    assert late == "all together: 606 s, at most 600"
    assert missed([of("cold", seconds=LONGEST + 1)]) == []


def test_the_summary_shows_the_worst_of_a_family() -> None:
    starts = [
        Row("send to the boto3 client", 1.1, "x", 1.25),
        Row("poll to the boto3 client", 1.08, "x", 1.15),
    ]
    speeds = [
        Row("JST, 100 a call", 5000, "messages/s", 4000, "at least"),
        Row("RajaSMS, 1000 a call", 4500, "messages/s", 4000, "at least"),
    ]
    table = summary([of("cold", *starts), of("throughput", *speeds)])
    assert "| `poll` starts, against a bare boto3 client | 1.08 x | at most 1.15 |" in table
    assert "(RajaSMS) | 4,500 messages/s | at least 4,000 |" in table
    assert "5,000" not in table


def test_the_summary_names_every_miss() -> None:
    rows = [
        Row("send to the boto3 client", 1.5, "x", 1.25),
        Row("poll to the boto3 client", 1.2, "x", 1.15),
        Row("a figure of no family", 3, "ms", 2),
    ]
    table = summary([of("cold", *rows)])
    assert (
        "| `send` starts, against a bare boto3 client | 1.50 x | at most 1.25 **missed** |" in table
    )
    assert "| Cold: poll to the boto3 client | 1.20 x | at most 1.15 **missed** |" in table
    assert "| Cold: a figure of no family | 3 ms | at most 2 **missed** |" in table


def test_the_summary_tells_one_run_from_several() -> None:
    one = [of("cold", seconds=100), of("cpu", seconds=200)]
    assert f"One run of `make bench`, {DATE}, 5.0 minutes." in summary(one)
    assert "Of several runs" in summary([*one, of("cost", date="2026-11-27 10:00 UTC")])


def test_the_readme_shows_the_figures_that_were_measured() -> None:
    results = read()
    assert BEGIN + summary(results) + END in README.read_text()
    labels = {(one.result.name, row.label) for one in results for row in one.result.rows}
    for name, pattern in FIGURES:
        assert any(name == n and re.fullmatch(pattern, label) for n, label in labels), pattern
