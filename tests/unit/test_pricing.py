"""From units to dollars, and the idle deployment's bill."""

from collections import Counter
from typing import Any

import pytest

from bench.conditions import asked
from bench.counting import TEMPLATE
from bench.pricing import PRICES, Spent, dollars, idle, onward, platform_bytes
from sms_gateway.storage import items
from sms_gateway.vendors.registry import VENDORS

TICK = Spent(
    reads=0.5 * len(items.SHARDS),
    runs=Counter({"scheduler": 1}),
    gb_seconds=Counter({"scheduler": 1}),
)


def test_a_million_messages_cost_their_units() -> None:
    one = Spent(
        writes=7,
        reads=4,
        api_requests=2,
        queue_requests=3,
        log_bytes=200,
        runs=Counter({"send": 1, "dispatch": 1}),
        gb_seconds=Counter({"send": 3}),
    )
    found = dollars(one)
    assert found["API Gateway"] == pytest.approx(7.0)
    assert found["DynamoDB"] == pytest.approx(7 * 0.625 + 4 * 0.125)
    assert found["SQS"] == pytest.approx(3 * 0.5)
    assert found["Lambda"] == pytest.approx(2 * 0.2 + 3 * 13.3334)
    assert found["logs"] == pytest.approx(0.1)


def test_what_is_told_of_a_message_costs_its_events_and_deliveries() -> None:
    published = Spent(runs=Counter(publish_events=3), gb_seconds=Counter(publish_events=0))
    found = {name: dollars(one) for name, one in onward(published).items()}
    assert found["bus"]["EventBridge"] == pytest.approx(4 * 1.0)
    assert found["bus"]["Lambda"] == pytest.approx(3 * 0.2)
    assert found["webhooks"]["EventBridge"] == 0
    assert found["webhooks"]["SQS"] == pytest.approx(4 * 3 * 0.5)
    assert found["webhooks"]["DynamoDB"] == pytest.approx((1 + 4) * 0.125)
    assert found["webhooks"]["Lambda"] > (3 + 4) * 0.2
    for service, price in found["all"].items():
        assert price == pytest.approx(found["bus"][service] + found["webhooks"][service])


def test_the_idle_deployment_stays_under_five_dollars() -> None:
    """With a tick that takes a whole second of a GB, ten times what it is measured at."""
    found = idle(TICK)
    assert sum(found.values()) < 5
    assert all(price > 0 for name, price in found.items() if "logs" not in name)


WAYS = ("SendFromBucket", "SendFromBus", "SendFromQueue", "SendFromTopic")
EVERYTHING = {"Events": "all", "CognitoKeyArn": "arn", **dict.fromkeys(WAYS, "true")}


@pytest.mark.parametrize(
    ("parameters", "alarms"),
    [({}, 3), ({"Events": "bus"}, 6), ({"Events": "webhooks"}, 8), ({"Events": "all"}, 9)],
)
def test_each_alarm_stands_in_the_idle_bill(parameters: dict[str, str], alarms: int) -> None:
    alarms += len(VENDORS)  # one each
    found = idle(TICK, asked(TEMPLATE, **parameters))
    assert found[f"{alarms} alarms"] == pytest.approx(0.1 * alarms)


def test_the_idle_bill_with_all_events_stays_under_five_dollars() -> None:
    tick = Spent(TICK.writes, 2 * TICK.reads, runs=TICK.runs)  # deliveries are looked for as well
    tick.gb_seconds["scheduler"] = 0.2  # type: ignore[assignment] # twice what a tick is measured at
    assert sum(idle(tick, asked(TEMPLATE, Events="all")).values()) < 5
    found = idle(tick, asked(TEMPLATE, **EVERYTHING))
    assert f"{14 + len(VENDORS)} alarms" in found
    vendors = 0.36 * len(VENDORS)  # an alarm, and a queue that is asked for messages, each
    assert 3.56 < sum(found.values()) - vendors < 4.06


def test_what_nobody_has_priced_stops_the_count(monkeypatch: pytest.MonkeyPatch) -> None:
    resources: dict[str, Any] = {**TEMPLATE["Resources"], "New": {"Type": "AWS::Kafka"}}
    monkeypatch.setitem(TEMPLATE, "Resources", resources)
    with pytest.raises(ValueError, match="AWS::Kafka"):
        idle(TICK)


def test_lambda_logs_nothing_of_its_own() -> None:
    assert platform_bytes() == 0


def test_every_price_says_where_it_stands() -> None:
    assert PRICES["date"]
    assert PRICES["region"] == "us-east-1"
    for name, section in PRICES.items():
        if isinstance(section, dict) and name != "assumed":
            assert section["page"], name
