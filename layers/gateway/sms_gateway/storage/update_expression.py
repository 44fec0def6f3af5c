"""A conditional update of an item, built part by part. No I/O."""

from typing import Any, Self

import msgspec

from sms_gateway.storage.items import Item, json_attribute, key_of, number_attribute, shard_of
from sms_gateway.storage.models import ItemKey

Value = str | int | bytes | frozenset[int] | msgspec.Struct | dict[str, Any] | list[Any]


class UpdateExpression:
    """Changes of an item, and their conditions.

    The first condition is that there is an item; with `may_create` one is made where there is none.
    """

    def __init__(self, key: ItemKey, *, may_create: bool = False) -> None:
        self._key = key
        self._sets: list[str] = []
        self._adds: list[str] = []
        self._removes: list[str] = []
        self._deletes: list[str] = []
        self._conditions: list[str] = [] if may_create else ["attribute_exists(pk)"]
        self._names: dict[str, str] = {}
        self._values: Item = {}

    def _name(self, attribute: str) -> str:
        # By its own name, but where that has signs that an expression may not have.
        name = f"#{attribute}" if attribute.isidentifier() else f"#n{len(self._names)}"
        return self._names.setdefault(attribute, name)

    def _number(self, value: int) -> str:
        return self._value(number_attribute(value))

    def _value(self, value: Item) -> str:
        placeholder = f":v{len(self._values)}"
        self._values[placeholder] = value
        return placeholder

    def set(
        self,
        attribute: str,
        value: Value,
    ) -> Self:
        """Set an attribute; a value that is no text, number, bytes or set is stored as JSON."""
        self._sets.append(f"{self._name(attribute)} = {self._value(_encoded(value))}")
        return self

    def add(self, attribute: str, amount: int) -> Self:
        """Add to a number, or to 0 where there is none."""
        self._adds.append(f"{self._name(attribute)} {self._number(amount)}")
        return self

    def add_members(self, attribute: str, members: frozenset[int]) -> Self:
        """Add to a set of numbers, or make it."""
        self._adds.append(f"{self._name(attribute)} {self._value(_encoded(members))}")
        return self

    def remove_members(self, attribute: str, members: frozenset[int]) -> Self:
        """Take off a set of numbers what it has of them."""
        self._deletes.append(f"{self._name(attribute)} {self._value(_encoded(members))}")
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
            self._number(value) if isinstance(value, int) else self._value({"S": str(value)})
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
        self._conditions.append(f"{self._name(attribute)} > {self._number(time)}")
        return self

    def if_before(self, attribute: str, time: int) -> Self:
        """Require that the attribute is earlier than `time`."""
        self._conditions.append(f"{self._name(attribute)} < {self._number(time)}")
        return self

    def if_between(self, attribute: str, least: int, most: int) -> Self:
        """Require that the number is one of those from `least` to `most`."""
        self._conditions.append(
            f"{self._name(attribute)} BETWEEN {self._number(least)} AND {self._number(most)}"
        )
        return self

    def if_at_most(self, attribute: str, most: int) -> Self:
        """Require that the number is not above `most`."""
        self._conditions.append(f"{self._name(attribute)} <= {self._number(most)}")
        return self

    def if_missing_or_at_most(self, attribute: str, most: int) -> Self:
        """Require that the item has no such number, or one that is not above `most`."""
        name = self._name(attribute)
        self._conditions.append(f"(attribute_not_exists({name}) OR {name} <= {self._number(most)})")
        return self

    def if_missing_or_as_few(self, attribute: str, most: int) -> Self:
        """Require that the item has no such set, or one of at most so many members."""
        name = self._name(attribute)
        few = f"size({name}) <= {self._number(most)}"
        self._conditions.append(f"(attribute_not_exists({name}) OR {few})")
        return self

    def if_same_members(self, attribute: str, members: frozenset[int]) -> Self:
        """Require that the set has these members and no others."""
        self._conditions.append(f"{self._name(attribute)} = {self._value(_encoded(members))}")
        return self

    def if_missing_or_not(self, attribute: str, value: str) -> Self:
        """Require that the item has no such text, or another one."""
        name, text = self._name(attribute), self._value({"S": value})
        self._conditions.append(f"(attribute_not_exists({name}) OR {name} <> {text})")
        return self

    def conditions(self) -> Any:
        """Return the parameters of a ConditionCheck on the conditions, except the table."""
        parameters: Item = {"Key": key_of(self._key)}
        if self._conditions:
            parameters["ConditionExpression"] = " AND ".join(self._conditions)
        if self._names:
            names = {placeholder: name for name, placeholder in self._names.items()}
            parameters["ExpressionAttributeNames"] = names
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
        if self._adds:
            parts.append("ADD " + ", ".join(self._adds))
        if self._deletes:
            parts.append("DELETE " + ", ".join(self._deletes))
        return self.conditions() | {"UpdateExpression": " ".join(parts)}


def _encoded(value: Value) -> Item:
    match value:
        case str():
            return {"S": str(value)}
        case int():
            return number_attribute(value)
        case bytes():
            return {"B": value}
        case frozenset():
            return {"NS": [str(one) for one in sorted(value)]}
        case _:
            return json_attribute(value)
