"""Who sends a campaign: a tenant that may, and the key that made it."""

from sms_gateway.campaigns.csv_reader import FileError
from sms_gateway.campaigns.model import Campaign
from sms_gateway.config import api_keys
from sms_gateway.config.api_keys import ApiKey
from sms_gateway.core.timestamps import utc_now

SCOPE, SENDING_SCOPE = "campaigns", "messages:send"


def check_sender(campaign: Campaign) -> None:
    """Raise FileError unless a live key in use is behind a campaign.

    That is the key that made it, or for an uploaded file any of its tenant's that may send.
    """
    folder, tenant, *name = campaign.key.split("/")
    if len(name) != 1 or not name[0].lower().endswith(".csv"):
        raise FileError(f"Upload the file as {folder}/<tenant>/<name>.csv.", slug="campaign-name")
    in_use = [
        key
        for key in api_keys.list_keys()
        if key.refusal(utc_now()) is None and not key.test and key.tenant == tenant
    ]
    maker = campaign.options.key_id
    if maker is None:
        _check_tenant(in_use)
    elif not any(key.id == maker and SCOPE in key.scopes for key in in_use):
        raise FileError(
            f"The key {maker} that made this campaign was revoked or has expired: make it anew "
            "with another key. What it sent stays sent.",
            slug="campaign-key",
        )


def _check_tenant(in_use: list[ApiKey]) -> None:
    if not any(SENDING_SCOPE in key.scopes for key in in_use):
        raise FileError(
            "There is no such tenant: no live key in use has it and may send. Make one with "
            "`smsgw keys create`, then resume the campaign.",
            slug="unknown-tenant",
        )
