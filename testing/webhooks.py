"""Webhooks whose host has proven that it wants them."""

from sms_gateway.core.timestamps import epoch_seconds, utc_now
from sms_gateway.webhooks import endpoints, proof
from sms_gateway.webhooks.management import get_endpoint


def activate(tenant: str, identifier: str) -> None:
    """Do what the right answer to a challenge does; this process sees it at once."""
    assert proof.prove(get_endpoint(tenant, identifier), 0, epoch_seconds(utc_now()))
    endpoints.reset_cache()
