"""The guard's setting: how each tenant is guarded; `*` is for those that are not named."""

from collections.abc import Mapping
from typing import Annotated, Literal

import msgspec

from sms_gateway.config.cached_setting import CachedSetting
from sms_gateway.config.senders import Tenant
from sms_gateway.config.stored_settings import fetch_setting
from sms_gateway.pumping_guard.rules import Rules

NAME = "guard"
NOBODY = "{}"
EVERY = "*"

Country = Annotated[str, msgspec.Meta(pattern=r"^([A-Z]{2}|\+[0-9]{1,3})\Z")]
Network = Annotated[str, msgspec.Meta(pattern=r"^[0-9a-fA-F.:]+(/[0-9]{1,3})?\Z")]
Beginning = Annotated[str, msgspec.Meta(pattern=r"^\+[0-9]{1,15}\Z")]


class Guard(
    msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True, omit_defaults=True
):
    """How a tenant is guarded: `monitor` only tells, `block` refuses, `off` is for one beside `*`.

    `countries` are the only ones that get codes (none named: all); `safe` are beginnings of numbers
    and `safe_networks` addresses (192.0.2.0/24) whose codes are neither counted nor refused.
    """

    mode: Literal["monitor", "block", "off"]
    countries: tuple[Country, ...] = ()
    safe: tuple[Beginning, ...] = ()
    safe_networks: tuple[Network, ...] = ()
    rules: Rules = Rules()

    def __post_init__(self) -> None:
        if self.safe_networks:
            from sms_gateway.core.ip_addresses import read_network  # few have any

            for network in self.safe_networks:
                read_network(network)
        if self.countries:
            from sms_gateway.sms.phone_numbers import is_region

            for country in self.countries:
                if country.isalpha() and not is_region(country):
                    raise ValueError(f"{country} is no country: write it as BD or IR")

    def is_safe(self, number: str, ip: str | None) -> bool:
        """Whether a number or an address is one that the operator trusts."""
        if number.startswith(self.safe):
            return True
        if ip is None or not self.safe_networks:
            return False
        from sms_gateway.core.ip_addresses import read_address, read_network

        address = read_address(ip)
        return any(address in read_network(network) for network in self.safe_networks)


Guards = Mapping[str, Guard]  # by tenant


def parse_guards(text: str) -> Guards:
    """Parse the setting. Raises ValueError with what is wrong."""
    try:
        return msgspec.json.decode(text, type=dict[Tenant, Guard])
    except msgspec.DecodeError as error:
        raise ValueError(str(error)) from None


def guard_of(tenant: str) -> Guard | None:
    """Return how a tenant is guarded; None for one that is not.

    Raises ServiceUnavailableError when the setting can't be read.
    """
    guards = _guards.get()
    found = guards.get(tenant) or guards.get(EVERY)
    return None if found is None or found.mode == "off" else found


_guards = CachedSetting("guard", lambda: fetch_setting(NAME), parse_guards, default=NOBODY)
