"""The dashboard's body in template.yaml, written by `python -m tools.generate`.

Source: CloudWatch's API reference, "Dashboard body structure and syntax". Figures by vendor and
status are queries of the log group, since a custom metric for each would cost more than the
dashboard (docs/adr/0028). What AWS measures anyway is a metric.
"""

import json
import tomllib
from collections.abc import Iterable, Mapping, Sequence
from itertools import groupby
from pathlib import Path
from typing import Any, NamedTuple

from samcli.yamlhelper import yaml_parse

from sms_gateway.vendors.registry import VENDORS, adapter_class

PRICES: Mapping[str, float] = tomllib.loads(
    (Path(__file__).parent.parent / "bench" / "prices.toml").read_text(encoding="utf-8")
)["million"]
COLUMNS, HEIGHT = 24, 7  # of CloudWatch's grid, of a widget
STACK = "${AWS::StackName}"
SQS_COUNTS = (
    "NumberOfMessagesSent",
    "NumberOfMessagesReceived",
    "NumberOfMessagesDeleted",
    "NumberOfEmptyReceives",
)
METRICS = '"metrics": []'


class Metric(NamedTuple):
    """One entry of a widget's metrics, there only while a condition of the template holds."""

    entry: Sequence[Any]
    condition: str | None = None


class Widget(NamedTuple):
    """A widget; `name` begins the names of its conditional metrics."""

    name: str
    type: str
    properties: Mapping[str, Any]
    metrics: Sequence[Metric] = ()


def body(text: str) -> str:
    """Write the property DashboardBody of a template's dashboard, given the template's text."""
    template = yaml_parse(text)
    lines: list[str] = []
    variables: dict[str, str] = {}
    for row, widgets in enumerate(_rows(template)):
        width = COLUMNS // len(widgets)
        for column, widget in enumerate(widgets):
            place = {"x": column * width, "y": row * HEIGHT, "width": width, "height": HEIGHT}
            lines.append(_written(widget, place, variables))
    written = ",\n".join(lines).replace("\n", "\n    ")
    parts = "".join(f"  - {name}: {value}\n" for name, value in variables.items())
    parts = parts.replace("\n  - ", "\n    ")  # all of them are one map
    return f"""\
DashboardBody: !Sub
  - >-
    {{"start": "-PT3H", "widgets": [
    {written}
    ]}}
{parts}"""


def _written(widget: Widget, place: Mapping[str, int], variables: dict[str, str]) -> str:
    """Write a widget as JSON, what is alike in a line; add conditional metrics to `variables`."""
    properties = {**widget.properties, "region": "${AWS::Region}"}
    if not widget.metrics:
        return json.dumps({"type": widget.type, **place, "properties": properties})
    properties["metrics"] = []
    plain = (one.entry for one in widget.metrics if not one.condition)
    alike = groupby(plain, key=lambda entry: (len(entry), entry[0], entry[1:2]))
    always = ",\n".join(", ".join(map(json.dumps, entries)) for _, entries in alike)
    conditions = dict.fromkeys(one.condition for one in widget.metrics if one.condition)
    for condition in conditions:
        entries = (one.entry for one in widget.metrics if one.condition == condition)
        more = "".join(f", {json.dumps(entry)}" for entry in entries)
        variables[f"{widget.name}{condition}"] = f"!If [{condition}, !Sub '{more}', '']"
        always += f"${{{widget.name}{condition}}}"
    text = json.dumps({"type": widget.type, **place, "properties": properties})
    return text.replace(METRICS, f'"metrics": [\n{always}]')


