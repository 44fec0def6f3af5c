"""The one clock: looks at whatever is due and takes it one step further.

Scheduled messages are handed out, accepted ones that never left are handed out again, calls that
were cut short are settled, receipts are asked for, deadlines close what is left.
"""

import os
import time
from collections import defaultdict
from collections.abc import Callable, Collection, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import datetime
from math import ceil

import msgspec

from sms_gateway.campaigns import queue
from sms_gateway.config.vendor_accounts import accounts
from sms_gateway.core.observability import count, log
from sms_gateway.core.problems import Unavailable
from sms_gateway.core.status import Status
from sms_gateway.core.timestamps import epoch_ms, epoch_seconds, utc_now
from sms_gateway.dispatch.outcome_handling import GRACE, fan_out
from sms_gateway.messages import queue as message_queue
from sms_gateway.receipts import apply
from sms_gateway.receipts.apply import Word
from sms_gateway.storage import due_index, dynamodb, items, message_repository
from sms_gateway.storage.dynamodb import Change
from sms_gateway.storage.models import Entry, Key, Message, Result, Submission, message_id
from sms_gateway.vendor_accounts.balances import balances
from sms_gateway.vendors import http_client
from sms_gateway.vendors.adapter import Adapter, Pending, PollCall, Reply, Report, Request, chunks
from sms_gateway.vendors.redaction import redact
from sms_gateway.vendors.registry import VENDORS
from sms_gateway.webhooks import retry_scheduler

THREADS = 16
LEASE = 55  # seconds; the poll function stops before
A_LOOK = 200  # submissions taken from a partition at a time
AT_ONCE = 500  # submissions read, and asked for, together
CUT_SHORT = int(os.environ["CUT_SHORT_AFTER"])  # seconds until a call without a record is over
RECEIPT_DEADLINE = int(os.environ["RECEIPT_DEADLINE"])  # seconds
MARGIN = 5  # seconds kept for writing what was heard
FOR_DELIVERIES = 10  # seconds of a run that messages leave to webhooks, however many are due
LONGEST_WAIT = 3600  # seconds between two looks at one submission

Send = Callable[[Request, float], Reply]
Asked = tuple[Submission, Sequence[Message], int]  # with the epoch second of its deadline


@dataclass(slots=True)
class Tick:
    """One run of the clock."""

    adapters: Mapping[str, Adapter]
    pool: ThreadPoolExecutor
    now: datetime
    until: float  # epoch seconds by which this run must be over
    send: Send = http_client.send
    receipt_deadline: int = RECEIPT_DEADLINE
    known: bool = True  # whether the accounts could be read
    looked: int = 0
    asked: dict[str, list[Asked]] = field(default_factory=lambda: defaultdict(list))

    def time_for(self, seconds: float) -> bool:
        """Whether something that takes so long can still be finished."""
        return time.time() + seconds < self.until

    @property
    def usable(self) -> Collection[str]:
        """The vendors that something may be passed on to. While nobody can read the accounts that
        is any: none would mean that the message is rejected."""
        return self.adapters.keys() if self.known else VENDORS.keys()

    @property
    def seconds(self) -> int:
        """Now, in epoch seconds."""
        return epoch_seconds(self.now)

    @property
    def ms(self) -> int:
        """Now, in epoch milliseconds."""
        return epoch_ms(self.now)


def run(remaining: float) -> int:
    """One minute's work within `remaining` seconds; returns how many submissions it looked at."""
    until = time.time() + remaining - MARGIN
    known = True
    try:
        adapters = accounts().adapters
    except Unavailable:
        adapters, known = {}, False  # what needs no vendor goes on
    told = os.environ["EVENTS"] != "none"
    with ThreadPoolExecutor(THREADS) as pool:
        minute = Tick(adapters, pool, now(), until - FOR_DELIVERIES if told else until, known=known)
        looked = tick(minute)
        if told:
            minute.until = until
            looked += besides(minute)
    return looked


def besides(run: Tick) -> int:
    """What only those who want events pay for: deliveries that are due, and once an hour the
    balances of the accounts that say when theirs is low. Returns how many deliveries moved."""
    if run.now.minute == 0:
        asked = {name: one for name, one in run.adapters.items() if one.balance_low is not None}
        try:
            balances(asked, run.now, run.send)
        except Unavailable:
            log.exception("balances not asked")
    return retry_scheduler.wake(run.pool, run.seconds, lambda: run.time_for(MARGIN))


def tick(run: Tick) -> int:
    """Looks at everything due, while there is time; returns how many submissions it looked at."""
    waiting = _due(run, items.SHARDS)
    held = due_index.lease(list(waiting), run.seconds, LEASE) if waiting else []
    try:
        waiting = {shard: waiting[shard] for shard in held}
        while waiting and run.time_for(MARGIN):
            for keys in chunks(due_index.round_robin(waiting), AT_ONCE):
                if run.time_for(MARGIN):
                    look_at(run, keys)
            waiting = _due(run, [one for one, keys in waiting.items() if len(keys) == A_LOOK])
    finally:
        if held:
            due_index.release(held)
    return run.looked


