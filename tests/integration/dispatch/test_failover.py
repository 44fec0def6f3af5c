"""Failover: what a vendor certainly did not take goes along its route, and nothing else does."""

import json
import time
from collections.abc import Callable
from datetime import UTC, datetime
from itertools import pairwise
from typing import Any

import pytest

from sms_gateway.core.problems import ConflictError
from sms_gateway.core.status import Status
from sms_gateway.dispatch import submission
from sms_gateway.dispatch.outcome_handling import REQUEUE_AFTER
from sms_gateway.messages.cancel import cancel_message
from sms_gateway.messages.listing import MessageQuery, list_messages
from sms_gateway.storage.dynamodb import ItemUpdate
from sms_gateway.storage.models import ItemKey, split_id
from sms_gateway.vendors.types import Request
from testing.callbacks import rajasms, server2sms
from testing.gateway import Gateway
from testing.numbers import number
from testing.processes import new_worker
from testing.settings import ACCOUNTS, set_accounts, set_routes
from testing.transport import SILENT, UNREACHABLE
from testing.vendor_answers import POLL, SUBMIT, TAKES, arrived, notifications, rajasms_answer

DAYS = 86_400
FIRST = ["jst", "rajasms", "dinisoft"]  # each with server2sms behind it
ROUTES = {
    "+91": ["jst", "server2sms"],
    "+62": ["rajasms", "server2sms"],
    "+880": ["dinisoft", "server2sms"],
    "+": ["server2sms"],
}


def packets(status: int) -> Callable[[Request], Any]:
    """RajaSMS's answer of one status for every packet."""

    def answer(request: Request) -> Any:
        numbers = [one["number"] for one in json.loads(request.body)["datapacket"]]
        return rajasms_answer([(to, status, 0) for to in numbers])

    return answer


# Answers after which a message was certainly not taken, by vendor.
TEMPORARY: dict[str, Any] = {
    "jst": {"status": "error", "message": "temporarily unavailable, try again"},
    "rajasms": packets(90),
    "dinisoft": {"Status": "101", "Text": "REJECTD"},
    "server2sms": {"StatusCode": "24"},
}
ACCOUNT: dict[str, Any] = {
    "jst": {"status": "error", "message": "insufficient balance"},
    "rajasms": {"sending_respon": [{"globalstatus": 30, "globalstatustext": "ApiKey"}]},
    "dinisoft": {"Status": "108", "Text": "REJECTD"},
    "server2sms": {"StatusCode": "5"},
}
MESSAGE: dict[str, Any] = {
    "jst": {"status": "error", "message": "invalid number"},
    "rajasms": packets(60),
    "dinisoft": {"Status": "114", "Text": "REJECTD"},
    "server2sms": {"StatusCode": "10"},
}
NEVER_CONNECTED = dict.fromkeys(SUBMIT, UNREACHABLE)
NOT_TAKEN = {
    "never connected": NEVER_CONNECTED,
    "temporary": TEMPORARY,
    "account": ACCOUNT,
    "message": MESSAGE,
}


def set_vendors(**routes: list[str]) -> None:
    """Routes by region, beside those that are there."""
    prefixes = {"IN": "+91", "ID": "+62", "BD": "+880"}
    wanted = ROUTES | {prefixes[region]: vendors for region, vendors in routes.items()}
    rows = [{"prefix": prefix, "vendors": vendors} for prefix, vendors in wanted.items()]
    set_routes(json.dumps({"routes": rows}))


@pytest.fixture(autouse=True)
def two(aws: None) -> None:
    """Every vendor has server2sms behind it."""
    set_vendors()


def accepted(gateway: Gateway, vendor: str, count: int, **fields: Any) -> list[str]:
    return gateway.many(vendor, count, **fields) if count else [gateway.one(vendor, **fields)]


def pause(gateway: Gateway, identifier: str) -> int:
    """Seconds until a submission's next attempt."""
    sub = gateway.submission(identifier)
    assert sub.due
    return sub.due - sub.changed - (REQUEUE_AFTER if sub.held is None else 0)


