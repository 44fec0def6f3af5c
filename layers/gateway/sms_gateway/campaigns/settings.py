"""What the rows of uploaded campaigns have in common, by tenant."""

from collections.abc import Mapping
from typing import Any

import msgspec

from sms_gateway.campaigns.csv_reader import (
    FileError,
    one_line_problem,
)
from sms_gateway.config.cached_setting import CachedSetting, fetch_parameter
from sms_gateway.core.problems import InvalidRequestError
from sms_gateway.http_api.json_body import decode_json
from sms_gateway.messages.request import Options


def campaign_defaults() -> Mapping[str, Mapping[str, Any]]:
    """By tenant, or `*` for all, what the rows of uploaded campaigns have in common. Raises
    Unavailable when the parameter is missing or not valid."""
    return _campaigns.get()


def parse_campaign_defaults(written: str) -> Mapping[str, Mapping[str, Any]]:
    """The defaults of campaigns. Raises ValueError, naming what is at fault."""
    try:
        return msgspec.json.decode(written, type=dict[str, dict[str, Any]])
    except (msgspec.DecodeError, msgspec.ValidationError):
        raise ValueError("it must be a JSON object of tenants, each an object") from None


_campaigns = CachedSetting(
    "campaigns", "CAMPAIGNS_PARAMETER", fetch_parameter, parse_campaign_defaults
)


def row_defaults(tenant: str) -> dict[str, Any]:
    """What a tenant's rows have in common by the settings."""
    every = campaign_defaults()
    chosen = {**every.get("*", {}), **every.get(tenant, {})}
    try:
        decode_json(msgspec.json.encode(chosen), Options)
    except InvalidRequestError as wrong:
        raise FileError(
            f"The settings of campaigns are not valid ({one_line_problem(wrong)}) Their operator "
            "must mend them, then resume the campaign.",
            slug="campaign-settings",
        ) from None
    return chosen
