"""Described vendors: each description is an item of the table, named by its digest.

An account says which description it goes by. So both change in one write, that of the accounts;
whoever can change only the table can't have a vendor's password sent elsewhere; and a description
that a process has read never changes. Who has no such account reads and imports nothing of this.
"""

import hashlib
import os
import re
import time
from collections.abc import Mapping
from ipaddress import ip_address
from typing import Any
from urllib.parse import urlsplit

import msgspec

from sms_gateway.config.cached_setting import SettingUnreadableError
from sms_gateway.config.stored_settings import DESCRIPTION, check_size
from sms_gateway.core.problems import ServiceUnavailableError
from sms_gateway.core.public_addresses import LOOPBACK, is_emulated, is_public_address
from sms_gateway.core.sandbox import SANDBOX
from sms_gateway.storage import dynamodb
from sms_gateway.storage.items import Item, key_of, number_attribute
from sms_gateway.storage.models import ItemKey
from sms_gateway.vendors.declared.adapter import Declared
from sms_gateway.vendors.declared.door import declare
from sms_gateway.vendors.declared.refusals import DescriptionError
from sms_gateway.vendors.registry import VENDORS, build

DIGEST = re.compile("[0-9a-f]{32}")
RESERVED = frozenset({*VENDORS, *SANDBOX, "declared"})  # the last is the queue of all described
KEPT_SECONDS = 86_400  # for a process that read the accounts just before they changed

_read: dict[tuple[str, str], type[Declared] | str] = {}  # by name and digest; or what is wrong


def load_descriptions(written: str) -> int:
    """Read the descriptions that accounts go by, unless this process has read them.

    `written` is the accounts' secret or setting; return how many descriptions are missing. Raises
    SettingUnreadableError when the table can't be read.
    """
    try:
        accounts = msgspec.json.decode(written, type=dict[str, dict[str, Any]])
    except msgspec.DecodeError:
        return 0  # whoever parses the accounts says what is wrong
    wanted = {(name, _digest(one)) for name, one in accounts.items() if name not in VENDORS}
    missing = 0
    for name, digest in sorted(wanted - set(_read)):
        if DIGEST.fullmatch(digest):
            found = _fetch(name, digest)
            if found is None:
                missing += 1
            else:
                _read[name, digest] = found
    return missing


def _digest(account: Mapping[str, Any]) -> str:
    settings = account.get("settings")  # of a published account
    found = (settings if isinstance(settings, dict) else account).get(DESCRIPTION)
    return found if isinstance(found, str) else ""


def _fetch(name: str, digest: str) -> type[Declared] | str | None:
    try:
        item = dynamodb.get(_key(name, digest))
    except ServiceUnavailableError as error:
        raise SettingUnreadableError(
            f"the description of {name} can't be read: {error.detail}"
        ) from error
    if item is None:
        return None
    written = item["data"]["S"].encode()
    if digest_of(written) != digest:
        return "its description was changed in the table: set it again with smsgw vendors set"
    try:
        return declare(written)
    except DescriptionError as error:
        return f"its description can't be used: {error}"


def described_class(name: str, account: Mapping[str, Any]) -> type[Declared]:
    """Return the class of a described vendor's account, once its description was loaded.

    Raises ValueError that says what is wrong.
    """
    if os.environ.get("DECLARED_VENDORS") == "false":
        raise ValueError("described vendors are off: deploy with DeclaredVendors=true")
    digest = _digest(account)
    if not digest or name in RESERVED:
        raise ValueError(
            f"unknown vendor; there are {', '.join(VENDORS)}, and others with a description"
        )
    found = _read.get((name, digest))
    if found is None:
        raise ValueError("its description is not in the table: set it with smsgw vendors set")
    if isinstance(found, str):
        raise ValueError(found)
    return found


def build_described(name: str, account: Mapping[str, Any]) -> Declared:
    """Build a described vendor's adapter, which calls public addresses by https only.

    Raises ValueError, as `build_adapter` does.
    """
    cls = described_class(name, account)
    adapter = build(cls, {key: value for key, value in account.items() if key != DESCRIPTION})
    check_addresses(adapter)
    return adapter


def check_addresses(adapter: Declared) -> None:
    """Raise ValueError for an address inside, or without TLS; an emulator has both on its machine.

    The address that a name leads to is checked when it is called.
    """
    names = ["base_url", *(name for name, one in adapter.settings.items() if one.kind == "url")]
    for name in names:
        parts = urlsplit(getattr(adapter, name) or "")
        host = parts.hostname or ""
        if not host or (is_emulated() and host in LOOPBACK):
            continue
        if parts.scheme != "https":
            raise ValueError(f"{name} must begin with https://, as described vendors are called")
        if not _may_be_public(host):
            raise ValueError(f"{name} leads inside: give a host on the public internet")


def _may_be_public(host: str) -> bool:
    try:
        ip_address(host)
    except ValueError:
        return "." in host.rstrip(".")
    return is_public_address(host)


def digest_of(written: bytes) -> str:
    """Return the name of a description."""
    return hashlib.sha256(written).hexdigest()[:32]


def minified(written: bytes) -> bytes:
    """Return a description as it is stored: the same JSON in the fewest bytes."""
    return msgspec.json.format(written, indent=-1)


def store_description(name: str, written: bytes) -> str:
    """Store a description, and return its digest. It is not used until an account names it.

    Raises ValueError for one that is too long or whose name is taken, ServiceUnavailableError.
    """
    if name in RESERVED:
        raise ValueError(f"the name {name} is taken: give the description another")
    check_size(written.decode())
    digest = digest_of(written)
    dynamodb.put_all([_item(name, digest, written.decode())])
    learn(name, written)
    return digest


def learn(name: str, written: bytes) -> str:
    """Know a description in this process, and return its digest. Raises DescriptionError."""
    digest = digest_of(written)
    _read[name, digest] = declare(written)
    return digest


def retire_description(name: str, digest: str) -> None:
    """Let the table forget a description in a day. Raises ServiceUnavailableError."""
    item = dynamodb.get(_key(name, digest)) if DIGEST.fullmatch(digest) else None
    if item is not None:
        dynamodb.put_all([item | {"ttl": number_attribute(int(time.time()) + KEPT_SECONDS)}])


def _item(name: str, digest: str, text: str) -> Item:
    return {**key_of(_key(name, digest)), "data": {"S": text}}


def _key(name: str, digest: str) -> ItemKey:
    return ItemKey(f"DESCRIPTION#{name}", digest)