def _due(run: Tick, shards: Sequence[str]) -> dict[str, list[Key]]:
    """What is due, by partition of the index; those without anything are left out."""
    return due_index.query_due(run.pool, shards, run.seconds, A_LOOK)


def look_at(run: Tick, keys: Sequence[Key]) -> None:
    """Takes each of the submissions one step further; receipts are asked for together, and last:
    what was scheduled must not wait for a vendor that is slow to answer."""
    run.asked.clear()
    found: dict[Key, items.Item] = {}
    for some in run.pool.map(_read, chunks(keys, 100)):
        found |= some
    run.looked += sum(run.pool.map(lambda key: _look(run, key, found[key]), found))
    for vendor, waiting in run.asked.items():
        try:
            _ask(run, run.adapters[vendor], waiting)
        except Exception:
            log.exception("asking failed", extra={"vendor": vendor})
            count("AskFailed", vendor=vendor)


def _read(keys: Sequence[Key]) -> dict[Key, items.Item]:
    """Read anew, since the index lags behind. What can't be read now is still due."""
    try:
        return dynamodb.get_many(keys)
    except Unavailable:
        log.exception("look failed", extra={"submissions": len(keys)})
        count("LookFailed", len(keys))
        return {}


def _look(run: Tick, key: Key, item: items.Item) -> bool:
    try:
        if key.sort == "C":
            return _call_worker(run, key, item)
        # Another run may have looked at it since; an item without a vendor is no submission.
        sub = items.read_submission(item) if "vendor" in item else None
        if sub is None or sub.due is None or sub.due > run.seconds:
            return False
        _step(run, sub)
        return True
    except Exception:
        # One submission that can't be looked at must not keep the others from their time.
        log.exception("look failed", extra={"submission": str(key)})
        count("LookFailed")
        _put_off(run, key)
        return False


def _call_worker(run: Tick, key: Key, item: items.Item) -> bool:
    """A campaign whose worker died, or whose results are to be looked at again."""
    if "due" not in item or int(item["due"]["N"]) > run.seconds:
        return False
    queue.wake(os.environ["CAMPAIGN_QUEUE"], key.batch)
    _put_off(run, key)
    return True


def _put_off(run: Tick, key: Key) -> None:
    """Behind what is due now, or many broken ones would fill every look."""
    try:
        Change(key).look_at(run.seconds + GRACE).apply()
    except Unavailable:
        log.warning("not put off", extra={"submission": str(key)})


def _step(run: Tick, sub: Submission) -> None:
    match sub.status:
        case Status.SCHEDULED | Status.ACCEPTED:
            _step_accepted(run, sub)
        case Status.SUBMITTING:
            _step_submitting(run, sub)
        case Status.SUBMITTED:
            _wait_or_ask(run, sub)
        case _:
            Change(sub.key).look_at(None).apply()


def _step_accepted(run: Tick, sub: Submission) -> None:
    age = run.seconds - sub.changed
    if sub.expires <= run.seconds:
        status = Status.UNKNOWN if sub.doubt else Status.EXPIRED
        _end(run, sub, status, "its validity passed before it could be sent")
    elif sub.tenant is None and message_repository.batch(sub.key.batch) is None:
        # The request that writes it may still be at work; after GRACE it died before the batch was
        # accepted, and nobody was promised it.
        when = sub.changed + GRACE if age < GRACE else None
        Change(sub.key).look_at(when).when("status", sub.status).apply()
    elif sub.status is Status.SCHEDULED:
        _hand_out(run, sub, GRACE)
    elif age < GRACE:
        _look_again(sub, sub.changed + GRACE)
    else:
        # In a long queue each hand-over is one more: as long again until the next.
        count("HandedOutAgain", vendor=sub.vendor)
        _hand_out(run, sub, min(age, LONGEST_WAIT))


def _hand_out(run: Tick, sub: Submission, pause: int) -> None:
    change = Change(sub.key).look_at(min(run.seconds + pause, sub.expires))
    vendor = _vendor(run, sub)
    if vendor != sub.vendor:
        note = f"{sub.vendor} is not configured any more"
        change.put("vendor", vendor)
        change.note(Entry(run.ms, Status.ACCEPTED, "clock", vendor, note=note))
    if sub.status is Status.SCHEDULED:
        change.put("status", Status.ACCEPTED).put("changed", run.seconds)
        change.note(Entry(run.ms, Status.ACCEPTED, "clock", sub.vendor))
    if change.when("status", sub.status).apply():
        message_queue.enqueue(vendor, [(sub.key, sub.count)], sub.tenant or sub.key.batch)


