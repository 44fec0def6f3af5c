"""Sets of times in one item, each with a most: added to by one conditional write.

Taking off what is not there changes nothing, so that a repeat is harmless.
"""

from collections.abc import Mapping, Sequence

from sms_gateway.core.value_object import ValueObject
from sms_gateway.storage import dynamodb
from sms_gateway.storage.dynamodb import ItemUpdate
from sms_gateway.storage.items import Item
from sms_gateway.storage.models import ItemKey

Times = frozenset[int]


class Addition(ValueObject, frozen=True):
    """Times for a set of at most so many.

    Where the set is known, `known` is what it has and `kept` what is to stay; None for a set that
    was not read.
    """

    name: str
    added: Times
    most: int
    known: Times | None = None
    kept: Times = frozenset()


def add(key: ItemKey, additions: Sequence[Addition], ttl: int) -> tuple[Mapping[str, Times], bool]:
    """Add to all sets, or to none; return them as they are then, and whether they were written.

    Raises ServiceUnavailableError.
    """
    update = ItemUpdate(key, may_create=True).set("ttl", ttl)
    for one in additions:
        if one.known is None:
            update.add_members(one.name, one.added)
            update.if_missing_or_as_few(one.name, one.most - len(one.added))
            continue
        update.set(one.name, one.kept | one.added)
        if one.known:
            update.if_same_members(one.name, one.known)
        else:
            update.if_missing(one.name)
    item, written = update.apply_or_read()
    found = times_of(item)  # has them where a write was repeated whose answer was lost
    return found, written or all(one.added <= found.get(one.name, frozenset()) for one in additions)


def take_off(key: ItemKey, times: Mapping[str, Times]) -> None:
    """Take times off sets. Raises ServiceUnavailableError."""
    update = ItemUpdate(key)
    for name, members in times.items():
        update.remove_members(name, members)
    update.apply()


def read(key: ItemKey) -> Mapping[str, Times]:
    """Read an item's sets, {} for none. Raises ServiceUnavailableError."""
    return times_of(dynamodb.get(key) or {})


def times_of(item: Item) -> Mapping[str, Times]:
    """Return an item's sets of times."""
    return {name: frozenset(map(int, one["NS"])) for name, one in item.items() if "NS" in one}
