"""How a description is refused: by a JSON Pointer and why. What several checks share."""

from typing import NoReturn

from sms_gateway.vendors.declared.description import Description
from sms_gateway.vendors.declared.documents import compiled
from sms_gateway.vendors.declared.trees import BraceError, pieces


class DescriptionError(ValueError):
    """A description that can't work: `pointer` says where, as a JSON Pointer (RFC 6901)."""

    def __init__(self, pointer: str, why: str) -> None:
        super().__init__(f"{pointer or '(the whole)'}: {why}")
        self.pointer, self.why = pointer, why


def escaped(key: str) -> str:
    """Return a key as a step of a JSON Pointer."""
    return key.replace("~", "~0").replace("/", "~1")


def refuse(pointer: str, why: str) -> NoReturn:
    """Raise a DescriptionError."""
    raise DescriptionError(pointer, why)


def check_pattern(pointer: str, pattern: str | None) -> None:
    """Raise DescriptionError for a pattern that RE2 does not read."""
    try:
        if pattern is not None:
            compiled(pattern)
    except ValueError as error:
        refuse(pointer, f"is no pattern of RE2: {error}")


def check_own(pointer: str, written: str, description: Description) -> None:
    """Raise DescriptionError unless a text's placeholders are settings with one value."""
    known = {one.name for one in description.settings if one.kind != "by_category"}
    try:
        found = [name for name, named in pieces(written) if named]
    except BraceError as error:
        refuse(pointer, str(error))
    for name in found:
        if name not in known:
            refuse(pointer, f"there is no setting {name}, or it has a value by category")


def check_header(pointer: str, name: str) -> None:
    """Raise DescriptionError for what is no header's name."""
    if not name.isascii() or not name.replace("-", "").replace("_", "").isalnum():
        refuse(pointer, "is no name of a header")
