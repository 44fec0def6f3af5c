"""Settings that are items of the table: read by functions, written by `smsgw`.

An item has the setting's text and a version, on which each write is conditional.
"""

from sms_gateway.config.cached_setting import SettingUnreadableError
from sms_gateway.core.problems import ServiceUnavailableError
from sms_gateway.core.value_object import ValueObject
from sms_gateway.storage import dynamodb
from sms_gateway.storage.items import key_of, number_attribute
from sms_gateway.storage.models import ItemKey

PARTITION = "SETTINGS"
ACCOUNTS = "accounts"  # in a partition of its own: callbacks are read with it, and no other one
DESCRIPTION = "description"  # in an account: the digest of its vendor's description
MAX_BYTES = 16_384  # ADR 0030: what a burst of starts may read of one partition


class StoredSetting(ValueObject, frozen=True):
    """A setting's text, and the number of its writes."""

    text: str
    version: int


def read_setting(name: str, *, consistent: bool = True) -> StoredSetting | None:
    """Read a setting; None when nobody set it. Raises ServiceUnavailableError."""
    item = dynamodb.get(_key(name), consistent=consistent)
    return StoredSetting(item["data"]["S"], int(item["version"]["N"])) if item else None


def fetch_setting(name: str) -> str | None:
    """Return a setting's text; None when nobody set it. Raises SettingUnreadableError."""
    try:
        stored = read_setting(name, consistent=False)
    except ServiceUnavailableError as error:
        raise SettingUnreadableError(f"{name} can't be read: {error.detail}") from error
    return stored.text if stored else None


def check_size(text: str) -> None:
    """Raise ValueError for a setting that is too long."""
    size = len(text.encode())
    if size > MAX_BYTES:
        raise ValueError(f"it has {size} bytes and may have {MAX_BYTES}")


def write_setting(name: str, text: str, replaces: StoredSetting | None) -> bool:
    """Write a setting in place of the one that was read; return False when it was changed since.

    Raises ValueError for a text that is too long, ServiceUnavailableError.
    """
    check_size(text)
    item = {
        **key_of(_key(name)),
        "data": {"S": text},
        "version": number_attribute(replaces.version + 1 if replaces else 1),
    }
    if replaces is None:
        return dynamodb.put_new(item)
    values = {":read": number_attribute(replaces.version)}
    existing = dynamodb.put(
        item,
        "#version = :read",
        ExpressionAttributeNames={"#version": "version"},
        ExpressionAttributeValues=values,
    )
    return existing in (None, item)


def remove_setting(name: str) -> bool:
    """Remove a setting; return whether it existed. Raises ServiceUnavailableError."""
    return dynamodb.remove(_key(name))


def _key(name: str) -> ItemKey:
    return ItemKey("ACCOUNTS" if name == ACCOUNTS else PARTITION, name)
