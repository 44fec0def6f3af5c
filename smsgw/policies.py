"""Policies that the operator hands to a command, and how their counted limits stand."""

from datetime import datetime
from typing import Any

from sms_gateway.config.policies import MAX_BYTES, MAX_KEY_BYTES, stored_text
from sms_gateway.policies.document import parse_policy, refuse_wider
from sms_gateway.policies.limits import Scope
from sms_gateway.policies.usage import usage_view
from smsgw.errors import CommandError
from smsgw.files import read_file, shown


def read_policy(file: str, tenant: str | None = None) -> str:
    """Return a policy's text; with `tenant` a key's, within its tenant's. Raises CommandError."""
    written = read_file(file).strip()
    most = MAX_BYTES if tenant is None else MAX_KEY_BYTES
    try:
        policy = parse_policy(written)
        size = len(written.encode())
        if size > most:
            raise ValueError(f"it has {size} bytes and may have {most}")
        outer = stored_text(tenant) if tenant is not None else None
        if outer is not None:
            refuse_wider(policy, parse_policy(outer))
    except ValueError as error:
        said = f"{shown(file)} is not valid: {error}; see docs/guides/limits.md"
        raise CommandError(said) from None
    return written


def read_usage(tenant: str, policy: str, now: datetime, key_id: str = "") -> list[dict[str, Any]]:
    """Return how the counted limits of a policy stand: a tenant's, or with `key_id` its key's."""
    scope = Scope("key" if key_id else "tenant", parse_policy(policy), key_id)
    found: list[dict[str, Any]] = usage_view([scope], tenant, now)["limits"]
    return found


def usage_line(usage: dict[str, Any]) -> str:
    """Write how a limit stands in a line."""
    used, limit = (_number(usage[name]) for name in ("used", "limit"))
    if usage["used"] is None:
        return f"{usage['quota']}  {limit} to each number"
    return f"{usage['quota']}  {used} of {limit}, until {usage['resets_at']}"


def _number(shown: Any) -> str:
    return f"{shown['amount']} {shown['currency']}" if isinstance(shown, dict) else str(shown)