def _rows(template: Mapping[str, Any]) -> list[list[Widget]]:
    return [
        [_by_vendor("accepted"), _submitted(), _by_vendor("ended")],
        [
            _table(
                "Ended, by vendor and status",
                "message = 'messages ended'",
                "stats sum(messages) as ended by vendor, status | sort vendor, status",
            ),
            _seconds("Seconds from acceptance to the vendor", "messages submitted"),
            _seconds("Seconds from the vendor to the receipt", "messages ended"),
        ],
        [
            _seconds_by_vendor("Seconds from acceptance to the vendor", "messages submitted"),
            _seconds_by_vendor("Seconds from the vendor to the receipt", "messages ended"),
            _table(
                "Circuits that changed: the state since then",
                "message = 'circuit state changed'",
                "stats latest(state) as is, latest(@timestamp) as since, count(*) as changes "
                "by vendor",
            ),
        ],
        [
            _age(template),
            _dead(template),
            _table(
                "Balances",
                "message = 'balance'",
                "stats latest(amount) as balance, latest(@timestamp) as told "
                "by vendor, product, unit",
            ),
        ],
        [
            _errors(template),
            _answers(),
            _table(
                "Errors in the log",
                "level in ['ERROR', 'CRITICAL']",
                "stats count(*) as lines, latest(@timestamp) as last by message, vendor "
                "| sort lines desc | limit 20",
            ),
        ],
        [
            _table(
                "What vendors charge, where they or a price table tell it",
                "message = 'messages submitted' and ispresent(price)",
                "stats sum(price) as charged, sum(messages) as submitted by vendor, currency",
            ),
            _cost(template),
        ],
    ]


def _query(title: str, view: str, condition: str, lines: str) -> Widget:
    query = f"SOURCE '${{Logs}}' | filter {condition} | {lines}"
    return Widget("", "log", {"title": title, "view": view, "query": query})


def _table(title: str, condition: str, lines: str) -> Widget:
    return _query(title, "table", condition, lines)


def _by_vendor(step: str) -> Widget:
    """Draw messages by vendor: a time series has no groups, so each vendor is a sum of its own."""
    each = ", ".join(f"strcontains(vendor, '{one}') * messages as of_{one}" for one in VENDORS)
    sums = ", ".join(f"sum(of_{one}) as {one}" for one in VENDORS)
    return _query(
        f"Messages {step}",
        "timeSeries",
        f"message = 'messages {step}'",
        f"fields {each} | stats {sums} by bin(5m)",
    )


def _seconds(title: str, line: str) -> Widget:
    return _query(
        title,
        "timeSeries",
        f"message = '{line}' and ispresent(seconds)",
        "stats pct(seconds, 50) as p50, pct(seconds, 95) as p95 by bin(5m)",
    )


def _seconds_by_vendor(title: str, line: str) -> Widget:
    return _table(
        f"{title}, by vendor",
        f"message = '{line}' and ispresent(seconds)",
        "stats pct(seconds, 50) as p50, pct(seconds, 95) as p95, max(seconds) as longest by vendor",
    )


def _graph(
    name: str, title: str, stat: str, metrics: Iterable[Metric], period: int = 300, **more: Any
) -> Widget:
    properties = {"title": title, "view": "timeSeries", "stat": stat, "period": period, **more}
    return Widget(name, "metric", properties, list(metrics))


def _submitted() -> Widget:
    dimensions = ("service", "sms-gateway", "stack", STACK, "vendor")
    metrics = (
        Metric(["SmsGateway", "Submitted", *dimensions, name, {"label": adapter_class(name).title}])
        for name in VENDORS
    )
    return _graph("Submitted", "Messages submitted", "Sum", metrics)


def _of_type(
    template: Mapping[str, Any], kind: str
) -> list[tuple[str, str | None, Mapping[str, Any]]]:
    return [
        (name, one.get("Condition"), one["Properties"])
        for name, one in template["Resources"].items()
        if one["Type"] == kind
    ]


def _queues(template: Mapping[str, Any], *, dead: bool) -> list[tuple[str, str | None]]:
    found = _of_type(template, "AWS::SQS::Queue")
    return [(name, given) for name, given, _ in found if name.endswith("DeadLetters") == dead]


def _of_queue(name: str, metric: str, **options: Any) -> list[Any]:
    return ["AWS/SQS", metric, "QueueName", f"${{{name}.QueueName}}", options or {"label": name}]


def _age(template: Mapping[str, Any]) -> Widget:
    metrics = (
        Metric(_of_queue(name, "ApproximateAgeOfOldestMessage"), given)
        for name, given in _queues(template, dead=False)
    )
    return _graph("Age", "Oldest message of a queue, seconds", "Maximum", metrics)


def _dead(template: Mapping[str, Any]) -> Widget:
    metrics = (
        Metric(_of_queue(name, "ApproximateNumberOfMessagesVisible"), given)
        for name, given in _queues(template, dead=True)
    )
    return _graph("Dead", "Dead letters", "Maximum", metrics)