def _vendor(run: Tick, sub: Submission) -> str:
    """The submission's vendor, or the next of its route when its account is gone."""
    if sub.vendor in run.adapters:
        return sub.vendor
    usable = [v for v in sub.vendors if v in run.adapters and v not in sub.refused]
    return usable[0] if usable else sub.vendor


def _step_submitting(run: Tick, sub: Submission) -> None:
    if not sub.outcome_unknown:
        if run.seconds - sub.changed < CUT_SHORT:
            _look_again(sub, sub.changed + CUT_SHORT)
            return
        log.warning("cut short", extra={"submission": str(sub.key), "vendor": sub.vendor})
        count("CutShort", vendor=sub.vendor)
        Change(sub.key).put("unsettled", 1).when("status", Status.SUBMITTING).apply()
    _wait_or_ask(run, sub)


def _wait_or_ask(run: Tick, sub: Submission) -> None:
    """What was, or may have been, handed to the vendor: close it, ask, or wait on."""
    _, messages = message_repository.members(sub)
    bare = [one for one in messages if one.status is None]
    # Whoever recorded a mixed answer may have died before its messages went their own ways.
    left = fan_out(sub, bare, run.usable, run.now)
    waiting = [one for one in bare if one.id not in left]
    leaves = _held_until(messages)
    if not sub.own_item and not waiting:
        Change(sub.key).look_at(None).apply()
    elif run.seconds >= (deadline := max(sub.changed, leaves) + run.receipt_deadline):
        _end(run, sub, Status.UNKNOWN, "no receipt came before the deadline")
    elif sub.status is Status.SUBMITTED and run.seconds < leaves:
        Change(sub.key).look_at(leaves + _first_wait(run, sub)).when("status", sub.status).apply()
    elif _resend_allowed(run, sub, waiting):
        _resend(run, sub)
    elif sub.vendor in run.adapters and run.adapters[sub.vendor].capabilities.receipts_poll:
        run.asked[sub.vendor].append((sub, waiting, deadline))
    else:
        _wait(run, sub, deadline).apply()


def _held_until(messages: Sequence[Message]) -> int:
    """When the vendor itself is to send what it holds; 0 for what it does not hold."""
    held = (one.content.send_at for one in messages if one.content.at_vendor)
    return max((ceil(when.timestamp()) for when in held if when), default=0)


def _first_wait(run: Tick, sub: Submission) -> int:
    """Seconds until receipts are first asked for."""
    return run.adapters[sub.vendor].poll_after if sub.vendor in run.adapters else GRACE


def _resend_allowed(run: Tick, sub: Submission, waiting: Sequence[Message]) -> bool:
    # Where the vendor can be asked by our reference it is asked first, and only silence counts.
    adapter = run.adapters.get(sub.vendor)
    ask_first = adapter is not None and adapter.capabilities.own_reference and sub.polls == 0
    unanswered = sub.status is Status.SUBMITTING and run.seconds < sub.expires
    once = run.known and unanswered and not ask_first and not sub.doubt
    return once and all(one.content.on_unknown == "resend" for one in waiting)


def _resend(run: Tick, sub: Submission) -> None:
    """At the caller's word only: better twice than not at all."""
    change = Change(sub.key).put("status", Status.ACCEPTED).put("changed", run.seconds)
    change.note(Entry(run.ms, Status.ACCEPTED, "clock", sub.vendor, sub.attempt, note="resend"))
    change.drop("unsettled").put("doubt", 1).put("polls", 0).look_at(run.seconds + GRACE)
    moved = change.when("status", Status.SUBMITTING).when("attempt", sub.attempt).apply()
    if moved:
        count("Resent", vendor=sub.vendor)
        message_queue.enqueue(sub.vendor, [(sub.key, sub.count)], sub.tenant or sub.key.batch)


def _wait(run: Tick, sub: Submission, deadline: int) -> Change:
    """The next look, further away each time."""
    pause = min(_first_wait(run, sub) * 2 ** min(sub.polls, 10), LONGEST_WAIT)
    when = min(run.seconds + pause, deadline)
    asked = sub.polls + 1 if run.known else sub.polls
    change = Change(sub.key).put("polls", asked).look_at(max(when, run.seconds + 1))
    return change.when("status", Status.SUBMITTING, Status.SUBMITTED)


def _look_again(sub: Submission, when: int) -> None:
    Change(sub.key).look_at(when).when("status", sub.status).apply()


def _end(run: Tick, sub: Submission, status: Status, why: str) -> None:
    entry = Entry(run.ms, status, "clock", sub.vendor, sub.attempt, note=why)
    change = Change(sub.key).put("status", status).note(entry).look_at(None)
    if change.when("status", sub.status).apply():
        count("Ended", sub.count, vendor=sub.vendor, status=status)


