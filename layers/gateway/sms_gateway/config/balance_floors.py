"""Which vendors are below their account's `balance_floor`, as they told last.

Read only for a vendor that has a floor, once a minute and process. What can't be read, or is older
than three hours, keeps nobody from sending.
"""

from collections.abc import Mapping
from datetime import datetime, timedelta
from decimal import Decimal
from functools import cache
from typing import NamedTuple

import msgspec

from sms_gateway.config.cached_setting import CachedSetting, SettingUnreadableError
from sms_gateway.core.problems import ServiceUnavailableError
from sms_gateway.core.timestamps import utc_now
from sms_gateway.storage import balances
from sms_gateway.vendors.adapter import Adapter
from sms_gateway.vendors.types import Category

MAX_AGE = timedelta(hours=3)


class LastAmount(NamedTuple):
    """An amount, in `unit`, and when the vendor told it."""

    amount: Decimal
    unit: str
    checked_at: str


def is_below_floor(adapter: Adapter, category: Category) -> bool:
    """Return whether the credit that a category uses is below the account's floor."""
    found = amount_of(adapter, category)
    return found is not None and found.amount < Decimal(str(adapter.balance_floor))


def amount_of(adapter: Adapter, category: Category) -> LastAmount | None:
    """Return what a vendor told lately; None where it told nothing, or its account has no floor."""
    if adapter.balance_floor is None:
        return None
    try:
        last = _last(adapter.name).get().get(adapter.balance_product(category))
    except ServiceUnavailableError:
        return None
    if last is None or datetime.fromisoformat(last.checked_at) < utc_now() - MAX_AGE:
        return None
    return last


def _fetch(vendor: str) -> str:
    try:
        rows = balances.read_rows(vendor)
    except ServiceUnavailableError as error:
        raise SettingUnreadableError(f"the balance can't be read: {error.detail}") from error
    return msgspec.json.encode(rows).decode()


def _parse(text: str) -> Mapping[str | None, LastAmount]:
    rows: list[balances.Row] = msgspec.json.decode(text)
    return {
        row["product"]: LastAmount(Decimal(row["amount"]), row["unit"], row["checked_at"])
        for row in rows
        if row["amount"] is not None
    }


@cache
def _last(vendor: str) -> CachedSetting[Mapping[str | None, LastAmount]]:
    return CachedSetting(f"balance of {vendor}", lambda: _fetch(vendor), _parse)
