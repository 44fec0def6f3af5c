"""What a campaign's counts say while its messages are on their way, and what asking costs."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from integration.campaigns.test_campaigns import (
    QUEUE,
    bucket,
    delivered,
    operate,
    results,
    rows,
    running,
    shown,
    to_the_end,
    upload,
    work,
)
from integration.test_budget import stored

from sms_gateway.campaigns import chunks, live_counts, repository
from sms_gateway.campaigns import model as campaign
from sms_gateway.campaigns.live_counts import Counted, count_messages
from sms_gateway.campaigns.model import Campaign
from sms_gateway.campaigns.views import campaign_view
from sms_gateway.messages.views import batch_view
from sms_gateway.storage import dynamodb, message_repository
from sms_gateway.storage.dynamodb import ItemUpdate
from sms_gateway.storage.status_counts import count_statuses
from testing.counting import Meter
from testing.gateway import Gateway
from testing.numbers import number
from testing.queues import emptied
from testing.rights import acting_as
from testing.vendor_answers import POLL, SUBMIT, TAKES, arrived

__all__ = ["bucket"]  # a fixture

NOW = datetime.now(UTC)


def counted(one: Campaign, after: int = 0) -> Counted:
    """The counts so many seconds later."""
    with acting_as("StatusFunction"):
        return count_messages(running(one), NOW + timedelta(seconds=after))


def test_a_campaign_is_reading_then_sending_and_done_with_its_last_message(
    gateway: Gateway, bucket: Any
) -> None:
    notice = upload(bucket, "to,text\n" + rows(3))
    work(notice, 5)
    (call,) = emptied(QUEUE)
    got = shown(call.body)[1]
    assert (got["campaign"]["state"], got["final"], got["counts"]) == ("reading", False, {})
    one = to_the_end(notice)
    got = shown(one.id)[1]
    assert (got["campaign"]["state"], got["final"]) == ("sending", False)
    delivered(gateway)
    got = shown(one.id)[1]
    assert (got["campaign"]["state"], got["final"]) == ("done", True)
    assert got["counts"] == {"delivered": 3}


def test_counts_follow_the_messages_and_are_at_most_fifteen_seconds_old(
    gateway: Gateway, bucket: Any
) -> None:
    gateway.wire.answers[SUBMIT["server2sms"]] = TAKES["server2sms"]
    one = to_the_end(upload(bucket, "to,text\n" + rows(3)))
    assert counted(one).counts == {"accepted": 3}
    gateway.dispatch("server2sms")
    at = counted(one, 14)
    assert (at.counts, at.at) == ({"accepted": 3}, int(NOW.timestamp()))
    at = counted(one, 15)
    assert (at.counts, at.at) == ({"submitted": 3}, int(NOW.timestamp()) + 15)
    gateway.wire.answers[POLL["server2sms"]] = arrived
    for _ in range(2):  # receipts come long before the results file is written again
        gateway.tick(after=campaign.WORKER_TIMEOUT_SECONDS + 60)
    at = counted(one, 400)
    assert at.counts == {"delivered": 3}
    assert not at.final  # nor is the results file


@pytest.mark.parametrize("vendor", ["server2sms", "dinisoft", "jst", "rajasms"])
def test_counts_are_those_of_the_batches_however_a_vendor_takes_messages(
    gateway: Gateway, bucket: Any, vendor: str
) -> None:
    gateway.wire.answers[SUBMIT[vendor]] = TAKES[vendor]
    body = "to,text\n" + "".join(f"{number(vendor, nth)},Hello\n" for nth in range(7))
    one = to_the_end(upload(bucket, body))
    chunk = repository.find_chunk(one.id, 1)
    batch = (chunk and chunk.batch) or ""
    for step in ("accepted", "submitted"):
        whole = message_repository.whole_batch(batch)
        assert whole
        assert count_statuses(batch) == batch_view(*whole)["counts"], step
        gateway.dispatch(vendor)
    whole = message_repository.whole_batch(batch)
    assert whole
    assert count_statuses(batch) == batch_view(*whole)["counts"]
    assert "accepted" not in count_statuses(batch)


def test_a_large_campaign_is_counted_in_parts_the_oldest_first(
    bucket: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(chunks, "CHUNK_ROWS", 2)
    monkeypatch.setattr(live_counts, "MAX_CHUNKS", 2)
    one = to_the_end(upload(bucket, "to,text\n" + rows(10)))
    seen = [counted(one, 15 * nth) for nth in range(4)]
    assert [at.counts.get("accepted") for at in seen] == [4, 8, 10, 10]
    began = int(NOW.timestamp())
    # The third question counts the last and the first, the fourth the second and the third.
    assert [(at.at or 0) - began for at in seen] == [0, 0, 0, 15]


def test_what_is_final_is_never_counted_again(
    gateway: Gateway, bucket: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(chunks, "CHUNK_ROWS", 2)
    gateway.wire.answers[SUBMIT["server2sms"]] = TAKES["server2sms"]
    gateway.wire.answers[POLL["server2sms"]] = arrived
    one = to_the_end(upload(bucket, "to,text\n" + rows(4)))
    gateway.dispatch("server2sms")
    for _ in range(2):
        gateway.tick(after=campaign.WORKER_TIMEOUT_SECONDS + 60)
    assert counted(one).counts == {"delivered": 4}
    asked: list[str] = []
    monkeypatch.setattr(live_counts, "count_statuses", asked.append)
    assert counted(one, 15).counts == {"delivered": 4}
    assert asked == []


def test_asking_again_costs_one_read_and_a_new_count_one_write(bucket: Any) -> None:
    one = running(to_the_end(upload(bucket, "to,text\n" + rows(1000))))
    with Meter(stored).listening(dynamodb.client()) as meter:
        with meter.step() as first:
            count_messages(one, NOW)
        with meter.step() as again:
            count_messages(one, NOW + timedelta(seconds=14))
    # A chunk's record, and its thousand messages at half price.
    assert first.writes == 1
    assert first.reads <= 45
    assert (again.writes, again.reads, again.calls.total()) == (0, 0.5, 1)


def test_what_a_later_file_took_the_results_of_ends_by_its_own_counts(
    gateway: Gateway, bucket: Any
) -> None:
    gateway.wire.answers[SUBMIT["server2sms"]] = TAKES["server2sms"]
    work(upload(bucket, "to,text\n" + rows(1)))
    (one,) = repository.list_campaigns()
    work(upload(bucket, "to,text\n" + rows(2)))
    gateway.dispatch("server2sms")
    ItemUpdate(one.item_key).remove("tally").apply()  # its next results file is due
    work(one.id)
    got = campaign_view(running(one), counted(one))
    assert (got["campaign"]["state"], got["final"]) == ("sending", False)
    gateway.wire.answers[POLL["server2sms"]] = arrived
    for _ in range(2):
        gateway.tick(after=campaign.WORKER_TIMEOUT_SECONDS + 60)
    got = campaign_view(running(one), counted(one, 400))
    assert (got["campaign"]["state"], got["final"]) == ("done", True)


def test_the_operator_sees_counts_and_per_cent_while_it_sends(
    gateway: Gateway, bucket: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    gateway.wire.answers[SUBMIT["server2sms"]] = TAKES["server2sms"]
    one = to_the_end(upload(bucket, "to,text\n" + rows(3) + "12,Hi\n"))
    gateway.dispatch("server2sms")
    operate("show", one.id)
    said = capsys.readouterr().out
    assert "sending  tenant acme" in said
    assert "messages: 3 submitted (0 % final)" in said
    delivered(gateway)
    operate("list")
    operate("show", one.id)
    said = capsys.readouterr().out
    assert "messages: 3 delivered (100 % final)" in said
    assert "done" in said


def test_results_have_number_reference_and_the_vendors_word(gateway: Gateway, bucket: Any) -> None:
    gateway.wire.answers[SUBMIT["server2sms"]] = TAKES["server2sms"]
    good, bad = number("server2sms", 1), "=1+2"
    body = f"to,text,reference\n{good},Hello,o-1\n{bad},Hello,=o\n{good}\n"
    to_the_end(upload(bucket, body))
    delivered(gateway)
    first, second, third = results(bucket)
    assert list(first) == [
        *("row", "to", "reference", "id", "status"),
        *("vendor", "vendor_code", "vendor_text", "problem"),
    ]
    assert (first["to"], first["reference"], first["status"]) == (good, "o-1", "delivered")
    assert first["vendor"] == "server2sms"
    assert first["vendor_code"] or first["vendor_text"]
    assert (second["to"], second["reference"], second["status"]) == ("'=1+2", "'=o", "refused")
    assert second["problem"].startswith("invalid-number (to)")
    assert (third["to"], third["reference"], third["id"]) == (good, "", "")
