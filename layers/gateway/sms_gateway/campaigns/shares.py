"""What each vendor would get of rows that are checked only, and what that costs. No I/O."""

from collections.abc import Iterable, Sequence
from decimal import Decimal

from sms_gateway.campaigns.model import VendorShare
from sms_gateway.messages.planning import PlannedRecipient
from sms_gateway.messages.prices import price_of_number


def share_out(recipients: Sequence[PlannedRecipient]) -> list[VendorShare]:
    """Return the first vendors' shares of recipients, by vendor, product and currency."""
    return merge(map(_share, recipients))


def merge(shares: Iterable[VendorShare]) -> list[VendorShare]:
    """Add up the shares of the same vendor, product and currency."""
    found: dict[tuple[str, str, str], VendorShare] = {}
    for one in shares:
        key = (one.vendor, one.product or "", one.currency or "")
        sum_ = found.setdefault(key, VendorShare(one.vendor, one.product, currency=one.currency))
        sum_.messages += one.messages
        sum_.segments += one.segments
        sum_.priced += one.priced
        sum_.amount = f"{Decimal(sum_.amount) + Decimal(one.amount):f}"
        sum_.rate = one.rate
    return [found[key] for key in sorted(found)]


def _share(planned: PlannedRecipient) -> VendorShare:
    adapter, content = planned.adapter, planned.content
    price = price_of_number(adapter, content.to, content.segments)
    return VendorShare(
        adapter.name,
        adapter.balance_product(content.category),
        1,
        content.segments,
        f"{price.amount:f}" if price else "0",
        price.currency if price else None,
        1 if price else 0,
        adapter.rate,
    )
