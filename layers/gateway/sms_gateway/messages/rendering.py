"""Render a text as it will be sent, or say what is wrong with it."""

from sms_gateway.core.problems import InvalidRequestError
from sms_gateway.core.value_object import ValueObject
from sms_gateway.messages.request import MAX_TEXT_LENGTH, Draft
from sms_gateway.sms.encoding import CONTROL, encoding_of, is_blank, segments
from sms_gateway.vendors.types import Encoding

DEFAULT_MAX_SEGMENTS = 10
MAX_NAMED_CHARACTERS = 10  # in one problem


class RenderedText(ValueObject, frozen=True):
    """A text as it will be sent."""

    text: str
    encoding: Encoding
    segments: int


def render_text(draft: Draft) -> RenderedText:
    """Apply the option `encoding`: only `gsm7` may change the text.

    Raises InvalidRequestError for a text that is blank, damaged or too long, or that can't be had
    in this encoding.
    """
    pointer, text = f"{draft.pointer}/text", draft.text
    _check_characters(text, pointer)
    option = draft.options.encoding
    encoding: Encoding = "ucs2" if option == "unicode" else encoding_of(text)
    if option == "gsm7" and encoding != "gsm7":
        text = _transliterate(text, pointer)
        encoding = "gsm7"
    if is_blank(text):
        raise InvalidRequestError("The text is empty.", slug="empty-text", pointer=pointer)
    return RenderedText(text, encoding, segments(text, encoding))


def check_segments(draft: Draft, text: RenderedText) -> None:
    """Raise InvalidRequestError for a text of more segments than the draft allows."""
    maximum = int(draft.options.max_segments or DEFAULT_MAX_SEGMENTS)
    if text.segments > maximum:
        raise InvalidRequestError(
            f"The text takes {text.segments} segments and may take {maximum}: shorten it, or"
            " raise max_segments.",
            slug="too-many-segments",
            pointer=f"{draft.pointer}/text",
        )


def _check_characters(text: str, pointer: str) -> None:
    if len(text) > MAX_TEXT_LENGTH:
        raise InvalidRequestError(
            f"The text has {len(text)} characters and may have {MAX_TEXT_LENGTH}: shorten it.",
            slug="text-too-long",
            pointer=pointer,
        )
    if (damage := text.find("\ufffd")) >= 0:
        raise InvalidRequestError(
            f"The text was damaged before it came here (U+FFFD, character {damage + 1}): write it"
            " as UTF-8.",
            slug="damaged-text",
            pointer=pointer,
        )
    controls: dict[str, int] = {}
    for match in CONTROL.finditer(text):
        controls.setdefault(match[0], match.start() + 1)
    if controls:
        names = [f"U+{ord(char):04X} (character {first})" for char, first in controls.items()]
        raise InvalidRequestError(
            f"The text has control characters that no vendor takes: {_enumerate(names)}. Remove "
            "them; line feeds, carriage returns, tabs and form feeds may stay.",
            slug="control-characters",
            pointer=pointer,
        )


def _transliterate(text: str, pointer: str) -> str:
    # Saves start-up time: few sends transliterate.
    from sms_gateway.sms.transliteration import describe_character, to_gsm7

    transliterated, missing = to_gsm7(text)
    if missing:
        names = [describe_character(character) for character in missing]
        raise InvalidRequestError(
            f"Not in the GSM 7-bit alphabet, nor like anything in it: {_enumerate(names)}."
            " Replace them, or ask for unicode.",
            slug="not-gsm7",
            pointer=pointer,
        )
    return transliterated


def _enumerate(names: list[str]) -> str:
    more = len(names) - MAX_NAMED_CHARACTERS
    return ", ".join(names[:MAX_NAMED_CHARACTERS]) + (f" and {more} more" if more > 0 else "")
