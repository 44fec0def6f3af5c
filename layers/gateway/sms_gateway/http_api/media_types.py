"""Which bodies a function can read."""

from collections.abc import Mapping

from sms_gateway.core.problems import UnsupportedBodyError

# The two last are what curl and fetch say by themselves.
TYPES = ("application/json", "text/json", "text/plain", "application/x-www-form-urlencoded")
CHARSETS = ("", "utf-8", "utf8", "us-ascii")
UNPACKED = ("gzip", "deflate")  # by API Gateway, which may leave the header as it was


def refuse_unreadable(headers: Mapping[str, str], body: bytes) -> None:
    """Raise UnsupportedBodyError for a body of another type or coding than JSON in UTF-8."""
    if not body:
        return
    coding = headers.get("content-encoding", "identity").strip().lower()
    packed = coding in UNPACKED and not body.lstrip().startswith(b"{")
    if packed or coding not in ("identity", *UNPACKED):
        raise UnsupportedBodyError(
            "The body has a Content-Encoding that is not read here: send it as gzip, or as it is.",
            slug="unsupported-encoding",
            headers={"Accept-Encoding": "gzip, deflate, identity"},
        )
    kind, *parameters = headers.get("content-type", TYPES[0]).lower().split(";")
    names = (parameter.partition("=") for parameter in parameters)
    charset = next((value for name, _, value in names if name.strip() == "charset"), "")
    known = kind.strip() in TYPES or kind.strip().endswith("+json")
    if not known or charset.strip(' "') not in CHARSETS:
        raise UnsupportedBodyError(
            "The body has a Content-Type that is not read here: send JSON as application/json, "
            "in UTF-8.",
            slug="unsupported-type",
            headers={"Accept": "application/json"},
        )
