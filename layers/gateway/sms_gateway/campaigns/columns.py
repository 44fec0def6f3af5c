"""Find the columns of a campaign's file, and build a draft of each row. No I/O."""

import re
from collections.abc import Mapping, Sequence
from typing import Any
from unicodedata import category

import msgspec

from sms_gateway.campaigns.csv_reader import BOM, TO, FileError, Layout, Record, read_records
from sms_gateway.campaigns.model import Refusal
from sms_gateway.core.problems import GatewayError, InvalidRequestError
from sms_gateway.core.value_object import ValueObject
from sms_gateway.http_api.json_body import decode_json
from sms_gateway.messages.request import Draft, OneMessage

TEXT, TEMPLATE = "text", "template"
REFERENCE, SEND_AT, REGION = "reference", "send_at", "region"  # options of a row
MAX_CELL = 64  # characters of a refused row's number or reference that are kept
DELIMITERS = (",", ";", "\t")

_MARKS = re.compile(b"(?:%s)*" % BOM)
_SEPARATOR = re.compile(rb'"?sep=([!-/:-@|\t])"?\r?\n', re.IGNORECASE)  # a spreadsheet's own line
_PLACEHOLDER = re.compile(r"\{\{|\}\}|\{([^{}]*)\}")
_AS_TEXT = re.compile('="(.*)"')  # how people keep a spreadsheet from changing a number


class Head(ValueObject, frozen=True):
    """A file's layout, and the byte at which its rows begin."""

    layout: Layout
    end: int


def parse_head(block: bytes) -> Head:
    """Find the columns and their separator in a file's first block.

    The first line's names decide, or `sep=` in a line before it. Raise FileError when no row could
    be sent with these columns.
    """
    marks = _MARKS.match(block)
    start = marks.end() if marks else 0
    named = _SEPARATOR.match(block, start)
    if named:
        start = named.end()
    found: list[tuple[tuple[str, ...], Record | None, str]] = []
    for delimiter in [named[1].decode()] if named else DELIMITERS:
        first = next(read_records([block[start:]], start, Layout((), delimiter)), None)
        names = tuple(map(column_name, (first and first.cells) or ()))
        found.append((names, first, delimiter))
    names, first, delimiter = next((one for one in found if TO in one[0]), found[0])
    _check_columns(names, first)
    return Head(Layout(names, delimiter), first.end if first else start)


def column_name(written: str) -> str:
    """Return a column's name without what does not count: case, spaces, invisible characters."""
    visible = "".join(character for character in written if category(character) != "Cf")
    return " ".join(visible.casefold().split())


def _check_columns(names: Sequence[str], record: Record | None) -> None:
    if record is None:
        raise FileError(
            "The file has no first line with the columns' names: to, text.", slug="campaign-columns"
        )
    if record.cells is None:
        raise FileError(f"The first line can't be read: {record.error}.", slug="campaign-columns")
    if TO not in names:
        raise FileError(
            'There is no column "to" in the first line. Separate columns by commas, semicolons or'
            " tabs.",
            slug="campaign-columns",
        )
    repeated = sorted({name for name in names if name and names.count(name) > 1})
    if repeated:
        raise FileError(f'The column "{repeated[0][:40]}" is there twice.', slug="campaign-columns")
    if (TEXT in names) == (TEMPLATE in names):
        raise FileError(
            'The file needs either a column "text" or a column "template".', slug="campaign-columns"
        )


def build_draft(
    index: int, record: Record, columns: Sequence[str], defaults: Mapping[str, Any]
) -> Draft:
    """Build the draft of a row. Raise InvalidRequestError with the wrong column as its pointer."""
    if record.cells is None:
        raise InvalidRequestError(f"The row can't be read: {record.error}.", slug="broken-row")
    if not Layout(columns).fits(record.cells):
        raise InvalidRequestError(
            f"The row has {len(record.cells)} columns, the first line has {len(columns)}.",
            slug="broken-row",
        )
    cells = {name: cell for name, cell in zip(columns, record.cells, strict=False) if name}
    text = fill_template(cells[TEMPLATE], cells) if TEMPLATE in cells else cells[TEXT]
    body = {**defaults, TO: _AS_TEXT.sub(r"\1", cells[TO].strip()), TEXT: text}
    for name in (REFERENCE, SEND_AT, REGION):
        if value := cells.get(name, "").strip():
            body[name] = value.upper() if name == REGION else value
    message = decode_json(msgspec.json.encode(body), OneMessage)
    return Draft(index, "", "/to", message.to, message.text, message)


def fill_template(template: str, cells: Mapping[str, str]) -> str:
    """Fill a row's cells into a template's `{column}` placeholders; `{{` and `}}` are braces.

    Case and spaces of a column's name don't matter.

    Raise InvalidRequestError for a column that is missing, or empty in this row.
    """

    def value(found: re.Match[str]) -> str:
        name = found[1]
        if name is None:
            return found[0][0]
        if not (cell := cells.get(column_name(name), "")):
            raise InvalidRequestError(
                f"The template needs the column {{{name[:40]}}}, which this row does not have.",
                slug="missing-placeholder",
                pointer="/template",
            )
        return cell

    return _PLACEHOLDER.sub(value, template)


def refusal(record: Record, columns: Sequence[str], problem: GatewayError) -> Refusal:
    """Say why a row was refused, with its number and reference as far as it has them."""
    cells = dict(zip(columns, record.cells or (), strict=False))
    to, reference = cells.get(TO, "").strip(), cells.get(REFERENCE, "").strip()
    return Refusal(one_line_problem(problem), to[:MAX_CELL], reference[:MAX_CELL])


def one_line_problem(problem: GatewayError) -> str:
    """Render a problem as one cell of the results."""
    where = f" ({problem.pointer.removeprefix('/')})" if problem.pointer else ""
    return f"{problem.slug}{where}: {problem.detail}"
