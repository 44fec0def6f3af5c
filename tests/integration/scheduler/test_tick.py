"""The clock: whatever is due goes one step further, whatever happened before."""

import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Any

import pytest

from sms_gateway.config import vendor_accounts
from sms_gateway.core.problems import NoAnswerError
from sms_gateway.dispatch.outcome_handling import REQUEUE_AFTER
from sms_gateway.scheduler import submissions, tick, tick_run
from sms_gateway.storage import dynamodb, items
from sms_gateway.storage.dynamodb import ItemUpdate
from sms_gateway.storage.models import ItemKey, split_id
from sms_gateway.vendors.types import Request, VendorResponse
from testing.callbacks import rajasms
from testing.gateway import Gateway
from testing.numbers import number
from testing.settings import set_account
from testing.transport import SILENT
from testing.vendor_answers import POLL, SUBMIT, TAKES, arrived, notifications

HOUR, DAY = 3600, 86_400
NO_RECEIPT: dict[str, Any] = {
    "jst": {"status": "success"},
    "dinisoft": b"",
    "server2sms": {"StatusCode": "1", "DeliveryNotifications": None},
}


@pytest.mark.parametrize("count", [0, 3])
def test_what_was_scheduled_is_sent_at_its_time_and_once(gateway: Gateway, count: int) -> None:
    at = (datetime.now(UTC) + timedelta(hours=1)).isoformat()
    gateway.wire.answers[SUBMIT["rajasms"]] = TAKES["rajasms"]
    ids = (
        gateway.many("rajasms", count, send_at=at)
        if count
        else [gateway.one("rajasms", send_at=at)]
    )
    assert gateway.tick(HOUR - 60) == 0
    assert gateway.tick(HOUR + 1) == 1
    assert gateway.tick(HOUR + 2) == 0
    (record,) = gateway.queued("rajasms")
    gateway.work([record])
    assert set(gateway.statuses(ids)) == {"submitted"}
    sources = sorted(one["source"] for one in gateway.view(ids[0])["timeline"])
    assert sources == ["api", "clock", "dispatch", "dispatch"]


def test_what_was_accepted_and_never_dispatched_is_requeued(gateway: Gateway) -> None:
    identifier = gateway.one("rajasms", validity=HOUR)
    gateway.queued("rajasms")
    handed = []
    for after in range(1, HOUR + 120, 60):
        gateway.tick(after)
        handed += [after] * len(gateway.queued("rajasms"))
    # A long queue must not fill with copies: each pause is as long as all before it.
    assert 4 <= len(handed) <= 7
    assert handed[0] <= 2 * REQUEUE_AFTER + 1
    assert gateway.status(identifier) == "expired"


@pytest.mark.parametrize("at", [None, 600])
def test_a_batch_that_was_never_accepted_is_never_sent(
    gateway: Gateway, failing: Callable[..., None], at: int | None
) -> None:
    fields = {"send_at": (datetime.now(UTC) + timedelta(seconds=at)).isoformat()} if at else {}
    failing("PutItem")
    with pytest.raises(NoAnswerError):
        gateway.many("rajasms", 3, **fields)
    for after in (1, 61, 601, 700, DAY, 4 * DAY):
        gateway.tick(after)
        gateway.dispatch("rajasms")
    assert gateway.wire.sent == []
    assert gateway.tick(4 * DAY) == 0


@pytest.mark.parametrize("status", ["accepted", "scheduled"])
def test_a_batch_that_is_being_written_is_left_alone(gateway: Gateway, status: str) -> None:
    """Looked at between the writes of its submissions and of the batch itself."""
    ids = gateway.many("rajasms", 3)
    gateway.queued("rajasms")
    place = {"pk": {"S": ids[0][:26]}, "sk": {"S": "B"}}
    client = dynamodb.client()
    head = client.get_item(TableName=dynamodb.table_name(), Key=place)["Item"]
    client.delete_item(TableName=dynamodb.table_name(), Key=place)
    key = ItemKey(ids[0][:26], "S#000")
    ItemUpdate(key).set("status", status).schedule_check(int(time.time()) - 1).apply()
    gateway.tick(1)
    client.put_item(TableName=dynamodb.table_name(), Item=head)
    assert gateway.queued("rajasms") == []
    gateway.tick(REQUEUE_AFTER + 1)
    assert len(gateway.queued("rajasms")) == 1


