"""Check a message's status_url: the tenant must have an active webhook at the same origin.

Its host has proven that it wants them, its secret signs the deliveries, and nobody can make the
gateway call another host.
"""

import os
from collections.abc import Callable

from sms_gateway.core.problems import InvalidRequestError


def status_url_checker(tenant: str) -> Callable[[str], None]:
    """Make a check of a tenant's status_urls; it raises InvalidRequestError."""
    valid: set[str] = set()

    def check(url: str) -> None:
        if url in valid:
            return
        if os.environ["EVENTS"] not in ("webhooks", "all"):
            raise InvalidRequestError(
                "Nothing is told to a status_url here: the operator turns that on with the "
                "parameter Events.",
                slug="webhooks-off",
            )
        # Where nobody names one, this is not imported.
        from sms_gateway.webhooks.endpoints import cached_endpoints, owner_of
        from sms_gateway.webhooks.url_policy import UrlError, parse_allowed_url

        try:
            origin = parse_allowed_url(url).origin
        except UrlError as error:
            raise InvalidRequestError(
                f"The address can't be called: {error}.", slug="status-url"
            ) from None
        if owner_of(url, cached_endpoints(tenant)) is None and (
            owner_of(url, cached_endpoints(tenant, fresh=True)) is None  # the cache may be stale
        ):
            raise InvalidRequestError(
                f"You have no active webhook at {origin}: make one first (POST /webhooks) and "
                "let it answer a test, since its secret signs what is sent there.",
                slug="status-url-without-webhook",
            )
        valid.add(url)

    return check
