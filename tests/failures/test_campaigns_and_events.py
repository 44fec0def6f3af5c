"""Nothing lost on its way out: the bus, webhooks and uploaded campaigns, while things fail."""

import csv
import io
import os
import time
from collections import Counter
from contextlib import suppress
from functools import partial
from typing import Any

from e2e.receiver import until
from failures.arena import VENDORS, Case, number
from failures.oracle import Promise, judge
from failures.outward import Outside

ROWS = int(os.environ.get("CAMPAIGN", "10000"))
PAUSE = 12  # seconds that the slow endpoint takes; at 15 a delivery would have failed
MESSAGES = 60
HEAD = '"sk": {"S": "B"}'  # in the write that accepts a batch of several


def test_an_endpoint_that_was_down_is_told_everything(outer: Outside) -> None:
    case = outer.case("an endpoint is down, then up")
    webhook = outer.hook(case, "/down")
    relay = outer.ground.relay("receiver")
    relay.down()
    try:
        for vendor in VENDORS:
            case.send(vendor, 3)
        wanted = outer.wanted(case)
        until(lambda: {one["event_id"] for one in outer.deliveries(case, webhook)} >= set(wanted))
        failed = outer.deliveries(case, webhook)
        assert {one["state"] for one in failed} == {"waiting"}
        assert "the connection was refused" in {
            attempt["problem"] for one in failed for attempt in one["attempts"]
        }
        assert outer.at(case, "/down") == []
    finally:
        relay.up()

    def arrived() -> bool:
        return {one["state"] for one in outer.deliveries(case, webhook)} == {"delivered"}

    for _ in range(6):  # an attempt that was still under way may let it rest once more
        outer.later(case, webhook)
        with suppress(AssertionError):
            until(arrived, 10)
            break
    assert arrived()
    row = outer.settle(case, "/down")
    assert row.good, row.faults


def test_a_slow_endpoint_does_not_delay_a_fast_one(outer: Outside) -> None:
    case = outer.case("a slow endpoint stands beside a fast one")
    slow = outer.hook(case, "/slow")
    outer.hook(case, "/fast")

    outer.receiver.pauses["/slow"] = PAUSE
    case.send("rajasms", MESSAGES)
    # Until its first answer nobody knows that it is slow: its calls hold workers for so long.
    before = outer.receiver.begun["/slow"]
    until(lambda: outer.receiver.begun["/slow"] > before + 20)
    time.sleep(PAUSE + 2)
    due = {f"{one}-1" for one in case.send("server2sms", 3) + case.send("dinisoft", 3)}
    until(lambda: due <= {one["id"] for one in outer.on_bus(case)})
    published = time.monotonic()  # how long the emulator's stream takes is another matter
    until(lambda: due <= {one["id"] for one in outer.at(case, "/fast")})
    took = time.monotonic() - published
    waiting = 3 * MESSAGES + before - outer.receiver.begun["/slow"]
    outer.receiver.pauses.clear()

    print(f"told {took:.1f} s after the bus; {waiting} wait for the slow one")
    assert waiting > 10  # in one queue these would have come first
    assert took < PAUSE
    until(lambda: outer.receiver.begun["/slow"] >= before + 3 * MESSAGES)
    outer.later(case, slow)  # on a busy machine an answer may have come too late
    row = outer.settle(case, "/slow", "/fast")
    assert row.good, row.faults


def test_an_event_is_told_although_publish_is_killed(outer: Outside) -> None:
    """The emulator hands over again what the function died with, as Lambda does."""
    case = outer.case("publish is killed between stream and bus")
    outer.hook(case, "/killed")
    for kill in (
        ("eventbridge", "kill-before", "PutEvents"),
        ("eventbridge", "kill-after", "PutEvents"),
        ("sqs", "kill-before", "SendMessageBatch", "MessageAccepted"),
    ):
        rule = case.rule(*kill)  # one after the other: a process dies but once
        for vendor in VENDORS:
            case.send(vendor, 2)
        rule.wait()
        assert rule.killed
    row = outer.settle(case, "/killed")
    assert row.good, row.faults
    seen = Counter(one["id"] for one in outer.on_bus(case))
    assert max(seen.values()) > 1  # the second kill came after the bus had them


def test_records_that_come_again_tell_nothing_new(outer: Outside) -> None:
    case = outer.case("the stream hands records over again")
    outer.hook(case, "/again")
    failing = outer.hook(case, "/again-failing")
    outer.receiver.answers["/again-failing"] = 500
    for vendor in VENDORS:
        case.send(vendor, 5)
    wanted = outer.wanted(case)
    until(lambda: {one["id"] for one in outer.at(case, "/again")} == set(wanted))
    records = outer.changes.records(case.batches)
    for reader in outer.changes.readers * 2:
        assert outer.changes.hand_over(reader, records) == []

    def seen() -> Counter[str]:
        return Counter(one["id"] for one in outer.on_bus(case))

    until(lambda: min(seen().values()) >= 3)
    row = outer.settle(case, "/again")
    assert row.good, row.faults
    headers = [
        (sent["webhook-id"], event["id"])
        for path, _, sent, event in outer.receiver.got
        if path == "/again"
    ]
    assert headers
    assert all(one == other for one, other in headers)
    # A receiver that drops the ids it has seen has each event once; what failed is kept once.
    assert len({one for one, _ in headers}) == len(wanted)
    kept = Counter(one["event_id"] for one in outer.deliveries(case, failing))
    assert kept == dict.fromkeys(wanted, 1)
    outer.receiver.answers.clear()


