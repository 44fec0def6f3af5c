"""`smsgw vendors check`: ask a vendor from inside the stack, and say what was found.

The balance function asks, since only its calls leave from the stack's address.
"""

import json
from collections.abc import Mapping
from typing import Any

from sms_gateway.config.vendor_accounts import account_class, build_account
from sms_gateway.vendors.adapter import Adapter
from smsgw import clients
from smsgw.errors import CommandError
from smsgw.stack import Stack
from smsgw.terminal import say

GUIDE = "docs/guides/egress.md"


def class_of(name: str, accounts: Mapping[str, object]) -> type[Adapter]:
    """Return the class of a vendor, of its account where it is described.

    Raise CommandError for one that is neither.
    """
    account = accounts.get(name)
    try:
        return account_class(name, account if isinstance(account, dict) else {})
    except ValueError as error:
        raise CommandError(f"{name}: {error}") from None


def has_balance(name: str, accounts: Mapping[str, object]) -> bool:
    """Return whether a configured vendor tells a balance; a described one may not."""
    account = accounts.get(name)
    return not isinstance(account, dict) or bool(build_account(name, account).balance())


def check_vendor(stack: Stack, name: str, accounts: Mapping[str, object]) -> None:
    """Print a line for each of the vendor's products. Raise CommandError when one has a problem."""
    cls = class_of(name, accounts)
    answer = ask(stack, name)
    if answer["fault"]:
        raise CommandError(f"the account is refused: {answer['fault']}")
    if name in accounts and not has_balance(name, accounts):
        raise CommandError(
            f"{cls.title} tells no balance, so that nothing could be asked: send a message by it"
        )
    if not answer["balances"]:
        raise CommandError(f"{name} is not configured: `smsgw vendors set {name} account.json`")
    problems = [_print_row(row, cls) for row in answer["balances"]]
    if "address" in problems:
        raise CommandError(_unregistered(cls.title, answer["fixed_egress"]))
    if any(problems):
        raise CommandError("the vendor did not tell each balance; it is asked once a minute")


def ask(stack: Stack, name: str) -> dict[str, Any]:
    """Ask a vendor from inside the stack, at most once a minute; return account_check's answer."""
    answer = clients.client("lambda").invoke(
        FunctionName=stack.output("BalanceFunctionName"), Payload=json.dumps({"check": name})
    )
    if "FunctionError" in answer:
        raise CommandError("the balance function failed; its logs say why")
    found: dict[str, Any] = json.load(answer["Payload"])
    return found


def _print_row(row: dict[str, Any], cls: type[Adapter]) -> str | None:
    """Print a product's line, and return what kind of problem it has."""
    name = f"{row['vendor']:12}  {row['product'] or '':14}"
    if row["problem"] is None:
        say(f"{name}  {row['amount']} {row['unit']}{lasts(row)}")
        return None
    say(f"{name}  {explain(row, cls)}")
    return "address" if is_unregistered(row, cls) else "other"


def lasts(row: dict[str, Any]) -> str:
    """Say until when a product's balance lasts, behind its amount; nothing without a forecast."""
    forecast = row["forecast"]
    if forecast["empty_at"] is None:
        return ""
    why = (
        f"{forecast['per_day']} a day"
        if forecast["basis"]["ends_by"] == "use"
        else "then it expires"
    )
    return f" until {forecast['empty_at'][:10]} ({why})"


def explain(row: dict[str, Any], cls: type[Adapter]) -> str:
    """Say a row's problem; the vendor's own words as JSON, so that they steer no terminal."""
    problem = row["problem"]
    code = problem["vendor_code"]
    if code is None:
        return str(problem["detail"])
    said = f"{cls.title} says {json.dumps(problem['detail'])} (code {code})"
    return f"address not registered: {said}" if is_unregistered(row, cls) else said


def is_unregistered(row: dict[str, Any], cls: type[Adapter]) -> bool:
    """Return whether the vendor refuses the address that it was asked from."""
    code = row["problem"]["vendor_code"]
    return code is not None and bool(code == cls.unregistered_address)


def _unregistered(title: str, fixed: bool) -> str:
    if not fixed:
        return f"this gateway has no fixed address that {title} could register: see {GUIDE}"
    return (
        f"let {title} register the network's addresses, and ask again after a minute: see {GUIDE}"
    )
