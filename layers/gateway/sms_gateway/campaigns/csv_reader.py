"""A campaign's CSV as a stream: which rows it has, where each one ends, what each one asks for.

The file is UTF-8, with or without a byte order mark, with commas, quotes as in RFC 4180, and names
in its first line. A record never spans the memory of more than LONGEST_RECORD. No I/O.
"""

import csv
import re
from collections import deque
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

import msgspec

from sms_gateway.core.problems import GatewayError, InvalidRequestError
from sms_gateway.core.value_object import ValueObject
from sms_gateway.http_api.json_body import decode_json
from sms_gateway.messages.request import Draft, OneMessage

MAX_ROWS = 1_000_000
MAX_FILE_BYTES = 512 * 1024 * 1024  # bytes
MAX_RECORD_BYTES = 32 * 1024  # bytes; a text of 5,000 characters takes at most 20,000
MAX_LINE_BYTES = 1024 * 1024  # bytes; what has none for so long has no rows
BOM = b"\xef\xbb\xbf"
TO, TEXT, TEMPLATE, REFERENCE, SEND_AT = "to", "text", "template", "reference", "send_at"

_PLACEHOLDER = re.compile(r"\{\{|\}\}|\{([^{}]*)\}")


class FileError(InvalidRequestError):
    """What is wrong with a whole file."""

    slug = "campaign-file"


class Record(ValueObject, frozen=True):
    """One record; `end` is the byte behind it, counted from the beginning of the file. Without
    `cells` it can't be read, for the reason `fault`."""

    end: int
    cells: Sequence[str] | None
    fault: str = ""


class _UnterminatedError(Exception):
    """A record that runs on and on."""


def read_lines(blocks: Iterable[bytes], start: int = 0) -> Iterator[bytes | int]:
    """The lines of a stream that begins at the byte `start` of the file, each with its line feed;
    of one longer than LONGEST_RECORD only how many bytes it has. Raises FileError for one that is
    longer than LONGEST_LINE. No byte of a UTF-8 character but the line feed itself is 10, so that
    no character is cut."""
    rest, gone = b"", 0  # what has no line feed yet, and how many bytes of it are not kept
    for block in blocks:
        *whole, rest = (rest + block).split(b"\n")
        for line in whole:
            size = gone + len(line) + 1
            yield line + b"\n" if size <= MAX_RECORD_BYTES else _check_line_size(size, start)
            start, gone = start + size, 0
        if gone + len(rest) > MAX_RECORD_BYTES:
            gone, rest = _check_line_size(gone + len(rest), start), b""
    if rest or gone:
        yield gone + len(rest) if gone else rest


def _check_line_size(size: int, start: int) -> int:
    if size > MAX_LINE_BYTES:
        raise FileError(
            f"The line at byte {start} has more than {MAX_LINE_BYTES} bytes: end each row with a "
            "line feed.",
            slug="campaign-line-too-long",
        )
    return size


def read_records(blocks: Iterable[bytes], start: int = 0, width: int = 0) -> Iterator[Record]:
    """The records of a stream that begins at the byte `start` of the file, where a record begins;
    empty lines are none. Raises FileError for what is not UTF-8.

    Of a record that can't be read only its first line is given up, or one quote that is never
    closed would swallow all rows behind it; also of one over several lines that has not the
    `width` columns that it should.
    """
    source = read_lines(blocks, start)
    ahead: deque[bytes | int] = deque()

    def following() -> bytes | int | None:
        return ahead.popleft() if ahead else next(source, None)

    end = start
    while (first := following()) is not None:
        if isinstance(first, int):
            end += first
            yield Record(end, None, f"it has {first} bytes and may have {MAX_RECORD_BYTES}")
            continue
        cut = first if end else _first_characters(first)
        at = end + len(first) - len(cut)
        taken: list[bytes | int] = [first]
        cells: Sequence[str] | None
        fault = ""
        try:
            if b'"' in cut:
                cells = _multiline_record(cut, at, following, taken)
                if width and len(taken) > 1 and len(cells) != width:
                    raise _UnterminatedError
            else:
                cells = next(csv.reader((_decode_line(cut, at),), strict=True))
        except (csv.Error, _UnterminatedError) as error:
            ahead.extendleft(reversed(taken[1:]))
            taken, cells = [first], None
            fault = _fault(error)
        end += sum(map(_size, taken))
        if cells != []:
            yield Record(end, cells, fault)