def _of_function(name: str, metric: str, **options: Any) -> list[Any]:
    return ["AWS/Lambda", metric, "FunctionName", f"${{{name}}}", options or {"label": name}]


def _errors(template: Mapping[str, Any]) -> Widget:
    functions = _of_type(template, "AWS::Serverless::Function")
    metrics = (Metric(_of_function(name, "Errors"), given) for name, given, _ in functions)
    return _graph("Errors", "Functions that failed or timed out", "Sum", metrics)


def _of_api(metric: str, **options: Any) -> list[Any]:
    return ["AWS/ApiGateway", metric, "ApiName", STACK, "Stage", "v1", options]


def _answers() -> Widget:
    labels = {"Count": "requests", "4XXError": "4xx", "5XXError": "5xx"}
    metrics = (Metric(_of_api(name, label=label)) for name, label in labels.items())
    return _graph("Answers", "The API's answers", "Sum", metrics)


def _cost(template: Mapping[str, Any]) -> Widget:
    """Estimate AWS's bill of an hour from what AWS counts; METRICS finds metrics by their ids."""
    hidden: list[Metric] = [Metric(_of_api("Count", id="api", visible=False))]
    logs = ["AWS/Logs", "IncomingBytes", "LogGroupName", "${Logs}"]
    hidden.append(Metric([*logs, {"id": "logs", "visible": False}]))
    hidden += _table_units(template["Resources"]["Table"]["Properties"])
    for nth, count in enumerate(SQS_COUNTS):
        for queue, given in _queues(template, dead=False):
            entry = _of_queue(queue, count, id=f"asked{nth}_{queue}", visible=False)
            hidden.append(Metric(entry, given))
    usual = template["Globals"]["Function"]["MemorySize"]
    sizes = {
        name: (properties.get("MemorySize", usual), given)
        for name, given, properties in _of_type(template, "AWS::Serverless::Function")
    }
    for name, (_, given) in sizes.items():
        run = _of_function(name, "Invocations", id=f"run_{name}", visible=False)
        hidden.append(Metric(run, given))
    for name, (size, given) in sizes.items():
        duration = _of_function(name, "Duration", id=f"mb{size}_{name}", visible=False)
        hidden.append(Metric(duration, given))
    memory = sorted({size for size, _ in sizes.values()})
    seconds = "+".join(f"{_sum(f'mb{size}_')}*{size}" for size in memory)  # in ms and MB
    costs = {
        "API Gateway": f"{_sum('api')}*{_price('API Gateway requests')}",
        "DynamoDB": f"{_sum('wcu')}*{_price('write units')}+{_sum('rcu')}*{_price('read units')}",
        "Lambda": f"{_sum('run_')}*{_price('invocations')}"
        f"+({seconds})/1024/1000*{_price('GB-seconds')}",
        "SQS, at most": f"{_sum('asked')}*{_price('SQS requests')}",
        "Logs": f"{_sum('logs')}*{_price('log bytes')}",
    }
    shown = [
        Metric([{"expression": formula, "label": label, "id": f"cost{nth}"}])
        for nth, (label, formula) in enumerate(costs.items())
    ]
    title = "AWS by the hour, $ at us-east-1's list prices, without what is fixed a month"
    return _graph("Cost", title, "Sum", [*shown, *hidden], period=3600, stacked=True)


def _table_units(table: Mapping[str, Any]) -> list[Metric]:
    units = {"wcu": "ConsumedWriteCapacityUnits", "rcu": "ConsumedReadCapacityUnits"}
    whole = ["TableName", "${Table}"]
    indexes = [
        [*whole, "GlobalSecondaryIndexName", one["IndexName"]]
        for one in table["GlobalSecondaryIndexes"]
    ]
    return [
        Metric(["AWS/DynamoDB", name, *place, {"id": f"{short}{nth}", "visible": False}])
        for short, name in units.items()
        for nth, place in enumerate([whole, *indexes])
    ]


def _sum(beginning: str) -> str:
    return f'SUM(FILL(METRICS("{beginning}"),0))'


def _price(unit: str) -> str:
    """Write the dollars of one unit without an exponent."""
    return f"{PRICES[unit] / 1_000_000:.16f}".rstrip("0")