def taken_and_left(gateway: Gateway, vendor: str, count: int, **fields: Any) -> list[str]:
    """Messages whose worker died right after it took them."""
    ids = gateway.many(vendor, count, **fields) if count else [gateway.one(vendor, **fields)]
    gateway.queued(vendor)
    sub = gateway.submission(ids[0])
    ItemUpdate(sub.key).set("status", "submitting").add("attempt", 1).apply()
    return ids


@pytest.mark.parametrize("count", [0, 3])
def test_an_interrupted_call_is_resolved_by_polling_and_never_repeated(
    gateway: Gateway, count: int
) -> None:
    ids = taken_and_left(gateway, "server2sms", count)
    gateway.wire.answers[POLL["server2sms"]] = arrived
    gateway.tick(61)
    assert gateway.wire.sent == []  # the worker may still be at it
    gateway.tick(submissions.INTERRUPTED_AFTER + 1)
    assert set(gateway.statuses(ids)) == {"delivered"}
    assert gateway.queued("server2sms") == []
    assert gateway.wire.count(SUBMIT["server2sms"]) == 0


def test_a_vendor_that_knows_the_reference_has_taken_the_message(gateway: Gateway) -> None:
    gateway.wire.answers[SUBMIT["server2sms"]] = SILENT
    identifier = gateway.one("server2sms")
    gateway.dispatch("server2sms")
    gateway.wire.answers[POLL["server2sms"]] = notifications((identifier, "1"))
    gateway.tick(61)
    assert gateway.status(identifier) == "submitted"
    assert not gateway.submission(identifier).outcome_unknown


def test_one_delivered_member_proves_that_its_call_was_taken(gateway: Gateway) -> None:
    gateway.wire.answers[SUBMIT["server2sms"]] = SILENT
    ids = gateway.many("server2sms", 3)
    gateway.dispatch("server2sms")
    gateway.wire.answers[POLL["server2sms"]] = notifications((ids[0], "0"))
    gateway.tick(61)
    assert gateway.statuses(ids) == ["delivered", "submitted", "submitted"]
    gateway.tick(200)
    assert gateway.submission(ids[1]).key.sort == "S#000"  # they stay together
    assert gateway.statuses(ids) == ["delivered", "submitted", "submitted"]


def test_receipts_are_asked_for_in_the_vendors_own_unit(gateway: Gateway) -> None:
    """JST: a job once for all its numbers. server2sms: references of a partition in one call."""
    gateway.wire.answers |= {POLL["jst"]: NO_RECEIPT["jst"], POLL["server2sms"]: arrived}
    gateway.sent("jst", 5)
    ids = gateway.sent("server2sms", 5)
    more = [gateway.sent("server2sms")[0] for _ in range(20)]
    gateway.tick(200)
    assert gateway.wire.count(POLL["jst"]) == 1
    assert gateway.wire.count(POLL["server2sms"]) <= len(items.SHARDS)
    assert set(gateway.statuses([*ids, *more])) == {"delivered"}


@pytest.mark.parametrize("vendor", POLL)
@pytest.mark.parametrize("count", [0, 3])
def test_no_receipt_is_asked_for_again_ever_less_often_until_the_deadline(
    gateway: Gateway, vendor: str, count: int
) -> None:
    gateway.wire.answers[POLL[vendor]] = NO_RECEIPT[vendor]
    ids = gateway.sent(vendor, count)
    begun, asked = time.time(), []
    while due := gateway.submission(ids[0]).due:
        before = gateway.wire.count(POLL[vendor])
        gateway.tick(due - time.time() + 0.1, receipt_deadline=6 * HOUR)
        asked += [due] * (gateway.wire.count(POLL[vendor]) > before)
        assert len(asked) < 100
    pauses = [later - earlier for earlier, later in pairwise(asked)]
    assert pauses == sorted(pauses)
    assert (pauses[0], max(pauses)) == (60, HOUR)
    assert begun + 5 * HOUR <= asked[-1] <= begun + 6 * HOUR
    assert set(gateway.statuses(ids)) == {"unknown"}
    assert gateway.submission(ids[0]).due is None


def test_one_the_vendor_holds_is_waited_for_from_its_time_on(gateway: Gateway) -> None:
    set_account("rajasms", schedule_at_vendor=True)
    at = datetime.now(UTC) + timedelta(days=10)
    (identifier,) = gateway.sent("rajasms", send_at=at.isoformat())
    for days in range(1, 13):
        gateway.tick(days * DAY)
        assert gateway.status(identifier) == "submitted"
    gateway.tick(13 * DAY + HOUR)
    assert gateway.status(identifier) == "unknown"