@pytest.mark.parametrize("why", NOT_TAKEN)
@pytest.mark.parametrize("count", [0, 3])
@pytest.mark.parametrize("vendor", FIRST)
def test_what_the_first_vendor_did_not_take_goes_to_the_second(
    gateway: Gateway, vendor: str, count: int, why: str
) -> None:
    gateway.wire.answers |= {
        SUBMIT[vendor]: NOT_TAKEN[why][vendor],
        SUBMIT["server2sms"]: TAKES["server2sms"],
    }
    ids = accepted(gateway, vendor, count)
    assert gateway.dispatch(vendor) == []
    for one in ids:
        view = gateway.view(one)
        assert (view["status"], view["vendor"]) == ("accepted", "server2sms")
    assert pause(gateway, ids[0]) == 0
    assert gateway.queued(vendor) == []
    records = gateway.queued("server2sms")
    assert len(records) == 1  # a group moves as a whole
    calls = len(gateway.wire.sent)
    gateway.work(records * 2)
    for one in ids:
        view = gateway.view(one)
        assert (view["status"], view["vendor"], view["vendor_id"]) == (
            "submitted",
            "server2sms",
            one,
        )
    assert len(gateway.wire.sent) == calls + 1
    assert gateway.wire.count(SUBMIT["server2sms"]) == 1


def test_the_timeline_names_why_each_vendor_was_chosen(gateway: Gateway) -> None:
    gateway.wire.answers |= {
        SUBMIT["rajasms"]: packets(60),
        SUBMIT["server2sms"]: TAKES["server2sms"],
    }
    identifier = gateway.one("rajasms")
    gateway.dispatch("rajasms")
    gateway.dispatch("server2sms")
    steps = [
        (one["status"], one["vendor"], one["attempt"], one["vendor_code"], one["note"])
        for one in gateway.view(identifier)["timeline"]
    ]
    assert steps == [
        ("accepted", "rajasms", 0, None, "first usable of route +62"),
        ("submitting", "rajasms", 1, None, None),
        ("accepted", "rajasms", 1, "60", None),
        ("accepted", "server2sms", 0, None, "next on the route"),
        ("submitting", "server2sms", 2, None, None),
        ("submitted", "server2sms", 2, "1", None),
    ]


@pytest.mark.parametrize("answer", [SILENT, b"", {"x": []}], ids=str)
@pytest.mark.parametrize("count", [0, 3])
@pytest.mark.parametrize("vendor", FIRST)
def test_an_unknown_outcome_never_goes_to_another_vendor(
    gateway: Gateway, vendor: str, count: int, answer: object
) -> None:
    gateway.wire.answers |= {SUBMIT[vendor]: answer, "": SILENT}
    ids = accepted(gateway, vendor, count)
    gateway.dispatch(vendor)
    for after in (61, 3 * DAYS + 10):
        gateway.tick(after)
        assert gateway.queued("server2sms") == gateway.queued(vendor) == []
    assert set(gateway.statuses(ids)) == {"unknown"}
    assert gateway.wire.count(SUBMIT["server2sms"]) == 0


@pytest.mark.parametrize("why", [ACCOUNT, MESSAGE], ids=["account", "message"])
@pytest.mark.parametrize("count", [0, 3])
@pytest.mark.parametrize("vendor", FIRST)
def test_it_is_rejected_when_every_vendor_has_refused_with_the_last_ones_problem(
    gateway: Gateway, vendor: str, count: int, why: dict[str, Any]
) -> None:
    gateway.wire.answers |= {
        SUBMIT[vendor]: why[vendor],
        SUBMIT["server2sms"]: MESSAGE["server2sms"],
    }
    ids = accepted(gateway, vendor, count)
    gateway.dispatch(vendor)
    assert set(gateway.statuses(ids)) == {"accepted"}
    gateway.dispatch("server2sms")
    for one in ids:
        view = gateway.view(one)
        assert (view["status"], view["final"]) == ("rejected", True)
        assert (view["problem"]["vendor"], view["problem"]["vendor_code"]) == ("server2sms", "10")
    assert gateway.submission(ids[0]).due is None
    assert gateway.queued(vendor) == gateway.queued("server2sms") == []


