"""IP addresses as they are compared: an IPv4-mapped one (::ffff:192.0.2.1, RFC 4291) is IPv4.

Import this where it is used: few requests have an address, and a start is to import little.
"""

from ipaddress import (
    IPv4Address,
    IPv4Network,
    IPv6Address,
    IPv6Network,
    ip_address,
    ip_network,
)

MAPPED_BITS = 96  # of ::ffff:0:0/96, before the IPv4 address


def read_address(text: str) -> IPv4Address | IPv6Address:
    """Read an address. Raises ValueError for what is none."""
    address = ip_address(text)
    return getattr(address, "ipv4_mapped", None) or address


def read_network(text: str) -> IPv4Network | IPv6Network:
    """Read a network, or an address as one. Raises ValueError for what is none."""
    network = ip_network(text)
    mapped = getattr(network.network_address, "ipv4_mapped", None)
    if mapped is None or network.prefixlen < MAPPED_BITS:
        return network
    return IPv4Network((mapped, network.prefixlen - MAPPED_BITS))
