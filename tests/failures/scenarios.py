"""What can go wrong, one scenario each: who is called, what fails, and which ends are allowed."""

import itertools
import json
import threading
import time
import traceback
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from failures.arena import DESCRIBED, PATIENCE, REACHED, VENDORS, Case, Ground, at_once
from failures.chaos import Action, Rule
from failures.oracle import Row

from local.simulators.registry import submit_ending
from testing.deployed import Answer

DELIVERED = frozenset({"delivered"})
IN_DOUBT = frozenset({"delivered", "unknown"})
CLAIM = "ADD #attempt "  # the write before a vendor call
RECORD = '"#result"'  # the write after it
BARE = " AND attribute_not_exists(#status)"  # a message of a mixed answer goes its own way
HEAD = "attribute_not_exists(pk)"  # the write that accepts a batch
SUBMIT = {vendor: submit_ending(vendor) for vendor in VENDORS} | {DESCRIBED: "/messages"}


@dataclass(frozen=True, slots=True)
class Scenario:
    """`phase`s follow one another. Within one, the lanes run side by side and a lane's scenarios
    one after the other: those that would catch each other's faults share a lane. With `alone`, the
    next in the lane waits until this one's messages have all ended. Phase 1 has only faults that
    find their own messages; a vendor's own faults strike whoever comes. `may` are the allowed ends.
    `guard` names what keeps the messages safe here; test_guards.py takes it away."""

    name: str
    run: Callable[[Case], None] = field(repr=False)
    lane: str
    guard: str
    phase: int
    alone: bool
    may: frozenset[str]


@dataclass(slots=True)
class Done:
    """A scenario that is over: its line, and what it did not do as it should."""

    row: Row
    error: str | None = None


@dataclass(frozen=True, slots=True)
class Finished:
    """All scenarios that ran, and what nobody can explain after the last."""

    done: dict[str, Done]
    unexplained: list[str]


SCENARIOS: dict[str, Scenario] = {}


def scenario(
    name: str,
    lane: str,
    may: Iterable[str] = DELIVERED,
    *,
    guard: str,
    phase: int = 1,
    alone: bool = False,
) -> Callable[[Callable[[Case], None]], Callable[[Case], None]]:
    """Enters a scenario into the list."""

    def enter(run: Callable[[Case], None]) -> Callable[[Case], None]:
        SCENARIOS[name] = Scenario(name, run, lane, guard, phase, alone, frozenset(may))
        return run

    return enter


def run_all(
    ground: Ground, chosen: Sequence[Scenario], report: Callable[[str], None] = print
) -> dict[str, Done]:
    """Runs scenarios to their ends, phase by phase; `report` hears of each that is over."""
    done: dict[str, Done] = {}
    over = itertools.count(1)

    def to_the_end(case: Case, one: Scenario, error: str | None) -> Done:
        finished = end(case, one, error)
        row = finished.row
        wrong = f"{row.lost} lost, {row.duplicated} duplicated, {row.wrong} wrong"
        report(f"{next(over)} of {len(chosen)}: {row.scenario}: {row.messages} messages, {wrong}")
        return finished

    for phase in sorted({one.phase for one in chosen}):
        lanes: dict[str, list[tuple[int, Scenario]]] = defaultdict(list)
        for nth, one in enumerate(chosen):
            if one.phase == phase:
                lanes[one.lane].append((nth, one))
        with ThreadPoolExecutor(len(chosen) + len(lanes)) as pool:
            settling: dict[str, Future[Done]] = {}
            lock = threading.Lock()

            def run_lane(
                lane: Sequence[tuple[int, Scenario]],
                pool: ThreadPoolExecutor = pool,
                settling: dict[str, Future[Done]] = settling,
                lock: threading.Lock = lock,
            ) -> None:
                for nth, one in lane:
                    case = Case(one.name, f"sc{nth:02d}x{time.time_ns() % 10**8:08d}z", ground)
                    error = act(case, one) or left(case)
                    ending = pool.submit(to_the_end, case, one, error)
                    with lock:
                        settling[one.name] = ending
                    if one.alone:
                        ending.result()

            for running in [pool.submit(run_lane, lane) for lane in lanes.values()]:
                running.result()
            done |= {name: ending.result() for name, ending in settling.items()}
        ground.simulators("DELETE", "_faults")
    return {one.name: done[one.name] for one in chosen}


def act(case: Case, one: Scenario) -> str | None:
    """Does what the scenario says; what went wrong with that, if anything."""
    try:
        one.run(case)
    except Exception:
        return traceback.format_exc(limit=-4, chain=False)
    return None


