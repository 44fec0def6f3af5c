"""A message's status and price, from its own item and its submission's."""

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
    """Return a message's own status, or its submission's."""
    return message.status or shared_status(message.key.position, sub)


def shared_status(position: int, sub: Submission) -> Status:
    """Return the status of a message of a submission, by its position, that has none of its own.

    In a mixed result, the message's own verdict decides.
    """
    if sub.result is not None and sub.status is Status.SUBMITTED:
        verdict = sub.result.verdict(position - sub.key.position)
        # Refused by one vendor, it fails over to the next.
        return (
            Status.ACCEPTED
            if verdict is VerdictLetter.REFUSED and sub.remaining_vendors
            else STATUS_OF_VERDICT[verdict]
        )
    return sub.status


def price_of_message(message: Message, sub: Submission) -> Price | None:
    """Return a message's price; None before acceptance by a vendor, or where it is unknown."""
    status = status_of(message, sub)
    if sub.result is None or status in (Status.REJECTED, Status.CANCELLED):
        return None
    offset = message.key.position - sub.key.position
    verdict, price = sub.result.verdict(offset), sub.result.price_of(offset)
    # After an unknown outcome only a receipt proves that the vendor accepted the message.
    confirmed = verdict is VerdictLetter.UNKNOWN and status in (
        Status.SUBMITTED,
        Status.DELIVERED,
        Status.UNDELIVERED,
    )
    if price or not (verdict is VerdictLetter.ACCEPTED or confirmed) or sub.result.rates is None:
        return price
    rates, content = sub.result.rates, message.content
    cost = rates.cost(content.to, content.segments)
    return Price(cost, rates.currency) if cost is not None else None
