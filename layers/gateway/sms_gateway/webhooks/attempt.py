"""One signed attempt at a webhook, and the meaning of its answer."""

from collections.abc import Mapping
from email.utils import parsedate_to_datetime
from typing import Protocol

from sms_gateway.core.timestamps import epoch_seconds, utc_now
from sms_gateway.webhooks import settings, signing
from sms_gateway.webhooks.endpoints import Endpoint
from sms_gateway.webhooks.http_client import PostResult
from sms_gateway.webhooks.url_policy import (
    UrlError,
    WebhookUrl,
    loopback_allowed,
    parse_allowed_url,
)

TIMEOUT_SECONDS = 15.0  # for one attempt
MAX_RETRY_AFTER_SECONDS = 86_400  # a longer Retry-After is cut to this


class Post(Protocol):
    """The type of http_client.post."""

    def __call__(
        self,
        target: WebhookUrl,
        body: bytes,
        headers: Mapping[str, str],
        timeout: float,
        *,
        loopback: bool,
        max_body: int,
    ) -> PostResult:
        """Post once, within `timeout` seconds."""
        ...


def post_signed(
    endpoint: Endpoint, url: str | None, identifier: str, body: str, post: Post, max_body: int = 0
) -> PostResult:
    """Sign and post once, to the webhook's URL or to a message's status_url.

    Of an accepted answer's body, `max_body` bytes are read.
    """
    try:
        target = parse_allowed_url(url or endpoint.settings.url)
    except UrlError as error:
        return PostResult(None, str(error))
    now = utc_now()
    secrets = endpoint.secrets(settings.webhook_key(), epoch_seconds(now))
    headers = signing.sign_headers(identifier, now, body, secrets)
    return post(
        target,
        body.encode(),
        headers,
        TIMEOUT_SECONDS,
        loopback=loopback_allowed(),
        max_body=max_body,
    )


def failure_reason(posted: PostResult) -> str | None:
    """Describe a failed attempt; None when it was accepted."""
    if posted.accepted:
        return None
    if posted.status is None:
        return posted.failure
    if 300 <= posted.status < 400:
        return "it answered with a redirect, which is not followed: give the final address"
    return f"it answered {posted.status}"


def retry_after_seconds(posted: PostResult, now: int) -> int | None:
    """Read the seconds of a Retry-After, a number or a date; None without a valid one."""
    written = (posted.retry_after or "").strip()
    if written.isascii() and written.isdigit() and len(written) < 10:
        seconds = int(written)
    else:
        try:
            seconds = int(parsedate_to_datetime(written).timestamp()) - now
        except (ValueError, OverflowError):
            return None
    return max(1, min(seconds, MAX_RETRY_AFTER_SECONDS))
