"""The operator's defaults for the rows of uploaded campaigns, by tenant."""

from collections.abc import Mapping
from typing import Any

import msgspec

from sms_gateway.campaigns.columns import one_line_problem
from sms_gateway.campaigns.csv_reader import FileError
from sms_gateway.config.cached_setting import CachedSetting, fetch_parameter
from sms_gateway.core.problems import InvalidRequestError
from sms_gateway.http_api.json_body import decode_json
from sms_gateway.messages.request import Options


def campaign_defaults() -> Mapping[str, Mapping[str, Any]]:
    """Return the defaults of rows by tenant, or `*` for all tenants.

    Raise ServiceUnavailableError when the parameter is missing or not valid.
    """
    return _campaigns.get()


def parse_campaign_defaults(written: str) -> Mapping[str, Mapping[str, Any]]:
    """Parse the parameter. Raise ValueError that says what is wrong."""
    try:
        return msgspec.json.decode(written, type=dict[str, dict[str, Any]])
    except (msgspec.DecodeError, msgspec.ValidationError):
        raise ValueError("it must be a JSON object of tenants, each an object") from None


_campaigns = CachedSetting(
    "campaigns", "CAMPAIGNS_PARAMETER", fetch_parameter, parse_campaign_defaults
)


def row_defaults(tenant: str) -> dict[str, Any]:
    """Return a tenant's row defaults. Raise FileError when they are not valid."""
    by_tenant = campaign_defaults()
    defaults = {**by_tenant.get("*", {}), **by_tenant.get(tenant, {})}
    try:
        decode_json(msgspec.json.encode(defaults), Options)
    except InvalidRequestError as problem:
        raise FileError(
            f"The settings of campaigns are not valid ({one_line_problem(problem)}) Their operator "
            "must mend them, then resume the campaign.",
            slug="campaign-settings",
        ) from None
    return defaults
