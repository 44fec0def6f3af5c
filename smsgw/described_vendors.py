"""`smsgw vendors set --description`: a described vendor, proven by its captured answers."""

from pathlib import Path
from typing import Any, NamedTuple

from sms_gateway.config import described_vendors
from sms_gateway.config.stored_settings import DESCRIPTION
from smsgw.errors import CommandError
from smsgw.files import read_file, shown
from smsgw.stack import Stack
from smsgw.terminal import say
from smsgw.vendor_descriptions import examine, read_description

OFF = "described vendors are off in this stack: deploy it with DeclaredVendors=true"


class Written(NamedTuple):
    """A description's name, and its bytes as they are stored."""

    name: str
    text: bytes


def read_proven(stack: Stack, name: str, file: str, answers: str | None, *, force: bool) -> Written:
    """Read a description whose captured cases all pass, and none is missing.

    With `force` some may be missing, and what is then not proven is said. Raise CommandError.
    """
    if "DeclaredQueueUrl" not in stack.outputs:
        raise CommandError(OFF)
    vendor = read_description(file)
    if vendor.name != name:
        raise CommandError(f"{shown(file)} describes {vendor.name}, and not {name}")
    if name in described_vendors.RESERVED:
        raise CommandError(f"the name {name} is taken: give the description another")
    found = examine(vendor, Path(answers) if answers else None)
    for line in found.failed:
        say(f"fails: {line}")
    for line in found.missing:
        say(f"{'not proven' if force else 'missing'}: {line}")
    for line in found.unproven:
        say(f"not proven: {line}: every case passes without this rule")
    if found.failed:
        raise CommandError(f"{len(found.failed)} cases fail: the description is wrong about them")
    if found.missing and not force:
        raise CommandError(
            f"{len(found.missing)} cases are missing: capture them into the folder of --answers "
            "(docs/adding-a-vendor.md says how), or take the description as it is by --force"
        )
    return Written(name, described_vendors.minified(read_file(file).encode()))


def learn(written: Written) -> str:
    """Know a description in this process, and return its digest."""
    return described_vendors.learn(written.name, written.text)


def store(written: Written) -> None:
    """Store a description. Raise CommandError for one that is too long."""
    try:
        described_vendors.store_description(written.name, written.text)
    except ValueError as error:
        raise CommandError(f"the description can't be stored: {error}") from None


def digest_in_use(accounts: dict[str, Any], name: str) -> str | None:
    """Return the digest of the description that an account goes by, if there is one."""
    account = accounts.get(name)
    found = account.get(DESCRIPTION) if isinstance(account, dict) else None
    return found if isinstance(found, str) else None


def with_digest(name: str, account: dict[str, Any], digest: str | None) -> dict[str, Any]:
    """Return an account that goes by a description. Raise CommandError without one."""
    if DESCRIPTION in account:
        raise CommandError(f"{DESCRIPTION} is no setting: give the file by --description")
    if digest is None:
        raise CommandError(
            f"there is no vendor {name}: `smsgw vendors list` names those that are there; another "
            "is set with its --description (docs/describing-a-vendor.md)"
        )
    return {**account, DESCRIPTION: digest}


def retire(name: str, before: str | None, account: dict[str, Any]) -> None:
    """Let the table forget the description that an account went by before."""
    if before is not None and before != account.get(DESCRIPTION):
        described_vendors.retire_description(name, before)
