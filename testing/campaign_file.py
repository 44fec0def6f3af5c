"""A campaign's file in place of the bucket.

It is made where it is read, and of its results only sizes are kept.
"""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from unittest.mock import patch

CHUNK = 1000
CAMPAIGN = "01JB2QK8W3Z5Y7X9V1T4R6P8N0"
HEADER = b"to,name,template,reference\r\n"


def line(nth: int) -> bytes:
    """Return a row; all are as long, so that any part of the file can be made."""
    row = f'+{911_000_000_000 + nth},"Ani {nth:07d}",Your order {{name}} is ready.,r-{nth:07d}\r\n'
    return row.encode()


class File:
    """So many rows."""

    def __init__(self, rows: int) -> None:
        self.rows, self.wide = rows, len(line(0))
        self.size = len(HEADER) + rows * self.wide
        self.parts: list[int] = []

    def blocks(self, _key: str, _etag: str, start: int, size: int) -> Iterator[bytes]:
        """As s3_files.read_blocks."""
        if size != self.size:
            raise ValueError("another file")
        if not start:
            yield HEADER
            start = len(HEADER)
        nth = (start - len(HEADER)) // self.wide
        while nth < self.rows:
            until = min(nth + 12_000, self.rows)  # about as many as one block has
            yield b"".join(map(line, range(nth, until)))
            nth = until

    def put_part(self, _key: str, _upload: str, _number: int, body: bytes) -> str:
        """As s3_files.put_part."""
        self.parts.append(len(body))
        return f'"{len(self.parts)}"'


@contextmanager
def uploaded(rows: int) -> Iterator[File]:
    """Return a file of so many rows, which the campaign's code finds."""
    from sms_gateway.campaigns import s3_files

    file = File(rows)
    instead = {
        "read_blocks": file.blocks,
        "campaign_of": lambda _key: None,
        "begin_upload": lambda _key, _campaign: "upload",
        "put_part": file.put_part,
        "finish_upload": lambda *_: None,
    }
    with ExitStack() as stack:
        for name, function in instead.items():
            stack.enter_context(patch.object(s3_files, name, function))
        yield file


def work(rows: int) -> None:
    """Accept the file's rows and write their results. Raises ValueError when one is left."""
    from sms_gateway.campaigns import repository, worker

    worker.handle_record(CAMPAIGN, 10_000)
    done = repository.find_campaign(CAMPAIGN)
    got = done and done.tally and (done.state, done.sent, sum(done.tally.counts.values()))
    if got not in (("sending", rows, rows), ("done", rows, rows)):
        raise ValueError(f"the campaign ended as {got}")
