"""Hands submissions to vendors: at most once, and never in doubt.

The attempt is recorded before the call, by a conditional write that one worker wins; what the
vendor answered is recorded after it, in one write. A submission found with an attempt but no answer
is not sent again: the clock settles it.
"""

import os
import secrets
import time
from collections import defaultdict
from collections.abc import Callable, Collection, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from threading import BoundedSemaphore

from sms_gateway import http, queues, table
from sms_gateway.circuit import VendorFailing, guarded
from sms_gateway.failover import FIRST_PAUSE, Step, next_step
from sms_gateway.observe import count, log
from sms_gateway.problems import Unavailable
from sms_gateway.records import EVERY, Entry, Key, Message, Result, Submission, Words
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
FANNED = {"R": Status.ACCEPTED, "T": Status.ACCEPTED, "U": Status.SUBMITTING}
LONG_ENOUGH = 60  # seconds of a turn, which is 115, that must be left for a submission of any size
LONGEST_TURN = 5  # seconds that a worker waits for its turn within the account's rate
POINTED = 7 * table.DAY  # seconds that a vendor's id is remembered
GRACE = int(os.environ["HAND_OVER_AFTER"])  # seconds that the queue has before the clock helps

Send = Callable[[Request, float], Reply]
Answer = tuple[list[Outcome], str | None]  # a call's outcomes, and what was said if it is strange


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
        usable: Collection[str] = (),
    ) -> None:
        self.adapter = adapter
        self.usable = frozenset({adapter.name, *usable})
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

    def answers(self, calls: Sequence[Call]) -> list[Answer]:
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

    def _answer(self, call: Call) -> Answer:
        with self._room:
            if self._over():
                return _all(call, Verdict.RETRY, "no time was left for the call")
            return guarded(
                self.adapter.name,
                lambda: self._call(call),
                lambda: _all(call, Verdict.RETRY, "the vendor's circuit is open"),
            )

    def _call(self, call: Call) -> Answer:
        """One call's outcomes. Raises VendorFailing with them when the vendor seems sick."""
        name = self.adapter.name
        try:
            reply = self._send(call.request, self.adapter.timeout)
        except http.VendorUnreachable as error:
            raise VendorFailing(_all(call, Verdict.RETRY, f"never connected: {error}")) from None
        except http.VendorSilent as error:
            raise VendorFailing(_all(call, Verdict.UNKNOWN, f"no answer: {error}")) from None
        except Exception:
            # Nobody foresaw it, so nobody can say; the other calls' answers must not be lost by it.
            log.exception("call failed", extra={"vendor": name})
            return _all(call, Verdict.UNKNOWN, "the call failed")
        outcomes = self.adapter.submitted(reply, call)
        if not any(outcome.verdict is Verdict.UNKNOWN for outcome in outcomes):
            return outcomes, None
        count("UnreadableAnswer", vendor=name)
        answer = outcomes, redact(reply.body, call)
        if all(outcome.verdict is Verdict.UNKNOWN for outcome in outcomes):
            raise VendorFailing(answer)
        return answer


def _all(call: Call, verdict: Verdict, note: str) -> Answer:
    return [Outcome(verdict, note=note)] * len(call.members), None


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
        pass_on(taken, Outcome(Verdict.RETRY, note="the call could not be made"), desk.usable, now)
        return
    if not waiting:
        _close_empty(taken)
        return
    outcomes = _outcomes(calls, desk)
    record(taken, waiting, outcomes, desk)


