"""docs/vendors.md says what the adapters declare: its matrix, its settings and its examples."""

import json
import re
from dataclasses import MISSING, fields
from typing import Any

import pytest

from local.matrix import CAPABILITIES, PAGE, matrix, written
from sms_gateway.vendors import VENDORS, adapter_class, build
from sms_gateway.vendors.base import Adapter, Capabilities

TEXT = PAGE.read_text(encoding="utf-8")
SECRETS = {"username", "password", "api_key", "secret_key", "client", "user_key"}
EXAMPLE = re.compile(r"```json\n(.*?)```", re.S)
SETTING = re.compile(
    r"^\| `(?P<name>\w+)`(?P<secret> \(secret\))? \| [^|]+ \| (?P<default>[^|]+) \|", re.M
)


def section(vendor: str) -> str:
    """What the page says of one vendor."""
    heading = f"\n## {adapter_class(vendor).title}\n"
    assert heading in TEXT
    return TEXT.split(heading)[1].split("\n## ")[0]


def examples() -> list[tuple[str, dict[str, Any]]]:
    """Every account in the page, with its vendor."""
    return [
        (vendor, json.loads(found))
        for vendor in VENDORS
        for found in EXAMPLE.findall(section(vendor))
    ]


def test_the_matrix_is_what_the_adapters_declare() -> None:
    assert written(TEXT) == TEXT, "run python -m local.matrix"


def test_the_matrix_has_a_row_for_every_capability_and_a_column_for_every_vendor() -> None:
    assert list(CAPABILITIES) == [field.name for field in fields(Capabilities)]
    assert all(row.count("|") == len(VENDORS) + 3 for row in matrix().splitlines())


def test_a_page_without_marks_is_refused() -> None:
    with pytest.raises(ValueError, match="matrix"):
        written("# Vendors\n")


@pytest.mark.parametrize(("vendor", "account"), examples())
def test_every_example_of_an_account_can_be_used(vendor: str, account: dict[str, Any]) -> None:
    assert build(vendor, account).name == vendor


@pytest.mark.parametrize("vendor", VENDORS)
def test_every_vendor_has_an_example(vendor: str) -> None:
    assert EXAMPLE.search(section(vendor))


@pytest.mark.parametrize("vendor", VENDORS)
def test_every_setting_stands_in_the_page_with_its_default(vendor: str) -> None:
    shared = {field.name: field for field in fields(Adapter)}
    found = {row["name"]: row for row in SETTING.finditer(section(vendor))}
    for field in fields(adapter_class(vendor)):
        same = field.name in shared and field.default == shared[field.name].default
        if same and field.name not in found:
            continue
        row = found.pop(field.name)
        assert (row["secret"] is not None) == (field.name in SECRETS), field.name
        if field.default is not MISSING:
            assert row["default"].strip() == f"`{json.dumps(field.default)}`", field.name
        elif field.default_factory is MISSING:
            assert row["default"].strip() == "required", field.name
    assert not found


def test_every_shared_setting_stands_in_the_page_with_its_default() -> None:
    common = TEXT.split("\n## Settings that all vendors share\n")[1].split("\n## ")[0]
    found = {row["name"]: row["default"].strip() for row in SETTING.finditer(common)}
    told = {
        field.name: "required" if field.default is MISSING else f"`{json.dumps(field.default)}`"
        for field in fields(Adapter)
    }
    assert found == told


def test_every_link_leads_to_a_file() -> None:
    for target in re.findall(r"\]\((?!https?:|#)([^)#]+)", TEXT):
        assert (PAGE.parent / target).resolve().exists(), target
