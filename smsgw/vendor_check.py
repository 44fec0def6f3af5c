"""`smsgw vendors check`: ask a vendor from inside the stack, and say what was found.

The balance function asks, since only its calls leave from the stack's address.
"""

import json
from typing import Any

from sms_gateway.vendors.registry import adapter_class
from smsgw import clients
from smsgw.errors import CommandError
from smsgw.stack import Stack
from smsgw.terminal import say

GUIDE = "docs/guides/egress.md"


def check_vendor(stack: Stack, name: str) -> None:
    """Print a line for each of the vendor's products. Raise CommandError when one has a problem."""
    answer = ask(stack, name)
    if answer["fault"]:
        raise CommandError(f"the account is refused: {answer['fault']}")
    if not answer["balances"]:
        raise CommandError(f"{name} is not configured: `smsgw vendors set {name} account.json`")
    problems = [_print_row(row) for row in answer["balances"]]
    if "address" in problems:
        raise CommandError(_unregistered(name, answer["fixed_egress"]))
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


def _print_row(row: dict[str, Any]) -> str | None:
    """Print a product's line, and return what kind of problem it has."""
    name = f"{row['vendor']:12}  {row['product'] or '':14}"
    if row["problem"] is None:
        say(f"{name}  {row['amount']} {row['unit']}{lasts(row)}")
        return None
    say(f"{name}  {explain(row)}")
    return "address" if is_unregistered(row) else "other"


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


def explain(row: dict[str, Any]) -> str:
    """Say a row's problem; the vendor's own words as JSON, so that they steer no terminal."""
    problem, vendor = row["problem"], adapter_class(row["vendor"])
    code = problem["vendor_code"]
    if code is None:
        return str(problem["detail"])
    said = f"{vendor.title} says {json.dumps(problem['detail'])} (code {code})"
    return f"address not registered: {said}" if is_unregistered(row) else said


def is_unregistered(row: dict[str, Any]) -> bool:
    """Return whether the vendor refuses the address that it was asked from."""
    code = row["problem"]["vendor_code"]
    return code is not None and bool(code == adapter_class(row["vendor"]).unregistered_address)


def _unregistered(vendor: str, fixed: bool) -> str:
    title = adapter_class(vendor).title
    if not fixed:
        return f"this gateway has no fixed address that {title} could register: see {GUIDE}"
    return (
        f"let {title} register the network's addresses, and ask again after a minute: see {GUIDE}"
    )
