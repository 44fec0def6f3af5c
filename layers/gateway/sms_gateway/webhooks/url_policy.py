"""Decide which URLs of customers may be called: by a strict grammar, and by IP address.

What does not match the grammar is refused, so that this module and the connection never see two
different hosts in one URL. For a host name, http_client.py checks the address it connects to.
"""

import os
import re
from ipaddress import IPv4Address, IPv6Address, ip_address

from sms_gateway.core.public_addresses import LOOPBACK, is_emulated, is_public_address
from sms_gateway.core.value_object import ValueObject

MAX_URL_LENGTH = 2000  # characters

_URL = re.compile(
    r"(?P<scheme>https?)://"
    r"(?:\[(?P<six>[0-9a-f:.]+)\]|(?P<name>[a-z0-9.-]+))"
    r"(?::(?P<port>[0-9]{1,5}))?"
    r"(?P<path>/[!\"$-\[\]-~]*)?",  # printable ASCII but for the space, # and the backslash
    re.IGNORECASE | re.ASCII,
)
_LABEL = re.compile(r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?", re.ASCII)
_NUMERIC = re.compile(r"[0-9]+|0x[0-9a-f]*", re.ASCII)  # as the last label: an IPv4 address
_PORTS = {"https": 443, "http": 80}


class UrlError(ValueError):
    """A URL that is not called; the message says why, and what to do."""


class WebhookUrl(ValueObject, frozen=True):
    """A parsed URL: `host` is a name in lower case, or an IP address; `path` includes the query."""

    scheme: str
    host: str
    port: int
    path: str

    @property
    def origin(self) -> str:
        """Scheme, host and port."""
        return f"{self.scheme}://{self.authority}"

    @property
    def authority(self) -> str:
        """The value of the Host header."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port == _PORTS[self.scheme] else f"{host}:{self.port}"


def parse_url(url: str, *, loopback: bool = False) -> WebhookUrl:
    """Parse a customer's URL. Raise UrlError.

    With `loopback` (development) allow plain http to this machine.
    """
    if len(url) > MAX_URL_LENGTH:
        raise UrlError(f"the address has more than {MAX_URL_LENGTH} characters")
    found = _URL.fullmatch(url)
    if found is None:
        raise UrlError(
            "write it as https://host/path: ASCII only, without user name, fragment, space or "
            "backslash"
        )
    scheme, port = found["scheme"].lower(), int(found["port"] or _PORTS[found["scheme"].lower()])
    if not 1 <= port <= 65535:
        raise UrlError("a port is a number from 1 to 65535")
    host = _ipv6(found["six"].lower()) if found["six"] else _name_or_ipv4(found["name"].lower())
    if scheme == "http" and not (loopback and host in LOOPBACK):
        raise UrlError("it must begin with https://")
    if host == "localhost" and not loopback:
        raise UrlError("it leads inside: give a host on the public internet")
    if _is_address(host) and not is_public_address(host, loopback=loopback):
        raise UrlError("it leads inside: give a host on the public internet")
    return WebhookUrl(scheme, host, port, found["path"] or "/")


def host_of(url: str) -> str:
    """Return the host of a URL that was parsed before, whatever is allowed by now."""
    return parse_url(url, loopback=True).host


def loopback_allowed() -> bool:
    """Whether webhooks may be on this machine.

    By parameter, and only where AWS itself is emulated on this machine.
    """
    return os.environ["WEBHOOK_LOOPBACK"] == "true" and is_emulated()


def parse_allowed_url(url: str) -> WebhookUrl:
    """Parse a customer's URL as this stack allows it. Raise UrlError."""
    loopback = loopback_allowed()
    target = parse_url(url, loopback=loopback)
    ports = os.environ["WEBHOOK_PORTS"].split(",")
    if str(target.port) not in ports and not (loopback and target.host in LOOPBACK):
        raise UrlError(f"its port must be {' or '.join(ports)}")
    return target


def _ipv6(written: str) -> str:
    try:
        return str(IPv6Address(written))
    except ValueError:
        raise UrlError("that is no IPv6 address") from None


def _name_or_ipv4(written: str) -> str:
    labels = written.split(".")
    if _NUMERIC.fullmatch(labels[-1]):
        # Resolvers read 2130706433, 0177.0.0.1 and 0x7f.1 as addresses: accept one spelling only.
        try:
            return str(IPv4Address(written))
        except ValueError:
            raise UrlError("write an IPv4 address as four decimal numbers") from None
    if len(written) > 253 or not all(_LABEL.fullmatch(label) for label in labels):
        raise UrlError("the host is no name: letters, digits and hyphens between dots")
    if len(labels) == 1 and written != "localhost":
        raise UrlError("give the host's whole name, with its domain")
    return written


def _is_address(host: str) -> bool:
    try:
        ip_address(host)
    except ValueError:
        return False
    return True