def _take(key: Key, vendor: str, now: datetime) -> Submission | None:
    entry = Entry(_ms(now), Status.SUBMITTING, "dispatch", vendor)
    seconds = int(now.timestamp())
    claim = secrets.token_hex(8)
    taken = (
        Change(key)
        .put("status", Status.SUBMITTING)
        .put("claim", claim)
        .put("changed", seconds)
        .add("attempt", 1)
        .note(entry)
        .when("status", Status.ACCEPTED)
        .when("vendor", vendor)
        .after("expires", seconds)
        .move()
    )
    # When DynamoDB's answer is lost, the SDK asks again and finds our own first writing.
    return taken or table.submission(key, claim=claim)


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
    desk: Desk,
) -> None:
    """Writes what the vendor said of a submission, in one write, and then what follows from it."""
    now, adapter = _now(), desk.adapter
    faults = {o.code or "" for o, _ in outcomes.values() if o.account}
    if faults:
        log.error("account fault", extra={"vendor": taken.vendor, "codes": sorted(faults)})
        count("AccountFault")
    result, said = _result(taken, waiting, outcomes)
    letters = set(result.verdicts or "A")
    first = next(iter(outcomes.values()))[0]
    if letters - {"C"} in ({"T"}, {"R"}) or _may_resend(taken, waiting, letters, adapter, now):
        pass_on(taken, first, desk.usable, now, result, said)
        return
    change = Change(taken.key).put("result", result).put("changed", int(now.timestamp()))
    if said:
        change.put("raw", said)
    if "A" in letters or "T" in letters:
        status = Status.SUBMITTED
        change.drop("unsettled")
    else:
        status = Status.SUBMITTING
        change.put("unsettled", 1)
    accepted = [o for o, _ in outcomes.values() if LETTERS[o.verdict] == "A"]
    word = accepted[0] if accepted and status is Status.SUBMITTED else first
    entry = Entry(
        _ms(now), status, "dispatch", taken.vendor, taken.attempt, word.code, word.text, word.note
    )
    change.note(entry).put("status", status)
    mixed = not taken.own_item and len(letters - {"C"}) > 1
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
        fan_out(moved, waiting, desk.usable, now)


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
    words: dict[int, Words] = {}
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
            words[offset] = (outcome.code, outcome.text, outcome.note)
    one_id, one_price = len(set(ids)) == 1, len(set(prices)) == 1
    own = all(outcomes[one.id][0].vendor_id in (None, one.id) for one in waiting)
    result = Result(
        verdicts="" if set(letters) == {"A"} else "".join(letters),
        own=own and any(ids),
        vendor_id=ids[0] if one_id and not own else None,
        vendor_ids=None if one_id or own else ids,
        price=prices[0] if one_price else None,
        prices=None if one_price else prices,
        words=_folded(words),
    )
    return result, said


def _folded(words: dict[int, Words]) -> dict[int, Words] | None:
    """One word for all is kept once: a thousand refusals must not make a thousand copies."""
    different = set(words.values())
    return {EVERY: different.pop()} if len(different) == 1 else words or None


def _may_resend(
    taken: Submission,
    waiting: Sequence[Message],
    letters: set[str],
    adapter: Adapter,
    now: datetime,
) -> bool:
    """Whether messages in doubt go out once more: at their callers' word only, while there is time
    for it, and where the vendor can't be asked by our reference first."""
    return (
        letters - {"C"} == {"U"}
        and not taken.doubt
        and now.timestamp() + FIRST_PAUSE < taken.expires
        and not adapter.capabilities.own_reference
        and all(one.content.on_unknown == "resend" for one in waiting)
    )


def pass_on(
    taken: Submission,
    outcome: Outcome,
    usable: Collection[str],
    now: datetime,
    result: Result | None = None,
    said: str | None = None,
) -> None:
    """After an attempt that sent nothing: the next vendor of the route, or another round after a
    pause, while the submission is valid; rejected when every vendor has refused. What an earlier
    attempt may have sent is neither rejected nor expired, but unknown."""
    seconds = int(now.timestamp())
    refused = taken.refused
    if outcome.verdict is Verdict.REFUSED:
        refused = (*refused, taken.vendor)
    step = next_step(taken.vendors, taken.vendor, refused, usable, taken.attempt)
    late = step is not None and seconds + step.pause >= taken.expires
    status = Status.REJECTED if step is None else Status.EXPIRED if late else Status.ACCEPTED
    doubt = taken.doubt or outcome.verdict is Verdict.UNKNOWN
    if doubt and status is not Status.ACCEPTED:
        status = Status.UNKNOWN
    change = Change(taken.key).put("status", status).put("changed", seconds)
    if doubt:
        change.put("doubt", 1)
    if said:
        change.put("raw", said)
    change.fold(taken.log).note(
        Entry(
            _ms(now),
            status,
            "dispatch",
            taken.vendor,
            taken.attempt,
            outcome.code,
            outcome.text,
            outcome.note,
        )
    )
    if refused:
        change.put("refused", ",".join(refused))
    if step is None or late:
        change.look_at(None)
        if result is not None:
            change.put("result", result)
    else:
        change.look_at(seconds + step.pause + GRACE).drop("unsettled")
        if step.vendor != taken.vendor:
            change.put("vendor", step.vendor).note(_chosen(step.vendor, now))
    done = change.when("status", Status.SUBMITTING).when("attempt", taken.attempt).apply()
    if done and step is not None and not late:
        if step.vendor != taken.vendor:
            count("PassedOn", taken.count, vendor=taken.vendor)
        group = taken.tenant or taken.key.batch
        queues.enqueue(step.vendor, [(taken.key, taken.count)], group, step.pause)


