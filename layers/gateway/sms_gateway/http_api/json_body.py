"""Decode a JSON body into a typed value."""

import msgspec

from sms_gateway.core.problems import InvalidRequestError, MalformedBodyError


def decode_json[T](raw: bytes | msgspec.Raw, kind: type[T], place: str = "") -> T:
    """Decode JSON as a `kind`; `place` is the JSON pointer of `raw` in the whole body.

    Raises MalformedBodyError, or InvalidRequestError with a pointer to the invalid field.
    """
    try:
        return msgspec.json.decode(raw, type=kind)
    except msgspec.ValidationError as error:
        reason, _, path = str(error).partition(" - at `")
        path = path.removeprefix("key` in `").strip("$`").replace("[...]", "")
        pointer = place + path.replace(".", "/").replace("[", "/").replace("]", "")
        raise InvalidRequestError(f"{reason.removesuffix('.')}.", pointer=pointer) from None
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        raise MalformedBodyError("The body must be one JSON object in UTF-8.") from None
