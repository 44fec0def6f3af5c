"""The runner of the pages: what it finds on a page, and what counts as the same answer."""

from pathlib import Path

import pytest

from testing.pages import Step, steps_of
from testing.shapes import ShapeError, compare

ONE, OTHER = "01M8FDW1FD9NTTBX6EBV2KNW1T", "01M8GNTX6R5WFQ40MQSEWCRJC7"


def test_a_page_has_commands_answers_and_files(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text(
        "```sh\nls\n```\n\n```json\n{}\n```\n\n```json rows.json\n[]\n```\nText\n"
        "1. So:\n\n   ```sh\n   echo \\\n     hi\n   ```\n   and\n\n   ```text\n   hi\n   ```\n"
    )
    assert steps_of(page) == [
        Step(1, "ls\n", "{}\n", "json"),
        Step(9, file="rows.json", content="[]\n"),
        Step(15, "echo \\\n  hi\n"),
    ]


@pytest.mark.parametrize(
    ("shown", "printed"),
    [
        ('{"a": 1, "b": null}', '{"a": 2, "b": null}'),
        ('{"a": 1, …}', '{"a": 2, "b": true}'),
        ('{"a": 1, … "c": "word"}', '{"a": 2, "b": true, "c": "word"}'),
        ('{"a": ["x", …]}', '{"a": ["x", "y"]}'),
        ('{"at": "2026-11-27T21:16:36.717Z"}', '{"at": "2027-01-01T00:00:00.000Z"}'),
    ],
)
def test_what_differs_each_time_and_what_is_left_out_may_differ(shown: str, printed: str) -> None:
    compare(shown, printed, "json")


@pytest.mark.parametrize(
    ("shown", "printed"),
    [
        ('{"a": 1}', '{"a": 1, "b": 2}'),
        ('{"a": 1, "b": 2}', '{"a": 1}'),
        ('{"status": "delivered"}', '{"status": "accepted"}'),
        ('{"a": null}', '{"a": "x"}'),
        ('{"a": true}', '{"a": false}'),
        ('{"a": [1]}', '{"a": [1, 2]}'),
        ('{"a": "2026-11-27T21:16:36.717Z"}', '{"a": "never"}'),
        ("{}", "nothing"),
    ],
)
def test_all_else_may_not(shown: str, printed: str) -> None:
    with pytest.raises(ShapeError):
        compare(shown, printed, "json")


def test_later_commands_get_the_values_that_were_printed() -> None:
    shown = f'{{"id": "{ONE}", "texts": ["Your code is 543664"]}}'
    printed = f'{{"id": "{OTHER}", "texts": ["Your code is 101202"]}}'
    assert compare(shown, printed, "json") == {ONE: OTHER, "543664": "101202"}


def test_tables_differ_in_their_values_and_widths() -> None:
    shown = f"ID  ROWS  FILE\n{ONE}  2  spring.csv\n…\n"
    assert compare(shown, f"ID   ROWS  FILE\n{OTHER}   10  spring.csv\nmore", "text")[ONE] == OTHER
    with pytest.raises(ShapeError, match="line 1"):
        compare(shown, "ID  FILE\n", "text")