def left(case: Case) -> str | None:
    """Waits until a scenario's messages have left, so that the next one's faults don't strike
    them; what is wrong if they don't."""
    try:
        case.leave()
    except Exception:
        return traceback.format_exc(limit=-4)
    return None


def end(case: Case, one: Scenario, error: str | None) -> Done:
    """Waits for the end and lets the oracle speak."""
    try:
        row = case.settle(doubtful="unknown" in one.may)
    except Exception:
        return Done(Row(case.name), (error or "") + traceback.format_exc(limit=-4))
    missed = [rule for rule in case.rules if not rule.struck]
    if missed and error is None:
        error = f"the fault did not strike: {missed}"
    return Done(row, error)


# What vendors do


@scenario("a vendor hangs after accepting", "a", IN_DOUBT, guard="silence")
def _hangs(case: Case) -> None:
    for vendor in REACHED:
        case.rule(vendor, "hang-after", SUBMIT[vendor])
        case.send(vendor, 20)


@scenario("a vendor accepts, then resets", "b", IN_DOUBT, guard="silence")
def _resets(case: Case) -> None:
    for vendor in REACHED:
        case.rule(vendor, "lose-after", SUBMIT[vendor])
        case.send(vendor, 20)


@scenario("a vendor accepts, then answers 5xx", "c", IN_DOUBT, guard="silence")
def _fails(case: Case) -> None:
    for vendor in REACHED:
        case.rule(vendor, "error-after", SUBMIT[vendor])
        case.send(vendor, 20)


@scenario("the caller asked for a resend", "a", IN_DOUBT, guard="claim")
def _resend(case: Case) -> None:
    for vendor in REACHED:
        case.rule(vendor, "lose-after", SUBMIT[vendor])
        case.code(vendor, on_unknown="resend", validity=300)


@scenario("nothing goes wrong", "b", phase=0, guard="clock")
def _nothing(case: Case) -> None:
    case.send("jst", 600)
    case.send("rajasms", 300)
    case.send("dinisoft", 60)
    case.send("server2sms", 60)


def _garbled(vendor: str) -> None:
    @scenario(f"{vendor} answers garbage", vendor, IN_DOUBT, phase=2, guard="silence")
    def _run(case: Case) -> None:
        for fault in ("truncated", "html", "empty", "wrong-type", "unknown-code", "garbage"):
            case.fault(vendor, fault)
            case.send(vendor, 1 if vendor == "dinisoft" else 5)
            case.spent()
            case.send(vendor)  # a good answer in between, or the circuit opens


def _refuses(vendor: str) -> None:
    @scenario(f"{vendor} refuses, then recovers", vendor, phase=2, alone=True, guard="retry")
    def _run(case: Case) -> None:
        case.fault(vendor, "refuse-temporary", 2)
        case.send(vendor, 2)
        case.spent()
        case.send(vendor)


def _limits(vendor: str) -> None:
    @scenario(f"{vendor} limits the rate", vendor, phase=2, guard="retry")
    def _run(case: Case) -> None:
        case.fault(vendor, "rate-limit", 2)
        case.send(vendor)
        case.send(vendor)
        case.spent()


def _refuses_for_good(vendor: str) -> None:
    @scenario(
        f"{vendor} refuses for good", vendor, {"rejected", "delivered"}, phase=2, guard="refusal"
    )
    def _run(case: Case) -> None:
        case.fault(vendor, "refuse")
        case.send(vendor, 1 if vendor == "dinisoft" else 10)
        case.spent()
        case.send(vendor)


def _slow(vendor: str) -> None:
    @scenario(f"{vendor} is slow but alive", vendor, phase=2, guard="claim")
    def _run(case: Case) -> None:
        case.fault(vendor, "slow", 2, seconds=1.2)
        case.send(vendor, 20)
        case.send(vendor, 20)


for _vendor in REACHED:
    _slow(_vendor)
    _garbled(_vendor)
    _refuses_for_good(_vendor)
    _limits(_vendor)
    _refuses(_vendor)


@scenario(
    "many calls of one submission fare differently",
    "dinisoft",
    IN_DOUBT | {"rejected"},
    guard="retry",
    phase=2,
)
def _mixed(case: Case) -> None:
    for fault in ("refuse", "refuse-temporary", "accept-then-reset"):
        case.fault("dinisoft", fault, 3)
    case.send("dinisoft", 30)
    case.spent()


