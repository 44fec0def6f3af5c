"""Documents stay true: links lead somewhere, functions, parameters, alarms and metrics exist."""

import ast
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest
from samcli.yamlhelper import yaml_parse

from sms_gateway.vendors.registry import VENDORS
from tools.generate import logical_id
from tools.vendor_pages import ROOT

DOCUMENTS = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
GUIDES = ROOT / "docs" / "guides"
LINK = re.compile(r"\[([^\]]*)\]\(([^)\s]+)\)")
TEMPLATE = yaml_parse((ROOT / "template.yaml").read_text(encoding="utf-8"))


@cache
def text(path: Path) -> str:
    return path.read_text(encoding="utf-8")


@cache
def anchors(path: Path) -> set[str]:
    """The anchors that a page's headings make, as GitHub makes them."""
    headings = re.findall(r"^#+ (.*)$", text(path), re.M)
    return {re.sub(r"[^\w\- ]", "", one.lower()).replace(" ", "-") for one in headings}


@cache
def names(path: Path) -> set[str]:
    """The functions and classes that a module defines."""
    defined = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)
    return {node.name for node in ast.walk(ast.parse(text(path))) if isinstance(node, defined)}


def links() -> Iterator[tuple[Path, str, str]]:
    for page in DOCUMENTS:
        for words, target in LINK.findall(text(page)):
            if not target.startswith(("http://", "https://")):
                yield page, words, target


def first_column(page: str, heading: str) -> set[str]:
    """The names in code style in the first column of the tables below a heading."""
    section = f"\n{text(GUIDES / page)}".split(f"\n{heading}\n")[1].split("\n## ")[0]
    rows = re.findall(r"^\| ([^|]+) \|", section, re.M)
    return {name for row in rows for name in re.findall(r"`([A-Z]\w+)`", row)}


@pytest.mark.parametrize("page", DOCUMENTS, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_link_leads_to_a_file_and_a_heading(page: Path) -> None:
    assert text(page).strip()
    for source, _, target in links():
        if source == page:
            path, _, anchor = target.partition("#")
            leads_to = (page.parent / path).resolve() if path else page
            assert leads_to.exists(), target
            assert not anchor or anchor in anchors(leads_to), target


def test_every_function_that_a_document_names_is_in_its_module() -> None:
    named = [
        (words[1:-1], (page.parent / target).resolve())
        for page, words, target in links()
        if target.endswith(".py") and re.fullmatch(r"`\w+`", words)
    ]
    assert named
    assert [(name, path.name) for name, path in named if name not in names(path)] == []


def test_every_page_is_reached_from_the_readme() -> None:
    reached, open_pages = set[Path](), [ROOT / "README.md"]
    while open_pages:
        page = open_pages.pop()
        reached.add(page)
        targets = {
            (page.parent / target.partition("#")[0]).resolve()
            for source, _, target in links()
            if source == page and target.partition("#")[0].endswith(".md")
        }
        open_pages += [one for one in targets - reached if one in DOCUMENTS]
    assert [page for page in DOCUMENTS if page not in reached] == []


def test_the_readme_is_short() -> None:
    assert len(text(ROOT / "README.md").splitlines()) <= 120


def test_every_parameter_of_the_stack_is_in_the_guide() -> None:
    assert first_column("deploy.md", "# Deploy and delete") == set(TEMPLATE["Parameters"])


def test_every_alarm_of_the_stack_is_in_the_guide() -> None:
    resources = TEMPLATE["Resources"].items()
    alarms = {name for name, one in resources if one["Type"] == "AWS::CloudWatch::Alarm"}
    each_vendors = {f"{logical_id(vendor)}DeadLettersAlarm" for vendor in VENDORS}
    assert "| `<Vendor>DeadLettersAlarm`" in text(GUIDES / "operate.md")
    assert first_column("operate.md", "## Alarms") == alarms - each_vendors
    assert each_vendors < alarms


def test_a_page_counts_the_alarms_as_they_are() -> None:
    alarms = [one for one in TEMPLATE["Resources"].values() if one["Type"].endswith("::Alarm")]
    always = sum("Condition" not in one for one in alarms)
    said = f"default there are {always} alarms, with everything on {len(alarms)} "
    assert said in (GUIDES / "deploy.md").read_text()


def test_every_metric_is_in_the_guide() -> None:
    paths = [*(ROOT / "layers" / "gateway").rglob("*.py"), *(ROOT / "functions").rglob("*.py")]
    counted = {
        name
        for path in paths
        for name in re.findall(r"\b(?:count|increment)\(\s*\"(\w+)", text(path))
    }
    assert counted
    explained = text(GUIDES / "operate.md").split("\n## Alarms\n")[1].split("\n## Logs\n")[0]
    assert {name for name in counted if f"`{name}`" not in explained} == set()
    assert first_column("operate.md", "## Metrics") - counted == set()
