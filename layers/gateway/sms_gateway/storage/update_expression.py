"""A conditional update of an item, built part by part. No I/O."""

from typing import Any, Self

import msgspec

from sms_gateway.storage.items import Item, json_attribute, key_of, number_attribute, shard_of
from sms_gateway.storage.models import ItemKey

Value = str | int | bytes | msgspec.Struct | dict[str, Any] | list[Any]


class UpdateExpression:
    """Changes of an item, and their conditions."""

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
        value: Value,
    ) -> Self:
        """Set an attribute; a value that is no text, number or bytes is stored as JSON."""
        encoded: Item
        match value:
            case str():
                encoded = {"S": str(value)}
            case int():
                encoded = number_attribute(value)
            case bytes():
                encoded = {"B": value}
            case _:
                encoded = json_attribute(value)
        self._sets.append(f"{self._name(attribute)} = {self._value(encoded)}")
        return self

    def add(self, attribute: str, amount: int) -> Self:
        """Add to an existing number."""
        name = self._name(attribute)
        self._sets.append(f"{name} = {name} + {self._value(number_attribute(amount))}")
        return self

    def remove(self, *attributes: str) -> Self:
        """Remove attributes."""
        self._removes += [self._name(attribute) for attribute in attributes]
        return self

    def schedule_check(self, when: int | None) -> Self:
        """Set the scheduler's next check (epoch seconds); None leaves the due index."""
        if when is None:
            return self.remove("due", "shard")
        return self.set("due", when).set("shard", shard_of(self._key.batch))

    def if_in(self, attribute: str, *values: str | int) -> Self:
        """Require that the attribute has one of the values."""
        placeholders = [
            self._value(number_attribute(value) if isinstance(value, int) else {"S": str(value)})
            for value in values
        ]
        self._conditions.append(f"{self._name(attribute)} IN ({', '.join(placeholders)})")
        return self

    def if_missing(self, attribute: str) -> Self:
        """Require that the item has no such attribute."""
        self._conditions.append(f"attribute_not_exists({self._name(attribute)})")
        return self

    def if_present(self, attribute: str) -> Self:
        """Require that the item has the attribute."""
        self._conditions.append(f"attribute_exists({self._name(attribute)})")
        return self

    def if_after(self, attribute: str, time: int) -> Self:
        """Require that the attribute is later than `time`."""
        self._conditions.append(f"{self._name(attribute)} > {self._value(number_attribute(time))}")
        return self

    def if_before(self, attribute: str, time: int) -> Self:
        """Require that the attribute is earlier than `time`."""
        self._conditions.append(f"{self._name(attribute)} < {self._value(number_attribute(time))}")
        return self

    def conditions(self) -> Any:
        """Return the parameters of a ConditionCheck on the conditions, except the table."""
        parameters: Item = {
            "Key": key_of(self._key),
            "ConditionExpression": " AND ".join(self._conditions),
        }
        if self._names:
            parameters["ExpressionAttributeNames"] = self._names
        if self._values:
            parameters["ExpressionAttributeValues"] = self._values
        return parameters

    def request(self) -> Any:
        """Return the parameters of UpdateItem, except the table."""
        parts = []
        if self._sets:
            parts.append("SET " + ", ".join(self._sets))
        if self._removes:
            parts.append("REMOVE " + ", ".join(self._removes))
        return self.conditions() | {"UpdateExpression": " ".join(parts)}
