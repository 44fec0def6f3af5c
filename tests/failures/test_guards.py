"""The failure suite can fail: each guard switched off makes the oracle speak, and so does each kind
of forged evidence."""

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import pytest
from failures.guards import GUARDS, guards, off
from failures.oracle import Promise, Reported, Row, Taken, judge, table
from failures.scenarios import SCENARIOS

from sms_gateway.core.status import Status
from sms_gateway.dispatch import outcome_handling, submission
from sms_gateway.dispatch.failover import NextAttempt
from sms_gateway.messages import idempotency
from sms_gateway.messages import send as message_send
from sms_gateway.messages.acceptance import BuiltBatch
from sms_gateway.receipts import apply
from sms_gateway.scheduler import submissions, tick
from sms_gateway.storage import dynamodb as store
from sms_gateway.storage import idempotency_keys
from sms_gateway.storage.dynamodb import ItemUpdate
from sms_gateway.storage.message_updates import MessageUpdate
from sms_gateway.storage.models import VerdictLetter
from sms_gateway.vendors.types import Request, SubmitVerdict
from testing.callbacks import rajasms
from testing.gateway import Gateway
from testing.numbers import number
from testing.settings import set_routes
from testing.transport import SILENT, UNREACHABLE
from testing.vendor_answers import POLL, SUBMIT, TAKES, arrived, rajasms_answer, rajasms_takes

TO, TEXT = number("rajasms"), "once"


@dataclass
class World:
    """A vendor with a ledger in front of the core, and the oracle behind it. While `silent`, the
    vendor takes messages and never answers; the first `away` calls don't reach it."""

    gateway: Gateway
    taken: list[Taken] = field(default_factory=list)
    promises: list[Promise] = field(default_factory=list)
    state: str = "delivered"
    silent: bool = False
    away: int = 0

    def __post_init__(self) -> None:
        self.gateway.wire.answers["send_json.php"] = self.take

    def take(self, request: Request) -> Any:
        """Enters a submission into the ledger."""
        if self.away:
            self.away -= 1
            return UNREACHABLE
        for one in json.loads(request.body)["datapacket"]:
            identity = Promise(one["number"], one["message"]).identity
            self.taken.append(Taken("rajasms", *identity, self.state))
        return SILENT if self.silent else rajasms_takes(request)

    def send(self, count: int = 1, key: str | None = None) -> list[str]:
        """Asks for a send and notes what was promised; the ids."""
        numbers = [number("rajasms", nth) for nth in range(count)]
        body = {"to": numbers if count > 1 else TO, "text": TEXT}
        answer = message_send.send("acme", json.dumps(body).encode(), datetime.now(UTC), key)
        ids = [one["id"] for one in answer["messages"]]
        self.promises = [Promise(to, TEXT, one) for to, one in zip(numbers, ids, strict=True)]
        return ids

    def deliver(self, times: int = 1) -> None:
        """Delivers all that is queued to a worker, so many times."""
        records = self.gateway.queued("rajasms")
        for _ in range(times):
            assert self.gateway.work(records) == []

    def row(self) -> Row:
        """What the oracle says when the deadline of everything has passed."""
        self.gateway.tick(after=400_000)
        got = {}
        for promise in self.promises:
            try:
                view = self.gateway.view(str(promise.id))
            except AssertionError:
                continue  # nobody knows it
            got[str(promise.id)] = Reported(view["status"], view["final"])
        return judge("in process", self.promises, got, self.taken)


def test_every_scenario_names_a_guard_that_is_taken_away_here() -> None:
    assert {one.guard for one in SCENARIOS.values()} == GUARDS[__name__]


@pytest.fixture
def world(gateway: Gateway) -> World:
    return World(gateway)


def no_condition(change: ItemUpdate, *_: object, **__: object) -> ItemUpdate:
    """In place of a condition: none."""
    return change


