"""The policy's document: what it may say, and what is wrong with it."""

from datetime import datetime
from ipaddress import IPv4Network, IPv6Network
from typing import Annotated, Literal

import msgspec

from sms_gateway.config.senders import plain
from sms_gateway.core.ip_addresses import read_network
from sms_gateway.policies.money import Money
from sms_gateway.sms.phone_numbers import NumberError, Region, is_region, to_e164
from sms_gateway.vendors.types import Category

Sender = Annotated[str, msgspec.Meta(pattern=r"^[ -~]{1,16}\Z")]
NumberType = Literal["premium_rate", "toll_free", "shared_cost", "pager", "fixed_line"]
Network = IPv4Network | IPv6Network
Limit = Annotated[int, msgspec.Meta(ge=0, le=1_000_000_000)]
Rate = Annotated[int, msgspec.Meta(ge=1, le=10_000)]
LISTS = ("countries", "categories", "senders", "recipients")  # a key's are within its tenant's
COUNTED = (
    "messages_per_day",
    "segments_per_day",
    "most_per_number_per_day",
    "same_text_per_number",
    "requests_per_second",
)
SPENDS = ("spend_per_day", "spend_per_month")


class Policy(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What may be sent; None allows everything, an empty list nothing.

    Days and months are UTC. `burst` is how many requests may come at once, a second's where it is
    not given. `assumed_price` is what a segment costs where no price table says it. `fail` says
    what happens while a counter does not answer.
    """

    countries: list[Region] | None = None
    refused_number_types: list[NumberType] = []
    categories: list[Category] | None = None
    senders: list[Sender] | None = None
    recipients: list[str] | None = None
    expires_at: datetime | None = None
    from_ips: list[str] | None = None
    messages_per_day: Limit | None = None
    segments_per_day: Limit | None = None
    most_per_number_per_day: Limit | None = None
    same_text_per_number: Annotated[int, msgspec.Meta(ge=0, le=50)] | None = None
    spend_per_day: Money | None = None
    spend_per_month: Money | None = None
    assumed_price: Money | None = None
    requests_per_second: Rate | None = None
    burst: Rate | None = None
    fail: Literal["open", "closed"] = "open"

    def __post_init__(self) -> None:
        for country in self.countries or ():
            if not is_region(country):
                raise ValueError(f"countries: there is no country {country} (ISO 3166)")
        for index, number in enumerate(self.recipients or ()):
            _check_number(index, number)
        if self.expires_at is not None and self.expires_at.tzinfo is None:
            raise ValueError("expires_at: end it in Z, or in an offset such as +06:00")
        if self.burst is not None and self.requests_per_second is None:
            raise ValueError("burst: it needs requests_per_second")
        self._check_spends()
        _ = self.networks

    def _check_spends(self) -> None:
        limits = {name: getattr(self, name) for name in SPENDS if getattr(self, name)}
        if self.assumed_price is None:
            for name in limits:
                raise ValueError(
                    f"{name}: a spend limit without any price; add assumed_price, which is what a "
                    "segment costs where no price table says it"
                )
            return
        if not limits:
            raise ValueError(f"assumed_price: it needs {' or '.join(SPENDS)}")
        if not self.assumed_price.billionths:
            raise ValueError("assumed_price: it must be more than 0")
        for name, limit in limits.items():
            if limit.currency != self.assumed_price.currency:
                raise ValueError(f"{name}: its currency is not that of assumed_price")

    @property
    def is_counted(self) -> bool:
        """Whether it has a limit that must be counted."""
        return any(getattr(self, name) is not None for name in (*COUNTED, *SPENDS))

    @property
    def has_spend(self) -> bool:
        """Whether it limits what is spent."""
        return self.assumed_price is not None

    @property
    def most_at_once(self) -> int:
        """How many requests may come at once."""
        return self.burst or self.requests_per_second or 0

    @property
    def networks(self) -> list[Network] | None:
        """The networks of `from_ips`. Raises ValueError for what is none."""
        if self.from_ips is None:
            return None
        try:
            return [read_network(network) for network in self.from_ips]
        except ValueError:
            raise ValueError(
                "from_ips: each is an address or a network, such as 192.0.2.0/24"
            ) from None


def _check_number(index: int, number: str) -> None:
    try:
        same = to_e164(number) == number
    except NumberError:
        same = False
    if not same:
        raise ValueError(f"recipients: number {index} is not + and the country code's number")


def parse_policy(text: str) -> Policy:
    """Parse a policy. Raises ValueError that names what is wrong."""
    try:
        return msgspec.json.decode(text, type=Policy)
    except msgspec.DecodeError as error:
        raise ValueError(str(error)) from None


def refuse_wider(key: Policy, tenant: Policy) -> None:
    """Raise ValueError for a key's policy that names what its tenant's does not allow."""
    for name in LISTS:
        outer = getattr(tenant, name)
        if outer is not None and _wider(getattr(key, name), outer):
            raise ValueError(f"{name}: the tenant's policy does not allow all of it")
    if key.expires_at and tenant.expires_at and key.expires_at > tenant.expires_at:
        raise ValueError("expires_at: it is after the end in the tenant's policy")
    for name in COUNTED:
        inner_limit, outer_limit = getattr(key, name), getattr(tenant, name)
        if None not in (inner_limit, outer_limit) and inner_limit > outer_limit:
            raise ValueError(f"{name}: it is above the limit in the tenant's policy")
    if None not in (key.requests_per_second, tenant.requests_per_second) and (
        key.most_at_once > tenant.most_at_once
    ):
        raise ValueError("burst: it is above that of the tenant's policy")
    _refuse_wider_spends(key, tenant)
    inner, outer = key.networks or (), tenant.networks
    if outer is not None and not all(any(_within(one, o) for o in outer) for one in inner):
        raise ValueError("from_ips: the tenant's policy does not allow all of them")


def _refuse_wider_spends(key: Policy, tenant: Policy) -> None:
    own, outer_price = key.assumed_price, tenant.assumed_price
    if own is None or outer_price is None:
        return
    if own.currency != outer_price.currency:
        raise ValueError("assumed_price: its currency is not that of the tenant's policy")
    if own.billionths < outer_price.billionths:
        raise ValueError("assumed_price: it is below that in the tenant's policy")
    for name in SPENDS:
        inner, outer = getattr(key, name), getattr(tenant, name)
        if None not in (inner, outer) and inner.billionths > outer.billionths:
            raise ValueError(f"{name}: it is above the limit in the tenant's policy")


def _wider(inner: list[str] | None, outer: list[str]) -> bool:
    return inner is not None and not set(map(plain, inner)).issubset(map(plain, outer))


def _within(inner: Network, outer: Network) -> bool:
    if isinstance(inner, IPv4Network):
        return isinstance(outer, IPv4Network) and inner.subnet_of(outer)
    return isinstance(outer, IPv6Network) and inner.subnet_of(outer)