# Alone, since the vendors' own faults would strike what it sends, and the next one's its receipts.
@scenario("receipts are garbled, late or fail", "z", phase=3, alone=True, guard="asking again")
def _receipts(case: Case) -> None:
    # A job is asked for once at a time, less and less often: three faults are what it can bear.
    for vendor, faults in (
        ("jst", ("error", "unknown-code", "empty")),
        ("dinisoft", ("error", "html", "empty", "wrong-type", "unknown-code", "hang")),
        ("server2sms", ("html", "wrong-type", "hang")),
    ):
        for fault in faults:
            case.fault(vendor, fault, operation="poll")
        if vendor == "server2sms":
            case.fault(vendor, "drop-callbacks", 10)
        case.send(vendor, 10)
    case.spent()


@scenario("callbacks come in a flood, twice and reversed", "rajasms", guard="forward")
def _flood(case: Case) -> None:
    for vendor, count, twice, late in (("rajasms", 200, 2, 1), ("server2sms", 40, 30, 5)):
        case.fault(vendor, "reversed-callbacks")
        case.send(vendor, 20)
        case.fault(vendor, "duplicate-callbacks", twice)
        case.send(vendor, count)
        case.fault(vendor, "late-callbacks", late, seconds=4)
        case.send(vendor, 20)
    case.spent()


@scenario(
    "messages do not arrive, or nobody knows", "c", {"undelivered", "unknown"}, guard="forward"
)
def _special(case: Case) -> None:
    for vendor in VENDORS:
        for last in ("97", "98"):
            body = case.body(vendor)
            body["to"] = body["to"][:-2] + last
            case.note(body, case.post(body))


# Callers


@scenario("the same Idempotency-Key comes from 20 clients at once", "c", guard="key")
def _same_key(case: Case) -> None:
    for vendor, count in (("jst", 1), ("rajasms", 30)):
        body, key = case.body(vendor, count), f"{case.marker} {vendor}"
        answers = at_once(20, partial(case.post, body, key))
        _one_answer(case, body, key, answers)


@scenario(
    "send is killed between its writes, then asked again with the same key", "keys", guard="commit"
)
def _send_killed(case: Case) -> None:
    bodies = [case.different("jst", 40), case.different("rajasms", 40), case.body("server2sms")]
    writes = [("BatchWriteItem", ()), ("PutItem", (HEAD,)), ("PutItem", (HEAD,))]

    def ask(body: dict[str, Any], write: tuple[str, tuple[str, ...]]) -> None:
        first = (body.get("messages") or [body])[0]["text"]
        rule = Rule("dynamodb", "kill-before", *write, marker=first)
        case.rules.append(case.ground.chaos.add(rule))
        answer = case.post(body, first)
        rule.wait()
        assert rule.killed
        assert answer.status >= 500, answer
        _one_answer(case, body, first, [answer])

    with ThreadPoolExecutor(len(bodies)) as pool:
        for _ in pool.map(ask, bodies, writes):
            pass


@scenario("send is killed after the commit, then asked again with the same key", "b", guard="key")
def _send_killed_late(case: Case) -> None:
    for vendor, count in (("jst", 30), ("dinisoft", 1)):
        body = case.body(vendor, count)
        rule = case.rule("dynamodb", "kill-after", "PutItem", HEAD, marker=body["text"])
        key = f"{case.marker} {vendor}"
        answer = case.post(body, key)
        rule.wait()
        assert rule.killed
        assert answer.status >= 500, answer
        _one_answer(case, body, key, [answer])


@scenario("send is killed, and nobody asks again", "a", guard="clock")
def _send_gone(case: Case) -> None:
    body = case.different("jst", 60)
    case.rule("dynamodb", "kill-after", "BatchWriteItem", marker=body["messages"][30]["text"])
    assert case.note(body, case.post(body)) == []
    body = case.body("jst")
    case.rule("dynamodb", "kill-after", "PutItem", HEAD, marker=body["text"])
    assert case.note(body, case.post(body)) == []
    case.send("jst")


def _one_answer(case: Case, body: dict[str, Any], key: str, answers: list[Answer]) -> None:
    """Asks until there is a 202: all of them must be the same one, and everything else a 409."""
    end = time.monotonic() + PATIENCE
    while not any(one.status == 202 for one in answers) and time.monotonic() < end:
        time.sleep(2)
        answers.append(case.post(body, key))
    given = [one for one in answers if one.status == 202]
    assert given, answers
    assert all(one.body == given[0].body for one in given)
    others = {one.status for one in answers} - {202, 409, 500, 502, 503}
    assert not others, others
    again = case.post(body, key)
    assert again.body == given[0].body
    case.note(body, given[0])


# DynamoDB


