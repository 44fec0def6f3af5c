"""Tables on a terminal, in a pipe, or as JSON: one list of rows serves all three."""

import re
from collections.abc import Mapping, Sequence
from io import StringIO
from numbers import Number
from typing import Any

from smsgw.line import given
from smsgw.terminal import harmless, has_colours, say_json, say_styled, width

MILLISECONDS = re.compile(r"(?<=:[0-9]{2})\.[0-9]{3}Z$")  # of a time: who looks needs none
Row = Mapping[str, Any]

GOOD = {"active", "works", "delivered", "closed", "ok", "done", "published"}
POOR = {"paused", "half_open", "unknown", "reading", "sending", "warning", "expired", "submitting"}
BAD = {"revoked", "failed", "open", "refused", "rejected", "undelivered", "alarm", "problem"}
STYLES = {
    **dict.fromkeys(GOOD, "green"),
    **dict.fromkeys(POOR, "yellow"),
    **dict.fromkeys(BAD, "red"),
}
MAX_WORD = 26  # characters: an id or a time stays in one piece
PIPE_COLUMNS = 100_000  # nothing is folded where no terminal is


def show(rows: Sequence[Row], columns: Mapping[str, str], empty: str = "") -> None:
    """Print rows as JSON if the line says so, else as a table of `columns` (member to heading)."""
    if given("json"):
        say_json([dict(row) for row in rows])
    elif rows or not empty:
        show_table(rows, columns)
    else:
        say_styled(harmless(empty))


def show_table(rows: Sequence[Row], columns: Mapping[str, str]) -> None:
    """Print rows as a table; numbers stand to the right, words for states have colours."""
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="bold")
    if width() is not None:  # what is empty everywhere takes no place
        columns = {
            one: name for one, name in columns.items() if any(_cell(row.get(one)) for row in rows)
        } or columns
    lines = [[_cell(row.get(member)) for member in columns] for row in rows]
    for nth, (member, heading) in enumerate(columns.items()):
        right = any(isinstance(row.get(member), Number) for row in rows)
        words = all(_is_word(line[nth]) for line in lines)
        table.add_column(
            heading,
            justify="right" if right else "left",
            overflow="fold",
            no_wrap=words or width() is None,
        )
    for cells in lines:
        table.add_row(*(Text(cell, STYLES.get(cell.split(":")[0].lower(), "")) for cell in cells))
    console = Console(
        file=StringIO(),
        width=width() or PIPE_COLUMNS,
        color_system="standard" if has_colours() else None,
        force_terminal=has_colours(),
        legacy_windows=False,
    )
    for line in console.render_lines(table, pad=False):
        say_styled("".join(_styled(segment, has_colours()) for segment in line).rstrip())


def _styled(segment: Any, colours: bool) -> str:
    if not colours or segment.style is None:
        return str(segment.text)
    return str(segment.style.render(segment.text))


def coloured(word: str, shown: str, rest: str) -> None:
    """Print a line that begins with a state's word, in its colour."""
    from rich.style import Style

    style = STYLES.get(word)
    begin = Style.parse(style).render(shown) if style and has_colours() else shown
    say_styled(f"{begin}  {harmless(rest)}")


def _is_word(cell: str) -> bool:
    return " " not in cell and max(map(len, cell.split("\n"))) <= MAX_WORD


def _cell(value: object) -> str:
    if value is None:
        return ""
    pipe = width() is None
    if isinstance(value, list | tuple):
        return ("," if pipe else "\n").join(harmless(str(one)) for one in value)
    text = harmless(str(value).replace("\n", "\\n"))
    return text if pipe else MILLISECONDS.sub("Z", text)