@pytest.mark.parametrize("vendor", FIRST)
def test_a_vendor_that_refused_is_not_asked_again_while_another_may_take_it(
    gateway: Gateway, vendor: str
) -> None:
    gateway.wire.answers |= {
        SUBMIT[vendor]: MESSAGE[vendor],
        SUBMIT["server2sms"]: TEMPORARY["server2sms"],
    }
    identifier = gateway.one(vendor)
    gateway.dispatch(vendor)
    for _ in range(3):
        gateway.dispatch("server2sms")
        assert gateway.view(identifier)["vendor"] == "server2sms"
        assert pause(gateway, identifier) > 0
    gateway.wire.answers[SUBMIT["server2sms"]] = MESSAGE["server2sms"]
    gateway.dispatch("server2sms")
    assert gateway.status(identifier) == "rejected"
    assert (gateway.wire.count(SUBMIT[vendor]), gateway.wire.count(SUBMIT["server2sms"])) == (1, 4)


@pytest.mark.parametrize("count", [0, 3])
def test_when_all_are_down_a_message_waits_ever_longer_and_then_expires(
    gateway: Gateway, count: int
) -> None:
    gateway.wire.answers |= {SUBMIT["jst"]: UNREACHABLE, SUBMIT["server2sms"]: UNREACHABLE}
    ids = accepted(gateway, "jst", count, validity=400)
    pauses: list[int] = []
    while gateway.status(ids[0]) == "accepted":
        new_worker()  # whose circuits are closed
        turn = gateway.view(ids[0])["vendor"]
        assert turn == ("server2sms" if len(pauses) % 2 else "jst")
        if gateway.submission(ids[0]).held is not None:
            gateway.tick(301)  # after the longest pause
        # A validity that nears its end bounds the pauses: keep it away.
        key = gateway.submission(ids[0]).key
        ItemUpdate(key).set(
            "expires", int(time.time()) + (400 if len(pauses) < 14 else 100)
        ).apply()
        assert gateway.dispatch(turn) == []
        if gateway.status(ids[0]) == "accepted":
            pauses.append(pause(gateway, ids[0]))
        assert len(pauses) < 30
    assert set(gateway.statuses(ids)) == {"expired"}
    assert gateway.queued("jst") == gateway.queued("server2sms") == []
    assert set(pauses[0::2]) == {0}
    rounds = pauses[1::2]
    assert all(later >= min(earlier, 150) for earlier, later in pairwise(rounds))
    assert rounds[0] <= 5
    assert 150 <= max(rounds) <= 300
    assert gateway.wire.count(SUBMIT["jst"]) == gateway.wire.count(SUBMIT["server2sms"])


def test_a_pause_that_is_longer_than_the_validity_ends_it(gateway: Gateway) -> None:
    gateway.wire.answers[SUBMIT["server2sms"]] = UNREACHABLE
    identifier = gateway.one("server2sms")
    key = split_id(identifier)
    assert key
    ItemUpdate(key).set("attempt", 20).set("expires", int(time.time()) + 100).apply()
    gateway.dispatch("server2sms")
    view = gateway.view(identifier)
    assert (view["status"], view["final"]) == ("expired", True)
    assert "never connected" in view["problem"]["detail"]


def test_the_scheduler_requeues_what_waits_for_its_next_round_when_the_queue_lost_it(
    gateway: Gateway,
) -> None:
    gateway.wire.answers |= {SUBMIT["jst"]: UNREACHABLE, SUBMIT["server2sms"]: UNREACHABLE}
    identifier = gateway.one("jst")
    gateway.dispatch("jst")
    gateway.dispatch("server2sms")
    assert gateway.queued("jst")
    wait = pause(gateway, identifier) + REQUEUE_AFTER
    gateway.tick(wait - REQUEUE_AFTER / 2)
    assert gateway.queued("jst") == []
    gateway.tick(wait + 1)
    assert len(gateway.queued("jst")) == 1