def _at_each_write(action: Action, count: int) -> Callable[[Case], None]:
    def run(case: Case) -> None:
        writes: list[tuple[str, tuple[str, ...], str]] = [
            ("PutItem", (HEAD,), "jst"),
            ("UpdateItem", (CLAIM,), "jst"),
            ("UpdateItem", (RECORD,), "jst"),
            ("UpdateItem", (RECORD,), "server2sms"),
            ("UpdateItem", (RECORD,), "rajasms"),
            ("UpdateItem", (CLAIM,), "dinisoft"),
            ("UpdateItem", ('\\"poll\\"',), "jst"),
            ("UpdateItem", ('\\"poll\\"',), "dinisoft"),
            ("UpdateItem", ('\\"callback\\"',), "rajasms"),
            ("UpdateItem", ('\\"callback\\"',), "server2sms"),
        ]
        for operation, words, vendor in writes:
            body = case.body(vendor)
            rule = Rule("dynamodb", action, operation, words, f"{body['text']}", count=count)
            case.rules.append(case.ground.chaos.add(rule))
            case.note(body, case.post(body))
        for batch in ("BatchWriteItem",):
            body = case.different("rajasms", 5)
            text = body["messages"][0]["text"]
            case.rules.append(
                case.ground.chaos.add(Rule("dynamodb", action, batch, (), text, count=count))
            )
            case.note(body, case.post(body))

    return run


scenario("DynamoDB throttles once at each write", "a", IN_DOUBT, guard="clock")(
    _at_each_write("throttle", 1)
)
scenario("DynamoDB throttles for long at each write", "b", IN_DOUBT, guard="clock")(
    _at_each_write("throttle", 9)
)
scenario("a condition fails at each write", "c", IN_DOUBT, guard="claim")(
    _at_each_write("condition", 1)
)
scenario("DynamoDB's answer is lost at each write", "a", IN_DOUBT, guard="claim")(
    _at_each_write("lose-after", 1)
)
scenario("DynamoDB answers 500 at each write", "b", IN_DOUBT, guard="clock")(
    _at_each_write("unavailable", 2)
)


# SQS


@scenario("the whole SQS batch is delivered again", "a", guard="claim")
def _redelivered(case: Case) -> None:
    watch = case.rule("sqs", "watch", "SendMessageBatch", count=100)
    for vendor in VENDORS:
        case.send(vendor, 10)
        for _ in range(3):
            case.send(vendor)
        case.code(vendor)
    watch.begun(len(VENDORS) * 5)
    bodies = [
        one["MessageBody"]
        for call in watch.calls
        for one in json.loads(call.text.partition("\n")[2])["Entries"]
    ]
    assert len(bodies) == len(VENDORS) * 5
    for _ in range(3):
        case.ground.enqueue(bodies)


@scenario("SQS takes nothing", "b", guard="clock")
def _no_queue(case: Case) -> None:
    for vendor in VENDORS:
        case.rule("sqs", "lose-before", "SendMessageBatch", count=3)
        case.send(vendor)
        case.rule("sqs", "lose-before", "SendMessageBatch", count=3)
        case.code(vendor)


@scenario("two workers take one message", "c", guard="claim")
def _two_workers(case: Case) -> None:
    for vendor in VENDORS:
        for lane in ("", " code"):
            fields: dict[str, Any] = {"category": "otp"} if lane else {}
            body = case.body(vendor, **fields)
            body["reference"] = mark = body["text"]
            rule = case.rule("dynamodb", "hold", "UpdateItem", CLAIM, marker=mark, count=2)
            case.note(body, case.post(body))
            rule.begun(1)
            case.ground.enqueue([f"{vendor} {case.batches[-1]}/M#000 1{lane}"])
            rule.begun(2)
            rule.released.set()


# kill -9


def _killed(
    name: str, action: Action, vendor: str, words: str, may: Iterable[str], *, code: bool = False
) -> None:
    # Before a call and after its record the claim decides; in between, nobody may call again.
    guard = "claim" if may is DELIVERED or "before the claim" in name else "patience"

    what = f"{vendor}, a code" if code else vendor

    @scenario(f"the worker is killed {name}: {what}", vendor, may, guard=guard, phase=2)
    def _run(case: Case) -> None:
        count = 1 if vendor == "dinisoft" else 40
        service, operation = ("dynamodb", "UpdateItem") if words else (vendor, SUBMIT[vendor])
        rule = case.rule(service, action, operation, *([words] if words else []))
        if code:
            case.code(vendor)
        else:
            case.send(vendor, count)
        rule.wait()
        assert rule.killed


