"""The template's rights on the table, asked at each call of the function whose work a test does.

The emulator of `tests/integration` knows no IAM: a call without the right fails here, with what the
function's role lacks.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from fnmatch import fnmatchcase
from typing import Any

from local.emulator import leading_keys
from testing.template import rights

TABLE = {"Fn::GetAtt": ["Table", "Arn"]}
_IN_TRANSACTION = {
    "ConditionCheck": "ConditionCheckItem",
    "Delete": "DeleteItem",
    "Put": "PutItem",
    "Update": "UpdateItem",
}
_acting: list[str] = []


class MissingRightError(BaseException):
    """A function did what its role does not allow; nothing in the product may catch it."""


def may(function: str, action: str, partition: str) -> bool:
    """Return whether a function's role lets it do something to the items of a partition."""
    return any(
        f"dynamodb:{action}" in _listed(statement["Action"])
        and any(
            fnmatchcase(partition, one)
            for one in statement["Condition"]["ForAllValues:StringLike"]["dynamodb:LeadingKeys"]
        )
        for statement in rights(function)
        if statement["Resource"] == TABLE
    )


@contextmanager
def acting_as(function: str) -> Iterator[None]:
    """Ask for the rights of a function, by its logical id, at each call within the block."""
    _acting.append(function)
    try:
        yield
    finally:
        _acting.remove(function)


@contextmanager
def as_operator() -> Iterator[None]:
    """Ask for no function's rights within the block: the operator acts meanwhile."""
    acting = _acting.copy()
    _acting.clear()
    try:
        yield
    finally:
        _acting.extend(acting)


def check_rights(params: dict[str, Any], model: Any, **_: Any) -> None:
    """Check a call, as a hook on `provide-client-params`. Raise MissingRightError."""
    if not _acting or "IndexName" in params:  # an index is all of it or nothing
        return
    writes = [
        (_IN_TRANSACTION[kind], {"TransactItems": [one]})
        for one in params.get("TransactItems", [])
        for kind in one
    ]
    for action, request in writes or [(model.name, params)]:
        for partition in leading_keys(request):
            # Of functions that a test lets run side by side, it is one of them.
            if not any(may(function, action, partition) for function in _acting):
                raise MissingRightError(f"{_acting} may not {action} {partition}")


def _listed(value: str | list[str]) -> list[str]:
    return value if isinstance(value, list) else [value]
