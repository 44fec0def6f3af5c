"""Which messages a callback's reports speak of. What they stand in is read once, however many
reports there are."""

from collections.abc import Iterable, Sequence

from sms_gateway.storage import dynamodb, message_repository, vendor_message_ids
from sms_gateway.storage.items import Item, read_batch, read_message, read_submission
from sms_gateway.storage.models import Key, Message, Submission, split_id
from sms_gateway.vendors.adapter import Report

SHORTEST_NUMBER = 7  # digits; the end of a number fits many

Meant = tuple[Message, Submission]


def meant(vendor: str, subject: Key | None, reports: Sequence[Report]) -> list[Meant | None]:
    """For each report its message and the submission that it stands in, or None where there is none
    that this vendor carries. A token's `subject` speaks for its own submission's messages only,
    also for those that got a submission of their own since."""
    if not reports:
        return []
    if subject is None:
        found = [_anywhere(vendor, report) for report in reports]
    elif subject.sort.startswith("M#"):
        found = _in_one(subject, reports)
    else:
        found = _in_several(subject, reports)
    return [one if one and vendor in one[1].vendors else None for one in found]


def _anywhere(vendor: str, report: Report) -> Meant | None:
    key = _named(report)
    if key is None and report.vendor_id:
        key = vendor_message_ids.pointed(vendor, report.vendor_id)
    found = message_repository.find(key) if key else None
    return found[1:] if found else None


def _named(report: Report) -> Key | None:
    return split_id(report.message_id) if report.message_id else None


def _in_one(subject: Key, reports: Sequence[Report]) -> list[Meant | None]:
    """In a submission of one, which is found with its message."""
    found = message_repository.find(subject)
    if found is None:
        return [None] * len(reports)
    one = found[1:]
    keys = map(_named, reports)
    return [
        one if (key == subject if key else _alone(*one, report)) else None
        for key, report in zip(keys, reports, strict=True)
    ]


def _alone(message: Message, sub: Submission, report: Report) -> bool:
    """Whether a report to a submission of one speaks of its message: by the vendor's id, or by the
    number; without either, it can be no other."""
    if sub.result and report.vendor_id and sub.result.id_of(0) == report.vendor_id:
        return True
    if not report.number:
        return sub.result is None or not report.vendor_id
    return _has(message, report.number)


def _in_several(subject: Key, reports: Sequence[Report]) -> list[Meant | None]:
    keys = [_named(report) for report in reports]
    sub = None
    if None in keys:
        sub = message_repository.submission(subject)
        if sub is None:
            return [None] * len(reports)
        keys = _places(sub, reports, keys)
    wanted = {key for key in keys if key and _may_hold(subject, key)}
    items = _read(subject, wanted, sub)
    if sub is None and subject in items:
        sub = read_submission(items[subject])
    head = items.get(Key(subject.batch, "B"))
    if sub is None or head is None:
        return [None] * len(reports)
    shared = read_batch(head).shared
    there = {
        key: _with_submission(items[key], shared, sub)
        for key in wanted & items.keys()
        if key.position < subject.position + sub.count
    }
    return [there.get(key) if key else None for key in keys]


def _may_hold(subject: Key, key: Key) -> bool:
    return key.batch == subject.batch and key.position >= subject.position


def _read(subject: Key, keys: Iterable[Key], sub: Submission | None) -> dict[Key, Item]:
    """Messages with what they share, and the submission where it was not read yet."""
    if not keys:
        return {}
    beside = [Key(subject.batch, "B"), *([] if sub else [subject])]
    return dynamodb.get_many([*beside, *sorted(keys, key=str)])


def _with_submission(item: Item, shared: object, sub: Submission) -> Meant:
    """A message with the submission of its own that it got since, or with `sub`."""
    return read_message(item, shared), read_submission(item) if "vendor" in item else sub


def _places(
    sub: Submission, reports: Sequence[Report], keys: Sequence[Key | None]
) -> list[Key | None]:
    """The keys of all reports: where they name no message, by the vendor's id, or by the number
    where the vendor's answer is not stored (yet)."""
    offsets = range(sub.count)
    result = sub.result
    by_id = {result.id_of(offset): offset for offset in reversed(offsets)} if result else {}
    messages: list[Message] | None = None
    found = list(keys)
    for place, report in enumerate(reports):
        if found[place] is not None:
            continue
        offset = by_id.get(report.vendor_id) if report.vendor_id else None
        if offset is not None:
            found[place] = Key(sub.key.batch, f"M#{sub.key.position + offset:03d}")
        elif report.number:
            if messages is None:
                _, messages = message_repository.members(sub)
            fitting = [one.key for one in messages if _has(one, report.number)]
            found[place] = fitting[0] if len(fitting) == 1 else None
    return found


def _has(message: Message, number: str) -> bool:
    """Whether a message's number ends as the vendor writes it; a short end fits too many."""
    digits = number.lstrip("+0")
    return len(digits) >= SHORTEST_NUMBER and message.content.to.endswith(digits)
