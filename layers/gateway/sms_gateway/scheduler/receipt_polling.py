"""Ask vendors for the receipts of due submissions, and apply what they answer."""

from collections import defaultdict
from collections.abc import Mapping, Sequence

import msgspec

from sms_gateway.core.observability import count, log
from sms_gateway.core.status import Status
from sms_gateway.receipts import apply
from sms_gateway.receipts.apply import Word
from sms_gateway.scheduler.submissions import _wait
from sms_gateway.scheduler.tick_run import MARGIN, Asked, Tick
from sms_gateway.storage import dynamodb
from sms_gateway.storage.message_updates import MessageUpdate
from sms_gateway.storage.models import Entry, Message, Result, Submission, message_id
from sms_gateway.vendors import http_client
from sms_gateway.vendors.adapter import Adapter
from sms_gateway.vendors.redaction import redact
from sms_gateway.vendors.types import Pending, PollCall, Reply, Report, chunks


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
            changes.append(MessageUpdate(sub.key).look_at(None))
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
    change = MessageUpdate(sub.key).put("status", Status.SUBMITTED).drop("unsettled").note(entry)
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
