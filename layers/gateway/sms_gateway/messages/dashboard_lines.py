"""Lines of the log that the dashboard adds up; none without a dashboard (docs/adr/0028).

They name no message: its timeline tells of one, these of all. tools/dashboard.py reads them.
"""

from collections import Counter
from collections.abc import Iterable, Sequence
from datetime import datetime

from sms_gateway.core.observability import has_dashboard, report
from sms_gateway.core.status import Status
from sms_gateway.core.timestamps import epoch_ms
from sms_gateway.messages.prices import sum_prices
from sms_gateway.storage.message_state import price_of_message
from sms_gateway.storage.models import Message, Submission


def report_accepted(submissions: Iterable[Submission]) -> None:
    """Report the messages of an accepted batch, by the vendor that gets them first."""
    if not has_dashboard():
        return
    counts: Counter[str] = Counter()
    for sub in submissions:
        counts[sub.vendor] += sub.count
    for vendor, count in counts.items():
        report("messages accepted", vendor=vendor, messages=count)


def report_submitted(sub: Submission, messages: Sequence[Message], now: datetime) -> None:
    """Report messages that a vendor accepted, the seconds it took since they might leave.

    `price` is what all of them cost, where the vendor tells it or the account has a price table.
    """
    if not has_dashboard():
        return
    accepted = next((step.at for step in sub.timeline if step.status == Status.ACCEPTED), None)
    prices = sum_prices(price_of_message(message, sub) for message in messages)
    price = prices[0] if len(prices) == 1 else None  # a vendor bills in one currency
    report(
        "messages submitted",
        vendor=sub.vendor,
        messages=len(messages),
        seconds=_seconds(accepted or sub.created, now),
        price=float(price["amount"]) if price else None,
        currency=price["currency"] if price else None,
    )


def report_ended(vendor: str, status: Status, count: int) -> None:
    """Report messages that ended without a receipt."""
    report("messages ended", vendor=vendor, status=status, messages=count)


def report_received(vendor: str, ends: Iterable[tuple[Status, int]], now: datetime) -> None:
    """Report messages that a receipt ended, each by its status and `handed_over`."""
    if not has_dashboard():
        return
    for (status, since), count in Counter(ends).items():
        seconds = _seconds(since, now)
        report("messages ended", vendor=vendor, status=status, messages=count, seconds=seconds)


def handed_over(sub: Submission) -> int:
    """Return when the vendor got a submission, in epoch milliseconds."""
    sent = (Status.SUBMITTED, Status.SUBMITTING)
    return next((step.at for step in reversed(sub.timeline) if step.status in sent), sub.created)


def _seconds(since: int, now: datetime) -> float:
    return max(0, epoch_ms(now) - since) / 1000
