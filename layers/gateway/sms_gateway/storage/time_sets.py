"""Sets of times in one item, each with a most: added to by one conditional write.

Taking off what is not there changes nothing, so that a repeat is harmless.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from sms_gateway.core.value_object import ValueObject
from sms_gateway.storage import dynamodb
from sms_gateway.storage.dynamodb import ConditionFailedError, translate_errors
from sms_gateway.storage.items import Item, key_of, number_attribute
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
    names, values = {"#ttl": "ttl"}, {":ttl": number_attribute(ttl)}
    sets, adds, conditions = ["#ttl = :ttl"], [], []
    for nth, one in enumerate(additions):
        name, value = f"#n{nth}", f":v{nth}"
        names[name] = one.name
        if one.known is None:
            adds.append(f"{name} {value}")
            values[value] = _set(one.added)
            values[f":r{nth}"] = number_attribute(one.most - len(one.added))
            conditions.append(f"(attribute_not_exists({name}) OR size({name}) <= :r{nth})")
            continue
        sets.append(f"{name} = {value}")
        values[value] = _set(one.kept | one.added)
        if one.known:
            values[f":k{nth}"] = _set(one.known)
            conditions.append(f"{name} = :k{nth}")
        else:
            conditions.append(f"attribute_not_exists({name})")
    add = f" ADD {', '.join(adds)}" if adds else ""
    try:
        with translate_errors():
            answer = dynamodb.client().update_item(
                TableName=dynamodb.table_name(),
                Key=key_of(key),
                UpdateExpression=f"SET {', '.join(sets)}{add}",
                ConditionExpression=" AND ".join(conditions),
                ExpressionAttributeNames=names,
                ExpressionAttributeValues=values,
                ReturnValues="ALL_NEW",
                ReturnValuesOnConditionCheckFailure="ALL_OLD",
            )
    except ConditionFailedError as error:
        found = times_of(error.item)  # has them where a write was repeated whose answer was lost
        return found, all(one.added <= found.get(one.name, frozenset()) for one in additions)
    return times_of(dict(answer["Attributes"])), True


def take_off(key: ItemKey, times: Mapping[str, Times]) -> None:
    """Take times off sets. Raises ServiceUnavailableError."""
    names = {f"#n{nth}": name for nth, name in enumerate(times)}
    request: Any = {
        "TableName": dynamodb.table_name(),
        "Key": key_of(key),
        "UpdateExpression": f"DELETE {', '.join(f'#n{nth} :v{nth}' for nth in range(len(times)))}",
        "ConditionExpression": "attribute_exists(pk)",
        "ExpressionAttributeNames": names,
        "ExpressionAttributeValues": {
            f":v{nth}": _set(one) for nth, one in enumerate(times.values())
        },
    }
    dynamodb.conditional_write(lambda: dynamodb.client().update_item(**request))


def read(key: ItemKey) -> Mapping[str, Times]:
    """Read an item's sets, {} for none. Raises ServiceUnavailableError."""
    return times_of(dynamodb.get(key) or {})


def times_of(item: Item) -> Mapping[str, Times]:
    """Return an item's sets of times."""
    return {name: frozenset(map(int, one["NS"])) for name, one in item.items() if "NS" in one}


def _set(times: Times) -> Item:
    return {"NS": [str(one) for one in sorted(times)]}
