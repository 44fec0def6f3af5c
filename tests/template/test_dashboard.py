"""The dashboard: nothing by default; its body is CloudWatch's, and names what the code logs."""

import ast
import json
import re
from collections.abc import Iterator, Mapping
from typing import Any

import pytest

from sms_gateway.core import observability
from sms_gateway.core.status import Status
from sms_gateway.vendors.registry import VENDORS
from testing.paths import ROOT
from testing.template import EVERYTHING
from testing.transformed import of_type, resolved, transformed
from tools import dashboard

CORE = ROOT / "layers" / "gateway" / "sms_gateway"
DEPLOYMENTS = pytest.mark.parametrize("parameters", [{}, EVERYTHING], ids=["default", "everything"])
# CloudWatch's API reference, "Dashboard body structure and syntax"
OF_WIDGET = {"type", "x", "y", "width", "height", "properties"}
OF_LOG = {"region", "title", "query", "view", "stacked"}
OF_METRIC = {"region", "title", "metrics", "view", "stat", "period", "stacked", "legend", "yAxis"}
OF_ENTRY = {"id", "label", "expression", "visible", "stat", "period", "color", "yAxis", "region"}


def body(resources: Mapping[str, Any]) -> dict[str, Any]:
    """The dashboard as CloudWatch gets it, with logical ids where CloudFormation puts names."""
    text, variables = resources["GatewayDashboard"]["Properties"]["DashboardBody"]["Fn::Sub"]
    for name, value in variables.items():
        written = value["Fn::Sub"] if isinstance(value, dict) else value
        text = text.replace(f"${{{name}}}", written)
    found: dict[str, Any] = json.loads(re.sub(r"\$\{([\w:.]+)\}", r"\1", text))
    return found


def shown(**parameters: str) -> list[dict[str, Any]]:
    widgets: list[dict[str, Any]] = body(resolved(Dashboard="true", **parameters))["widgets"]
    return widgets


def entries(**parameters: str) -> list[list[Any]]:
    return [
        one for widget in shown(**parameters) for one in widget["properties"].get("metrics", [])
    ]


def queries() -> list[str]:
    return [one["properties"]["query"] for one in shown() if one["type"] == "log"]


def test_by_default_there_is_no_dashboard_and_nothing_is_logged_for_one() -> None:
    resources = resolved()
    assert not of_type(resources, "AWS::CloudWatch::Dashboard")
    for function in of_type(resources, "AWS::Lambda::Function").values():
        assert function["Environment"]["Variables"]["DASHBOARD"] == "false"
    assert transformed()["Outputs"]["DashboardName"]["Condition"] == "HasDashboard"


def test_two_stacks_have_a_dashboard_each_also_in_two_regions() -> None:
    (one,) = of_type(resolved(Dashboard="true"), "AWS::CloudWatch::Dashboard").values()
    assert one["DashboardName"] == {"Fn::Sub": "${AWS::StackName}-${AWS::Region}"}


@DEPLOYMENTS
def test_the_body_is_what_cloudwatch_takes(parameters: dict[str, str]) -> None:
    widgets = shown(**parameters)
    assert widgets
    taken: set[tuple[int, int]] = set()
    for widget in widgets:
        assert set(widget) == OF_WIDGET
        assert widget["x"] >= 0
        assert widget["x"] + widget["width"] <= 24
        places = {
            (widget["x"] + x, widget["y"] + y)
            for x in range(widget["width"])
            for y in range(widget["height"])
        }
        assert taken.isdisjoint(places)
        taken |= places
        properties = widget["properties"]
        assert properties["region"] == "AWS::Region"
        assert properties["title"]
        if widget["type"] == "log":
            assert set(properties) <= OF_LOG
            assert properties["view"] in ("table", "timeSeries", "bar", "pie")
            assert properties["query"].startswith("SOURCE 'Logs' | ")
            assert (properties["view"] == "timeSeries") == ("by bin(" in properties["query"])
        else:
            assert widget["type"] == "metric"
            assert set(properties) <= OF_METRIC
            assert properties["view"] == "timeSeries"
            assert properties["stat"] in ("Sum", "Maximum")
            assert properties["period"] % 60 == 0
            assert 0 < len(properties["metrics"]) <= 500
    assert sum(len(one["properties"].get("metrics", [])) for one in widgets) <= 2500


