"""Every row of the four vendors' documents with what shows it, for docs/vendors.md; ticks.toml has
the rows and says how they are written."""

import tomllib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from sms_gateway.vendors.registry import VENDORS, adapter_class

WRITTEN = Path(__file__).with_suffix(".toml")


@dataclass(frozen=True, slots=True)
class Table:
    """One table of a vendor; each row is what the document lists and what shows it. One whose
    operations are not `here` is open."""

    heading: str
    rows: Sequence[tuple[str, Sequence[str]]]
    here: bool = True


@cache
def tables(vendor: str) -> tuple[Table, ...]:
    """A vendor's tables."""
    written = tomllib.loads(WRITTEN.read_text(encoding="utf-8"))[vendor]
    return tuple(_table(one) for one in written)


def _table(written: dict[str, Any]) -> Table:
    rows = [(what, evidence.split()) for what, evidence in written.get("rows", [])]
    for key, place, case in written.get("codes", []):
        rows += _codes(key, place, case)
    module = written.get("module")
    return Table(written["heading"], rows, module is None or find_spec(module) is not None)


def _codes(key: str, place: str, case: str) -> Iterator[tuple[str, list[str]]]:
    """A row for each code of an adapter's table."""
    module, _, name = place.rpartition(".")
    for code, row in getattr(import_module(f"sms_gateway.vendors.{module}"), name).items():
        written = f"minus-{code[1:]}" if code.startswith("-") else code.lower()
        number = int(code) if "{:" in case else written
        yield f"{key} `{code}` {_word(row)}".rstrip(), [case.format(number)]


def _word(row: object) -> str:
    """The vendor's word for a code, where its table has one."""
    found = row[0] if isinstance(row, tuple) else getattr(row, "text", row)
    return found if isinstance(found, str) else ""


def ticked() -> str:
    """The tables as Markdown, vendor by vendor."""
    parts = []
    for vendor in VENDORS:
        parts.append(f"### {adapter_class(vendor).title}: what its document lists")
        parts += [_markdown(table) for table in tables(vendor)]
    return "\n\n".join(parts)


def _markdown(table: Table) -> str:
    lines = [f"| {table.heading} | shown by |", "| --- | --- |"]
    for what, evidence in table.rows:
        shown = ", ".join(f"`{one}`" for one in evidence) if table.here else "open"
        lines.append(f"| {what} | {shown or 'open'} |")
    return "\n".join(lines)
