"""Tenants that the operator has stopped or that have a policy: one setting, absent while none is.

Whatever would act for a tenant asks here. A running function knows of a change within 30 seconds,
whatever API Gateway has cached about a key.
"""

from collections.abc import Mapping

import msgspec

from sms_gateway.config.cached_setting import CachedSetting
from sms_gateway.config.stored_settings import fetch_setting
from sms_gateway.core.problems import ForbiddenError

NAME = "stopped-tenants"
MAX_AGE_SECONDS = 30
MAX_BYTES = 3_800  # so that a read is half a unit: each start of a function reads it
KEPT_FOR_STOPS = 1_000  # bytes that policies leave: in an incident there is room to stop a tenant
NOBODY = "{}"


class Stop(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """Since when a tenant is stopped (epoch seconds), and why, for the operator.

    `since` is 0 for one that is not stopped; `policy` is the digest of its policy, if any.
    """

    since: int = 0
    reason: str = ""
    policy: str | None = None


Stops = Mapping[str, Stop]  # by tenant


class TenantStoppedError(ForbiddenError):
    """The operator has stopped the tenant."""

    slug = "tenant-stopped"
    title = "The tenant is stopped"


def parse_stops(text: str) -> Stops:
    """Parse the setting. Raises ValueError with what is wrong."""
    return msgspec.json.decode(text, type=dict[str, Stop])


def encode_stops(stops: Stops, *, keep_free: int = 0) -> str:
    """Encode the setting. Raises ValueError when it leaves less than `keep_free` bytes."""
    text = msgspec.json.encode(stops).decode()
    most = MAX_BYTES - keep_free
    if len(text.encode()) > most:
        raise ValueError(
            f"so many stopped or limited tenants take more than {most} bytes: start one, "
            "or remove a policy"
        )
    return text


def stops() -> Stops:
    """Return the stopped tenants. Raises ServiceUnavailableError when that can't be read."""
    return {tenant: one for tenant, one in _stops.get().items() if one.since}


def standing(tenant: str) -> Stop | None:
    """Return how a tenant stands; None for one neither stopped nor limited. Raises as `stops`."""
    return _stops.get().get(tenant)


def refuse_stopped(tenant: str) -> None:
    """Raise TenantStoppedError for a stopped tenant, or ServiceUnavailableError as `stops` does."""
    found = standing(tenant)
    if found is not None and found.since:
        raise TenantStoppedError(
            "The operator of the gateway has stopped this tenant: ask them. What was accepted and "
            "had not left is held."
        )


_stops = CachedSetting(
    "stopped tenants",
    lambda: fetch_setting(NAME),
    parse_stops,
    default=NOBODY,
    max_age=MAX_AGE_SECONDS,
)
