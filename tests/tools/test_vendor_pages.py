"""docs/vendors/ says what the adapters declare: matrix, conformance rows, settings, examples."""

import ast
import json
import re
from collections.abc import Iterator
from dataclasses import MISSING, fields
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from sms_gateway.vendors.adapter import Adapter, Capabilities
from sms_gateway.vendors.registry import VENDORS, adapter_class, build_adapter
from testing.vendor_cases import cases
from tools.conformance import tables
from tools.vendor_pages import CAPABILITIES, ROOT, generated, matrix, vendor_page, with_generated

TESTS = Path(__file__).parent.parent
SHARED_SETTINGS = ROOT / "docs" / "guides" / "vendor-accounts.md"
EXAMPLE = re.compile(r"```json\n(.*?)```", re.S)
SETTING = re.compile(
    r"^\| `(?P<name>\w+)`(?P<secret> \(secret\))? \| [^|]+ \| (?P<default>[^|]+) \|", re.M
)


@cache
def page(vendor: str) -> str:
    return vendor_page(vendor).read_text(encoding="utf-8")


def examples() -> list[tuple[str, dict[str, Any]]]:
    """Every account in the pages, with its vendor."""
    return [
        (vendor, json.loads(found)) for vendor in VENDORS for found in EXAMPLE.findall(page(vendor))
    ]


@pytest.mark.parametrize("path", generated(), ids=lambda path: path.name)
def test_a_generated_part_is_current(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    assert with_generated(text, generated()[path]) == text, "run python -m tools.vendor_pages"


def test_the_matrix_has_a_row_for_every_capability_and_a_column_for_every_vendor() -> None:
    assert list(CAPABILITIES) == list(Capabilities.__struct_fields__)
    assert all(row.count("|") == len(VENDORS) + 3 for row in matrix().splitlines())


def test_a_page_without_marks_is_refused() -> None:
    with pytest.raises(ValueError, match="generated"):
        with_generated("# Vendors\n", "")


@pytest.mark.parametrize(("vendor", "account"), examples())
def test_every_example_of_an_account_can_be_used(vendor: str, account: dict[str, Any]) -> None:
    assert build_adapter(vendor, account).name == vendor


@pytest.mark.parametrize("vendor", VENDORS)
def test_every_vendor_has_an_example(vendor: str) -> None:
    assert EXAMPLE.search(page(vendor))


@pytest.mark.parametrize("vendor", VENDORS)
def test_every_setting_stands_in_the_page_with_its_default(vendor: str) -> None:
    shared = {field.name: field for field in fields(Adapter)}
    found = {row["name"]: row for row in SETTING.finditer(page(vendor))}
    for field in fields(adapter_class(vendor)):
        same = field.name in shared and field.default == shared[field.name].default
        if same and field.name not in found:
            continue
        row = found.pop(field.name)
        assert (row["secret"] is not None) == (not field.repr), field.name
        if field.default is not MISSING:
            assert row["default"].strip() == f"`{json.dumps(field.default)}`", field.name
        elif field.default_factory is MISSING:
            assert row["default"].strip() == "required", field.name
    assert not found


def test_every_shared_setting_stands_in_the_page_with_its_default() -> None:
    guide = SHARED_SETTINGS.read_text(encoding="utf-8")
    found = {row["name"]: row["default"].strip() for row in SETTING.finditer(guide)}
    declared = {
        field.name: "required" if field.default is MISSING else f"`{json.dumps(field.default)}`"
        for field in fields(Adapter)
    }
    assert found == declared


def evidence() -> Iterator[tuple[str, str]]:
    """Every case or test that a table names, with its vendor."""
    for vendor in VENDORS:
        for table in tables(vendor):
            for row in table.rows:
                yield from ((vendor, name) for name in row.cases)


@cache
def functions(path: str) -> set[str]:
    """The tests of a file below tests/."""
    tree = ast.parse((TESTS / path).read_text(encoding="utf-8"))
    return {node.name for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)}


@pytest.mark.parametrize(("vendor", "named"), sorted(set(evidence())))
def test_what_a_row_names_is_there(vendor: str, named: str) -> None:
    path, _, function = named.partition("::")
    if function:
        assert function in functions(path)
    else:
        folder = TESTS / "vendors" / vendor
        kinds = ("expected.json", "request.json")
        assert any((folder / f"{named}.{kind}").exists() for kind in kinds)


def test_every_row_names_something() -> None:
    for vendor in VENDORS:
        assert tables(vendor)
        for table in tables(vendor):
            assert table.rows
            assert [row.what for row in table.rows if not row.cases] == []


def sent_keys(value: Any) -> set[str]:
    """The keys of a request's query, form or JSON, at any depth."""
    if isinstance(value, dict):
        inner = (sent_keys(item) for item in value.values())
        return set(value).union(*inner)
    return set().union(*map(sent_keys, value)) if isinstance(value, list) else set()


def requests(vendor: str, names: set[str] | None = None) -> Iterator[dict[str, Any]]:
    """What the captured cases of a vendor send; of all of them, or of those with these names."""
    for case in cases("request.json"):
        if case.vendor == vendor and (names is None or case.name in names):
            yield from case.spec["expect"]


@pytest.mark.parametrize("vendor", VENDORS)
def test_every_key_that_is_sent_to_a_vendor_has_a_row(vendor: str) -> None:
    rows = " ".join(row.what for table in tables(vendor) for row in table.rows)
    sent = set[str]()
    for request in requests(vendor):
        sent = sent.union(*(sent_keys(request.get(p, {})) for p in ("query", "form", "json")))
    assert sent
    assert {key for key in sent if f"`{key}`" not in rows} == set()


@pytest.mark.parametrize("vendor", VENDORS)
def test_every_address_that_is_called_is_shown_by_a_row(vendor: str) -> None:
    named = {name for whose, name in evidence() if whose == vendor}
    called, shown = (
        {request["url"].rpartition("/")[2] for request in found}
        for found in (requests(vendor), requests(vendor, named))
    )
    assert called
    assert called - shown == set()
