"""`smsgw vendors check`: ask a vendor from inside the stack, and say what was found.

The balance function asks, since only its calls leave from the stack's address.
"""

import argparse
import json
from typing import Any

import boto3

from sms_gateway.vendors.registry import VENDORS, adapter_class
from smsgw.errors import CommandError
from smsgw.terminal import say
from smsgw.vendors import warn_of_difference

GUIDE = "docs/guides/egress.md"


def add_command(vendors: Any) -> None:
    """Add the command to the area of vendors."""
    check = vendors.add_parser("check", help="ask a vendor from inside the stack; sends nothing")
    check.add_argument("vendor", choices=VENDORS)
    check.set_defaults(run=check_vendor)


def check_vendor(options: argparse.Namespace) -> None:
    """Print a line for each of the vendor's products. Raise CommandError when one has a problem."""
    warn_of_difference(options)
    answer = _ask(options)
    if answer["fault"]:
        raise CommandError(f"the account is refused: {answer['fault']}")
    if not answer["balances"]:
        raise CommandError(
            f"{options.vendor} is not configured: `smsgw vendors set {options.vendor} account.json`"
        )
    problems = [_print_row(row) for row in answer["balances"]]
    if "address" in problems:
        raise CommandError(_unregistered(options.vendor, answer["fixed_egress"]))
    if any(problems):
        raise CommandError("the vendor did not tell each balance; it is asked once a minute")


def _ask(options: argparse.Namespace) -> dict[str, Any]:
    answer = boto3.client("lambda").invoke(
        FunctionName=options.outputs["BalanceFunctionName"],
        Payload=json.dumps({"check": options.vendor}),
    )
    if "FunctionError" in answer:
        raise CommandError("the balance function failed; its logs say why")
    found: dict[str, Any] = json.load(answer["Payload"])
    return found


def _print_row(row: dict[str, Any]) -> str | None:
    """Print a product's line, and return what kind of problem it has."""
    name = f"{row['vendor']:12}  {row['product'] or '':14}"
    problem = row["problem"]
    if problem is None:
        say(f"{name}  {row['amount']} {row['unit']}")
        return None
    vendor, code = adapter_class(row["vendor"]), problem["vendor_code"]
    said = problem["detail"]
    if code is not None:  # the vendor's own words: nothing in them may steer a terminal
        said = f"{vendor.title} says {json.dumps(said)} (code {code})"
    if code is not None and code == vendor.unregistered_address:
        say(f"{name}  address not registered: {said}")
        return "address"
    say(f"{name}  {said}")
    return "other"


def _unregistered(vendor: str, fixed: bool) -> str:
    title = adapter_class(vendor).title
    if not fixed:
        return f"this gateway has no fixed address that {title} could register: see {GUIDE}"
    return (
        f"let {title} register the network's addresses, and ask again after a minute: see {GUIDE}"
    )