@pytest.mark.parametrize("count", [0, 2])
def test_a_late_receipt_settles_unknown(gateway: Gateway, count: int) -> None:
    ids = gateway.sent("rajasms", count)
    gateway.tick(3 * DAY + 60)
    assert set(gateway.statuses(ids)) == {"unknown"}
    rajasms(gateway, ids[0], "3")
    assert gateway.status(ids[0]) == "delivered"
    assert gateway.statuses(ids[1:]) == ["unknown"] * (len(ids) - 1)


@pytest.mark.parametrize(("word", "calls"), [("resend", 2), ("hold", 1)])
@pytest.mark.parametrize("count", [0, 3])
def test_only_at_the_callers_word_is_an_unknown_outcome_sent_again(
    gateway: Gateway, word: str, calls: int, count: int
) -> None:
    gateway.wire.answers[SUBMIT["rajasms"]] = SILENT
    fields = {"on_unknown": word, "validity": 600, "category": "otp"}
    ids = gateway.many("rajasms", count, **fields) if count else [gateway.one("rajasms", **fields)]
    gateway.dispatch("rajasms")
    gateway.wire.answers[SUBMIT["rajasms"]] = TAKES["rajasms"]
    gateway.tick(61)
    gateway.dispatch("rajasms")
    assert len(gateway.wire.sent) == calls
    assert set(gateway.statuses(ids)) == {"submitted" if calls == 2 else "submitting"}


def test_a_resend_ends_with_the_validity(gateway: Gateway) -> None:
    gateway.wire.answers[SUBMIT["server2sms"]] = SILENT
    identifier = gateway.one("server2sms", on_unknown="resend", validity=60)
    gateway.dispatch("server2sms")
    gateway.wire.answers[POLL["server2sms"]] = notifications((identifier, "0"))
    gateway.tick(62)
    assert gateway.wire.count(SUBMIT["server2sms"]) == 1
    assert gateway.status(identifier) == "delivered"  # it was asked for instead


def test_an_answer_that_can_be_read_once_is_kept_raw(gateway: Gateway) -> None:
    answer = {
        "Status": "0",
        "Text": "DELIVRD",
        "Message_ID": "9000001",
        "Delivery Time": "1790000000000",
    }
    gateway.wire.answers[POLL["dinisoft"]] = answer
    (identifier,) = gateway.sent("dinisoft")
    gateway.tick(200)
    key = split_id(identifier)
    assert key
    item = gateway.item(key)
    assert "DELIVRD" in item["raw"]["S"]
    assert item["done"] == {"N": "1790000000"}
    assert gateway.status(identifier) == "delivered"
    gateway.wire.answers[POLL["dinisoft"]] = {"Status": "114", "Text": "REJECTD"}
    ItemUpdate(key).schedule_check(int(time.time())).apply()
    gateway.tick(300)
    assert gateway.status(identifier) == "delivered"
    assert gateway.wire.count(POLL["dinisoft"]) == 1


def test_one_answer_that_cannot_be_written_does_not_lose_the_others(
    gateway: Gateway, failing: Callable[..., None]
) -> None:
    ids = gateway.sent("dinisoft", 10)
    failed: list[object] = []

    def answer(request: Request) -> Any:
        return {"Status": "0", "Text": "DELIVRD", "Delivery Time": "0"}

    def refuse(params: dict[str, Any], **_: Any) -> None:
        if params["Key"]["sk"]["S"] == "M#000" and not failed:
            failed.append(params)
            raise RuntimeError("in a bad moment")

    gateway.wire.answers[POLL["dinisoft"]] = answer
    events = dynamodb.client().meta.events
    events.register("provide-client-params.dynamodb.UpdateItem", refuse)
    gateway.tick(200)
    events.unregister("provide-client-params.dynamodb.UpdateItem", refuse)
    assert failed
    assert gateway.statuses(ids) == ["submitted"] + ["delivered"] * 9


def test_two_ticks_at_once_never_poll_for_the_same_id(gateway: Gateway) -> None:
    ids = [gateway.accept({"to": number("dinisoft", n), "text": "Hi"})[0] for n in range(12)]
    gateway.wire.answers[SUBMIT["dinisoft"]] = TAKES["dinisoft"]
    gateway.dispatch("dinisoft")

    def slow(request: Request) -> Any:
        time.sleep(0.02)
        return b""

    gateway.wire.answers[POLL["dinisoft"]] = slow
    clocks = [threading.Thread(target=gateway.tick, args=(200,)) for _ in range(4)]
    for one in clocks:
        one.start()
    for one in clocks:
        one.join()
    asked = [one.url for one in gateway.wire.sent if "getstatus" in one.url]
    assert len(asked) == len(set(asked)) == 12
    assert [gateway.submission(one).polls for one in ids] == [1] * 12


