"""Dispatch: one worker takes a submission, calls once, and writes down what it heard."""

import json
import re
import threading
import time
from collections.abc import Callable
from itertools import pairwise
from typing import Any
from urllib.parse import quote

import pytest

from sms_gateway.messages import acceptance
from sms_gateway.scheduler import submissions
from sms_gateway.storage import dynamodb, message_repository, message_updates
from sms_gateway.storage.dynamodb import ItemUpdate
from sms_gateway.storage.models import ItemKey, split_id
from sms_gateway.vendors.redaction import secrets_of
from sms_gateway.vendors.registry import VENDORS
from sms_gateway.vendors.types import Request, VendorResponse
from testing.gateway import Gateway
from testing.numbers import number
from testing.processes import new_worker
from testing.settings import ACCOUNTS, set_account, set_accounts, set_routes
from testing.transport import SILENT, UNREACHABLE
from testing.vendor_answers import POLL, SUBMIT, TAKES, arrived, notifications, rajasms_answer
from testing.vendor_cases import adapter

DAYS = 86_400


@pytest.mark.parametrize("count", [0, 5])
@pytest.mark.parametrize("vendor", VENDORS)
def test_a_submission_is_claimed_and_sent_once(gateway: Gateway, vendor: str, count: int) -> None:
    gateway.wire.answers[SUBMIT[vendor]] = TAKES[vendor]
    ids = gateway.many(vendor, count) if count else [gateway.one(vendor)]
    records = gateway.queued(vendor)
    assert gateway.work(records) == []
    calls = len(gateway.wire.sent)
    assert gateway.work(records * 3) == []
    assert len(gateway.wire.sent) == calls
    for one in ids:
        view = gateway.view(one)
        assert view["status"] == "submitted"
        assert view["vendor_id"]
        steps = [(step["status"], step["source"]) for step in view["timeline"]]
        assert steps == [("accepted", "api"), ("submitting", "dispatch"), ("submitted", "dispatch")]


def test_of_two_workers_on_one_submission_one_sends(gateway: Gateway) -> None:
    barrier = threading.Barrier(8)

    def slow(request: Request) -> Any:
        time.sleep(0.05)
        return TAKES["rajasms"](request)

    gateway.wire.answers[SUBMIT["rajasms"]] = slow
    gateway.many("rajasms", 3)
    records = gateway.queued("rajasms")

    def worker() -> None:
        barrier.wait()
        gateway.work(records)

    threads = [threading.Thread(target=worker) for _ in range(8)]
    for one in threads:
        one.start()
    for one in threads:
        one.join()
    assert len(gateway.wire.sent) == 1


@pytest.mark.parametrize("vendor", VENDORS)
@pytest.mark.parametrize(
    "answer", [SILENT, b"", b"<html>502</html>", RuntimeError("unforeseen")], ids=str
)
def test_an_unknown_outcome_stays_unknown_and_is_never_sent_again(
    gateway: Gateway, vendor: str, answer: object
) -> None:
    gateway.wire.answers |= {SUBMIT[vendor]: answer, "": SILENT}
    identifier = gateway.one(vendor)
    records = gateway.queued(vendor)
    assert gateway.work(records) == []
    assert gateway.status(identifier) == "submitting"
    assert gateway.submission(identifier).outcome_unknown
    for after in (61, 151, 700, 3 * DAYS - 60, 3 * DAYS + 60, 4 * DAYS):
        gateway.tick(after)
        gateway.work(records)
        gateway.dispatch(vendor)
    assert gateway.wire.count(SUBMIT[vendor]) == 1
    assert gateway.status(identifier) == "unknown"
    assert gateway.submission(identifier).due is None


def test_an_answer_that_nobody_understands_is_kept_without_numbers(gateway: Gateway) -> None:
    gateway.wire.answers[SUBMIT["jst"]] = b"<html>no idea about 911000000001: Hello</html>"
    identifier = gateway.one("jst")
    gateway.dispatch("jst")
    key = split_id(identifier)
    assert key
    assert gateway.item(key)["raw"]["S"] == "<html>no idea about [number]: [text]</html>"


REFUSALS: dict[str, Callable[[str], Any]] = {
    "jst": lambda said: f"invalid request: {said}".encode(),
    "dinisoft": lambda said: {"Status": "1", "Text": said},
    "server2sms": lambda said: {"StatusCode": "11", "StatusInfo": said},
    "rajasms": lambda said: f"<html>{said}</html>".encode(),
}


