"""Conformance rows: what each vendor's document lists, and the cases and tests that show it.

A vendor's rows stand beside its captured cases, in tests/vendors/<vendor>/conformance.toml. Each of
its `[[tables]]` has a `heading` and `rows`: what the document lists, and the folder's cases and the
tests (file::function below tests/) that show it. `codes` are the adapter's own tables: what the
document calls the code, the table, and the name of each code's case.
"""

import tomllib
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from importlib import import_module
from pathlib import Path
from typing import Any

CASES = Path(__file__).parent.parent / "tests" / "vendors"


@dataclass(frozen=True, slots=True)
class Row:
    """One thing that the document lists, and what shows it.

    A row about a code table has `cases` for many codes, and `shown` as a pattern of their names.
    """

    what: str
    cases: Sequence[str]
    shown: Sequence[str]


@dataclass(frozen=True, slots=True)
class Table:
    """One table of a vendor."""

    heading: str
    rows: Sequence[Row]


@cache
def tables(vendor: str) -> tuple[Table, ...]:
    """Return a vendor's tables."""
    written = tomllib.loads((CASES / vendor / "conformance.toml").read_text(encoding="utf-8"))
    return tuple(_table(table) for table in written["tables"])


def _table(written: dict[str, Any]) -> Table:
    rows = [
        Row(what, names.split(), [f"`{name}`" for name in names.split()])
        for what, names in written.get("rows", [])
    ]
    rows += [_code_table(key, place, case) for key, place, case in written.get("codes", [])]
    return Table(written["heading"], rows)


def _code_table(key: str, place: str, case: str) -> Row:
    """Return one row for all codes of an adapter's table; each code has a case of its own."""
    module, _, name = place.rpartition(".")
    listed, cases = [], []
    for code, row in getattr(import_module(f"sms_gateway.vendors.{module}"), name).items():
        written = f"minus-{code[1:]}" if code.startswith("-") else code.lower()
        cases.append(case.format(int(code) if "{:" in case else written))
        listed.append(f"`{code}` {_vendor_word(row)}".rstrip())
    shown = f"`{case.partition('{')[0]}…`, one case a code"
    return Row(f"{key}: {', '.join(listed)}", cases, [shown])


def _vendor_word(row: object) -> str:
    """Return the vendor's word for a code, where its table has one."""
    found = row[0] if isinstance(row, tuple) else getattr(row, "text", row)
    return found if isinstance(found, str) else ""


def markdown(vendor: str) -> str:
    """Return a vendor's tables as one of Markdown."""
    lines = ["| the document lists | shown by |", "| --- | --- |"]
    for table in tables(vendor):
        lines.append(f"| **{table.heading}** | |")
        lines += [f"| {row.what} | {', '.join(row.shown)} |" for row in table.rows]
    return "\n".join(lines)
