"""Which messages a callback's reports speak of. What they stand in is read once, however many
reports there are."""

from collections.abc import Iterable, Sequence

from sms_gateway.storage import dynamodb, message_repository, vendor_message_ids
from sms_gateway.storage.items import Item, read_batch, read_message, read_submission
from sms_gateway.storage.models import ItemKey, Message, Submission, split_id
from sms_gateway.vendors.types import DeliveryReport

MIN_NUMBER_DIGITS = 7  # digits; the end of a number fits many

Matches = tuple[Message, Submission]


def match_reports(
    vendor: str, subject: ItemKey | None, reports: Sequence[DeliveryReport]
) -> list[Matches | None]:
    """For each report its message and the submission that it stands in, or None where there is none
    that this vendor carries. A token's `subject` speaks for its own submission's messages only,
    also for those that got a submission of their own since."""
    if not reports:
        return []
    if subject is None:
        found = [_by_vendor_id(vendor, report) for report in reports]
    elif subject.sort.startswith("M#"):
        found = _in_submission(subject, reports)
    else:
        found = _by_number(subject, reports)
    return [one if one and vendor in one[1].vendors else None for one in found]


def _by_vendor_id(vendor: str, report: DeliveryReport) -> Matches | None:
    key = _by_message_id(report)
    if key is None and report.vendor_id:
        key = vendor_message_ids.find_by_vendor_id(vendor, report.vendor_id)
    found = message_repository.find_message(key) if key else None
    return found[1:] if found else None


def _by_message_id(report: DeliveryReport) -> ItemKey | None:
    return split_id(report.message_id) if report.message_id else None


def _in_submission(subject: ItemKey, reports: Sequence[DeliveryReport]) -> list[Matches | None]:
    """In a submission of one, which is found with its message."""
    found = message_repository.find_message(subject)
    if found is None:
        return [None] * len(reports)
    one = found[1:]
    keys = map(_by_message_id, reports)
    return [
        one if (key == subject if key else _single_message(*one, report)) else None
        for key, report in zip(keys, reports, strict=True)
    ]


def _single_message(message: Message, sub: Submission, report: DeliveryReport) -> bool:
    """Whether a report to a submission of one speaks of its message: by the vendor's id, or by the
    number; without either, it can be no other."""
    if sub.result and report.vendor_id and sub.result.vendor_id_of(0) == report.vendor_id:
        return True
    if not report.number:
        return sub.result is None or not report.vendor_id
    return _number_matches(message, report.number)


def _by_number(subject: ItemKey, reports: Sequence[DeliveryReport]) -> list[Matches | None]:
    keys = [_by_message_id(report) for report in reports]
    sub = None
    if None in keys:
        sub = message_repository.find_submission(subject)
        if sub is None:
            return [None] * len(reports)
        keys = _candidates(sub, reports, keys)
    wanted = {key for key in keys if key and _could_belong(subject, key)}
    items = _read(subject, wanted, sub)
    if sub is None and subject in items:
        sub = read_submission(items[subject])
    head = items.get(ItemKey(subject.batch, "B"))
    if sub is None or head is None:
        return [None] * len(reports)
    shared = read_batch(head).shared
    there = {
        key: _with_submission(items[key], shared, sub)
        for key in wanted & items.keys()
        if key.position < subject.position + sub.count
    }
    return [there.get(key) if key else None for key in keys]


def _could_belong(subject: ItemKey, key: ItemKey) -> bool:
    return key.batch == subject.batch and key.position >= subject.position


def _read(subject: ItemKey, keys: Iterable[ItemKey], sub: Submission | None) -> dict[ItemKey, Item]:
    """Messages with what they share, and the submission where it was not read yet."""
    if not keys:
        return {}
    beside = [ItemKey(subject.batch, "B"), *([] if sub else [subject])]
    return dynamodb.get_many([*beside, *sorted(keys, key=str)])


def _with_submission(item: Item, shared: object, sub: Submission) -> Matches:
    """A message with the submission of its own that it got since, or with `sub`."""
    return read_message(item, shared), read_submission(item) if "vendor" in item else sub


def _candidates(
    sub: Submission, reports: Sequence[DeliveryReport], keys: Sequence[ItemKey | None]
) -> list[ItemKey | None]:
    """The keys of all reports: where they name no message, by the vendor's id, or by the number
    where the vendor's answer is not stored (yet)."""
    offsets = range(sub.count)
    result = sub.result
    by_id = {result.vendor_id_of(offset): offset for offset in reversed(offsets)} if result else {}
    messages: list[Message] | None = None
    found = list(keys)
    for place, report in enumerate(reports):
        if found[place] is not None:
            continue
        offset = by_id.get(report.vendor_id) if report.vendor_id else None
        if offset is not None:
            found[place] = ItemKey(sub.key.batch, f"M#{sub.key.position + offset:03d}")
        elif report.number:
            if messages is None:
                _, messages = message_repository.load_messages(sub)
            fitting = [one.key for one in messages if _number_matches(one, report.number)]
            found[place] = fitting[0] if len(fitting) == 1 else None
    return found


def _number_matches(message: Message, number: str) -> bool:
    """Whether a message's number ends as the vendor writes it; a short end fits too many."""
    digits = number.lstrip("+0")
    return len(digits) >= MIN_NUMBER_DIGITS and message.content.to.endswith(digits)