@pytest.mark.parametrize("spelling", [str, str.upper, quote, lambda said: re.sub(r"\W", "", said)])
@pytest.mark.parametrize("vendor", VENDORS)
def test_a_vendor_that_repeats_what_it_was_sent_does_not_spread_it(
    gateway: Gateway,
    capsys: pytest.CaptureFixture[str],
    vendor: str,
    spelling: Callable[[str], str],
) -> None:
    account = adapter(vendor)
    text = "Your parcel waits at the corner shop"

    def repeats(_request: Request) -> Any:
        return REFUSALS[vendor](
            spelling(f"{number(vendor)} {text} {' '.join(secrets_of(account))}")
        )

    gateway.wire.answers[SUBMIT[vendor]] = repeats
    (identifier,) = gateway.sent(vendor, text=text)
    key = split_id(identifier)
    assert key
    view = gateway.view(identifier)
    kept = [*(step["vendor_text"] or "" for step in view["timeline"]), capsys.readouterr().out]
    kept.append(gateway.item(key).get("raw", {}).get("S", ""))
    letters = re.sub(r"%[0-9a-fA-F]{2}|[\W_]", "", " ".join(kept)).lower()
    for ours in (number(vendor), text, *secrets_of(account)):
        assert re.sub(r"[\W_]", "", ours).lower() not in letters


@pytest.mark.parametrize("vendor", VENDORS)
def test_too_many_requests_is_a_refusal_for_now(gateway: Gateway, vendor: str) -> None:
    answers = iter([VendorResponse(429, b"<html>Too Many Requests</html>")])
    gateway.wire.answers[SUBMIT[vendor]] = lambda request: (
        next(answers, None)
        or (TAKES[vendor](request) if callable(TAKES[vendor]) else TAKES[vendor])
    )
    identifier = gateway.one(vendor)
    gateway.dispatch(vendor)
    assert gateway.status(identifier) == "accepted"
    assert "429" in gateway.view(identifier)["timeline"][-1]["note"]
    gateway.dispatch(vendor)
    assert gateway.status(identifier) == "submitted"


@pytest.mark.parametrize("count", [0, 3])
def test_never_connected_is_tried_again_until_it_is_sent(gateway: Gateway, count: int) -> None:
    gateway.wire.answers[SUBMIT["rajasms"]] = UNREACHABLE
    ids = gateway.many("rajasms", count) if count else [gateway.one("rajasms")]
    for _ in range(3):
        assert gateway.dispatch("rajasms") == []
        assert set(gateway.statuses(ids)) == {"accepted"}
    gateway.wire.answers[SUBMIT["rajasms"]] = TAKES["rajasms"]
    gateway.dispatch("rajasms")
    assert set(gateway.statuses(ids)) == {"submitted"}
    assert gateway.submission(ids[0]).attempt == 4
    assert len(gateway.wire.sent) == 4


def test_never_connected_ends_as_expired_when_its_validity_passes(gateway: Gateway) -> None:
    gateway.wire.answers[SUBMIT["rajasms"]] = UNREACHABLE
    identifier = gateway.one("rajasms", validity=60)
    gateway.dispatch("rajasms")
    records = gateway.queued("rajasms")
    gateway.tick(130)
    assert gateway.status(identifier) == "expired"
    gateway.work(records)
    assert len(gateway.wire.sent) == 1


def test_what_has_expired_in_the_queue_is_not_sent(gateway: Gateway) -> None:
    identifier = gateway.one("rajasms", validity=60)
    key = split_id(identifier)
    assert key
    ItemUpdate(key).set("expires", int(time.time()) - 1).apply()
    assert gateway.dispatch("rajasms") == []
    assert gateway.wire.sent == []
    gateway.tick(61)
    assert gateway.status(identifier) == "expired"


def test_a_refusal_is_final_and_says_why(gateway: Gateway) -> None:
    gateway.wire.answers[SUBMIT["server2sms"]] = {"StatusCode": "10"}
    identifier = gateway.one("server2sms")
    gateway.dispatch("server2sms")
    view = gateway.view(identifier)
    assert (view["status"], view["final"]) == ("rejected", True)
    assert (view["problem"]["vendor_code"], view["problem"]["vendor"]) == ("10", "server2sms")
    assert gateway.submission(identifier).due is None


