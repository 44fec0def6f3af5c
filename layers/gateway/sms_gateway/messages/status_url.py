"""A message's status_url: only where the tenant has a webhook at the same host, whose secret signs.

So nobody can have the gateway call an address that its owner did not register here.
"""

import os
from collections.abc import Callable

from sms_gateway.core.problems import InvalidRequestError
from sms_gateway.webhooks.endpoints import cached_endpoints, owner_of
from sms_gateway.webhooks.url_policy import UrlError, parse_url


def status_url_checker(tenant: str) -> Callable[[str], None]:
    """What checks a tenant's status_urls: it raises Invalid for one that can't be told."""
    good: set[str] = set()

    def check(url: str) -> None:
        if url in good:
            return
        if os.environ["EVENTS"] not in ("webhooks", "all"):
            raise InvalidRequestError(
                "Nothing is told to a status_url here: the operator turns that on with the "
                "parameter Events.",
                slug="webhooks-off",
            )
        try:
            origin = parse_url(url, loopback=os.environ["WEBHOOK_LOOPBACK"] == "true").origin
        except UrlError as error:
            raise InvalidRequestError(
                f"The address can't be called: {error}.", slug="status-url"
            ) from None
        if owner_of(url, cached_endpoints(tenant)) is None and (
            owner_of(url, cached_endpoints(tenant, fresh=True)) is None  # it may be new
        ):
            raise InvalidRequestError(
                f"You have no active webhook at {origin}: make one first (POST /webhooks), since "
                "its secret signs what is sent there.",
                slug="status-url-without-webhook",
            )
        good.add(url)

    return check
