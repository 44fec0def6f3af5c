"""A described vendor on the faked AWS, as `smsgw vendors set --description` leaves it."""

import json
from collections.abc import Mapping
from typing import Any

from sms_gateway.config import described_vendors
from sms_gateway.config.stored_settings import DESCRIPTION
from testing.descriptions import whole
from testing.rights import as_operator
from testing.settings import ACCOUNTS, ROUTES, set_accounts, set_routes

PREFIX = "+3363998"  # numbers of films, no subscriber's
KEY = "s3cret/key+1"


def number(nth: int = 1) -> str:
    """Return a number that no subscriber has, which `describe` routes to the described vendors."""
    return f"{PREFIX}{nth:04}"


def stored(description: dict[str, Any]) -> str:
    """Store a description; its digest."""
    written = json.dumps(description).encode()
    with as_operator():
        return described_vendors.store_description(description["name"], written)


def account(digest: str, **settings: object) -> dict[str, Any]:
    """Return an account that goes by a description."""
    own = {"base_url": "https://acme.example", "key": KEY, DESCRIPTION: digest}
    return own | settings


def describe(
    *descriptions: dict[str, Any], accounts: Mapping[str, Any] = ACCOUNTS, **settings: object
) -> None:
    """Set described vendors beside other accounts, and route `number` to them, in order."""
    made = {one["name"]: account(stored(one), **settings) for one in descriptions or (whole(),)}
    use({**accounts, **made})
    known = json.loads(ROUTES)["routes"]
    set_routes(json.dumps({"routes": [*known, {"prefix": PREFIX, "vendors": list(made)}]}))


def use(accounts: dict[str, Any]) -> None:
    """Set all accounts; this process then reads them and their descriptions anew."""
    set_accounts(accounts)
    described_vendors._read.clear()
