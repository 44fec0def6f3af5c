"""Addresses: an IPv4 one is the same in its IPv6 form, whoever compares it."""

from ipaddress import ip_network

import pytest

from sms_gateway.core.ip_addresses import read_network
from sms_gateway.core.problems import ForbiddenError
from sms_gateway.policies.document import Policy, refuse_wider
from sms_gateway.policies.rules import Rules
from sms_gateway.pumping_guard.settings import Guard

FORMS = ("192.0.2.1", "::ffff:192.0.2.1", "::FFFF:C000:201")
NETWORKS = ("192.0.2.0/24", "::ffff:192.0.2.0/120", "::ffff:0:0/96", "0.0.0.0/0")
OTHERS = ("198.51.100.1", "::ffff:198.51.100.1", "::192.0.2.1", "2001:db8::1")


@pytest.mark.parametrize("address", FORMS)
@pytest.mark.parametrize("network", NETWORKS)
def test_an_address_is_found_in_its_network_in_every_form(address: str, network: str) -> None:
    Rules([Policy(from_ips=[network])]).refuse_address(address)
    assert Guard(mode="block", safe_networks=(network,)).is_safe("+1", address)


@pytest.mark.parametrize("address", OTHERS)
@pytest.mark.parametrize("network", NETWORKS[:2])
def test_another_address_is_not(address: str, network: str) -> None:
    with pytest.raises(ForbiddenError):
        Rules([Policy(from_ips=[network])]).refuse_address(address)
    assert not Guard(mode="block", safe_networks=(network,)).is_safe("+1", address)


def test_a_keys_network_is_within_its_tenants_in_either_form() -> None:
    refuse_wider(Policy(from_ips=["::ffff:192.0.2.0/121"]), Policy(from_ips=["192.0.2.0/24"]))
    with pytest.raises(ValueError, match="from_ips"):
        refuse_wider(Policy(from_ips=["::ffff:192.0.2.0/119"]), Policy(from_ips=["192.0.2.0/24"]))


def test_a_network_around_the_mapped_ones_stays_what_it_is() -> None:
    assert read_network("::/0") == ip_network("::/0")
    assert read_network("::fffe:0:0/95") == ip_network("::fffe:0:0/95")
