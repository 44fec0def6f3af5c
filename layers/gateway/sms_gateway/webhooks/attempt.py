"""One signed attempt to tell a webhook something, and what its answer means."""

import os
from collections.abc import Mapping
from email.utils import parsedate_to_datetime
from typing import Protocol

from sms_gateway.core.timestamps import epoch_seconds, utc_now
from sms_gateway.webhooks import settings, signing
from sms_gateway.webhooks.endpoints import Endpoint
from sms_gateway.webhooks.http_client import PostResult
from sms_gateway.webhooks.url_policy import UrlError, WebhookUrl, parse_url

TIMEOUT_SECONDS = 15.0  # seconds for one attempt
MAX_RETRY_AFTER_SECONDS = 86_400  # seconds of a Retry-After that are honoured


class Post(Protocol):
    """Who posts: outward.post, or what a test puts in its place."""

    def __call__(
        self,
        target: WebhookUrl,
        body: bytes,
        headers: Mapping[str, str],
        timeout: float,
        *,
        loopback: bool,
    ) -> PostResult: ...


def post_signed(
    endpoint: Endpoint, url: str | None, identifier: str, body: str, post: Post
) -> PostResult:
    """Signs and posts once, to the webhook's address or to a message's own."""
    loopback = os.environ["WEBHOOK_LOOPBACK"] == "true"
    try:
        target = parse_url(url or endpoint.settings.url, loopback=loopback)
    except UrlError as error:
        return PostResult(None, str(error))
    now = utc_now()
    secrets = endpoint.secrets(settings.webhook_key(), epoch_seconds(now))
    headers = signing.sign_headers(identifier, now, body, secrets)
    return post(target, body.encode(), headers, TIMEOUT_SECONDS, loopback=loopback)


def failure_reason(posted: PostResult) -> str | None:
    """What was wrong, in words; None when it was taken."""
    if posted.accepted:
        return None
    if posted.status is None:
        return posted.failure
    if 300 <= posted.status < 400:
        return "it answered with a redirect, which is not followed: give the final address"
    return f"it answered {posted.status}"


def retry_after_seconds(posted: PostResult, now: int) -> int | None:
    """The seconds of a Retry-After, written as a number or a date; None without a valid one."""
    written = (posted.retry_after or "").strip()
    if written.isascii() and written.isdigit() and len(written) < 10:
        seconds = int(written)
    else:
        try:
            seconds = int(parsedate_to_datetime(written).timestamp()) - now
        except (ValueError, OverflowError):
            return None
    return max(1, min(seconds, MAX_RETRY_AFTER_SECONDS))