def mixed(request: Request) -> Any:
    """Takes the first, refuses the second, wants the third again, says nothing of the fourth."""
    numbers = [one["number"] for one in json.loads(request.body)["datapacket"]]
    if len(numbers) == 1:
        return TAKES["rajasms"](request)
    return rajasms_answer([(numbers[0], 10, 77), (numbers[1], 60, 0), (numbers[2], 90, 0)])


def test_each_message_of_a_mixed_answer_goes_its_own_way(gateway: Gateway) -> None:
    gateway.wire.answers[SUBMIT["rajasms"]] = mixed
    ids = gateway.many("rajasms", 4)
    gateway.dispatch("rajasms")
    assert gateway.statuses(ids) == ["submitted", "rejected", "accepted", "submitting"]
    again = gateway.queued("rajasms")
    assert [one["body"].split("/")[1] for one in again] == ["M#002 1"]
    gateway.work(again * 2)
    assert len(gateway.wire.sent) == 2
    assert gateway.statuses(ids) == ["submitted", "rejected", "submitted", "submitting"]
    steps = [(one["status"], one["attempt"]) for one in gateway.view(ids[2])["timeline"]]
    assert steps == [
        ("accepted", 0),
        ("submitting", 1),
        ("accepted", 1),
        ("submitting", 2),
        ("submitted", 2),
    ]
    gateway.tick(3 * DAYS + 3600)
    assert gateway.statuses(ids) == ["unknown", "rejected", "unknown", "unknown"]
    assert len(gateway.wire.sent) == 2


def test_the_fan_out_of_a_mixed_answer_can_be_repeated(gateway: Gateway) -> None:
    gateway.wire.answers[SUBMIT["rajasms"]] = mixed
    ids = gateway.many("rajasms", 4)
    gateway.dispatch("rajasms")
    before = [gateway.view(one) for one in ids]
    gateway.queued("rajasms")
    gateway.tick(1)
    gateway.tick(2)
    assert [gateway.view(one) for one in ids] == before
    assert gateway.queued("rajasms") == []


@pytest.mark.parametrize("count", [3, 4])
def test_an_interrupted_split_is_done_by_the_scheduler(
    gateway: Gateway, failing: Callable[..., None], count: int
) -> None:
    def answer(request: Request) -> Any:
        numbers = [one["number"] for one in json.loads(request.body)["datapacket"]]
        if count == 3:  # no message was taken for sure
            return rajasms_answer([(numbers[0], 60, 0), (numbers[1], 60, 0)])
        return mixed(request)

    gateway.wire.answers[SUBMIT["rajasms"]] = answer
    ids = gateway.many("rajasms", count)
    # What follows the vendor's answer: one update of the submission, then one of each message.
    done = []

    def crash(params: dict[str, Any], **_: Any) -> None:
        if params["Key"]["sk"]["S"].startswith("M#"):
            done.append(params)
            raise RuntimeError("crash")

    events = dynamodb.client().meta.events
    events.register("provide-client-params.dynamodb.UpdateItem", crash)
    assert len(gateway.dispatch("rajasms")) == 1
    events.unregister("provide-client-params.dynamodb.UpdateItem", crash)
    assert done
    gateway.tick(1)
    expected = ["rejected", "rejected", "submitting"]
    if count == 4:
        expected = ["submitted", "rejected", "accepted", "submitting"]
    assert gateway.statuses(ids) == expected
    assert gateway.wire.count(SUBMIT["rajasms"]) == 1


def test_many_calls_keep_what_each_heard(gateway: Gateway) -> None:
    def answer(request: Request) -> Any:
        nth = request.url.partition("toUser=")[2].partition("&")[0][-1]
        return {"1": TAKES["dinisoft"](request), "2": SILENT, "3": UNREACHABLE}[nth]

    gateway.wire.answers[SUBMIT["dinisoft"]] = answer
    ids = gateway.many("dinisoft", 3)
    gateway.dispatch("dinisoft")
    assert gateway.statuses(ids) == ["submitted", "submitting", "accepted"]
    assert gateway.view(ids[0])["vendor_id"] == "9000001"
    gateway.wire.answers[SUBMIT["dinisoft"]] = TAKES["dinisoft"]
    gateway.dispatch("dinisoft")
    assert gateway.statuses(ids) == ["submitted", "submitting", "submitted"]
    assert len(gateway.wire.sent) == 4


