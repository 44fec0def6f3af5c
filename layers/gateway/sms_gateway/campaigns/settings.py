"""What the rows of uploaded campaigns have in common, by tenant."""

from collections.abc import Mapping
from typing import Any

import msgspec

from sms_gateway.config.cached_setting import CachedSetting, fetch_parameter


def campaign_defaults() -> Mapping[str, Mapping[str, Any]]:
    """By tenant, or `*` for all, what the rows of uploaded campaigns have in common. Raises
    Unavailable when the parameter is missing or not valid."""
    return _campaigns.get()


def read_campaigns(written: str) -> Mapping[str, Mapping[str, Any]]:
    """The defaults of campaigns. Raises ValueError, naming what is at fault."""
    try:
        return msgspec.json.decode(written, type=dict[str, dict[str, Any]])
    except (msgspec.DecodeError, msgspec.ValidationError):
        raise ValueError("it must be a JSON object of tenants, each an object") from None


_campaigns = CachedSetting("campaigns", "CAMPAIGNS_PARAMETER", fetch_parameter, read_campaigns)