def test_each_message_of_a_mixed_answer_finds_its_own_vendor(gateway: Gateway) -> None:
    def mixed(request: Request) -> Any:
        numbers = [one["number"] for one in json.loads(request.body)["datapacket"]]
        return rajasms_answer([(numbers[0], 10, 77), (numbers[1], 60, 0), (numbers[2], 90, 0)])

    gateway.wire.answers |= {
        SUBMIT["rajasms"]: mixed,
        SUBMIT["server2sms"]: TAKES["server2sms"],
    }
    ids = gateway.many("rajasms", 4)
    gateway.dispatch("rajasms")
    assert gateway.statuses(ids) == ["submitted", "accepted", "accepted", "submitting"]
    assert gateway.queued("rajasms") == []
    records = gateway.queued("server2sms")
    assert [one["body"].split("/")[1] for one in records] == ["M#001 1", "M#002 1"]
    gateway.work(records * 2)
    views = [gateway.view(one) for one in ids]
    assert [one["status"] for one in views] == ["submitted"] * 3 + ["submitting"]
    vendors = [one["vendor"] for one in views]
    assert vendors == ["rajasms", "server2sms", "server2sms", "rajasms"]
    assert len(gateway.wire.sent) == 3
    steps = [(one["vendor"], one["note"]) for one in views[1]["timeline"]]
    assert ("server2sms", "next on the route") in steps


def test_a_member_that_every_vendor_refused_ends_alone(gateway: Gateway) -> None:
    def one_bad(request: Request) -> Any:
        numbers = [one["number"] for one in json.loads(request.body)["datapacket"]]
        rows = [(to, 60 if to.endswith("1") else 10, 70 + nth) for nth, to in enumerate(numbers)]
        return rajasms_answer(rows)

    gateway.wire.answers |= {
        SUBMIT["rajasms"]: one_bad,
        SUBMIT["server2sms"]: MESSAGE["server2sms"],
    }
    ids = gateway.many("rajasms", 3)
    gateway.dispatch("rajasms")
    gateway.dispatch("server2sms")
    assert gateway.statuses(ids) == ["rejected", "submitted", "submitted"]
    assert gateway.view(ids[0])["problem"]["vendor"] == "server2sms"


@pytest.mark.parametrize("why", NOT_TAKEN)
def test_a_pinned_vendor_is_the_only_one(gateway: Gateway, why: str) -> None:
    gateway.wire.answers[SUBMIT["jst"]] = NOT_TAKEN[why]["jst"]
    (identifier,) = gateway.accept({"to": number("jst"), "text": "Hello", "vendor": "jst"})
    assert gateway.submission(identifier).vendors == ("jst",)
    gateway.dispatch("jst")
    waits = why in ("never connected", "temporary")
    assert gateway.status(identifier) == ("accepted" if waits else "rejected")
    assert len(gateway.queued("jst")) == waits
    assert gateway.queued("server2sms") == []


@pytest.mark.parametrize(
    ("fields", "vendors"),
    [
        ({}, ("server2sms", "rajasms")),
        ({"flash": True}, ("server2sms",)),
        ({"from": "ACME"}, ("server2sms",)),
        ({"text": "x" * 481}, ("server2sms",)),
    ],
)
def test_a_vendor_that_cannot_carry_a_message_as_asked_is_left_out_of_its_route(
    gateway: Gateway, fields: dict[str, Any], vendors: tuple[str, ...]
) -> None:
    set_vendors(ID=["server2sms", "rajasms"])
    gateway.wire.answers[SUBMIT["server2sms"]] = MESSAGE["server2sms"]
    identifier = gateway.one("rajasms", **fields)
    assert gateway.submission(identifier).vendors == vendors
    gateway.dispatch("server2sms")
    assert gateway.status(identifier) == ("accepted" if len(vendors) == 2 else "rejected")
    assert len(gateway.queued("rajasms")) == len(vendors) - 1


def test_messages_of_different_routes_are_different_submissions(gateway: Gateway) -> None:
    set_vendors(ID=["server2sms", "rajasms"])
    bodies = [
        {"to": number("rajasms", nth), "text": "Hello", "flash": bool(nth % 2)} for nth in range(4)
    ]
    ids = gateway.accept({"messages": bodies})
    assert [gateway.submission(one).vendors for one in ids] == [
        ("server2sms", "rajasms"),
        ("server2sms",),
    ] * 2


def test_a_vendor_that_was_turned_off_is_passed_over(gateway: Gateway) -> None:
    gateway.wire.answers |= {SUBMIT["jst"]: UNREACHABLE}
    identifier = gateway.one("jst")
    set_accounts({name: one for name, one in ACCOUNTS.items() if name != "server2sms"})
    gateway.dispatch("jst")
    assert gateway.view(identifier)["vendor"] == "jst"
    assert pause(gateway, identifier) > 0
    assert gateway.queued("server2sms") == []


