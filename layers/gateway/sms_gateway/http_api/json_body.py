"""A request's JSON body as a value, or the problem that says what is wrong with it."""

import msgspec

from sms_gateway.core.problems import InvalidRequestError, MalformedBodyError


def decode_json[T](raw: bytes | msgspec.Raw, kind: type[T], place: str = "") -> T:
    """The body as a `kind`; `place` is the JSON pointer of `raw` in the whole body. Raises
    MalformedBody, or Invalid with a pointer to the field at fault."""
    try:
        return msgspec.json.decode(raw, type=kind)
    except msgspec.ValidationError as error:
        what, _, path = str(error).partition(" - at `")
        path = path.removeprefix("key` in `").strip("$`").replace("[...]", "")
        pointer = place + path.replace(".", "/").replace("[", "/").replace("]", "")
        raise InvalidRequestError(_sentence(what), pointer=pointer) from None
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        raise MalformedBodyError("The body must be one JSON object in UTF-8.") from None


def _sentence(what: str) -> str:
    return what if what.endswith(".") else f"{what}."
