"""Match a callback's delivery reports to stored messages.

What the reports share is read once, however many there are.
"""

from collections.abc import Iterable, Sequence

from sms_gateway.storage import dynamodb, message_repository, vendor_message_ids
from sms_gateway.storage.items import Item, read_batch, read_message, read_submission
from sms_gateway.storage.models import ItemKey, Message, Submission, split_id
from sms_gateway.vendors.types import DeliveryReport

MIN_NUMBER_DIGITS = 7  # shorter ends of a number match too many

Match = tuple[Message, Submission]


def match_reports(
    vendor: str, subject: ItemKey | None, reports: Sequence[DeliveryReport]
) -> list[Match | None]:
    """Return each report's message and submission, or None if this vendor has none such.

    A token matches its own submission's messages only, even after they were split off.
    """
    if not reports:
        return []
    if subject is None:
        matches = [_match_by_id(vendor, report) for report in reports]
    elif subject.sort.startswith("M#"):
        matches = _match_in_single(subject, reports)
    else:
        matches = _match_in_group(subject, reports)
    return [match if match and vendor in match[1].vendors else None for match in matches]


def _match_by_id(vendor: str, report: DeliveryReport) -> Match | None:
    key = _message_key(report)
    if key is None and report.vendor_id:
        key = vendor_message_ids.find_by_vendor_id(vendor, report.vendor_id)
    member = message_repository.find_message(key) if key else None
    return member[1:] if member else None


def _message_key(report: DeliveryReport) -> ItemKey | None:
    return split_id(report.message_id) if report.message_id else None


def _match_in_single(subject: ItemKey, reports: Sequence[DeliveryReport]) -> list[Match | None]:
    """Match reports to a submission of one, which is stored with its message."""
    member = message_repository.find_message(subject)
    if member is None:
        return [None] * len(reports)
    match = member[1:]
    keys = map(_message_key, reports)
    return [
        match if (key == subject if key else _is_about(*match, report)) else None
        for key, report in zip(keys, reports, strict=True)
    ]


def _is_about(message: Message, sub: Submission, report: DeliveryReport) -> bool:
    """Return whether a report is about a submission's only message.

    By the vendor's id, or the number; without either, it can be no other.
    """
    if sub.result and report.vendor_id and sub.result.vendor_id_of(0) == report.vendor_id:
        return True
    if not report.number:
        return sub.result is None or not report.vendor_id
    return _number_matches(message, report.number)


def _match_in_group(subject: ItemKey, reports: Sequence[DeliveryReport]) -> list[Match | None]:
    """Match reports to a submission of several messages."""
    keys = [_message_key(report) for report in reports]
    sub = None
    if None in keys:
        sub = message_repository.find_submission(subject)
        if sub is None:
            return [None] * len(reports)
        keys = _find_keys(sub, reports, keys)
    wanted = {key for key in keys if key and _could_belong(subject, key)}
    items = _read_items(subject, wanted, sub)
    if sub is None and subject in items:
        sub = read_submission(items[subject])
    batch_item = items.get(ItemKey(subject.batch, "B"))
    if sub is None or batch_item is None:
        return [None] * len(reports)
    shared = read_batch(batch_item).shared
    matches = {
        key: _read_match(items[key], shared, sub)
        for key in wanted & items.keys()
        if key.position < subject.position + sub.count
    }
    return [matches.get(key) if key else None for key in keys]


def _could_belong(subject: ItemKey, key: ItemKey) -> bool:
    return key.batch == subject.batch and key.position >= subject.position


def _read_items(
    subject: ItemKey, keys: Iterable[ItemKey], sub: Submission | None
) -> dict[ItemKey, Item]:
    """Read messages and their batch, and the submission unless it is known."""
    if not keys:
        return {}
    shared_keys = [ItemKey(subject.batch, "B"), *([] if sub else [subject])]
    return dynamodb.get_many([*shared_keys, *sorted(keys, key=str)])


def _read_match(item: Item, shared: object, sub: Submission) -> Match:
    """Read a message, with its own submission or else `sub`."""
    owner = read_submission(item) if "vendor" in item else sub
    return read_message(item, shared, owner.seed), owner


def _find_keys(
    sub: Submission, reports: Sequence[DeliveryReport], keys: Sequence[ItemKey | None]
) -> list[ItemKey | None]:
    """Find the keys of reports that name no message.

    By the vendor's id, or by the number while the vendor's answer is not stored.
    """
    offsets = range(sub.count)
    result = sub.result
    by_id = {result.vendor_id_of(offset): offset for offset in reversed(offsets)} if result else {}
    messages: list[Message] | None = None
    found = list(keys)
    for index, report in enumerate(reports):
        if found[index] is not None:
            continue
        offset = by_id.get(report.vendor_id) if report.vendor_id else None
        if offset is not None:
            found[index] = ItemKey(sub.key.batch, f"M#{sub.key.position + offset:03d}")
        elif report.number:
            if messages is None:
                _, messages = message_repository.load_messages(sub)
            candidates = [
                message.key for message in messages if _number_matches(message, report.number)
            ]
            found[index] = candidates[0] if len(candidates) == 1 else None
    return found


def _number_matches(message: Message, number: str) -> bool:
    """Return whether a message's number ends with the vendor's form of it."""
    digits = number.lstrip("+0")
    return len(digits) >= MIN_NUMBER_DIGITS and message.content.to.endswith(digits)