@guards("claim")
def test_without_the_claims_condition_a_second_delivery_is_a_second_sms(
    guard: str, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    off(guard, monkeypatch, ItemUpdate, "if_in", no_condition)
    world.send()
    world.deliver(times=2)
    assert world.row().duplicated == (guard == "off")


@guards("silence")
def test_taking_silence_for_a_refusal_is_a_second_sms(
    guard: str, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    if guard == "off":
        monkeypatch.setitem(
            submission.LETTER_OF_VERDICT, SubmitVerdict.UNKNOWN, VerdictLetter.RETRY
        )
    world.silent = True
    world.send()
    world.deliver()
    world.deliver()
    assert world.row().duplicated == (guard == "off")


@guards("patience")
def test_a_clock_that_resends_unasked_is_a_second_sms(
    guard: str, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    off(guard, monkeypatch, submissions, "_resend_allowed", lambda *_: True)
    world.silent = True
    world.send()
    world.deliver()
    world.gateway.tick(after=400)
    world.deliver()
    assert world.row().duplicated == (guard == "off")


@guards("commit")
def test_a_batch_accepted_before_its_messages_are_written_is_half_a_batch(
    guard: str, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(idempotency, "IN_PROGRESS_SECONDS", 0)

    def killed(*_: object) -> None:
        raise KeyboardInterrupt  # as a crash: nothing after it happens

    def head_first(prepared: BuiltBatch) -> None:
        store.put_new(prepared.head)
        killed()

    with monkeypatch.context() as crash:
        if guard == "off":
            crash.setattr(message_send, "store_batch", head_first)
        else:
            crash.setattr(store, "put_new", killed)
        with pytest.raises(KeyboardInterrupt):
            world.send(3, key="again")
    world.send(3, key="again")
    world.deliver()
    row = world.row()
    assert row.lost == (3 if guard == "off" else 0)
    assert len(world.taken) == (0 if guard == "off" else 3)


@guards("key")
def test_without_the_keys_record_a_retry_is_a_second_sms(
    guard: str, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    off(guard, monkeypatch, idempotency, "find_answer", lambda *_: (None, None))
    off(guard, monkeypatch, idempotency_keys, "put_request", lambda *_: None)
    first = world.send(key="once")
    again = world.send(key="once")
    world.deliver()
    assert (first == again) == (guard == "on")
    assert world.row().duplicated == (guard == "off")


@guards("forward")
def test_a_status_that_may_go_back_is_a_wrong_status(
    guard: str, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    off(guard, monkeypatch, MessageUpdate, "if_open", no_condition)
    # Both callbacks read the message before either has written it.
    monkeypatch.setattr(apply, "status_of", lambda *_: Status.SUBMITTED)
    (one,) = world.send()
    world.deliver()
    rajasms(world.gateway, one, "3")
    rajasms(world.gateway, one, "4")
    assert world.row().wrong == (guard == "off")


@guards("clock")
def test_without_the_clock_a_message_is_lost(
    guard: str, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    off(guard, monkeypatch, tick, "_check_item", lambda *_: False)
    world.send()
    world.gateway.queued("rajasms")  # the queue loses it
    assert world.row().lost == (guard == "off")


@guards("retry")
def test_giving_up_at_the_first_refusal_for_now_is_a_message_that_never_leaves(
    guard: str, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    off(guard, monkeypatch, outcome_handling, "next_attempt", lambda *_: None)
    world.away = 1
    (one,) = world.send()
    world.deliver()
    world.deliver()
    if world.taken:
        rajasms(world.gateway, one, "3")
    assert set(world.row().statuses) == ({"rejected"} if guard == "off" else {"delivered"})


@guards("refusal")
def test_taking_a_refusal_for_an_acceptance_is_a_message_that_nobody_has(
    guard: str, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    if guard == "off":
        monkeypatch.setitem(
            submission.LETTER_OF_VERDICT, SubmitVerdict.REFUSED, VerdictLetter.ACCEPTED
        )
    world.gateway.wire.answers["send_json.php"] = lambda request: rajasms_answer(
        [(one["number"], 20, 0) for one in json.loads(request.body)["datapacket"]]
    )
    (one,) = world.send()
    world.deliver()
    if guard == "off":
        rajasms(world.gateway, one, "3")
    assert world.row().wrong == (guard == "off")


@guards("failover")
def test_asking_the_first_vendor_alone_leaves_the_message_with_one_that_is_down(
    guard: str, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    route = {"prefix": "+62", "vendors": ["rajasms", "server2sms"]}
    set_routes(json.dumps({"routes": [route]}))
    world.gateway.wire.answers[SUBMIT["server2sms"]] = TAKES["server2sms"]
    off(
        guard,
        monkeypatch,
        outcome_handling,
        "next_attempt",
        lambda vendors, *_: NextAttempt(vendors[0], 1),
    )
    world.away = 100
    world.send()
    for _ in range(3):
        world.deliver()
        world.gateway.dispatch("server2sms")
    assert world.gateway.wire.count(SUBMIT["server2sms"]) == (guard == "on")


@guards("asking again")
def test_a_polled_word_that_was_not_written_is_asked_for_again(
    guard: str, gateway: Gateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    ids = gateway.sent("server2sms", 3)
    gateway.wire.answers[POLL["server2sms"]] = arrived
    with monkeypatch.context() as refused:
        taken = [guard == "off"]  # off: what was not written is taken for written
        refused.setattr(apply, "apply_updates", lambda words, *_: taken * len(words))
        gateway.tick(after=100)
    assert gateway.statuses(ids) == ["submitted"] * 3
    gateway.tick(after=10_000)
    gateway.tick(after=400_000)
    assert (gateway.statuses(ids) == ["delivered"] * 3) == (guard == "on")


# Forged evidence

ID = "01JB2QK8W3Z5Y7X9V1T4R6P8N0000"
ASKED = Promise(TO, TEXT, ID)
IN_LEDGER = Taken("rajasms", *ASKED.identity, "delivered", ID)


def forged(
    status: str = "delivered",
    final: bool = True,
    taken: list[Taken] | None = None,
    **more: Any,
) -> Row:
    """The oracle's row for one message."""
    promise = Promise(TO, TEXT, ID, more.get("resend", False))
    got = {} if status == "" else {ID: Reported(status, final, more.get("overdue", True))}
    ledger = [IN_LEDGER] if taken is None else taken
    return judge("forged", [promise], got, ledger, more.get("left", ()))


OTHER = Taken("jst", "911000000009", "0" * 64, "delivered")
UNDELIVERED = Taken("rajasms", *ASKED.identity, "undelivered", ID)
OTHER_TEXT = Taken("rajasms", TO[1:], "0" * 64, "delivered", ID)


@pytest.mark.parametrize(
    ("row", "expected"),
    [
        (lambda: forged(), (0, 0, 0, 0)),
        (lambda: forged("unknown"), (0, 0, 0, 1)),
        (lambda: forged("rejected", taken=[]), (0, 0, 0, 0)),
        (lambda: forged("undelivered", taken=[UNDELIVERED]), (0, 0, 0, 0)),
        (lambda: forged("submitted", False, overdue=False), (0, 0, 0, 0)),
        (lambda: forged(taken=[IN_LEDGER] * 2, resend=True), (0, 0, 0, 0)),
        (lambda: forged(""), (1, 0, 0, 0)),
        (lambda: forged("submitted", False), (1, 0, 0, 0)),
        (lambda: forged(taken=[IN_LEDGER] * 2), (0, 1, 0, 0)),
        (lambda: forged("unknown", taken=[IN_LEDGER] * 2), (0, 1, 0, 1)),
        (lambda: forged(taken=[IN_LEDGER] * 3, resend=True), (0, 1, 0, 0)),
        (lambda: forged(taken=[IN_LEDGER, OTHER_TEXT]), (0, 1, 1, 0)),
        (lambda: forged(taken=[]), (0, 0, 1, 0)),
        (lambda: forged("undelivered"), (0, 0, 1, 0)),
        (lambda: forged("rejected"), (0, 0, 1, 0)),
        (lambda: forged("expired"), (0, 0, 1, 0)),
        (lambda: forged("cancelled"), (0, 0, 1, 0)),
        (lambda: forged(taken=[IN_LEDGER, OTHER]), (0, 0, 1, 0)),
        (lambda: forged(left=["JstDeadLetters: jst 01J/M#000 1"]), (0, 0, 1, 0)),
    ],
)
def test_the_oracle_sees(row: Callable[[], Row], expected: tuple[int, ...]) -> None:
    seen = row()
    assert (seen.lost, seen.duplicated, seen.wrong, seen.unknown) == expected
    assert seen.good == (not any(expected[:3]))
    assert bool(seen.faults) != seen.good


def test_a_message_without_a_202_may_have_been_taken_once() -> None:
    promise = Promise(TO, TEXT)
    assert judge("forged", [promise], {}, []).good
    assert judge("forged", [promise], {}, [IN_LEDGER]).good
    assert judge("forged", [promise], {}, [IN_LEDGER] * 2).duplicated == 1


def test_the_table_sums_up() -> None:
    written = table([forged(), forged("")])
    assert written.splitlines()[0].split() == [
        *("scenario", "messages", "lost", "duplicated", "wrong", "unknown", "seconds")
    ]
    assert written.splitlines()[-1].split() == ["all", "2", "2", "1", "0", "0", "0"]
