"""A campaign reads no further while its vendor's line is long."""

import time
from typing import Any

from integration.campaigns.test_campaigns import (  # noqa: F401 - a fixture
    bucket,
    rows,
    stored,
    to_the_end,
    upload,
    work,
)

from sms_gateway.campaigns import repository, vendor_line
from sms_gateway.storage import rate_limiter
from testing.gateway import Gateway
from testing.settings import set_account

VENDOR = "server2sms"
CHECKED = "check/acme/spring sale.csv"


def line(seconds: int) -> None:
    """Let somebody leave now, and others wait for so long."""
    now = int(time.time() * 1000)
    assert rate_limiter.leave(VENDOR, now, 1_000, now, None)[1]
    rate_limiter.join(VENDOR, seconds * 1000)


def due(identifier: str, gateway: Gateway) -> float:
    found = repository.find_campaign(identifier)
    assert found
    return float(gateway.item(found.item_key)["due"]["N"]) - time.time()


def test_it_waits_until_the_line_is_short(
    gateway: Gateway,
    bucket: Any,  # noqa: F811 - the fixture
) -> None:
    set_account(VENDOR, rate=50)
    line(400)
    one = to_the_end(notice := upload(bucket, "to,text\r\n" + rows(3)))
    assert (one.state, one.rows, one.row) == ("reading", 3, 0)
    assert 290 <= due(one.id, gateway) <= 400 - vendor_line.SHORT_LINE_SECONDS + 2
    assert stored() == {}
    assert to_the_end(notice).row == 0
    set_account(VENDOR, rate=None)
    assert (ended := to_the_end(notice)).row == 3
    assert ended.state == "sending"


def test_a_short_line_and_a_file_that_is_only_checked_do_not_wait(
    gateway: Gateway,
    bucket: Any,  # noqa: F811 - the fixture
) -> None:
    set_account(VENDOR, rate=50)
    line(vendor_line.MAX_LINE_SECONDS - 5)
    assert to_the_end(upload(bucket, "to,text\r\n" + rows(3))).row == 3
    rate_limiter.join(VENDOR, 400_000)
    assert to_the_end(upload(bucket, "to,text\r\n" + rows(3), CHECKED)).row == 3


def test_nobody_stands_in_a_line_from_which_nobody_leaves(gateway: Gateway) -> None:
    line(400)
    now = int(time.time() * 1000)
    assert rate_limiter.line_ms(VENDOR, now) > 395_000
    assert rate_limiter.line_ms(VENDOR, now + rate_limiter.IDLE_MS + 2_000) == 0
    assert rate_limiter.line_ms("jst", now) == 0


def test_an_account_without_a_rate_is_asked_for_no_line(gateway: Gateway, bucket: Any) -> None:  # noqa: F811 - the fixture
    from sms_gateway.storage import dynamodb

    asked: list[str] = []
    notice = upload(bucket, "to,text\r\n" + rows(3))

    def seen(params: Any, **_: Any) -> None:
        asked.append(str(params.get("Key", "")))

    events = dynamodb.client().meta.events
    events.register("before-parameter-build.dynamodb.GetItem", seen)
    try:
        work(notice)
    finally:
        events.unregister("before-parameter-build.dynamodb.GetItem", seen)
    assert asked
    assert not any("RATE#" in key for key in asked)