@DEPLOYMENTS
def test_each_metric_is_named_by_pairs_and_each_formula_finds_its_metrics(
    parameters: dict[str, str],
) -> None:
    for widget in shown(**parameters):
        metrics = widget["properties"].get("metrics", [])
        options = [one[-1] for one in metrics]
        assert all(set(one) <= OF_ENTRY for one in options)
        ids = [one["id"] for one in options if "id" in one]
        assert len(set(ids)) == len(ids)
        assert all(re.fullmatch(r"[a-z]\w*", one) for one in ids)
        named = [one for one in metrics if len(one) > 1]
        assert all(len(one) % 2 == 1 for one in named)  # namespace, name, pairs, options
        formulas = " ".join(one["expression"] for one in options if "expression" in one)
        used = re.findall(r'METRICS\("(\w+)"\)', formulas)
        assert "e-" not in formulas
        hidden = [one["id"] for one in options if one.get("visible") is False]
        for one in hidden:  # METRICS takes each whose id has its word anywhere
            assert len({word for word in used if word.lower() in one.lower()}) == 1, one
        assert all(any(word in one for one in hidden) for word in used)


@DEPLOYMENTS
def test_every_vendor_queue_and_function_is_on_it(parameters: dict[str, str]) -> None:
    resources = resolved(**parameters)
    found = entries(**parameters)

    def of(metric: str) -> set[str]:
        return {str(one[3]).partition(".")[0] for one in found if one[1:2] == [metric]}

    queues = set(of_type(resources, "AWS::SQS::Queue"))
    dead = {one for one in queues if one.endswith("DeadLetters")}
    assert of("ApproximateAgeOfOldestMessage") == queues - dead
    assert of("ApproximateNumberOfMessagesVisible") == dead
    functions = set(of_type(resources, "AWS::Lambda::Function"))
    for metric in ("Errors", "Invocations", "Duration"):
        assert of(metric) == functions
    submitted = [one for one in found if one[:2] == ["SmsGateway", "Submitted"]]
    assert {one[one.index("vendor") + 1] for one in submitted} == set(VENDORS)
    by_vendor = [one for one in queries() if "of_" in one]
    assert len(by_vendor) == 2
    for query in by_vendor:
        assert all(f"sum(of_{vendor}) as {vendor}" in query for vendor in VENDORS)


def test_no_vendors_name_is_a_part_of_anothers() -> None:
    """The time series tell vendors apart by `strcontains`."""
    assert not [(a, b) for a in VENDORS for b in VENDORS if a != b and a in b]


def calls() -> Iterator[tuple[str, ast.Call]]:
    """Each call in the core that logs or counts, by what it says first."""
    for path in CORE.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Call) and node.args and isinstance(node.args[0], ast.Constant):
                yield str(node.args[0].value), node


def logged() -> dict[str, set[str]]:
    """The lines of the log, each with its fields."""
    lines: dict[str, set[str]] = {}
    for line, call in calls():
        fields = {one.arg for one in call.keywords if one.arg}
        for one in call.keywords:
            if one.arg == "extra" and isinstance(one.value, ast.Dict):
                fields |= {
                    str(key.value) for key in one.value.keys if isinstance(key, ast.Constant)
                }
        lines.setdefault(line, set()).update(fields)
    return lines


@pytest.mark.parametrize("query", queries())
def test_a_query_reads_lines_and_fields_that_the_code_logs(query: str) -> None:
    fields = {"level", "message"}
    named = re.findall(r"message = '([^']+)'", query)
    assert named or "level in" in query
    for line in named:
        assert line in logged(), line
        fields |= logged()[line]
    if not named:
        fields |= {"vendor"}  # of most
    rest = re.sub(r"'[^']*'", "", query)
    own = set(re.findall(r" as (\w+)", rest))
    words = {
        *("SOURCE", "filter", "and", "ispresent", "fields", "strcontains", "as", "stats", "sum"),
        *("by", "bin", "5m", "pct", "50", "95", "max", "latest", "timestamp", "count", "sort"),
        *("desc", "limit", "20", "in"),
    }
    assert set(re.findall(r"\w+", rest)) - words - own <= fields


def test_the_metrics_of_our_own_are_those_that_the_code_counts() -> None:
    counted = {line for line, call in calls() if ast.unparse(call.func) == "increment"}
    ours = {one[1] for one in entries() if one[0] == observability.NAMESPACE}
    assert ours
    assert ours <= counted


def test_ends_are_told_by_the_statuses_of_messages() -> None:
    (query,) = (one for one in queries() if "by vendor, status" in one)
    assert "stats sum(messages)" in query
    assert {"delivered", "undelivered", "unknown"} <= {str(one) for one in Status if one.final}


def test_what_it_estimates_is_reckoned_with_the_benchmarks_prices() -> None:
    text = json.dumps(entries())
    for unit in ("API Gateway requests", "write units", "read units", "GB-seconds", "log bytes"):
        written = f"{dashboard.PRICES[unit] / 1_000_000:.16f}".rstrip("0")
        assert float(written) == pytest.approx(dashboard.PRICES[unit] / 1_000_000)
        assert f"*{written}" in text
