"""Read a campaign's CSV as a stream of records. No I/O.

The file is UTF-8, with or without byte order marks, with quotes as in RFC 4180. At most
MAX_RECORD_BYTES of a record are in memory. What spreadsheets add is no content: rows of empty cells
are skipped.
"""

import csv
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence

from sms_gateway.core.problems import InvalidRequestError
from sms_gateway.core.value_object import ValueObject
from sms_gateway.sms.number_forms import NumberError, parse_form

MAX_ROWS = 1_000_000
MAX_FILE_BYTES = 512 * 1024 * 1024
MAX_RECORD_BYTES = 32 * 1024  # a text of 5,000 characters takes at most 20,000
MAX_LINE_BYTES = 1024 * 1024  # a file without a line feed for so long has no rows
BOM = b"\xef\xbb\xbf"
TO = "to"  # the column of numbers
MIN_NUMBER_DIGITS = 7  # from which on a cell is believed to be a number

NextLine = Callable[[], bytes | int | None]


class FileError(InvalidRequestError):
    """A problem of the whole file."""

    slug = "campaign-file"


class Layout(ValueObject, frozen=True):
    """A file's columns, in lower case (a nameless one is empty), and what separates cells."""

    columns: Sequence[str] = ()
    delimiter: str = ","

    def fits(self, cells: Sequence[str]) -> bool:
        """Whether a record has the columns' number of cells, and further ones only if empty."""
        width = len(self.columns)
        return len(cells) >= width and not any(cell.strip() for cell in cells[width:])


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


def read_records(
    blocks: Iterable[bytes], start: int = 0, layout: Layout | None = None
) -> Iterator[Record]:
    """Read the records of a stream that begins at the byte `start` of the file, where one begins.

    Skip records without content. Raise FileError for bytes that are not UTF-8. An unreadable record
    loses only its first line, or a quote that is never closed would swallow all rows behind it; so
    does a record of several lines that does not fit the columns, or has a whole row inside.
    """
    layout = layout or Layout()
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
            cells = _parse_cells(line, position, next_line, consumed, layout)
        except (csv.Error, _UnterminatedError) as error:
            pushed_back.extendleft(reversed(consumed[1:]))
            consumed, cells = [first], None
            reason = _error_reason(error)
        end += sum(map(_size, consumed))
        if cells is None or any(cell.strip() for cell in cells):
            yield Record(end, cells, reason)


def _size(line: bytes | int) -> int:
    return line if isinstance(line, int) else len(line)


def _strip_bom(line: bytes) -> bytes:
    """Return the first line of a file without its byte order marks."""
    if b"\0" in line:
        raise FileError(
            "The file is UTF-16, or no text: save it as CSV UTF-8.", slug="campaign-encoding"
        )
    while line.startswith(BOM):
        line = line.removeprefix(BOM)
    return line


def _error_reason(error: Exception) -> str:
    reason = str(error) or "a quote is opened and never closed"
    if reason.startswith("new-line character"):
        return "a carriage return stands alone: end rows with a line feed"
    return reason


def _parse_cells(
    first: bytes, position: int, next_line: NextLine, consumed: list[bytes | int], layout: Layout
) -> list[str]:
    """Parse the record that begins with a line at the byte `position`.

    Add further lines of the record to `consumed`.
    """

    def lines() -> Iterator[str]:
        yield _decode_line(first, position)
        end = position + len(first)
        while (line := next_line()) is not None:
            consumed.append(line)
            if isinstance(line, int) or end + len(line) - position > MAX_RECORD_BYTES:
                raise _UnterminatedError
            yield _decode_line(line, end)
            end += len(line)

    source = lines() if b'"' in first else (_decode_line(first, position),)
    cells = next(csv.reader(source, strict=True, delimiter=layout.delimiter))
    further = [line for line in consumed[1:] if isinstance(line, bytes)]
    if layout.columns and further and not layout.fits(cells):
        raise _UnterminatedError
    if any(_is_row(line.decode(), layout) for line in further):
        raise _UnterminatedError
    return cells


def _is_row(line: str, layout: Layout) -> bool:
    """Whether a line by itself has all columns, and a number in that of numbers."""
    cells = line.split(layout.delimiter)
    if TO not in layout.columns or len(cells) < len(layout.columns):
        return False
    try:
        number = parse_form(cells[layout.columns.index(TO)].strip().strip('"'))
    except NumberError:
        return False
    return len(number.digits) >= MIN_NUMBER_DIGITS


def _decode_line(line: bytes, position: int) -> str:
    try:
        return line.decode()
    except UnicodeDecodeError as error:
        raise FileError(
            f"The file is not UTF-8 (byte {position + error.start}): save it as CSV UTF-8.",
            slug="campaign-encoding",
        ) from None
