"""The rows of a results file: each row's number, message and status, and the vendor's word on it.

A check's file has the refused rows only, and a last line that counts.
"""

import re
from decimal import Decimal
from typing import Any, Protocol

from sms_gateway.campaigns.model import Campaign, Chunk, Reason, Refusal, ResultsFile
from sms_gateway.campaigns.shares import merge
from sms_gateway.messages.prices import sum_prices
from sms_gateway.messages.views import Outcome, outcome_of
from sms_gateway.storage import message_repository
from sms_gateway.storage.message_state import price_of_message
from sms_gateway.storage.models import Message, Submission

COLUMNS = (
    *("row", "to", "reference", "id", "status"),
    *("vendor", "vendor_code", "vendor_text", "problem"),
)

SHOWN_ROWS = 20  # refused for one reason whose numbers are kept

# What a spreadsheet may drop before a formula: white space, quotes, characters without a shape.
_UNSEEN = r"[\s\"'\x00-\x1f\x7f-\x9f\xad\u200b-\u200f\u202a-\u202e\u2060-\u206f\ufeff]*"
_FORMULA = re.compile(rf"(?:^|[,;|\t\r\n]){_UNSEEN}(?=[=+\-@\uff1d\uff0b\uff0d\uff20])")
_NUMBER = re.compile(r"\+[0-9]+")

Members = dict[int, tuple[Message, Submission]]


class Writer(Protocol):
    """A csv.writer."""

    def writerow(self, row: Any, /) -> object:
        """Write a line."""


def write_failure(campaign: Campaign, rows: Writer) -> None:
    """Write why the campaign failed, in a line without a row."""
    if campaign.problem is not None:
        problem = f"{campaign.problem['type']}: {campaign.problem['detail']}"
        _write(rows, "", status=campaign.state, problem=problem)


def write_chunk(campaign: Campaign, chunk: Chunk, rows: Writer, file: ResultsFile) -> None:
    """Write a chunk's rows, and add its messages to the file's counts and prices.

    Of a check write the refused rows, and add the others' segments.
    """
    found = _members(chunk.batch, file) if chunk.batch else {}
    for offset, position in enumerate(chunk.positions):
        row = chunk.first + offset
        if (refused := chunk.refused.get(offset)) is not None:
            _write_refused(rows, row, refused)
            if campaign.only_checks:
                _count_reason(file, row, refused)
        elif position in found:
            outcome = outcome_of(*found[position])
            file.counts[outcome.status] = file.counts.get(outcome.status, 0) + 1
            _write_message(rows, row, chunk.message(offset), *found[position], outcome)
        elif not campaign.only_checks:
            file.counts["gone"] = file.counts.get("gone", 0) + 1
            _write(rows, row, id=chunk.message(offset), status="gone")
    for segments, count in chunk.segments.items():
        file.segments[segments] = file.segments.get(segments, 0) + count
    file.shares = merge([*file.shares, *chunk.shares])


def _count_reason(file: ResultsFile, row: int, refused: Refusal) -> None:
    where, _, detail = refused.problem.partition(": ")
    slug = where.partition(" ")[0]
    reason = file.reasons.get(slug, Reason(0, [], detail))
    first = [*reason.first, row] if len(reason.first) < SHOWN_ROWS else reason.first
    file.reasons[slug] = Reason(reason.rows + 1, first, reason.detail)


def write_sum(campaign: Campaign, rows: Writer, file: ResultsFile) -> None:
    """Write what a check found, in a line without a row."""
    each = [f"{segments} in {count} rows" for segments, count in sorted(file.segments.items())]
    found = (
        f"{campaign.row} rows: {campaign.sent} would be sent, {campaign.refused} refused. "
        f"Segments: {', '.join(each) or 'none'}."
    )
    _write(rows, "", status="checked", problem=found)


def _members(batch: str, file: ResultsFile) -> Members:
    """Read a batch's messages by position, and add their prices to the file's."""
    whole = message_repository.whole_batch(batch)
    found = {message.key.position: (message, sub) for message, sub in whole[1]} if whole else {}
    for part in sum_prices(price_of_message(*pair) for pair in found.values()):
        amount, messages = file.prices.get(part["currency"], ("0", 0))
        total = Decimal(amount) + Decimal(part["amount"])
        file.prices[part["currency"]] = (f"{total:f}", messages + part["messages"])
    return found


def _write_message(
    rows: Writer,
    row: int,
    identifier: str | None,
    message: Message,
    sub: Submission,
    outcome: Outcome,
) -> None:
    _write(
        rows,
        row,
        to=message.content.to,
        reference=message.content.reference,
        id=identifier,
        status=outcome.status,
        vendor=sub.vendor,
        vendor_code=outcome.vendor_code,
        vendor_text=outcome.vendor_text,
        problem=outcome.problem,
    )


def _write_refused(rows: Writer, row: int, refused: Refusal) -> None:
    _write(
        rows,
        row,
        to=refused.to,
        reference=refused.reference,
        status="refused",
        problem=refused.problem,
    )


def _write(rows: Writer, row: int | str, **cells: str | None) -> None:
    to = cells.pop("to", None) or ""
    safe = {name: without_formula(words) for name, words in cells.items()}
    safe["to"] = to if _NUMBER.fullmatch(to) else without_formula(to)
    rows.writerow([row, *(safe.get(name, "") for name in COLUMNS[1:])])


def without_formula(words: str | None) -> str:
    """Return somebody's words as a cell that no spreadsheet takes for a formula.

    An apostrophe goes before `=`, `+`, `-` and `@` where a cell may begin, whatever separates cells
    in the reader's country.
    """
    return _FORMULA.sub(r"\g<0>'", words or "")
