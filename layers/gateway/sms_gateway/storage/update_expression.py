"""One conditional update of an item, put together part by part. No I/O."""

from typing import Any, Self

import msgspec

from sms_gateway.storage.items import Item, key_of, number, shard_of, text
from sms_gateway.storage.models import Key


class UpdateExpression:
    """What is to change, and on which conditions."""

    def __init__(self, key: Key) -> None:
        self._key = key
        self._sets: list[str] = []
        self._removes: list[str] = []
        self._when: list[str] = ["attribute_exists(pk)"]
        self._names: dict[str, str] = {}
        self._values: Item = {}

    def _name(self, attribute: str) -> str:
        self._names[f"#{attribute}"] = attribute
        return f"#{attribute}"

    def _value(self, value: Item) -> str:
        placeholder = f":v{len(self._values)}"
        self._values[placeholder] = value
        return placeholder

    def put(
        self,
        attribute: str,
        value: str | int | msgspec.Struct | dict[str, Any] | list[Any],
    ) -> Self:
        """Sets an attribute; what is neither a text nor a number is stored as JSON."""
        if not isinstance(value, str | int):
            written = text(value)
        else:
            written = number(value) if isinstance(value, int) else {"S": str(value)}
        self._sets.append(f"{self._name(attribute)} = {self._value(written)}")
        return self

    def add(self, attribute: str, amount: int) -> Self:
        """Adds to a number that is there."""
        place = self._name(attribute)
        self._sets.append(f"{place} = {place} + {self._value(number(amount))}")
        return self

    def drop(self, *attributes: str) -> Self:
        """Removes attributes."""
        self._removes += [self._name(attribute) for attribute in attributes]
        return self

    def look_at(self, when: int | None) -> Self:
        """Sets when the clock looks next (epoch seconds), or takes it out of the due index."""
        if when is None:
            return self.drop("due", "shard")
        return self.put("due", when).put("shard", shard_of(self._key.batch))

    def when(self, attribute: str, *values: str | int) -> Self:
        """Only if the attribute has one of the values."""
        written = [
            self._value(number(value) if isinstance(value, int) else {"S": str(value)})
            for value in values
        ]
        self._when.append(f"{self._name(attribute)} IN ({', '.join(written)})")
        return self

    def when_missing(self, attribute: str) -> Self:
        """Only if the item has no such attribute."""
        self._when.append(f"attribute_not_exists({self._name(attribute)})")
        return self

    def after(self, attribute: str, moment: int) -> Self:
        """Only if the attribute is a later time than `moment`."""
        self._when.append(f"{self._name(attribute)} > {self._value(number(moment))}")
        return self

    def before(self, attribute: str, moment: int) -> Self:
        """Only if the attribute is an earlier time than `moment`."""
        self._when.append(f"{self._name(attribute)} < {self._value(number(moment))}")
        return self

    def conditions(self) -> Any:
        """The parameters of a ConditionCheck on the conditions alone, but for the table."""
        made: Item = {"Key": key_of(self._key), "ConditionExpression": " AND ".join(self._when)}
        if self._names:
            made["ExpressionAttributeNames"] = self._names
        if self._values:
            made["ExpressionAttributeValues"] = self._values
        return made

    def request(self) -> Any:
        """The parameters of UpdateItem, but for the table."""
        parts = []
        if self._sets:
            parts.append("SET " + ", ".join(self._sets))
        if self._removes:
            parts.append("REMOVE " + ", ".join(self._removes))
        return self.conditions() | {"UpdateExpression": " ".join(parts)}