def test_a_bus_that_refuses_is_told_later(outer: Outside) -> None:
    """The emulator drops what the function answers as failed: what hands the records over here
    does as Lambda documents it."""
    case = outer.case("the bus refuses")
    outer.hook(case, "/refused")
    with outer.changes.held():
        rules = [
            case.rule("eventbridge", "unavailable", "PutEvents", count=10),
            case.rule("eventbridge", "throttle", "PutEvents", count=100),
            case.rule("eventbridge", "refuse-some", "PutEvents", count=40),
        ]
        for vendor in VENDORS * 6:
            case.send(vendor, 1)  # each a record of its own
        case.send("rajasms", 8)
        outer.wanted(case)
        bus, webhooks = outer.changes.readers
        records = outer.changes.records(case.batches)
        # Trouble with one is none of the other's.
        assert all(many == done for many, done in outer.changes.deliver(webhooks, records))
        times = outer.changes.deliver(bus, records)
    assert all(rule.struck for rule in rules)
    assert any(done == 0 for _, done in times)
    assert any(0 < done < many for many, done in times)
    row = outer.settle(case, "/refused")
    assert row.good, row.faults


def test_a_campaign_that_is_killed_three_times_sends_each_row_once(outer: Outside) -> None:
    case = outer.case("a campaign is killed three times")
    stack, api = outer.ground.stack, case.ground.api
    bucket = stack.facts["campaigns_bucket"]
    rows = [(number("rajasms", nth % 1000), f"{case.marker} row {nth}.") for nth in range(ROWS)]
    promises = [Promise(*row) for row in rows]
    outer.ground.asked.update(one.identity for one in promises)
    # Callbacks say nothing about how often a row was sent.
    fault = {"vendor": "rajasms", "fault": "drop-callbacks", "count": None}
    outer.ground.simulators("POST", "_faults", fault)
    before = taken_by(outer, "rajasms")
    chunk = ROWS // 4 // 1000 * 1000 + 1
    last_chunk = f"R#{3 * chunk - 2:07d}"
    kills = [
        # in the middle of a chunk's messages; after its batch was accepted; before a chunk's record
        case.rule("dynamodb", "kill-before", "BatchWriteItem", marker=rows[chunk + 500][1]),
        case.rule("dynamodb", "kill-after", "PutItem", HEAD, marker="", skip=ROWS // 2000),
        case.rule("dynamodb", "kill-before", "TransactWriteItems", last_chunk, marker=""),
    ]
    written = "to,text\n" + "".join(f"{to},{text}\n" for to, text in rows)
    with outer.changes.held():  # events are not what this is about
        key = f"campaigns/{case.marker}/all.csv"
        stack.client("s3").put_object(Bucket=bucket, Key=key, Body=written.encode())
        campaign = until(partial(_campaign, outer, case))

        def seen() -> dict[str, Any]:
            return dict(api("GET", f"/batches/{campaign}").body["campaign"])

        for kill in kills:
            until(lambda kill=kill: kill.over, 400)  # type: ignore[misc]  # a default binds the loop's value
            assert kill.killed
            read = seen()["rows_read"]

            def goes_on(read: int = read) -> bool:
                # The clock calls another worker after 90 seconds, here at once. Where a chunk was
                # half accepted, that one still waits until the dead one must be dead: a minute.
                outer.due_now(campaign, "C", "due")
                shown = seen()
                return bool(shown["rows_read"] > read or shown["state"] in ("sending", "done"))

            until(goes_on)
            print(f"killed at row {read}; going on {time.monotonic() - case.started:.0f} s")
        until(lambda: seen()["state"] in ("sending", "done"), 600)
        until(lambda: taken_by(outer, "rajasms") - before >= ROWS, 600)
        time.sleep(3)  # what is sent twice would come now
    print(f"all taken after {time.monotonic() - case.started:.0f} s")
    outer.ground.chaos.remove(*case.rules)
    outer.ground.simulators("DELETE", "_faults")

    mine = {one.identity for one in promises}
    taken = [one for one in outer.ground.ledger() if one.identity in mine]
    row = judge(case.name, promises, {}, taken)
    row.lost += len(mine - {one.identity for one in taken})
    row.seconds = time.monotonic() - case.started
    outer.add(row)
    assert row.good, (row.lost, row.duplicated, row.wrong)
    shown = seen()
    assert shown["state"] in ("sending", "done")
    assert (shown["rows_sent"], shown["rows_refused"]) == (ROWS, 0)
    results = stack.client("s3").get_object(
        Bucket=bucket, Key=until(lambda: seen()["results"], 300)
    )
    lines = list(csv.DictReader(io.StringIO(results["Body"].read().decode())))
    assert len({line["id"] for line in lines}) == len(lines) == ROWS


def _campaign(outer: Outside, case: Case) -> str | None:
    """The id of the campaign of a scenario's tenant, as soon as it has one."""
    listed = outer.ground.stack.run_smsgw("campaigns", "list").splitlines()
    return next((line.split()[0] for line in listed if f"/{case.marker}/" in line), None)


def taken_by(outer: Outside, vendor: str) -> int:
    """How many messages a vendor has taken."""
    return int(outer.ground.simulators("GET", "_ledger/counts")[vendor]["messages"])


def test_nothing_is_left_behind(outer: Outside) -> None:
    assert outer.dead_letters() == []
    assert outer.ground.unexplained() == []