def _ask(run: Tick, adapter: Adapter, waiting: Sequence[Asked]) -> None:
    """Asks a vendor for the receipts of several submissions, and writes what it says."""
    owners: dict[str, tuple[Submission, Message]] = {}
    pending = []
    for sub, messages, _ in waiting:
        for one in messages:
            owners[one.id] = (sub, one)
            offset = one.key.position - sub.key.position
            known = sub.result.id_of(offset) if sub.result else None
            pending.append(Pending(one.id, one.content.to, known, one.content.category))
    answered: set[str] = set()
    calls = adapter.poll(pending)
    asked = {one.id for call in calls for one in call.pending}
    for some in chunks(calls, adapter.concurrency):
        if not run.time_for(adapter.timeout + http_client.CONNECT_TIMEOUT + MARGIN):
            count("PollPutOff", len(asked - answered), vendor=adapter.name)
            return  # whatever was not asked is still due
        for ids in run.pool.map(lambda call: _poll(run, adapter, owners, call), some):
            answered |= ids
    changes = []
    for sub, messages, deadline in waiting:
        if any(one.id not in answered for one in messages):
            changes.append(_wait(run, sub, deadline))
        elif not sub.own_item:
            changes.append(Change(sub.key).look_at(None))
    dynamodb.apply_all(changes)


Owners = Mapping[str, tuple[Submission, Message]]


def _poll(run: Tick, adapter: Adapter, owners: Owners, call: PollCall) -> set[str]:
    """Asks, and writes at once: an answer may be had only once, and must not wait for others, or
    fail with them."""
    try:
        reply = run.send(call.request, adapter.timeout)
    except (http_client.VendorUnreachable, http_client.VendorSilent) as error:
        log.warning("no receipts", extra={"vendor": adapter.name, "error": str(error)})
        count("PollFailed", vendor=adapter.name)
        return set()
    try:
        return _heard(run, adapter, owners, call, reply)
    except Exception:
        ids = [one.id for one in call.pending]
        said = redact(reply.body)
        log.exception("receipts not written", extra={"message_ids": ids[:50], "said": said})
        count("ReceiptsNotWritten", vendor=adapter.name)
        return set()


def _heard(run: Tick, adapter: Adapter, owners: Owners, call: PollCall, reply: Reply) -> set[str]:
    """Writes one answer's reports; the ids of the messages that this made final. One that did not
    change is looked at once more: either another word was faster, or it is still open."""
    by_attempt: dict[int, list[Word]] = defaultdict(list)
    ids: set[str] = set()
    for report in adapter.reports(reply, call):
        found = owners.get(report.message_id or "")
        if found is None:
            continue
        sub, message = found
        if report.alarm or report.unknown_word:
            apply.no_news(report, adapter.name, "poll", message.id)
        raw = redact(reply.body) if report.once or report.unknown_word else None
        if report.taken and (report.status is None or not sub.own_item):
            members = [one for owner, one in owners.values() if owner is sub]
            _taken_after_all(run, adapter, sub, members, message, report)
        if report.status is None:
            if raw:
                apply.keep_strange(message.key, raw)
            continue
        by_attempt[sub.attempt].append(Word(message.key, report.status, report, raw))
    for attempt, words in by_attempt.items():
        done = apply.apply(words, adapter.name, attempt, "poll", run.now)
        for word, changed in zip(words, done, strict=True):
            if changed:
                ids.add(message_id(word.key.batch, word.key.position))
    return ids


def _taken_after_all(
    run: Tick,
    adapter: Adapter,
    sub: Submission,
    members: Sequence[Message],
    message: Message,
    report: Report,
) -> None:
    """A vendor that knows our reference did take a call whose answer was lost."""
    if sub.status is not Status.SUBMITTING:
        return
    entry = Entry(
        run.ms, Status.SUBMITTED, "poll", sub.vendor, sub.attempt, report.code, report.text
    )
    change = Change(sub.key).put("status", Status.SUBMITTED).drop("unsettled").note(entry)
    result = sub.result or Result("U" * sub.count)
    if len(adapter.pack([one.content.outgoing(one.id, run.now) for one in members])) == 1:
        # One call carried them all: none of them is in doubt any more.
        verdicts = result.verdicts.replace("U", "A")
    else:
        # Packed for another vendor: of the other calls nobody knows yet, and fan_out parts them.
        offset = message.key.position - sub.key.position
        verdicts = f"{result.verdicts[:offset]}A{result.verdicts[offset + 1 :]}"
    change.put("result", msgspec.structs.replace(result, verdicts=verdicts, own=True))
    change.when("status", Status.SUBMITTING).when("attempt", sub.attempt).apply()


def now() -> datetime:
    """The present, in UTC."""
    return utc_now()
