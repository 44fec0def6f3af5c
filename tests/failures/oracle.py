"""What must hold when a scenario is over, from three witnesses: what callers were promised, what
the API says became of it, and the vendors' own ledger."""

import hashlib
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

NEVER_LEFT = ("rejected", "expired", "cancelled")
COLUMNS = ("scenario", "messages", "lost", "duplicated", "wrong", "unknown", "seconds")

type Identity = tuple[str, str]  # digits of the number, SHA-256 of the text


@dataclass(frozen=True, slots=True)
class Promise:
    """A message that a caller asked for. `id` is None when no 202 came back; `vendors` may carry
    it; under `resend` the vendor may have it twice."""

    to: str = field(repr=False)
    text: str = field(repr=False)
    id: str | None = None
    resend: bool = False

    @property
    def identity(self) -> Identity:
        """What tells this message in the ledger from all others."""
        return self.to.removeprefix("+"), hashlib.sha256(self.text.encode()).hexdigest()


@dataclass(frozen=True, slots=True)
class Taken:
    """A message in the ledger."""

    vendor: str
    number: str = field(repr=False)
    text: str = field(repr=False)
    state: str
    reference: str | None = None

    @property
    def identity(self) -> Identity:
        """What tells this message from all others."""
        return self.number, self.text


@dataclass(frozen=True, slots=True)
class Reported:
    """What the API says of a message."""

    status: str
    final: bool
    overdue: bool = True  # not final although its deadline passed


@dataclass(slots=True)
class Row:
    """A scenario's line of the table; `faults` says each thing that is wrong in a sentence."""

    scenario: str
    messages: int = 0
    lost: int = 0
    duplicated: int = 0
    wrong: int = 0
    unknown: int = 0
    seconds: float = 0.0
    statuses: Counter[str] = field(default_factory=Counter)
    faults: list[str] = field(default_factory=list)

    @property
    def good(self) -> bool:
        """Whether nothing was lost, duplicated or wrong."""
        return not (self.lost or self.duplicated or self.wrong)


def ledger(submissions: Iterable[Mapping[str, Any]]) -> list[Taken]:
    """The messages of `GET /_ledger`."""
    return [
        Taken(
            one["vendor"],
            message["number"],
            message["text_sha256"],
            message["state"],
            message.get("reference"),
        )
        for one in submissions
        for message in one["messages"]
    ]


def judge(
    scenario: str,
    promises: Sequence[Promise],
    got: Mapping[str, Reported],
    taken: Sequence[Taken],
    left_in_queues: Sequence[str] = (),
) -> Row:
    """The four checks. `got` is by message id, `left_in_queues` describes whatever still stands in
    a queue or a dead-letter queue and nothing explains."""
    row = Row(scenario, messages=len(promises))
    known: dict[Identity, Promise] = {}
    for promise in promises:
        if promise.identity in known:
            raise ValueError("two promises of a scenario must differ in number or text")
        known[promise.identity] = promise
    of: dict[Identity, list[Taken]] = {}
    for one in taken:
        of.setdefault(one.identity, []).append(one)
    for promise in promises:
        if promise.id is None:
            continue
        _in_the_end(row, promise.id, got.get(promise.id))
        _agrees(row, promise.id, got.get(promise.id), of.get(promise.identity, []))
    _once(row, known, of, taken)
    for thing in left_in_queues:
        row.wrong += 1
        row.faults.append(f"{thing} is still there")
    return row


def _in_the_end(row: Row, identifier: str, said: Reported | None) -> None:
    """Check 1: every 202 has a final status, or its deadline is yet to come."""
    if said is None:
        row.lost += 1
        row.faults.append(f"{identifier} was answered 202 and nobody knows it")
        return
    row.statuses[said.status] += 1
    row.unknown += said.status == "unknown"
    if not said.final and said.overdue:
        row.lost += 1
        row.faults.append(f"{identifier} is {said.status} beyond its deadline")


def _once(
    row: Row,
    known: Mapping[Identity, Promise],
    of: Mapping[Identity, Sequence[Taken]],
    taken: Sequence[Taken],
) -> None:
    """Check 2: the ledger holds nothing twice, and nothing that nobody asked for."""
    for identity, copies in of.items():
        promise = known.get(identity)
        if promise is None:
            row.wrong += 1
            row.faults.append(f"a vendor took a message ending {identity[0][-4:]} unasked")
        elif len(copies) > 1 and not promise.resend:
            row.duplicated += 1
            row.faults.append(f"{promise.id} was taken {len(copies)} times")
        elif len(copies) > 2:
            row.duplicated += 1
            row.faults.append(f"{promise.id} was taken {len(copies)} times under resend")
    under: dict[tuple[str, str], set[Identity]] = {}
    for one in taken:
        if one.reference:
            under.setdefault((one.vendor, one.reference), set()).add(one.identity)
    for (vendor, reference), meanings in under.items():
        if len(meanings) > 1:
            row.duplicated += 1
            row.faults.append(f"{vendor} has {len(meanings)} messages under {reference}")


def _agrees(row: Row, identifier: str, said: Reported | None, copies: Sequence[Taken]) -> None:
    """Check 3: a final status is what the ledger says happened, or `unknown`."""
    if said is None or not said.final or said.status == "unknown":
        return
    states = sorted({one.state for one in copies})
    good = not copies if said.status in NEVER_LEFT else said.status in states
    if not good:
        row.wrong += 1
        where = f"the ledger has it {' and '.join(states)}" if copies else "no vendor has it"
        row.faults.append(f"{identifier} is {said.status}, and {where}")


def table(rows: Sequence[Row]) -> str:
    """The rows as a table, with what they come to."""
    cells = [list(COLUMNS)]
    for row in rows:
        cells.append([row.scenario, *(str(n) for n in _numbers(row)), f"{row.seconds:.0f}"])
    sums = [sum(column) for column in zip(*(_numbers(row) for row in rows), strict=True)]
    if sums:
        cells.append([f"all {len(rows)}", *map(str, sums), ""])
    widths = [max(len(line[n]) for line in cells) for n in range(len(COLUMNS))]
    lines = [
        "  ".join(
            cell.ljust(width) if n == 0 else cell.rjust(width)
            for n, (cell, width) in enumerate(zip(line, widths, strict=True))
        ).rstrip()
        for line in cells
    ]
    return "\n".join(lines)


def _numbers(row: Row) -> tuple[int, int, int, int, int]:
    return row.messages, row.lost, row.duplicated, row.wrong, row.unknown
