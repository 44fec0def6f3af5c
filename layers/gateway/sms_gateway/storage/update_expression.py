"""One conditional update of an item, put together part by part. No I/O."""

from typing import Any, Self

import msgspec

from sms_gateway.storage.items import Item, json_attribute, key_of, number_attribute, shard_of
from sms_gateway.storage.models import ItemKey


class UpdateExpression:
    """What is to change, and on which conditions."""

    def __init__(self, key: ItemKey) -> None:
        self._key = key
        self._sets: list[str] = []
        self._removes: list[str] = []
        self._conditions: list[str] = ["attribute_exists(pk)"]
        self._names: dict[str, str] = {}
        self._values: Item = {}

    def _name(self, attribute: str) -> str:
        self._names[f"#{attribute}"] = attribute
        return f"#{attribute}"

    def _value(self, value: Item) -> str:
        placeholder = f":v{len(self._values)}"
        self._values[placeholder] = value
        return placeholder

    def set(
        self,
        attribute: str,
        value: str | int | msgspec.Struct | dict[str, Any] | list[Any],
    ) -> Self:
        """Sets an attribute; what is neither a text nor a number is stored as JSON."""
        if not isinstance(value, str | int):
            written = json_attribute(value)
        else:
            written = number_attribute(value) if isinstance(value, int) else {"S": str(value)}
        self._sets.append(f"{self._name(attribute)} = {self._value(written)}")
        return self

    def add(self, attribute: str, amount: int) -> Self:
        """Adds to a number that is there."""
        place = self._name(attribute)
        self._sets.append(f"{place} = {place} + {self._value(number_attribute(amount))}")
        return self

    def remove(self, *attributes: str) -> Self:
        """Removes attributes."""
        self._removes += [self._name(attribute) for attribute in attributes]
        return self

    def schedule_check(self, when: int | None) -> Self:
        """Sets when the clock looks next (epoch seconds), or takes it out of the due index."""
        if when is None:
            return self.remove("due", "shard")
        return self.set("due", when).set("shard", shard_of(self._key.batch))

    def if_in(self, attribute: str, *values: str | int) -> Self:
        """Only if the attribute has one of the values."""
        written = [
            self._value(number_attribute(value) if isinstance(value, int) else {"S": str(value)})
            for value in values
        ]
        self._conditions.append(f"{self._name(attribute)} IN ({', '.join(written)})")
        return self

    def if_missing(self, attribute: str) -> Self:
        """Only if the item has no such attribute."""
        self._conditions.append(f"attribute_not_exists({self._name(attribute)})")
        return self

    def if_after(self, attribute: str, moment: int) -> Self:
        """Only if the attribute is a later time than `moment`."""
        self._conditions.append(
            f"{self._name(attribute)} > {self._value(number_attribute(moment))}"
        )
        return self

    def if_before(self, attribute: str, moment: int) -> Self:
        """Only if the attribute is an earlier time than `moment`."""
        self._conditions.append(
            f"{self._name(attribute)} < {self._value(number_attribute(moment))}"
        )
        return self

    def conditions(self) -> Any:
        """The parameters of a ConditionCheck on the conditions alone, but for the table."""
        made: Item = {
            "Key": key_of(self._key),
            "ConditionExpression": " AND ".join(self._conditions),
        }
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
