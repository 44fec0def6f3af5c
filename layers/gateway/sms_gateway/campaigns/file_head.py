"""The head of a campaign's file; of one that is no CSV, its first lines and what is wrong."""

from sms_gateway.campaigns.columns import Head, parse_head
from sms_gateway.campaigns.csv_reader import FileError

SHOWN_LINES, SHOWN_CHARACTERS = 3, 80
ARCHIVE = b"PK\x03\x04"  # what workbooks of spreadsheets are packed in
OLD_WORKBOOK = b"\xd0\xcf\x11\xe0"


def read_head(block: bytes) -> Head:
    """Find the columns as `parse_head` does. Its FileError has the file's first `lines`."""
    if block.startswith((ARCHIVE, OLD_WORKBOOK)):
        raise FileError(
            "The file is a spreadsheet's workbook, or another archive: open it and save it as CSV "
            "UTF-8.",
            slug="campaign-no-csv",
        )
    try:
        return parse_head(block)
    except FileError as problem:
        problem.members["lines"] = first_lines(block)
        raise


def first_lines(block: bytes) -> list[str]:
    """Return the first lines as one can show them: cut, and without what has no shape."""
    text = block[: 4 * SHOWN_LINES * SHOWN_CHARACTERS * 10].decode(errors="replace")
    lines = [line[:SHOWN_CHARACTERS] for line in text.splitlines()[:SHOWN_LINES]]
    return ["".join(one if one.isprintable() else "\ufffd" for one in line) for line in lines]
