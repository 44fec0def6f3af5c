"""What is typed on a command line, checked before anything is recorded or done.

A refusal says what is wanted and never what was typed: a hurried operator pastes a key.
"""

import re
from datetime import date, datetime

from click import BadParameter, Context, Parameter, ParamType
from click.shell_completion import CompletionItem

from sms_gateway.config.api_keys import TENANT
from sms_gateway.core.ulids import is_ulid
from sms_gateway.http_api.query_params import parse_day, parse_time
from sms_gateway.vendors.registry import VENDORS, is_vendor_name

MAX_REASON_LENGTH = 200  # characters
MAX_GRACE_DAYS = 90


def key_id(text: str) -> str:
    """Return an API key's id. Raises BadParameter."""
    if not re.fullmatch(r"[0-9a-f]{12}", text):
        raise BadParameter(
            "a key's id has 12 characters, 0-9 and a-f (`smsgw keys list`); never type a key"
        )
    return text


def tenant(text: str) -> str:
    """Return a tenant's name. Raises BadParameter."""
    if not TENANT.fullmatch(text):
        raise BadParameter("a tenant is 1 to 40 lower-case letters, digits and hyphens")
    return text


class VendorName(ParamType):
    """A vendor's name: one that is built in, or what the name of a described one looks like."""

    name = "vendor"

    def convert(self, value: str, param: Parameter | None, ctx: Context | None) -> str:
        """Return the name. Raises BadParameter."""
        if not is_vendor_name(value):
            self.fail(
                f"a vendor's name is lower-case letters and digits: {', '.join(VENDORS)}, or that "
                "of a description",
                param,
                ctx,
            )
        return value

    def shell_complete(
        self, ctx: Context, param: Parameter, incomplete: str
    ) -> list[CompletionItem]:
        """Complete the names of the built-in ones."""
        del ctx, param
        return [CompletionItem(name) for name in VENDORS if name.startswith(incomplete)]


vendor_name = VendorName()


def batch_id(text: str) -> str:
    """Return a batch's id. Raises BadParameter."""
    if not is_ulid(text):
        raise BadParameter("a batch's id has 26 characters, as the API shows it")
    return text


def reason(text: str) -> str:
    """Return an operator's words. Raises BadParameter."""
    if len(text) > MAX_REASON_LENGTH:
        raise BadParameter(f"it has at most {MAX_REASON_LENGTH} characters")
    return text


def time(text: str) -> datetime:
    """Return a time (RFC 3339). Raises BadParameter."""
    try:
        return parse_time(text)
    except ValueError:
        raise BadParameter("write it as 2026-12-31T00:00:00Z") from None


def grace_days(text: str) -> int:
    """Return a number of days, 0 to 90. Raises BadParameter."""
    if not (text.isascii() and text.isdigit() and int(text) <= MAX_GRACE_DAYS):
        raise BadParameter(f"it is a number of days from 0 to {MAX_GRACE_DAYS}")
    return int(text)


def day(text: str) -> date:
    """Return a day. Raises BadParameter."""
    try:
        return parse_day(text)
    except ValueError:
        raise BadParameter("write it as 2026-12-31") from None


def count(text: str) -> int:
    """Return a number of lines, 1 to 10,000. Raises BadParameter."""
    if not (text.isascii() and text.isdigit() and 1 <= int(text) <= 10_000):
        raise BadParameter("it is a number from 1 to 10000")
    return int(text)
