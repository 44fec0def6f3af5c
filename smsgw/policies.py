"""Policies that the operator hands to a command: checked before anything is stored."""

from sms_gateway.config.policies import MAX_BYTES, MAX_KEY_BYTES, stored_text
from sms_gateway.policies.document import parse_policy, refuse_wider
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
