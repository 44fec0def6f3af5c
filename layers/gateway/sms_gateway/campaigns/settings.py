"""The operator's defaults for the rows of uploaded campaigns, by tenant."""

from collections.abc import Mapping
from typing import Any

import msgspec

from sms_gateway.campaigns.columns import one_line_problem
from sms_gateway.campaigns.csv_reader import FileError
from sms_gateway.campaigns.model import Campaign
from sms_gateway.config.api_keys import TENANT
from sms_gateway.config.cached_setting import CachedSetting
from sms_gateway.config.stored_settings import fetch_setting
from sms_gateway.core.problems import InvalidRequestError
from sms_gateway.http_api.json_body import decode_json
from sms_gateway.messages.request import Options

DEFAULT_CAMPAIGNS = '{"*": {"category": "promotional"}}'


def campaign_defaults() -> Mapping[str, Mapping[str, Any]]:
    """Return the defaults of rows by tenant, or `*` for all tenants.

    Raise ServiceUnavailableError when they can't be read or are not valid.
    """
    return _campaigns.get()


def parse_campaign_defaults(written: str) -> Mapping[str, Mapping[str, Any]]:
    """Parse the setting. Raise ValueError that says what is wrong."""
    try:
        return msgspec.json.decode(written, type=dict[str, dict[str, Any]])
    except (msgspec.DecodeError, msgspec.ValidationError):
        raise ValueError("it must be a JSON object of tenants, each an object") from None


_campaigns = CachedSetting(
    "campaigns",
    lambda: fetch_setting("campaigns"),
    parse_campaign_defaults,
    default=DEFAULT_CAMPAIGNS,
)


def check_campaign_defaults(written: str) -> None:
    """Check the setting and every tenant's defaults in it. Raise ValueError."""
    by_tenant = parse_campaign_defaults(written)
    for tenant in by_tenant:
        if tenant != "*" and not TENANT.fullmatch(tenant):
            raise ValueError(f"{tenant} is no tenant: lower-case letters, digits and hyphens")
        try:
            _defaults_of(by_tenant, tenant)
        except InvalidRequestError as problem:
            raise ValueError(f"{tenant}: {one_line_problem(problem)}") from None


def _defaults_of(by_tenant: Mapping[str, Mapping[str, Any]], tenant: str) -> dict[str, Any]:
    """Return a tenant's defaults. Raise InvalidRequestError for one that no row may have."""
    defaults = {**by_tenant.get("*", {}), **by_tenant.get(tenant, {})}
    decode_json(msgspec.json.encode(defaults), Options)
    return defaults


def row_defaults(campaign: Campaign) -> dict[str, Any]:
    """Return a campaign's row defaults: its tenant's, then its own.

    Raise FileError when the tenant's are not valid.
    """
    try:
        return {**_defaults_of(campaign_defaults(), campaign.tenant), **campaign.options.defaults}
    except InvalidRequestError as problem:
        raise FileError(
            f"The settings of campaigns are not valid ({one_line_problem(problem)}) Their operator "
            "must mend them, then resume the campaign.",
            slug="campaign-settings",
        ) from None