def fan_out(
    sub: Submission, bare: Sequence[Message], usable: Collection[str], now: datetime
) -> set[str]:
    """Gives the messages of a mixed answer their own way: the refused go to the next vendor or end,
    those to be tried again, and those in doubt beside some that the vendor took, become submissions
    of their own. `bare` are those without a status of their own; returns the ids of those that
    left. Safe to repeat."""
    if sub.result is None or sub.own_item:
        return set()
    leaving = "RTU" if sub.status is Status.SUBMITTED else "R"
    changes: list[Change] = []
    again: dict[Step, list[tuple[Key, int]]] = defaultdict(list)
    left: set[str] = set()
    for one in bare:
        verdict = sub.result.verdict(one.key.position - sub.key.position)
        if verdict not in leaving:
            continue
        left.add(one.id)
        refused = (*sub.refused, sub.vendor) if verdict == "R" else sub.refused
        step = None
        if verdict != "U":
            step = next_step(sub.vendors, sub.vendor, refused, usable, sub.attempt)
        changes.append(_leave(sub, one, verdict, refused, step, now))
        if step is not None:
            again[step].append((one.key, 1))
    done = table.apply_all(changes)
    if any(done):
        for step, keys in again.items():
            queues.enqueue(step.vendor, keys, sub.key.batch, step.pause)
    return left


def _leave(
    sub: Submission,
    message: Message,
    verdict: str,
    refused: Sequence[str],
    step: Step | None,
    now: datetime,
) -> Change:
    """One message's own way out of a submission with a mixed answer."""
    offset = message.key.position - sub.key.position
    code, text, note = sub.result.said(offset) if sub.result else (None, None, None)
    ends = verdict == "R" and step is None
    status = FANNED[verdict] if not ends else Status.UNKNOWN if sub.doubt else Status.REJECTED
    entry = Entry(_ms(now), status, "dispatch", sub.vendor, sub.attempt, code, text, note)
    change = Change(message.key).put("status", status).when_bare()
    if ends:
        return change.note(entry)
    vendor = step.vendor if step else sub.vendor
    seconds = int(now.timestamp())
    before = [one for one in sub.log if one.status != Status.SUBMITTED]
    change.note(*before, entry)
    if vendor != sub.vendor:
        change.note(_chosen(vendor, now))
    if sub.doubt:
        change.put("doubt", 1)
    change.put("vendor", vendor).put("vendors", ",".join(sub.vendors))
    change.put("count", 1).put("attempt", sub.attempt).put("created", sub.created)
    change.put("expires", sub.expires).put("changed", seconds)
    change.look_at(seconds + (step.pause if step else 0) + GRACE)
    if refused:
        change.put("refused", ",".join(refused))
    return change if step else change.put("unsettled", 1)


def _chosen(vendor: str, now: datetime) -> Entry:
    return Entry(_ms(now), Status.ACCEPTED, "dispatch", vendor, note="next on the route")


def _now() -> datetime:
    return datetime.now(UTC)


def _ms(when: datetime) -> int:
    return int(when.timestamp() * 1000)
