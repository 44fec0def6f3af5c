"""The base of immutable values.

A msgspec Struct takes a fraction of a dataclass's start-up time, whose methods are compiled from
text at each start (see docs/adr/README.md).
"""

from typing import ClassVar

from msgspec import Struct


class ValueObject(Struct, frozen=True):
    """An immutable value, equal to another with the same fields.

    Its `repr`, which a log may show, leaves out the fields in `hidden`: texts, numbers, secrets.
    """

    hidden: ClassVar[frozenset[str]] = frozenset()

    def __repr__(self) -> str:
        shown = (
            f"{name}={getattr(self, name)!r}"
            for name in self.__struct_fields__
            if name not in self.hidden
        )
        return f"{type(self).__name__}({', '.join(shown)})"