def test_a_tick_with_an_old_list_checks_nothing_twice(gateway: Gateway) -> None:
    (identifier,) = gateway.sent("dinisoft")
    gateway.wire.answers[POLL["dinisoft"]] = b""
    key = split_id(identifier)
    assert key
    gateway.tick(200)
    with ThreadPoolExecutor(2) as pool:
        run = tick_run.TickRun(
            vendor_accounts.accounts().adapters,
            pool,
            datetime.now(UTC) + timedelta(seconds=201),
            time.time() + 60,
            gateway.wire,
        )
        tick.check_due(run, [key])
    assert gateway.wire.count(POLL["dinisoft"]) == 1


def test_one_broken_submission_does_not_stop_the_others(
    gateway: Gateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(items, "SHARDS", ("00",))
    monkeypatch.setattr(tick, "PAGE_SIZE", 3)
    good = [gateway.one("rajasms") for _ in range(2)]
    broken = [gateway.one("rajasms") for _ in range(4)]
    gateway.queued("rajasms")
    for nth, one in enumerate(broken):
        key = split_id(one)
        assert key
        change = ItemUpdate(key).set("due", int(time.time()) - 10 + nth).set("shard", "00")
        change.set("vendors", "").set("result", "no JSON").apply()
    for one in good:
        key = split_id(one)
        assert key
        ItemUpdate(key).set("shard", "00").apply()
    gateway.tick(62)
    assert len(gateway.queued("rajasms")) == len(good)


def test_a_vendor_whose_answers_break_something_does_not_stop_the_others(
    gateway: Gateway,
) -> None:
    def breaks(_: Request) -> VendorResponse:
        raise RuntimeError("unforeseen")

    gateway.wire.answers |= {POLL["jst"]: breaks, POLL["server2sms"]: arrived}
    gateway.sent("jst")
    ids = [gateway.sent("server2sms")[0] for _ in range(5)]
    gateway.tick(200)
    assert set(gateway.statuses(ids)) == {"delivered"}


def test_what_there_is_no_time_to_ask_for_stays_due(gateway: Gateway) -> None:
    gateway.sent("dinisoft")
    gateway.tick(200, remaining=10)
    assert gateway.wire.count(POLL["dinisoft"]) == 0
    gateway.wire.answers[POLL["dinisoft"]] = b""
    gateway.tick(201)
    assert gateway.wire.count(POLL["dinisoft"]) == 1


def test_a_vendor_that_does_not_answer_is_asked_again(gateway: Gateway) -> None:
    gateway.wire.answers[POLL["server2sms"]] = SILENT
    (identifier,) = gateway.sent("server2sms")
    gateway.tick(200)
    gateway.wire.answers[POLL["server2sms"]] = arrived
    gateway.tick(500)
    assert gateway.status(identifier) == "delivered"


def test_an_unknown_word_is_kept_and_settles_nothing(gateway: Gateway) -> None:
    (identifier,) = gateway.sent("server2sms")
    gateway.wire.answers[POLL["server2sms"]] = notifications((identifier, "77"))
    gateway.tick(200)
    key = split_id(identifier)
    assert key
    assert "77" in gateway.item(key)["raw"]["S"]
    assert gateway.status(identifier) == "submitted"


def test_the_accounts_are_read_only_when_something_is_due(gateway: Gateway) -> None:
    """Their secret costs a call: an idle run does without."""
    read: list[vendor_accounts.Accounts] = []

    def accounts() -> vendor_accounts.Accounts:
        read.append(vendor_accounts.accounts())
        return read[-1]

    def run(after: float) -> int:
        now = datetime.now(UTC) + timedelta(seconds=after)
        with ThreadPoolExecutor(1) as pool:
            one = tick_run.TickRun(
                {},
                pool,
                now,
                time.time() + 60,
                gateway.wire,
                accounts_known=False,
                find_accounts=accounts,
            )
            return tick.check_all_due(one)

    assert (run(0), len(read)) == (0, 0)
    identifier = gateway.one("rajasms")
    gateway.queued("rajasms")
    assert (run(2 * REQUEUE_AFTER), len(read)) == (1, 1)
    assert len(gateway.queued("rajasms")) == 1
    assert gateway.status(identifier) == "accepted"