@pytest.mark.parametrize("count", [0, 3])
def test_the_second_vendors_poll_settles(gateway: Gateway, count: int) -> None:
    gateway.wire.answers |= {
        SUBMIT["jst"]: MESSAGE["jst"],
        SUBMIT["server2sms"]: TAKES["server2sms"],
        POLL["server2sms"]: arrived,
    }
    ids = accepted(gateway, "jst", count)
    gateway.dispatch("jst")
    gateway.dispatch("server2sms")
    gateway.tick(200)
    assert set(gateway.statuses(ids)) == {"delivered"}
    assert gateway.wire.count(POLL["jst"]) == 0


@pytest.mark.parametrize("count", [0, 3])
def test_the_second_vendors_callback_settles(gateway: Gateway, count: int) -> None:
    set_vendors(ID=["server2sms", "rajasms"])
    gateway.wire.answers |= {
        SUBMIT["server2sms"]: TEMPORARY["server2sms"],
        SUBMIT["rajasms"]: TAKES["rajasms"],
    }
    ids = accepted(gateway, "rajasms", count)
    gateway.dispatch("server2sms")
    gateway.dispatch("rajasms")
    for one in ids:
        assert rajasms(gateway, one, "3")["statusCode"] == 200
    assert set(gateway.statuses(ids)) == {"delivered"}
    last = gateway.view(ids[0])["timeline"][-1]
    assert (last["source"], last["vendor"], last["attempt"]) == ("callback", "rajasms", 2)


@pytest.mark.parametrize("code", ["4", "99"])
@pytest.mark.parametrize("count", [0, 3])
@pytest.mark.parametrize("dispatched", [False, True])
def test_a_late_word_from_a_vendor_that_refused_changes_nothing(
    gateway: Gateway, count: int, dispatched: bool, code: str
) -> None:
    gateway.wire.answers |= {
        SUBMIT["rajasms"]: packets(90),
        SUBMIT["server2sms"]: TAKES["server2sms"],
        POLL["server2sms"]: arrived,
    }
    ids = accepted(gateway, "rajasms", count)
    gateway.dispatch("rajasms")
    if dispatched:
        gateway.dispatch("server2sms")
    before = gateway.statuses(ids)
    for one in ids:
        assert rajasms(gateway, one, code, sendingid=4711)["statusCode"] == 200
    assert gateway.statuses(ids) == before
    gateway.dispatch("server2sms")
    gateway.tick(200)
    assert set(gateway.statuses(ids)) == {"delivered"}
    assert gateway.wire.count(SUBMIT["server2sms"]) == 1


def test_what_is_on_the_handset_after_all_is_not_sent_by_the_next_vendor(gateway: Gateway) -> None:
    gateway.wire.answers[SUBMIT["rajasms"]] = packets(90)
    identifier = gateway.one("rajasms")
    gateway.dispatch("rajasms")
    rajasms(gateway, identifier, "3", sendingid=4711)
    assert gateway.status(identifier) == "delivered"
    gateway.dispatch("server2sms")
    assert gateway.wire.count(SUBMIT["server2sms"]) == 0


def test_the_list_follows_the_message_to_its_vendor(gateway: Gateway) -> None:
    gateway.wire.answers |= {
        SUBMIT["jst"]: UNREACHABLE,
        SUBMIT["server2sms"]: TAKES["server2sms"],
    }

    def listed(**query: Any) -> list[str]:
        found = list_messages("acme", MessageQuery(**query), None, datetime.now(UTC))["messages"]
        return [one["id"] for one in found]

    ids = gateway.many("jst", 3)
    assert listed(vendor="jst", status=Status.ACCEPTED) == ids
    gateway.dispatch("jst")
    assert listed(vendor="jst") == []
    assert listed(vendor="server2sms", status=Status.ACCEPTED) == ids
    gateway.dispatch("server2sms")
    assert listed(vendor="server2sms", status=Status.SUBMITTED) == ids
    assert listed(status=Status.ACCEPTED) == []


# What goes out again at the caller's word, although the first call may have been taken


