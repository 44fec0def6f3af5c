"""Tables on a terminal, in a pipe, or as JSON: one list of rows serves all three."""

from collections.abc import Mapping, Sequence
from io import StringIO
from numbers import Number
from typing import Any

from smsgw.line import given
from smsgw.terminal import harmless, has_colours, say_json, say_styled, width

Row = Mapping[str, Any]

GOOD = {"active", "works", "delivered", "closed", "ok", "done", "published"}
POOR = {"paused", "half_open", "unknown", "running", "warning", "expired", "submitting"}
BAD = {"revoked", "failed", "open", "refused", "rejected", "undelivered", "alarm", "problem"}
STYLES = {
    **dict.fromkeys(GOOD, "green"),
    **dict.fromkeys(POOR, "yellow"),
    **dict.fromkeys(BAD, "red"),
}
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
    for member, heading in columns.items():
        right = any(isinstance(row.get(member), Number) for row in rows)
        table.add_column(
            heading, justify="right" if right else "left", overflow="fold", no_wrap=width() is None
        )
    for row in rows:
        cells = [_cell(row.get(member)) for member in columns]
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


def _cell(value: object) -> str:
    if value is None:
        return ""
    if isinstance(value, list | tuple):
        return harmless(",".join(map(str, value)))
    return harmless(str(value).replace("\n", "\\n"))
