"""Who asks for a code, as the caller tells: an address, a device, a user. Kept as keyed hashes."""

import hmac
from typing import Annotated

import msgspec

from sms_gateway.core.derived_keys import derive_key
from sms_gateway.core.problems import InvalidRequestError
from sms_gateway.core.value_object import ValueObject

KINDS = ("ip", "device", "user")
NETWORK_BITS = 64  # of an IPv6 address: whoever has one has the whole network

Named = Annotated[str, msgspec.Meta(min_length=1, max_length=200)]


class Client(ValueObject, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """The `client` of a request; null is "not given"."""

    hidden = frozenset(KINDS)

    ip: Annotated[str, msgspec.Meta(min_length=2, max_length=45)] | None = None
    device: Named | None = None
    user: Named | None = None


def check_client(client: Client | None) -> None:
    """Raise InvalidRequestError for an address that is none."""
    if client is None or client.ip is None:
        return
    from sms_gateway.core.ip_addresses import read_address  # few requests have one

    try:
        read_address(client.ip)
    except ValueError:
        raise InvalidRequestError(  # the error's own words repeat the address
            "`client.ip` is no address: write the user's own as 192.0.2.1 or 2001:db8::1.",
            slug="invalid-ip",
            pointer="/client/ip",
        ) from None


def hashes(client: Client | None, tenant: str, secret: bytes) -> dict[str, str]:
    """Return the keyed hash of each thing that is given, by its kind."""
    key = derive_key(secret, "guard/client")
    given = {kind: getattr(client, kind) for kind in KINDS if client and getattr(client, kind)}
    if "ip" in given:
        given["ip"] = _network(given["ip"])
    return {
        kind: hmac.digest(key, f"{tenant}/{kind}/{value}".encode(), "sha256").hex()[:32]
        for kind, value in given.items()
    }


def number_hash(number: str, tenant: str, secret: bytes) -> str:
    """Return the keyed hash of a number, by which it is known."""
    key = derive_key(secret, "guard/number")
    return hmac.digest(key, f"{tenant}/{number}".encode(), "sha256").hex()[:32]


def _network(address: str) -> str:
    """Return an address as it is counted: an IPv6 one by its network."""
    from ipaddress import IPv4Address, IPv6Network

    from sms_gateway.core.ip_addresses import read_address

    parsed = read_address(address)
    if isinstance(parsed, IPv4Address):
        return str(parsed)
    return str(IPv6Network((parsed.packed, NETWORK_BITS), strict=False))