def doubtful(gateway: Gateway, count: int, **fields: Any) -> list[str]:
    """Messages whose first call was never answered, now at the second vendor."""
    gateway.wire.answers[SUBMIT["rajasms"]] = SILENT
    ids = accepted(gateway, "rajasms", count, on_unknown="resend", **fields)
    gateway.dispatch("rajasms")
    assert {gateway.view(one)["vendor"] for one in ids} == {"server2sms"}
    return ids


@pytest.mark.parametrize("count", [0, 3])
def test_what_may_have_been_taken_before_is_never_called_rejected(
    gateway: Gateway, count: int
) -> None:
    ids = doubtful(gateway, count)
    for vendor, answer in (("server2sms", MESSAGE), ("rajasms", MESSAGE)):
        gateway.wire.answers[SUBMIT[vendor]] = answer[vendor]
        gateway.dispatch(vendor)
    assert set(gateway.statuses(ids)) == {"unknown"}
    rajasms(gateway, ids[0], "3", sendingid=4711)
    assert gateway.status(ids[0]) == "delivered"


@pytest.mark.parametrize("by", ["clock", "dispatch"])
@pytest.mark.parametrize("count", [0, 3])
def test_what_may_have_been_taken_before_is_never_called_expired(
    gateway: Gateway, count: int, by: str
) -> None:
    ids = doubtful(gateway, count, validity=3600)
    if by == "dispatch":
        gateway.wire.answers[SUBMIT["server2sms"]] = UNREACHABLE
        key = gateway.submission(ids[0]).key
        ItemUpdate(key).set("attempt", 20).set("expires", int(time.time()) + 100).apply()
        gateway.dispatch("server2sms")
    gateway.tick(3700)
    assert set(gateway.statuses(ids)) == {"unknown"}
    assert gateway.submission(ids[0]).due is None


@pytest.mark.parametrize("count", [0, 3])
def test_what_may_have_been_taken_before_can_not_be_cancelled(gateway: Gateway, count: int) -> None:
    ids = doubtful(gateway, count)
    for one in ids:
        with pytest.raises(ConflictError):
            cancel_message("acme", one, datetime.now(UTC))
    assert set(gateway.statuses(ids)) == {"accepted"}


def test_an_unknown_outcome_near_the_end_of_its_validity_waits_for_its_receipt(
    gateway: Gateway,
) -> None:
    gateway.wire.answers[SUBMIT["rajasms"]] = SILENT
    body = {"to": number("rajasms"), "text": "Hello", "vendor": "rajasms"}
    (identifier,) = gateway.accept(body | {"on_unknown": "resend"})
    key = split_id(identifier)
    assert key
    ItemUpdate(key).set("expires", int(time.time()) + 3).apply()
    gateway.dispatch("rajasms")
    assert gateway.status(identifier) == "submitting"
    rajasms(gateway, identifier, "3", sendingid=4711)
    assert gateway.status(identifier) == "delivered"


def test_a_mixed_answer_to_a_second_try_rejects_nothing_that_may_have_left(
    gateway: Gateway,
) -> None:
    set_vendors(ID=["rajasms"])
    gateway.wire.answers[SUBMIT["rajasms"]] = SILENT
    ids = gateway.many("rajasms", 3, on_unknown="resend")
    gateway.dispatch("rajasms")

    def mixed(request: Request) -> Any:
        numbers = [one["number"] for one in json.loads(request.body)["datapacket"]]
        return rajasms_answer([(numbers[0], 10, 77), (numbers[1], 60, 0), (numbers[2], 90, 0)])

    gateway.wire.answers[SUBMIT["rajasms"]] = mixed
    gateway.dispatch("rajasms")
    assert gateway.statuses(ids) == ["submitted", "unknown", "accepted"]
    gateway.wire.answers[SUBMIT["rajasms"]] = packets(60)
    gateway.dispatch("rajasms")
    assert gateway.statuses(ids) == ["submitted", "unknown", "unknown"]