def _size(line: bytes | int) -> int:
    return line if isinstance(line, int) else len(line)


def _first_characters(line: bytes) -> bytes:
    """The first line of a file without its byte order mark."""
    if b"\0" in line:
        raise FileError(
            "The file is UTF-16, or no text: save it as CSV UTF-8.", slug="campaign-encoding"
        )
    return line.removeprefix(BOM)


def _fault(error: Exception) -> str:
    said = str(error) or "a quote is opened and never closed"
    alone = "a carriage return stands alone: end rows with a line feed"
    return alone if said.startswith("new-line character") else said


def _multiline_record(first: bytes, at: int, following: Any, taken: list[bytes | int]) -> list[str]:
    """The cells of a record that begins at the byte `at` and may go over several lines; those it
    takes are added."""

    def feed() -> Iterator[str]:
        yield _decode_line(first, at)
        place = at + len(first)
        while (line := following()) is not None:
            taken.append(line)
            if isinstance(line, int) or place + len(line) - at > MAX_RECORD_BYTES:
                raise _UnterminatedError
            yield _decode_line(line, place)
            place += len(line)

    return next(csv.reader(feed(), strict=True))


def _decode_line(line: bytes, at: int) -> str:
    try:
        return line.decode()
    except UnicodeDecodeError as error:
        raise FileError(
            f"The file is not UTF-8 (byte {at + error.start}): save it as CSV UTF-8.",
            slug="campaign-encoding",
        ) from None


def parse_header(record: Record | None) -> tuple[str, ...]:
    """The columns' names. Raises FileError when no row could be sent with them."""
    if record is None:
        raise FileError(
            "The file has no first line with the columns' names: to, text.", slug="campaign-columns"
        )
    if record.cells is None:
        raise FileError(f"The first line can't be read: {record.fault}.", slug="campaign-columns")
    names = tuple(cell.strip() for cell in record.cells)
    twice = sorted({name for name in names if names.count(name) > 1})
    if TO not in names:
        hint = " Separate columns by commas, not semicolons." if ";" in "".join(names) else ""
        raise FileError(
            f'There is no column "to" in the first line.{hint}', slug="campaign-columns"
        )
    if twice:
        raise FileError(f'The column "{twice[0][:40]}" is there twice.', slug="campaign-columns")
    if (TEXT in names) == (TEMPLATE in names):
        raise FileError(
            'The file needs either a column "text" or a column "template".', slug="campaign-columns"
        )
    return names


def build_draft(
    index: int, record: Record, columns: Sequence[str], defaults: Mapping[str, Any]
) -> Draft:
    """What a row asks for. Raises Invalid, with the column as its pointer where one is at fault."""
    if record.cells is None:
        raise InvalidRequestError(f"The row can't be read: {record.fault}.", slug="broken-row")
    if len(record.cells) != len(columns):
        raise InvalidRequestError(
            f"The row has {len(record.cells)} columns, the first line has {len(columns)}.",
            slug="broken-row",
        )
    cells = dict(zip(columns, record.cells, strict=True))
    text = fill_template(cells[TEMPLATE], cells) if TEMPLATE in cells else cells[TEXT]
    asked = {**defaults, TO: cells[TO].strip(), TEXT: text}
    for name in (REFERENCE, SEND_AT):
        if value := cells.get(name, "").strip():
            asked[name] = value
    one = decode_json(msgspec.json.encode(asked), OneMessage)
    return Draft(index, "", "/to", one.to, one.text, one)


def fill_template(template: str, cells: Mapping[str, str]) -> str:
    """A template with its row's cells in place of `{column}`; `{{` and `}}` are braces. Raises
    Invalid for a column that is not there, or empty in this row."""

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
    """A problem as one cell of the results."""
    where = f" ({problem.pointer.removeprefix('/')})" if problem.pointer else ""
    return f"{problem.slug}{where}: {problem.detail}"
