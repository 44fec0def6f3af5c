"""From units to dollars, and the idle deployment's bill."""

from collections import Counter
from typing import Any

import pytest

from bench.gateway import Run
from bench.pricing import ASSUMED, PRICES, billed, dollars, idle, memory, platform_bytes, units
from sms_gateway.storage import items
from sms_gateway.vendors.registry import VENDORS
from testing.counting import Tally
from testing.template import EVERYTHING, TEMPLATE, asked

TICK = {"read units": 0.5 * len(items.SHARDS), "invocations": 1, "GB-seconds": 1}


def test_a_million_messages_cost_their_units() -> None:
    tally = Tally(Counter({"sqs.SendMessageBatch": 1}), reads=4, consumed=7, log_bytes=200)
    runs = Counter(send=1, dispatch=1)
    found = units(tally, {"send": 1024_000 / memory("send"), "dispatch": 0}, runs)
    assert found["SQS requests"] == 3
    assert found["GB-seconds"] == pytest.approx(1)
    bill = 3.5 + 7 * 0.625 + 4 * 0.125 + 3 * 0.5 + 2 * 0.2 + 13.3334 + 0.1
    assert dollars(found) == pytest.approx(bill)


def test_threads_of_a_pool_wait_side_by_side() -> None:
    """The main thread's calls follow one another, and each millisecond begun is billed."""
    asked = {
        ("MainThread", "dynamodb"): 2,
        ("ThreadPoolExecutor-0_0", "vendor"): 1,
        ("ThreadPoolExecutor-0_1", "vendor"): 3,
        ("MainThread", "secretsmanager"): 1,
    }
    share = memory("dispatch") / ASSUMED["full_cpu_mb"]
    assert billed(Run("dispatch", 0.0, asked)) == 2 * 5 + 3 * 50
    assert billed(Run("dispatch", 0.0101 * share, asked)) == 2 * 5 + 3 * 50 + 11


def test_the_idle_deployment_stays_under_five_dollars() -> None:
    """With a run that takes a whole second of a GB, ten times what it is measured at."""
    found = idle(TICK)
    assert sum(found.values()) < 5
    assert all(price > 0 for price in found.values())


@pytest.mark.parametrize(
    ("parameters", "alarms"),  # beside one for each vendor
    [({}, 12), ({"Events": "bus"}, 14), ({"Events": "webhooks"}, 15), ({"Events": "all"}, 16)],
)
def test_each_alarm_stands_in_the_idle_bill(parameters: dict[str, str], alarms: int) -> None:
    found = idle(TICK, asked(TEMPLATE, **parameters))
    assert found["alarms"] == pytest.approx(0.1 * (len(VENDORS) + alarms))


def test_the_idle_bill_with_all_events_stays_under_five_dollars_with_four_vendors() -> None:
    # Deliveries are looked for as well.
    tick = TICK | {"read units": 2 * TICK["read units"], "GB-seconds": 0.1}
    assert sum(idle(tick, asked(TEMPLATE, Events="all")).values()) < 3.56 + 0.36 * len(VENDORS)
    found = idle(tick, asked(TEMPLATE, **EVERYTHING))
    assert found["alarms"] == pytest.approx(0.1 * (len(VENDORS) + 21))
    assert 5 < sum(found.values()) < 4.7 + 0.35 * len(VENDORS)


def test_what_an_option_costs_while_idle_is_an_item_of_its_own() -> None:
    usual = idle(TICK)
    assert not {"dashboard", "key"} & set(usual)
    domain = {"DomainName": "a.example", "CertificateArn": "arn", "HostedZoneId": "Z1"}
    assert idle(TICK, asked(TEMPLATE, **domain, WebAclArn="arn")) == usual
    looked_at = idle(TICK, asked(TEMPLATE, Dashboard="true"))
    assert looked_at == usual | {"dashboard": 3.0}
    locked = idle(TICK, asked(TEMPLATE, KmsKeyArn="arn"))
    assert 1 < locked.pop("key") < 1.2
    assert locked == usual


def test_what_nobody_has_priced_stops_the_count(monkeypatch: pytest.MonkeyPatch) -> None:
    resources: dict[str, Any] = {**TEMPLATE["Resources"], "New": {"Type": "AWS::Kafka"}}
    monkeypatch.setitem(TEMPLATE, "Resources", resources)
    with pytest.raises(ValueError, match="AWS::Kafka"):
        idle(TICK)


def test_lambda_logs_nothing_of_its_own() -> None:
    assert platform_bytes() == 0


def test_prices_say_when_and_where_they_stood() -> None:
    assert PRICES["date"]
    assert PRICES["region"] == "us-east-1"