def test_server2sms_report_on_the_second_attempt_settles(gateway: Gateway) -> None:
    ids = doubtful(gateway, 3)
    gateway.wire.answers[SUBMIT["server2sms"]] = TAKES["server2sms"]
    gateway.dispatch("server2sms")
    rajasms(gateway, ids[0], "4", sendingid=4711)  # what the first vendor says of its own try
    assert gateway.status(ids[0]) == "submitted"
    for one in ids:
        server2sms(gateway, one, "0")
    assert set(gateway.statuses(ids)) == {"delivered"}
    assert ItemKey(ids[0][:26], "S#000") == gateway.submission(ids[0]).key


# A submission that was packed for another vendor takes server2sms several calls


def moved_and_silent(gateway: Gateway, **fields: Any) -> list[str]:
    """Three texts in one submission that RajaSMS refused and server2sms did not answer."""
    gateway.wire.answers |= {
        SUBMIT["rajasms"]: TEMPORARY["rajasms"],
        SUBMIT["server2sms"]: SILENT,
    }
    every = [{"to": number("rajasms", nth), "text": f"Hello {nth}"} for nth in range(3)]
    ids = gateway.accept({"messages": every, **fields})
    assert gateway.dispatch("rajasms") == []
    assert gateway.dispatch("server2sms") == []
    assert gateway.wire.count(SUBMIT["server2sms"]) == 3
    return ids


@pytest.mark.parametrize("recorded", [True, False])
def test_a_reference_that_is_known_speaks_for_its_own_call_only(
    gateway: Gateway, recorded: bool
) -> None:
    ids = moved_and_silent(gateway)
    if not recorded:  # the worker died in its calls
        ItemUpdate(gateway.submission(ids[0]).key).remove("result").remove(
            "outcome_unknown"
        ).apply()
    gateway.wire.answers[POLL["server2sms"]] = notifications((ids[1], "1"))
    gateway.tick(400)
    assert gateway.statuses(ids) == ["submitting", "submitted", "submitting"]
    gateway.wire.answers[POLL["server2sms"]] = notifications((ids[1], "0"), (ids[2], "0"))
    for after in (4000, 8000):
        gateway.tick(after)
    assert gateway.statuses(ids) == ["submitting", "delivered", "delivered"]
    gateway.tick(4 * DAYS)
    assert gateway.statuses(ids) == ["unknown", "delivered", "delivered"]


def test_what_the_other_calls_carried_is_sent_again_at_the_callers_word(gateway: Gateway) -> None:
    ids = moved_and_silent(gateway, on_unknown="resend")
    gateway.wire.answers[POLL["server2sms"]] = notifications((ids[1], "1"))
    for after in (400, 1000, 2000, 3000):
        gateway.tick(after)
    gateway.wire.answers[SUBMIT["server2sms"]] = TAKES["server2sms"]
    assert gateway.dispatch("server2sms") == []
    assert gateway.wire.count(SUBMIT["server2sms"]) == 5
    assert gateway.statuses(ids) == ["submitted"] * 3


# While nobody can read the accounts


def test_a_scheduler_without_accounts_fails_a_refused_message_over(
    gateway: Gateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    ids = accepted(gateway, "rajasms", 2)
    taken, refused = number("rajasms", 0)[1:], number("rajasms", 1)[1:]
    gateway.wire.answers[SUBMIT["rajasms"]] = rajasms_answer([(taken, 10, 1), (refused, 60, 0)])
    with monkeypatch.context() as died:
        died.setattr(submission, "split_mixed_result", lambda *_: set())
        gateway.dispatch("rajasms")
    view = gateway.view(ids[1])
    assert (view["status"], view["final"]) == ("accepted", False)  # not refused by all yet
    gateway.tick(61, adapters={}, accounts_known=False)
    view = gateway.view(ids[1])
    assert (view["status"], view["vendor"]) == ("accepted", "server2sms")


def test_a_scheduler_without_accounts_resends_nothing_before_it_polled(gateway: Gateway) -> None:
    gateway.wire.answers[SUBMIT["server2sms"]] = SILENT
    ids = accepted(gateway, "server2sms", 0, on_unknown="resend")
    gateway.dispatch("server2sms")
    for after in (61, 200, 1000):
        gateway.tick(after, adapters={}, accounts_known=False)
    assert gateway.queued("server2sms") == []
    gateway.wire.answers[POLL["server2sms"]] = arrived
    gateway.tick(8000)
    assert gateway.statuses(ids) == ["delivered"]
