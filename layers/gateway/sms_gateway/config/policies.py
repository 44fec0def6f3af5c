"""Where policies are kept: a tenant's is an item of the settings, a key's is in its item.

The setting of stopped tenants, which everything that acts for a tenant reads anyway, tells whether
there is one: without a policy nothing more is read.
"""

from hashlib import sha256

from sms_gateway.config.stopped_tenants import standing
from sms_gateway.config.stored_settings import read_setting, remove_setting, write_setting
from sms_gateway.core.problems import ServiceUnavailableError

MAX_BYTES = 3_800  # so that a read is one unit
MAX_KEY_BYTES = 2_000  # in the authorizer's answer
_DIGEST_CHARACTERS = 12

_read: dict[str, tuple[str, str]] = {}  # by tenant: digest and text


def digest_of(text: str) -> str:
    """Return what tells a policy from another one."""
    return sha256(text.encode()).hexdigest()[:_DIGEST_CHARACTERS]


def tenant_policy(tenant: str) -> str | None:
    """Return a tenant's policy, a JSON text; None without one.

    It is read once for each digest. Raises ServiceUnavailableError when it can't be read.
    """
    found = standing(tenant)
    if found is None or found.policy is None:
        return None
    known = _read.get(tenant)
    if known is not None and known[0] == found.policy:
        return known[1]
    stored = read_setting(_name(tenant))
    if stored is None:
        raise ServiceUnavailableError(
            "The tenant's policy is gone: its operator sets it again with smsgw tenants set.",
            slug="policies-unavailable",
        )
    if digest_of(stored.text) == found.policy:  # else another one is being set: read again
        _read[tenant] = (found.policy, stored.text)
    return stored.text


def stored_text(tenant: str) -> str | None:
    """Return a tenant's policy as it is stored, a JSON text; None without one."""
    stored = read_setting(_name(tenant))
    return stored.text if stored else None


def store_policy(tenant: str, text: str) -> bool:
    """Write a tenant's policy; return False when another operator was faster.

    It is in use when the setting of stopped tenants has its digest.
    """
    return write_setting(_name(tenant), text, read_setting(_name(tenant)))


def drop_policy(tenant: str) -> None:
    """Remove a tenant's policy, which the setting of stopped tenants has no more."""
    remove_setting(_name(tenant))


def _name(tenant: str) -> str:
    return f"policy/{tenant}"
