"""Hands submissions to vendors: at most once, and never in doubt.

The attempt is recorded before the call, by a conditional write that one worker wins; what the
vendor answered is recorded after it, in one write. A submission found with an attempt but no answer
is not sent again: the clock settles it.
"""

import os
import random
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from threading import BoundedSemaphore

from sms_gateway import http, queues, table
from sms_gateway.observe import count, log
from sms_gateway.problems import Unavailable
from sms_gateway.records import Entry, Key, Message, Result, Submission
from sms_gateway.redaction import redact
from sms_gateway.status import Status
from sms_gateway.table import Change
from sms_gateway.tokens import token
from sms_gateway.vendors.base import Adapter, Call, Outcome, Reply, Request, Verdict

LETTERS = {
    Verdict.ACCEPTED: "A",
    Verdict.REFUSED: "R",
    Verdict.RETRY: "T",
    Verdict.UNKNOWN: "U",
}
FANNED = {"R": Status.REJECTED, "T": Status.ACCEPTED, "U": Status.SUBMITTING}
FIRST_PAUSE = 5  # seconds before a temporary refusal is tried again; doubles each time
LONGEST_PAUSE = 300
LONG_ENOUGH = 60  # seconds of a turn, which is 115, that must be left for a submission of any size
LONGEST_TURN = 5  # seconds that a worker waits for its turn within the account's rate
POINTED = 7 * table.DAY  # seconds that a vendor's id is remembered
GRACE = int(os.environ["HAND_OVER_AFTER"])  # seconds that the queue has before the clock helps

Send = Callable[[Request, float], Reply]