for _vendor in REACHED:
    _killed("between claim and call", "kill-after", _vendor, CLAIM, {"unknown"})
    _killed("as it calls", "kill-before", _vendor, "", {"unknown"})
    _killed("during the call", "kill-after", _vendor, "", IN_DOUBT)
    _killed("between answer and record", "kill-before", _vendor, RECORD, IN_DOUBT)
    _killed("after the record", "kill-after", _vendor, RECORD, DELIVERED)
    # Last in its lane, since the queue hands it out once more.
    # Should its twin have come in the same delivery, that one's claim may have been the last deed.
    _killed("before the claim", "kill-before", _vendor, CLAIM, IN_DOUBT)


_killed("between claim and call", "kill-after", "server2sms", CLAIM, {"unknown"}, code=True)
_killed("between answer and record", "kill-before", "server2sms", RECORD, IN_DOUBT, code=True)
_killed("before the claim", "kill-before", "server2sms", CLAIM, IN_DOUBT, code=True)


@scenario(
    "the worker is killed while it fans out",
    "dinisoft",
    IN_DOUBT | {"rejected"},
    guard="clock",
    phase=2,
)
def _killed_fanning(case: Case) -> None:
    case.fault("dinisoft", "refuse", 3)
    case.fault("dinisoft", "refuse-temporary", 3)
    rule = case.rule("dynamodb", "kill-after", "UpdateItem", BARE)
    case.send("dinisoft", 20)
    rule.wait()
    assert rule.killed


# The lease of a dead clock outlasts the deadline of these tests: what it did not write is unknown.


@scenario("the poller is killed after a one-time read", "z", IN_DOUBT, phase=3, guard="clock")
def _killed_poller(case: Case) -> None:
    rule = Rule("dinisoft", "kill-after", "/getstatus", answer="DELIVRD")
    case.rules.append(case.ground.chaos.add(rule))
    case.send("dinisoft", 20)
    rule.wait()
    assert rule.killed


@scenario("the poller is killed as it writes", "z", IN_DOUBT, phase=3, guard="asking again")
def _killed_writing(case: Case) -> None:
    rule = case.rule("dynamodb", "kill-before", "UpdateItem", '\\"poll\\"')
    case.send("jst", 40)
    rule.wait()
    assert rule.killed


# Failover


@scenario("one vendor of a route is down", "z", phase=4, alone=True, guard="failover")
def _failover(case: Case) -> None:
    with down(case.ground, "jst"):
        for _ in range(3):
            case.send("jst, server2sms", 4)
            case.code("jst, server2sms")
        wait_for_vendor(case, "server2sms", 15)


@scenario("both vendors of a route are slow", "z", IN_DOUBT, phase=4, alone=True, guard="claim")
def _both_slow(case: Case) -> None:
    for vendor in ("jst", "server2sms"):
        case.fault(vendor, "slow", 3, seconds=1.5)
    for _ in range(4):
        case.send("jst, server2sms", 5)


@scenario("both vendors of a route are down, then back", "z", phase=4, alone=True, guard="retry")
def _both_down(case: Case) -> None:
    with down(case.ground, "dinisoft"), down(case.ground, "server2sms"):
        case.send("dinisoft, server2sms")
        case.send("dinisoft, server2sms")
        time.sleep(6)


@scenario("a vendor of a route flaps", "z", IN_DOUBT, phase=4, alone=True, guard="failover")
def _flapping(case: Case) -> None:
    for _ in range(4):
        with down(case.ground, "jst"):
            case.send("jst, server2sms", 3)
            time.sleep(1)
        case.send("jst, server2sms", 3)
        time.sleep(1)


@contextmanager
def down(ground: Ground, vendor: str) -> Iterator[None]:
    """Nobody can connect to a vendor for a while."""
    ground.relay(vendor).down()
    try:
        yield
    finally:
        ground.relay(vendor).up()


def wait_for_vendor(case: Case, vendor: str, count: int) -> None:
    """Waits until a vendor has taken so many of a scenario's messages."""
    mine = {promise.identity for promise in case.promises}
    end = time.monotonic() + PATIENCE
    while True:
        taken = [t for t in case.ground.ledger() if t.vendor == vendor and t.identity in mine]
        if len(taken) >= count:
            return
        assert time.monotonic() < end, f"{vendor} took {len(taken)} of {count}"
        time.sleep(0.5)


# The end of the world


@scenario(
    "the emulator restarts with its state kept", "z", IN_DOUBT, phase=5, alone=True, guard="clock"
)
def _restarted(case: Case) -> None:
    for vendor in VENDORS:
        case.send(vendor, 20)
    with case.ground.stopped_clock():
        case.ground.stack.restart_emulator()
    for vendor in VENDORS:
        case.send(vendor)