def test_single_messages_do_not_wait_for_each_other(gateway: Gateway) -> None:
    together = threading.Barrier(10)

    def meet(request: Request) -> Any:
        together.wait(10)  # breaks, unless all ten are in the air at once
        return TAKES["dinisoft"](request)

    gateway.wire.answers[SUBMIT["dinisoft"]] = meet
    ids = [gateway.one("dinisoft") for _ in range(10)]
    assert gateway.dispatch("dinisoft") == []
    assert set(gateway.statuses(ids)) == {"submitted"}


def test_a_call_that_could_not_be_made_is_tried_again(
    gateway: Gateway, failing: Callable[..., None]
) -> None:
    gateway.wire.answers[SUBMIT["rajasms"]] = TAKES["rajasms"]
    ids = gateway.many("rajasms", 2)
    failing("Query", 1)
    gateway.dispatch("rajasms")
    assert gateway.wire.sent == []
    assert gateway.statuses(ids) == ["accepted", "accepted"]
    gateway.dispatch("rajasms")
    assert gateway.statuses(ids) == ["submitted", "submitted"]


def test_a_worker_that_dies_after_its_call_leaves_the_outcome_unknown(
    gateway: Gateway, failing: Callable[..., None]
) -> None:
    def dies(request: Request) -> VendorResponse:
        failing("UpdateItem", 1)
        return VendorResponse(200, json.dumps(TAKES["rajasms"](request)).encode())

    gateway.wire.answers[SUBMIT["rajasms"]] = dies
    identifier = gateway.one("rajasms")
    records = gateway.queued("rajasms")
    assert len(gateway.work(records)) == 1
    assert gateway.status(identifier) == "submitting"
    gateway.work(records)
    gateway.tick(submissions.INTERRUPTED_AFTER + 1)
    gateway.dispatch("rajasms")
    assert len(gateway.wire.sent) == 1
    gateway.tick(3 * DAYS + 200)
    assert gateway.status(identifier) == "unknown"


