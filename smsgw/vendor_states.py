"""How each vendor stands: its account, circuit and balance, and what it says when it is asked."""

from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from enum import Enum, auto
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from sms_gateway.config.vendor_accounts import build_account
from sms_gateway.core.timestamps import epoch_seconds, utc_now
from sms_gateway.dispatch.circuit_states import circuit_states
from sms_gateway.vendors.registry import VENDORS, is_vendor_name
from smsgw.errors import CommandError
from smsgw.errors import explain as explain_error
from smsgw.stack import Stack
from smsgw.tables import Row
from smsgw.vendor_check import ask, class_of, explain, has_balance, lasts


class Asked(Enum):
    """Whether the vendors are asked."""

    NOT = auto()
    NOW = auto()


def vendor_rows(stack: Stack, accounts: Mapping[str, object], asked: Asked) -> list[Row]:
    """Return a row for each vendor; all are asked at the same time, each at most once a minute."""
    vendors = [*VENDORS, *sorted(filter(is_vendor_name, set(accounts) - set(VENDORS)))]
    circuits = circuit_states(vendors, epoch_seconds(utc_now()))

    def row(vendor: str) -> Row:
        state, detail = account_state(vendor, accounts.get(vendor))
        found: dict[str, Any] = {
            **{"vendor": vendor, "state": state, "circuit": None, "balance": None},
            **{"detail": detail, "balances": []},
        }
        if state == "not configured":
            return found
        found["circuit"] = circuits[vendor]
        if asked is Asked.NOT or state == "refused":
            return found
        return found | _asked(stack, vendor, accounts)

    with ThreadPoolExecutor(len(vendors)) as pool:
        return list(pool.map(row, vendors))


def account_state(vendor: str, account: object) -> tuple[str, str | None]:
    """Return whether an account is configured, not configured or refused, and why."""
    if account is None:
        return "not configured", None
    if not isinstance(account, dict):
        return "refused", "its settings must be an object"
    try:
        build_account(vendor, account)
    except ValueError as error:
        return "refused", str(error)
    return "configured", None


def _asked(stack: Stack, vendor: str, accounts: Mapping[str, object]) -> dict[str, Any]:
    try:
        answer = ask(stack, vendor)
    except (CommandError, BotoCoreError, ClientError) as error:  # the others are shown
        return {"detail": f"can't be asked: {explain_error(error)}"}
    if answer["fault"]:
        return {"state": "refused", "detail": answer["fault"]}
    if not has_balance(vendor, accounts):
        return {"detail": "it tells no balance, so that nothing asks it"}
    rows = answer["balances"]
    problems = [explain(row, class_of(vendor, accounts)) for row in rows if row["problem"]]
    amounts = [
        " ".join(filter(None, (row["product"], row["amount"], row["unit"]))) + lasts(row)
        for row in rows
        if row["amount"] is not None
    ]
    state = "problem" if problems else "works" if rows else "not seen yet"
    return {
        **{"state": state, "balance": ", ".join(amounts) or None, "balances": rows},
        "detail": "; ".join(problems) or None,
    }