class Desk:
    """Where one vendor's submissions are worked on in this worker.

    `workers` share the account's concurrency and rate; `until` (epoch seconds) is when this one
    must be done. Calls at once are bounded by the share, the rate over all workers by the table.
    """

    def __init__(
        self,
        adapter: Adapter,
        callbacks: str,
        secret: bytes,
        until: float,
        workers: int = 1,
        send: Send = http.send,
    ) -> None:
        self.adapter = adapter
        self._callbacks = callbacks
        self._secret = secret
        self._until = until
        self._share = max(1, adapter.concurrency // workers)
        self._room = BoundedSemaphore(self._share)
        self._send = send

    def callback_url(self, key: Key) -> str:
        """The address at which the vendor reports on this submission."""
        name = self.adapter.name
        return f"{self._callbacks}/{name}/{token(name, key, self._secret)}"

    def time_for(self, messages: int) -> bool:
        """Whether a submission could still be finished, at the vendor's slowest."""
        calls = self.adapter.calls(messages)
        slowest = -(-calls // self._share) * self._slowest_call
        paced = messages / self.adapter.rate if self.adapter.rate and calls > 1 else 0
        # One that no turn is long enough for is begun all the same: what is left comes again.
        return time.time() + min(slowest + paced, LONG_ENOUGH) < self._until

    @property
    def _slowest_call(self) -> float:
        return self.adapter.timeout + http.CONNECT_TIMEOUT

    def _over(self) -> bool:
        """Whether it is too late to begin another call."""
        return time.time() + self._slowest_call >= self._until

    def may_start(self, messages: int) -> bool:
        """Takes a turn within the account's rate, waiting a few seconds for it at most."""
        if self.adapter.rate is None:
            return True
        now = int(time.time() * 1000)
        cost = round(messages / self.adapter.rate * 1000)
        start = table.reserve(self.adapter.name, now, cost, LONGEST_TURN * 1000)
        if start is None:
            return False
        time.sleep(max(0, start - now) / 1000)
        return True

    def answers(self, calls: Sequence[Call]) -> list[tuple[list[Outcome], str | None]]:
        """The outcomes of each call, with what the vendor said where it can't be understood."""
        if len(calls) == 1:
            return [self._answer(calls[0])]
        with ThreadPoolExecutor(min(self._share, len(calls))) as pool:
            waiting = []
            for call in calls:
                waiting.append(pool.submit(self._answer, call))
                if self.adapter.rate and not self._over():
                    time.sleep(len(call.members) / self.adapter.rate)
            return [one.result() for one in waiting]

    def _answer(self, call: Call) -> tuple[list[Outcome], str | None]:
        try:
            with self._room:
                if self._over():
                    put_off = Outcome(Verdict.RETRY, text="no time was left for the call")
                    return [put_off] * len(call.members), None
                reply = self._send(call.request, self.adapter.timeout)
        except http.VendorUnreachable as error:
            never = Outcome(Verdict.RETRY, text=f"never connected: {error}")
            return [never] * len(call.members), None
        except http.VendorSilent as error:
            silent = Outcome(Verdict.UNKNOWN, text=f"no answer: {error}")
            return [silent] * len(call.members), None
        except Exception:
            # Nobody foresaw it, so nobody can say; the other calls' answers must not be lost by it.
            log.exception("call failed", extra={"vendor": self.adapter.name})
            failed = Outcome(Verdict.UNKNOWN, text="the call failed")
            return [failed] * len(call.members), None
        outcomes = self.adapter.submitted(reply, call)
        strange = any(outcome.verdict is Verdict.UNKNOWN for outcome in outcomes)
        if strange:
            count("UnreadableAnswer", vendor=self.adapter.name)
        return outcomes, redact(reply.body, call) if strange else None


def dispatch(key: Key, desk: Desk) -> None:
    """Takes a submission and hands it to the vendor, unless it is no longer to be sent."""
    now = _now()
    taken = _take(key, desk.adapter.name, now)
    if taken is None:
        log.info("not to be sent", extra={"submission": str(key)})
        return
    try:
        _, messages = table.members(taken)
        waiting = [one for one in messages if one.status is None]
        outgoing = [one.content.outgoing(one.id) for one in waiting]
        calls = desk.adapter.submit(outgoing, desk.callback_url(taken.key)) if waiting else []
    except Exception:
        # Nothing has left yet, so that it may be tried again.
        log.exception("call not made", extra={"submission": str(key)})
        retry_later(taken, Outcome(Verdict.RETRY, text="the call could not be made"), now)
        return
    if not waiting:
        _close_empty(taken)
        return
    outcomes = _outcomes(calls, desk)
    record(taken, waiting, outcomes, desk.adapter)


def _take(key: Key, vendor: str, now: datetime) -> Submission | None:
    entry = Entry(_ms(now), Status.SUBMITTING, "dispatch", vendor)
    seconds = int(now.timestamp())
    return (
        Change(key)
        .put("status", Status.SUBMITTING)
        .put("changed", seconds)
        .add("attempt", 1)
        .note(entry)
        .when("status", Status.ACCEPTED)
        .when("vendor", vendor)
        .after("expires", seconds)
        .move()
    )


def _close_empty(taken: Submission) -> None:
    """All messages were cancelled between acceptance and now."""
    Change(taken.key).put("status", Status.CANCELLED).look_at(None).when(
        "status", Status.SUBMITTING
    ).apply()


def _outcomes(calls: Sequence[Call], desk: Desk) -> dict[str, tuple[Outcome, str | None]]:
    """Each message's outcome, with what the vendor said where it can't be understood."""
    found: dict[str, tuple[Outcome, str | None]] = {}
    for call, (outcomes, raw) in zip(calls, desk.answers(calls), strict=True):
        for member, outcome in zip(call.members, outcomes, strict=True):
            found[member.id] = (outcome, raw)
    return found


def record(
    taken: Submission,
    waiting: Sequence[Message],
    outcomes: Mapping[str, tuple[Outcome, str | None]],
    adapter: Adapter,
) -> None:
    """Writes what the vendor said of a submission, in one write, and then what follows from it."""
    now = _now()
    faults = {o.code or "" for o, _ in outcomes.values() if o.account}
    if faults:
        log.error("account fault", extra={"vendor": taken.vendor, "codes": sorted(faults)})
        count("AccountFault")
    result, said = _result(taken, waiting, outcomes)
    letters = set(result.verdicts or "A")
    first = next(iter(outcomes.values()))[0]
    if letters - {"C"} == {"T"}:
        retry_later(taken, first, now)
        return
    change = Change(taken.key).put("result", result).put("changed", int(now.timestamp()))
    if said:
        change.put("raw", said)
    if "A" in letters or "T" in letters:
        status = Status.SUBMITTED
        change.drop("unsettled")
    elif "U" in letters:
        status = Status.SUBMITTING
        change.put("unsettled", 1)
    else:
        status = Status.REJECTED
    accepted = [o for o, _ in outcomes.values() if LETTERS[o.verdict] == "A"]
    word = accepted[0] if accepted and status is Status.SUBMITTED else first
    entry = Entry(_ms(now), status, "dispatch", taken.vendor, taken.attempt, word.code, word.text)
    change.note(entry).put("status", status)
    mixed = not taken.own_item and status is not Status.REJECTED and len(letters - {"C"}) > 1
    if status is Status.REJECTED:
        change.look_at(None)
    else:
        change.look_at(_next_look(taken, adapter, now, soon=mixed))
    if adapter.account_callbacks:
        _point(taken, result, now)  # first, since a push may be as fast as the answer
    moved = change.when("status", Status.SUBMITTING).when("attempt", taken.attempt).move()
    if moved is None:
        # A receipt was faster than the answer: the answer is kept, the status stays.
        Change(taken.key).put("result", result).when("attempt", taken.attempt).apply()
        return
    if accepted:
        count("Submitted", len(accepted), vendor=taken.vendor)
    if mixed:
        fan_out(moved, waiting, now)


def _point(taken: Submission, result: Result, now: datetime) -> None:
    """For a vendor whose callbacks name its own id only: remembers what each id means."""
    known = [(result.id_of(offset), offset) for offset in range(taken.count)]
    first = taken.key.position
    pointers = [
        (identifier, Key(taken.key.batch, f"M#{first + offset:03d}"))
        for identifier, offset in known
        if identifier
    ]
    try:
        table.point(taken.vendor, pointers, int(now.timestamp()) + POINTED)
    except Unavailable:
        # The vendor's answer itself matters more, and receipts can be asked for.
        log.exception("ids not remembered", extra={"submission": str(taken.key)})
        count("PointersNotWritten", vendor=taken.vendor)


def _next_look(taken: Submission, adapter: Adapter, now: datetime, *, soon: bool) -> int:
    # The time set at acceptance is kept where it will do: moving it costs two index writes.
    seconds = int(now.timestamp())
    wait = 0 if soon else adapter.poll_after
    if not soon and taken.due is not None and taken.due >= seconds + wait // 2:
        return taken.due
    return seconds + wait


def _result(
    taken: Submission,
    waiting: Sequence[Message],
    outcomes: Mapping[str, tuple[Outcome, str | None]],
) -> tuple[Result, str | None]:
    """The vendor's answers by offset; `C` marks a message that was cancelled before the call."""
    first = taken.key.position
    by_offset = {one.key.position - first: outcomes[one.id] for one in waiting}
    letters = []
    ids: list[str | None] = []
    prices: list[tuple[str, str] | None] = []
    words: dict[int, tuple[str | None, str | None]] = {}
    said = None
    for offset in range(taken.count):
        if offset not in by_offset:
            letters.append("C")
            ids.append(None)
            prices.append(None)
            continue
        outcome, raw = by_offset[offset]
        said = said or raw
        letters.append(LETTERS[outcome.verdict])
        ids.append(outcome.vendor_id)
        price = outcome.price
        prices.append((str(price.amount), price.currency) if price else None)
        if outcome.verdict is not Verdict.ACCEPTED:
            words[offset] = (outcome.code, outcome.text)
    one_id, one_price = len(set(ids)) == 1, len(set(prices)) == 1
    own = all(outcomes[one.id][0].vendor_id in (None, one.id) for one in waiting)
    result = Result(
        verdicts="" if set(letters) == {"A"} else "".join(letters),
        own=own and any(ids),
        vendor_id=ids[0] if one_id and not own else None,
        vendor_ids=None if one_id or own else ids,
        price=prices[0] if one_price else None,
        prices=None if one_price else prices,
        words=words or None,
    )
    return result, said


def retry_later(taken: Submission, outcome: Outcome, now: datetime) -> None:
    """Certainly not sent: back into the queue after a pause that grows, while it is valid."""
    pause = min(FIRST_PAUSE * 2 ** (taken.attempt - 1), LONGEST_PAUSE)
    pause = max(1, round(pause * random.uniform(0.5, 1.0)))  # noqa: S311 - jitter, no secret
    seconds = int(now.timestamp())
    late = seconds + pause >= taken.expires
    status = Status.EXPIRED if late else Status.ACCEPTED
    entry = Entry(
        _ms(now), status, "dispatch", taken.vendor, taken.attempt, outcome.code, outcome.text
    )
    change = Change(taken.key).put("status", status).put("changed", seconds).note(entry)
    change.look_at(None if late else seconds + pause + GRACE)
    done = change.when("status", Status.SUBMITTING).when("attempt", taken.attempt).apply()
    if done and not late:
        queues.enqueue(
            taken.vendor, [(taken.key, taken.count)], taken.tenant or taken.key.batch, pause
        )


def fan_out(sub: Submission, bare: Sequence[Message], now: datetime) -> set[str]:
    """Gives the messages of a mixed answer their own way: the refused end; those to be tried again,
    and those in doubt beside some that the vendor took, become submissions of their own. `bare` are
    those without a status of their own; returns the ids of those that left. Safe to repeat."""
    if sub.result is None or sub.own_item:
        return set()
    leaving = "RTU" if sub.status is Status.SUBMITTED else "R"
    before = [entry for entry in sub.log if entry.status != Status.SUBMITTED]
    seconds = int(now.timestamp())
    changes, again, left = [], [], set()
    for one in bare:
        offset = one.key.position - sub.key.position
        verdict = sub.result.verdict(offset)
        if verdict not in leaving:
            continue
        left.add(one.id)
        code, text = (sub.result.words or {}).get(offset, (None, None))
        status = FANNED[verdict]
        entry = Entry(_ms(now), status, "dispatch", sub.vendor, sub.attempt, code, text)
        change = Change(one.key).put("status", status).when_bare()
        if verdict == "R":
            changes.append(change.note(entry))
            continue
        changes.append(
            change.note(*before, entry)
            .put("vendor", sub.vendor)
            .put("vendors", ",".join(sub.vendors))
            .put("count", 1)
            .put("attempt", sub.attempt)
            .put("created", sub.created)
            .put("expires", sub.expires)
            .put("changed", seconds)
            .look_at(seconds + FIRST_PAUSE + GRACE)
        )
        if verdict == "T":
            again.append((one.key, 1))
        else:
            change.put("unsettled", 1)
    done = table.apply_all(changes)
    if any(done) and again:
        queues.enqueue(sub.vendor, again, sub.key.batch, FIRST_PAUSE)
    return left


def _now() -> datetime:
    return datetime.now(UTC)


def _ms(when: datetime) -> int:
    return int(when.timestamp() * 1000)