@pytest.mark.parametrize(
    "settings",
    [{"concurrency": 1}, {"rate": 0.2}, {"concurrency": 2, "timeout": 25, "rate": 0.5}],
    ids=str,
)
@pytest.mark.parametrize("vendor", ["dinisoft", "rajasms"])
def test_no_setting_of_an_account_keeps_a_submission_from_its_start(
    gateway: Gateway, vendor: str, settings: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A submission that is too large for one turn is begun, and what was not begun comes again."""
    monkeypatch.setattr(time, "sleep", lambda seconds: None)
    set_account(vendor, **settings)
    gateway.wire.answers[SUBMIT[vendor]] = TAKES[vendor]
    gateway.many(vendor, 50)
    gateway.dispatch(vendor)
    assert gateway.wire.sent


def test_what_can_not_be_finished_in_this_turn_goes_back_to_the_queue(gateway: Gateway) -> None:
    ids = gateway.many("dinisoft", 2)
    assert gateway.dispatch("dinisoft", 11) == []
    assert gateway.wire.sent == []
    assert set(gateway.statuses(ids)) == {"accepted"}
    assert len(gateway.queued("dinisoft")) == 1


def test_calls_that_a_slow_vendor_leaves_no_time_for_are_postponed_and_not_lost(
    gateway: Gateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    set_account("dinisoft", concurrency=1)
    present, passed = time.time, [0.0]
    monkeypatch.setattr(time, "time", lambda: present() + passed[0])

    def slow(request: Request) -> Any:
        passed[0] += 13
        return TAKES["dinisoft"](request)

    gateway.wire.answers[SUBMIT["dinisoft"]] = slow
    ids = gateway.many("dinisoft", 12)
    assert gateway.dispatch("dinisoft") == []
    assert len(gateway.wire.sent) == 8  # of 13 seconds each, within 115
    assert gateway.statuses(ids) == ["submitted"] * 8 + ["accepted"] * 4
    passed[0] = 0
    gateway.dispatch("dinisoft")
    assert gateway.statuses(ids) == ["submitted"] * 12
    assert len(gateway.wire.sent) == 12


def test_the_rate_of_an_account_holds_over_workers(
    gateway: Gateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(acceptance, "MAX_TURN_SECONDS", 1_000.0)
    set_account("rajasms", rate=1)
    gateway.wire.answers[SUBMIT["rajasms"]] = TAKES["rajasms"]
    gateway.many("rajasms", 8)
    gateway.many("rajasms", 8)
    assert gateway.dispatch("rajasms") == []
    assert len(gateway.wire.sent) == 1  # the second would have to wait 8 seconds
    assert len(gateway.queued("rajasms")) == 1


@pytest.mark.parametrize(
    ("body", "failed"),
    [
        ("garbage", True),
        ("jst 01J/M#000", True),
        ("jst 01J0000000000000000000000A/X#000 1", True),
        ("jst 01J0000000000000000000000A/M#000 many", True),
        ("jst 01J0000000000000000000000A/M#000 1", False),  # nothing there: nothing to be done
        ("nobody 01J0000000000000000000000A/M#000 1", False),
    ],
)
def test_a_record_that_cannot_be_read_fails_alone(
    gateway: Gateway, body: str, failed: bool
) -> None:
    gateway.wire.answers[SUBMIT["jst"]] = TAKES["jst"]
    identifier = gateway.one("jst")
    records = [{"messageId": "bad", "body": body, "attributes": {}}, *gateway.queued("jst")]
    assert gateway.work(records) == (["bad"] if failed else [])
    assert gateway.status(identifier) == "submitted"


def test_a_vendor_that_was_turned_off_keeps_its_messages(gateway: Gateway) -> None:
    identifier = gateway.one("jst")
    set_accounts({name: one for name, one in ACCOUNTS.items() if name != "jst"})
    assert gateway.dispatch("jst") == []
    assert gateway.status(identifier) == "accepted"
    gateway.tick(61)
    set_accounts(ACCOUNTS)
    gateway.wire.answers[SUBMIT["jst"]] = TAKES["jst"]
    gateway.dispatch("jst")
    assert gateway.status(identifier) == "submitted"


def test_without_accounts_the_queue_keeps_everything(gateway: Gateway) -> None:
    gateway.one("jst")
    records = gateway.queued("jst")
    set_accounts("no JSON")
    assert gateway.work(records) == [records[0]["messageId"]]


def test_a_task_for_another_vendor_than_the_submissions_sends_nothing(gateway: Gateway) -> None:
    identifier = gateway.one("jst")
    key = split_id(identifier)
    gateway.work([{"messageId": "1", "body": f"dinisoft {key} 1", "attributes": {}}])
    assert gateway.wire.sent == []
    assert gateway.status(identifier) == "accepted"


def test_a_receipt_that_is_faster_than_the_answer_stands(gateway: Gateway) -> None:
    def answer(request: Request) -> Any:
        key = split_id(identifier)
        assert key
        ItemUpdate(key).set("status", "delivered").schedule_check(None).apply()
        return TAKES["rajasms"](request)

    gateway.wire.answers[SUBMIT["rajasms"]] = answer
    identifier = gateway.one("rajasms")
    gateway.dispatch("rajasms")
    view = gateway.view(identifier)
    assert (view["status"], view["vendor_id"]) == ("delivered", "1000001")
    assert gateway.submission(identifier).due is None


def test_a_batch_that_was_never_accepted_is_not_sent(gateway: Gateway) -> None:
    ids = gateway.many("rajasms", 2)
    records = gateway.queued("rajasms")
    dynamodb.client().delete_item(
        TableName=dynamodb.table_name(), Key={"pk": {"S": ids[0][:26]}, "sk": {"S": "B"}}
    )
    gateway.work(records)
    assert gateway.wire.sent == []
    submission = message_repository.find_submission(ItemKey(ids[0][:26], "S#000"))
    assert submission
    assert submission.status == "accepted"


@pytest.mark.parametrize("count", [0, 3])
def test_a_claim_whose_answer_gets_lost_is_still_sent_once(
    gateway: Gateway, failing: Callable[..., None], count: int
) -> None:
    gateway.wire.answers[SUBMIT["rajasms"]] = TAKES["rajasms"]
    ids = gateway.many("rajasms", count) if count else [gateway.one("rajasms")]
    records = gateway.queued("rajasms")
    failing("UpdateItem", 1, lost=True)
    assert gateway.work(records) == []
    assert set(gateway.statuses(ids)) == {"submitted"}
    gateway.work(records)
    gateway.tick(submissions.INTERRUPTED_AFTER + 1)
    gateway.dispatch("rajasms")
    assert len(gateway.wire.sent) == 1


@pytest.mark.parametrize("nth", [1, 2, 3])
@pytest.mark.parametrize(
    "answer", [TAKES["rajasms"], SILENT, UNREACHABLE], ids=["takes", "silent", "unreachable"]
)
def test_no_lost_answer_of_the_table_sends_twice_or_loses(
    gateway: Gateway, failing: Callable[..., None], answer: object, nth: int
) -> None:
    gateway.wire.answers[SUBMIT["rajasms"]] = answer
    identifier = gateway.one("rajasms")
    records = gateway.queued("rajasms")
    failing("UpdateItem", nth, lost=True)
    gateway.work(records)
    gateway.wire.answers[SUBMIT["rajasms"]] = TAKES["rajasms"]
    for after in (61, submissions.INTERRUPTED_AFTER + 61):
        gateway.work(records)
        gateway.tick(after)
        gateway.dispatch("rajasms")
    assert len(gateway.wire.sent) == (2 if answer is UNREACHABLE else 1)
    assert gateway.status(identifier) == ("submitting" if answer is SILENT else "submitted")


@pytest.mark.parametrize("vendors", [["jst"], ["jst", "server2sms"]], ids=len)
def test_a_vendor_that_is_down_for_days_leaves_a_short_timeline(
    gateway: Gateway, vendors: list[str]
) -> None:
    set_routes(json.dumps({"routes": [{"prefix": "+91", "vendors": vendors}]}))
    gateway.wire.answers |= {SUBMIT[vendor]: UNREACHABLE for vendor in vendors}
    identifier = gateway.one("jst", validity=259_200)

    def attempt() -> None:
        if gateway.submission(identifier).held is not None:
            gateway.tick(301)  # after the longest pause
        gateway.dispatch(gateway.view(identifier)["vendor"])

    for _ in range(70):
        attempt()
    steps = gateway.view(identifier)["timeline"]
    assert len(steps) <= message_updates.MAX_TIMELINE + 4
    assert [one["source"] for one in steps[:2]] == ["api", "dispatch"]
    assert [one["attempt"] for one in steps[:3]] == [0, 1, 1]
    calls = [one["attempt"] for one in steps if one["status"] == "submitting"]
    assert calls[-1] == gateway.submission(identifier).attempt == 70
    for call, after in pairwise(steps):  # counted on rightly behind the gap
        assert call["status"] != "submitting" or call["attempt"] == after["attempt"]
    gateway.wire.answers |= {SUBMIT[vendor]: TAKES[vendor] for vendor in vendors}
    new_worker()
    ItemUpdate(ItemKey("CIRCUIT", "jst")).set("state", "CLOSED").apply()
    ItemUpdate(ItemKey("CIRCUIT", "server2sms")).set("state", "CLOSED").apply()
    attempt()
    assert gateway.status(identifier) == "submitted"


@pytest.mark.parametrize("count", [0, 3])
@pytest.mark.parametrize("vendor", ["jst", "rajasms"])
def test_at_the_callers_word_a_message_in_doubt_goes_out_so_often_and_no_more(
    gateway: Gateway, vendor: str, count: int
) -> None:
    gateway.wire.answers |= {SUBMIT[vendor]: SILENT, "": SILENT}
    fields = {"on_unknown": "resend"}
    ids = gateway.many(vendor, count, **fields) if count else [gateway.one(vendor, **fields)]
    for after in (1, 61, 200, 400, 3600, DAYS):
        gateway.dispatch(vendor)
        gateway.tick(after)
    assert gateway.wire.count(SUBMIT[vendor]) == 2
    assert set(gateway.statuses(ids)) == {"submitting"}
    gateway.tick(4 * DAYS)
    assert set(gateway.statuses(ids)) == {"unknown"}


@pytest.mark.parametrize("count", [0, 3])
def test_a_vendor_that_knows_our_reference_is_asked_before_anything_goes_out_again(
    gateway: Gateway, count: int
) -> None:
    gateway.wire.answers |= {SUBMIT["server2sms"]: SILENT, POLL["server2sms"]: notifications()}
    fields = {"on_unknown": "resend"}
    ids = (
        gateway.many("server2sms", count, **fields)
        if count
        else [gateway.one("server2sms", **fields)]
    )
    for after in (1, 61, 200, 400, 3600, DAYS):
        gateway.dispatch("server2sms")
        gateway.tick(after)
    paths = [one.url.rpartition("/")[2] for one in gateway.wire.sent]
    submits = [nth for nth, one in enumerate(paths) if one.endswith(SUBMIT["server2sms"])]
    assert len(submits) == 2
    assert submits[0] == 0
    assert any(one.endswith(POLL["server2sms"]) for one in paths[: submits[1]])
    gateway.wire.answers[POLL["server2sms"]] = arrived
    gateway.tick(2 * DAYS)
    assert set(gateway.statuses(ids)) == {"delivered"}
