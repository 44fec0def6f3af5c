"""Rules that no captured case needs: without one of them every case still passes."""

from collections.abc import Iterator, Sequence
from copy import deepcopy
from functools import partial
from typing import Any

import msgspec

from sms_gateway.vendors.declared.adapter import Declared
from sms_gateway.vendors.declared.door import declare
from sms_gateway.vendors.declared.refusals import DescriptionError
from sms_gateway.vendors.registry import build
from smsgw.captured_cases import Case, failures

ANSWERS = {  # where rules stand, and the operation of their cases
    "/send/answer": "submitted",
    "/send/answer/rows": "submitted",
    "/balance/answer": "parse_balance",
    "/poll/answer": "reports",
    "/callback/answer": "callback",
}


def unproven_rules(
    vendor: type[Declared], settings: dict[str, Any], cases: Sequence[Case]
) -> list[str]:
    """Return the JSON Pointers of the rules that no case needs; all `cases` must pass."""
    written = msgspec.to_builtins(vendor.description)
    found = []
    for place, operation in ANSWERS.items():
        asked = [case for case in cases if case.spec["operation"] == operation]
        for pointer, without in _each_left_out(written, place):
            try:
                made = declare(msgspec.json.encode(without))
            except DescriptionError:
                continue  # it can't be left out
            if not failures(asked, partial(_account, made, settings)):
                found.append(pointer)
    return found


def _account(vendor: type[Declared], settings: dict[str, Any], **own: object) -> Declared:
    return build(vendor, settings | own)


def _each_left_out(written: Any, place: str) -> Iterator[tuple[str, Any]]:
    steps = place.split("/")[1:]
    for index in range(len(_rules(written, steps))):
        without = deepcopy(written)
        del _rules(without, steps)[index]
        yield f"{place}/rules/{index}", without


def _rules(written: Any, steps: Sequence[str]) -> list[Any]:
    for step in steps:
        written = (written or {}).get(step)
    rules: list[Any] = (written or {}).get("rules", [])
    return rules
