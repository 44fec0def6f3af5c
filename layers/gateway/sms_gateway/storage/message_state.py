"""What a message's status and price are, by its own item and its submission's."""

from sms_gateway.core.status import Status
from sms_gateway.storage.models import Message, Submission, VerdictLetter
from sms_gateway.vendors.types import Price

STATUS_OF_VERDICT = {
    VerdictLetter.ACCEPTED: Status.SUBMITTED,
    VerdictLetter.REFUSED: Status.REJECTED,
    VerdictLetter.RETRY: Status.ACCEPTED,
    VerdictLetter.UNKNOWN: Status.SUBMITTING,
    VerdictLetter.CANCELLED: Status.CANCELLED,
}


def status_of(message: Message, sub: Submission) -> Status:
    """A message's own status, or else its submission's: in a mixed answer, the one that its own
    part of the answer leads to."""
    if message.status is not None:
        return message.status
    if sub.result is not None and sub.status is Status.SUBMITTED:
        verdict = sub.result.verdict(message.key.position - sub.key.position)
        # Refused by one vendor, it is about to go to the next.
        return (
            Status.ACCEPTED
            if verdict is VerdictLetter.REFUSED and sub.remaining_vendors
            else STATUS_OF_VERDICT[verdict]
        )
    return sub.status


def price_of_message(message: Message, sub: Submission) -> Price | None:
    """What a message costs: None until a vendor took it, and where nothing tells the price."""
    status = status_of(message, sub)
    if sub.result is None or status in (Status.REJECTED, Status.CANCELLED):
        return None
    offset = message.key.position - sub.key.position
    verdict, told = sub.result.verdict(offset), sub.result.price_of(offset)
    # Of a call in doubt only a receipt says that the vendor took the message.
    arrived = verdict is VerdictLetter.UNKNOWN and status in (
        Status.SUBMITTED,
        Status.DELIVERED,
        Status.UNDELIVERED,
    )
    if told or not (verdict is VerdictLetter.ACCEPTED or arrived) or sub.result.rates is None:
        return told
    rates, content = sub.result.rates, message.content
    cost = rates.cost(content.to, content.segments)
    return Price(cost, rates.currency) if cost is not None else None
