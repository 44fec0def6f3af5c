"""What most of this package passes around: immutable values.

A Struct costs a start a fraction of what a frozen dataclass does, which compiles its methods from
text each time; docs/decisions.md has the figures.
"""

from typing import ClassVar

from msgspec import Struct


class ValueObject(Struct, frozen=True):
    """An immutable value, equal to another with the same fields. Its `repr`, which may get into a
    log, leaves out the fields that `hidden` names: texts, numbers, secrets."""

    hidden: ClassVar[frozenset[str]] = frozenset()

    def __repr__(self) -> str:
        shown = (
            f"{name}={getattr(self, name)!r}"
            for name in self.__struct_fields__
            if name not in self.hidden
        )
        return f"{type(self).__name__}({', '.join(shown)})"
