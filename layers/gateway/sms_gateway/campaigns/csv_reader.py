"""Read a campaign's CSV as a stream of records, and build a draft of each. No I/O.

The file is UTF-8, with or without a byte order mark, with commas, quotes as in RFC 4180, and column
names in its first line. At most MAX_RECORD_BYTES of a record are in memory.
"""

import csv
import re
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any

import msgspec

from sms_gateway.core.problems import GatewayError, InvalidRequestError
from sms_gateway.core.value_object import ValueObject
from sms_gateway.http_api.json_body import decode_json
from sms_gateway.messages.request import Draft, OneMessage

MAX_ROWS = 1_000_000
MAX_FILE_BYTES = 512 * 1024 * 1024
MAX_RECORD_BYTES = 32 * 1024  # a text of 5,000 characters takes at most 20,000
MAX_LINE_BYTES = 1024 * 1024  # a file without a line feed for so long has no rows
BOM = b"\xef\xbb\xbf"
TO, TEXT, TEMPLATE = "to", "text", "template"
REFERENCE, SEND_AT, REGION = "reference", "send_at", "region"  # options of a row

NextLine = Callable[[], bytes | int | None]

_PLACEHOLDER = re.compile(r"\{\{|\}\}|\{([^{}]*)\}")


class FileError(InvalidRequestError):
    """A problem of the whole file."""

    slug = "campaign-file"


class Record(ValueObject, frozen=True):
    """One record of the file.

    `end` is the byte behind it, counted from the beginning of the file. Without `cells` it can't be
    read, for the reason `error`.
    """

    end: int
    cells: Sequence[str] | None
    error: str = ""


class _UnterminatedError(Exception):
    """A quote that is opened and never closed."""


def read_lines(blocks: Iterable[bytes], start: int = 0) -> Iterator[bytes | int]:
    """Split a stream that begins at the byte `start` of the file into lines with their line feeds.

    A line longer than MAX_RECORD_BYTES is only its number of bytes. Raise FileError for one longer
    than MAX_LINE_BYTES. In UTF-8 the byte 10 is always a line feed, so no character is cut.
    """
    rest, dropped = b"", 0  # the line so far, and how many bytes of it were dropped
    for block in blocks:
        *whole, rest = (rest + block).split(b"\n")
        for line in whole:
            size = dropped + len(line) + 1
            yield line + b"\n" if size <= MAX_RECORD_BYTES else _check_line_size(size, start)
            start, dropped = start + size, 0
        if dropped + len(rest) > MAX_RECORD_BYTES:
            dropped, rest = _check_line_size(dropped + len(rest), start), b""
    if rest or dropped:
        yield dropped + len(rest) if dropped else rest


def _check_line_size(size: int, start: int) -> int:
    if size > MAX_LINE_BYTES:
        raise FileError(
            f"The line at byte {start} has more than {MAX_LINE_BYTES} bytes: end each row with a "
            "line feed.",
            slug="campaign-line-too-long",
        )
    return size


def read_records(blocks: Iterable[bytes], start: int = 0, width: int = 0) -> Iterator[Record]:
    """Read the records of a stream that begins at the byte `start` of the file, where one begins.

    Skip empty lines. Raise FileError for bytes that are not UTF-8. An unreadable record loses only
    its first line, or a quote that is never closed would swallow all rows behind it; so does a
    record of several lines that has not `width` columns.
    """
    source = read_lines(blocks, start)
    pushed_back: deque[bytes | int] = deque()

    def next_line() -> bytes | int | None:
        return pushed_back.popleft() if pushed_back else next(source, None)

    end = start
    while (first := next_line()) is not None:
        if isinstance(first, int):
            end += first
            yield Record(end, None, f"it has {first} bytes and may have {MAX_RECORD_BYTES}")
            continue
        line = first if end else _strip_bom(first)
        position = end + len(first) - len(line)
        consumed: list[bytes | int] = [first]
        cells: Sequence[str] | None
        reason = ""
        try:
            cells = _parse_cells(line, position, next_line, consumed, width)
        except (csv.Error, _UnterminatedError) as error:
            pushed_back.extendleft(reversed(consumed[1:]))
            consumed, cells = [first], None
            reason = _error_reason(error)
        end += sum(map(_size, consumed))
        if cells != []:
            yield Record(end, cells, reason)


def _size(line: bytes | int) -> int:
    return line if isinstance(line, int) else len(line)


def _strip_bom(line: bytes) -> bytes:
    """Return the first line of a file without its byte order mark."""
    if b"\0" in line:
        raise FileError(
            "The file is UTF-16, or no text: save it as CSV UTF-8.", slug="campaign-encoding"
        )
    return line.removeprefix(BOM)


