"""India's rules for commercial messages (TRAI, TCCCPR 2018), as far as a sender can check them.

Operators compare each text with the templates that are registered for its sender on their ledger
(DLT), and drop what does not match although the vendor accepted it. No vendor's document says how
they compare: here fixed parts must be the same character for character, and a variable holds at
most 30 characters, the bound that most providers publish (MSG91 tells its customers 40).
"""

import re
from collections.abc import Sequence
from datetime import datetime, time
from functools import lru_cache
from typing import Annotated, Final

import msgspec

from sms_gateway.core.value_object import ValueObject
from sms_gateway.vendors.adapter import DeliveryWarning
from sms_gateway.vendors.local_times import INDIA
from sms_gateway.vendors.types import Category

# Promotional messages: 10:00 to 21:00. Until October 2025 operators let them pass from 9:00; since
# then their ledgers return EC_INVALID_PROMO_TIME (651) before 10:00. The hours are those of the
# time bands of TRAI's preference register (…, 08-10, 10-12, …, 18-21, 21-24).
OPENS, CLOSES = time(10), time(21)
VARIABLE_LENGTH: Final = 30  # characters

# `var` may hold anything; the others are the tags that TRAI demands of templates that are
# registered since January 2026 (direction of 18 November 2025). Only `numeric` is checked here:
# which links and numbers are registered for the others is on the ledger.
_TAGS: Final = ("alphanumeric", "cbn", "email", "number", "numeric", "url", "urlott", "var")
_DIGITS_ONLY: Final = frozenset({"numeric", "number"})
_VARIABLE: Final = re.compile(r"\{#(.*?)#\}", re.S)


class Template(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A template as it is registered: its DLT id and its text with `{#var#}`.

    `sender` and `category` bind it to a header and a category; without them it serves all.
    """

    id: Annotated[str, msgspec.Meta(pattern=r"^[0-9]{1,30}\Z")]
    text: Annotated[str, msgspec.Meta(min_length=1, max_length=2000)]
    sender: Annotated[str, msgspec.Meta(pattern=r"^[A-Za-z]{6}\Z")] | None = None
    category: Category | None = None

    def __post_init__(self) -> None:
        for tag in _VARIABLE.findall(self.text):
            if tag not in _TAGS:
                raise ValueError(f"a variable is one of {', '.join(_TAGS)}")
        if not _VARIABLE.sub("", self.text).strip():
            raise ValueError("a template needs a fixed part")

    def matches(self, text: str, max_length: int = VARIABLE_LENGTH) -> bool:
        """Return whether `text` is this template, each variable within `max_length`."""
        start, rest = _parts(self.text)
        if not text.startswith(start):
            return False
        ends = {len(start)}  # where the parts so far may end
        for tag, fixed in rest:
            ends = {
                at + len(fixed)
                for end in ends
                for at in range(end, _reach(text, end, max_length, tag) + 1)
                if text.startswith(fixed, at)
            }
        return len(text) in ends


@lru_cache(maxsize=1024)
def _parts(template: str) -> tuple[str, tuple[tuple[str, str], ...]]:
    """Return the text before the variables, and each one's tag and following text."""
    start, *rest = _VARIABLE.split(template)
    return start, tuple(zip(rest[::2], rest[1::2], strict=True))


def _reach(text: str, start: int, max_length: int, tag: str) -> int:
    """Return how far a variable that begins at `start` may reach."""
    end = min(start + max_length, len(text))
    if tag in _DIGITS_ONLY:
        return next((at for at in range(start, end) if not text[at].isdecimal()), end)
    return end


class Choice(ValueObject, frozen=True):
    """A message's template id, and the warning where operators would drop it."""

    template_id: str | None
    warning: DeliveryWarning | None = None


def choose(
    templates: Sequence[Template],
    text: str,
    sender: str,
    category: Category,
    requested: str | None,
    default: str | None,
    max_length: int = VARIABLE_LENGTH,
) -> Choice:
    """Return the template id of a message.

    The one that it names, else that of the only registered template that fits it, else the
    account's default.
    """
    matching = [template for template in templates if template.matches(text, max_length)]
    fitting = {
        template.id
        for template in matching
        if template.sender in (None, sender) and template.category in (None, category)
    }
    if requested is not None:
        if not templates or requested in fitting:
            return Choice(requested)
        listed = any(template.id == requested for template in templates)
        elsewhere = any(template.id == requested for template in matching)
        return Choice(requested, _mismatch(elsewhere) if listed else _UNLISTED)
    if len(fitting) == 1:
        return Choice(next(iter(fitting)))
    if default in fitting or (default and not templates):
        return Choice(default)
    if fitting:
        return Choice(default, _AMBIGUOUS)
    return Choice(default, _mismatch(bool(matching)) if templates else _MISSING)


_MISSING: Final = DeliveryWarning(
    "template-missing",
    "template_id",
    "Indian operators drop a message that names no registered template: give template_id, or have"
    " the operator set one for the account.",
)
_UNLISTED: Final = DeliveryWarning(
    "template-mismatch",
    "template_id",
    "This template is not among those registered for the account, so that the text could not be"
    " compared with it: have the operator add it to the account's templates.",
)
_AMBIGUOUS: Final = DeliveryWarning(
    "template-ambiguous",
    "template_id",
    "Several registered templates match this text: name the right one as template_id.",
)


def _mismatch(elsewhere: bool) -> DeliveryWarning:
    """Return a warning; `elsewhere`: the text matches, but for another sender or category."""
    if elsewhere:
        detail = (
            "The text matches a template that is registered for another sender or category:"
            " Indian operators would drop it."
        )
    else:
        detail = (
            "The text does not match its registered template, so that Indian operators would drop"
            " it: keep the fixed parts as registered and the variables short."
        )
    return DeliveryWarning("template-mismatch", "text", detail)


def outside_hours(at: datetime) -> bool:
    """Return whether operators would drop a promotional message that leaves at this time."""
    return not OPENS <= at.astimezone(INDIA).time() < CLOSES
