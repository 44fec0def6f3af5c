"""Which IP addresses are on the public internet, for what others tell the gateway to call."""

import os
from ipaddress import IPv6Address, ip_address, ip_network
from urllib.parse import urlsplit

LOOPBACK = ("localhost", "127.0.0.1", "::1")

# Where IPv6's public hosts are: 64:ff9b::/96 (NAT64), ::ffff:0:0/96 and others lie outside.
_UNICAST = ip_network("2000::/3")
# IANA's special-purpose registries, and not what Python's version knows of them. Those that are
# globally reachable too (anycast, AS112, AMT, ORCHIDv2): nobody has a webhook there.
# https://www.iana.org/assignments/iana-ipv4-special-registry
# https://www.iana.org/assignments/iana-ipv6-special-registry
_SPECIAL = tuple(
    ip_network(network)
    for network in (
        "0.0.0.0/8",  # this network
        "10.0.0.0/8",  # private
        "100.64.0.0/10",  # shared: carriers' NAT
        "127.0.0.0/8",  # loopback
        "169.254.0.0/16",  # link-local, and the metadata of clouds
        "172.16.0.0/12",  # private
        "192.0.0.0/24",  # IETF protocols, DS-Lite, NAT64 discovery
        "192.0.2.0/24",  # documentation
        "192.31.196.0/24",  # AS112
        "192.52.193.0/24",  # AMT
        "192.88.99.0/24",  # 6to4 relays
        "192.168.0.0/16",  # private
        "192.175.48.0/24",  # AS112
        "198.18.0.0/15",  # benchmarks
        "198.51.100.0/24",  # documentation
        "203.0.113.0/24",  # documentation
        "224.0.0.0/4",  # multicast
        "240.0.0.0/4",  # reserved, broadcast
        "2001::/23",  # IETF protocols: Teredo, benchmarks, AMT, AS112, ORCHID, DRIP
        "2001:db8::/32",  # documentation
        "2002::/16",  # 6to4
        "2620:4f:8000::/48",  # AS112
        "3fff::/20",  # documentation
    )
)


def is_emulated() -> bool:
    """Whether AWS itself is emulated on this machine: on Lambda nothing sets AWS_ENDPOINT_URL."""
    return urlsplit(os.environ.get("AWS_ENDPOINT_URL", "")).hostname in LOOPBACK


def is_public_address(address: str, *, loopback: bool = False) -> bool:
    """Whether an IP address is public, or with `loopback` this machine's.

    Not public are those of IANA's special-purpose registries, and those that carry another address.
    """
    try:
        found = ip_address(address.partition("%")[0])
    except ValueError:
        return False
    if loopback and found.is_loopback:
        return True
    if isinstance(found, IPv6Address) and found not in _UNICAST:
        return False
    return not any(found in network for network in _SPECIAL)