def _error_reason(error: Exception) -> str:
    reason = str(error) or "a quote is opened and never closed"
    if reason.startswith("new-line character"):
        return "a carriage return stands alone: end rows with a line feed"
    return reason


def _parse_cells(
    first: bytes, position: int, next_line: NextLine, consumed: list[bytes | int], width: int
) -> list[str]:
    """Parse the record that begins with a line at the byte `position`.

    Add further lines of the record to `consumed`.
    """
    if b'"' not in first:
        return next(csv.reader((_decode_line(first, position),), strict=True))
    cells = _parse_quoted_cells(first, position, next_line, consumed)
    if width and len(consumed) > 1 and len(cells) != width:
        raise _UnterminatedError
    return cells


def _parse_quoted_cells(
    first: bytes, position: int, next_line: NextLine, consumed: list[bytes | int]
) -> list[str]:
    def lines() -> Iterator[str]:
        yield _decode_line(first, position)
        end = position + len(first)
        while (line := next_line()) is not None:
            consumed.append(line)
            if isinstance(line, int) or end + len(line) - position > MAX_RECORD_BYTES:
                raise _UnterminatedError
            yield _decode_line(line, end)
            end += len(line)

    return next(csv.reader(lines(), strict=True))


def _decode_line(line: bytes, position: int) -> str:
    try:
        return line.decode()
    except UnicodeDecodeError as error:
        raise FileError(
            f"The file is not UTF-8 (byte {position + error.start}): save it as CSV UTF-8.",
            slug="campaign-encoding",
        ) from None


def parse_header(record: Record | None) -> tuple[str, ...]:
    """Return the columns' names. Raise FileError when no row could be sent with them."""
    if record is None:
        raise FileError(
            "The file has no first line with the columns' names: to, text.", slug="campaign-columns"
        )
    if record.cells is None:
        raise FileError(f"The first line can't be read: {record.error}.", slug="campaign-columns")
    names = tuple(cell.strip() for cell in record.cells)
    repeated = sorted({name for name in names if names.count(name) > 1})
    if TO not in names:
        hint = " Separate columns by commas, not semicolons." if ";" in "".join(names) else ""
        raise FileError(
            f'There is no column "to" in the first line.{hint}', slug="campaign-columns"
        )
    if repeated:
        raise FileError(f'The column "{repeated[0][:40]}" is there twice.', slug="campaign-columns")
    if (TEXT in names) == (TEMPLATE in names):
        raise FileError(
            'The file needs either a column "text" or a column "template".', slug="campaign-columns"
        )
    return names


def build_draft(
    index: int, record: Record, columns: Sequence[str], defaults: Mapping[str, Any]
) -> Draft:
    """Build the draft of a row. Raise InvalidRequestError with the wrong column as its pointer."""
    if record.cells is None:
        raise InvalidRequestError(f"The row can't be read: {record.error}.", slug="broken-row")
    if len(record.cells) != len(columns):
        raise InvalidRequestError(
            f"The row has {len(record.cells)} columns, the first line has {len(columns)}.",
            slug="broken-row",
        )
    cells = dict(zip(columns, record.cells, strict=True))
    text = fill_template(cells[TEMPLATE], cells) if TEMPLATE in cells else cells[TEXT]
    body = {**defaults, TO: cells[TO].strip(), TEXT: text}
    for name in (REFERENCE, SEND_AT, REGION):
        if value := cells.get(name, "").strip():
            body[name] = value.upper() if name == REGION else value
    message = decode_json(msgspec.json.encode(body), OneMessage)
    return Draft(index, "", "/to", message.to, message.text, message)


def fill_template(template: str, cells: Mapping[str, str]) -> str:
    """Fill a row's cells into a template's `{column}` placeholders; `{{` and `}}` are braces.

    Raise InvalidRequestError for a column that is missing, or empty in this row.
    """

    def value(found: re.Match[str]) -> str:
        name = found[1]
        if name is None:
            return found[0][0]
        if not (cell := cells.get(name.strip(), "")):
            raise InvalidRequestError(
                f"The template needs the column {{{name[:40]}}}, which this row does not have.",
                slug="missing-placeholder",
                pointer="/template",
            )
        return cell

    return _PLACEHOLDER.sub(value, template)


def one_line_problem(problem: GatewayError) -> str:
    """Render a problem as one cell of the results."""
    where = f" ({problem.pointer.removeprefix('/')})" if problem.pointer else ""
    return f"{problem.slug}{where}: {problem.detail}"
