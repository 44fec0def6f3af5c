"""The guard's door: nothing behind it is imported, read or written on a stack without a guard."""

import os
from collections.abc import Sequence
from datetime import datetime
from typing import TYPE_CHECKING

from sms_gateway.core.derived_keys import Secret
from sms_gateway.core.problems import GatewayError
from sms_gateway.core.ulids import created_at

if TYPE_CHECKING:
    from sms_gateway.pumping_guard.client import Client


def is_on() -> bool:
    """Return whether the operator deployed the guard; each tenant is then set on its own."""
    return os.environ["PUMPING_GUARD"] == "true"


def admit_code(
    tenant: str, number: str, client: "Client | None", now: datetime, secret: Secret
) -> tuple[str, ...]:
    """Count a verification's code; return what it was counted by, nothing for an unguarded one.

    `secret` is the message key. Raises VerificationBlockedError for one that is refused.
    """
    if not is_on():
        return ()
    from sms_gateway.pumping_guard import guard

    return guard.admit_code(tenant, number, client, now, secret)


def admit_codes(
    tenant: str, numbers: Sequence[str], now: datetime, secret: Secret
) -> Sequence[GatewayError | None]:
    """Count codes that a caller made; return for each the problem that refuses it.

    `secret` is the message key.
    """
    if not numbers or not is_on():
        return [None] * len(numbers)
    from sms_gateway.pumping_guard import guard

    return guard.admit_codes(tenant, numbers, now, secret)


def approve(tenant: str, counted_by: Sequence[str], identifier: str) -> None:
    """Count the approval of a verification, given by its ULID. A counter's fault raises nothing."""
    if counted_by and is_on():
        from sms_gateway.pumping_guard import guard

        guard.approve(tenant, counted_by, created_at(identifier))


def approve_number(tenant: str, number: str, started: datetime, secret: Secret) -> None:
    """Count that a code which a caller made was used. A counter's fault raises nothing.

    `secret` is the message key.
    """
    if is_on():
        from sms_gateway.pumping_guard import guard

        guard.approve_number(tenant, number, started, secret)
