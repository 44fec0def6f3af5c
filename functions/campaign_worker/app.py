"""Reads uploaded campaigns; a queue message is S3's notice of an upload, or a campaign's id."""

from typing import Any

from sms_gateway.campaigns.worker import receive
from sms_gateway.core.observability import count, log


def handler(event: dict[str, Any], context: Any) -> dict[str, Any]:
    """Answers which queue messages failed, so that only those come again."""
    failed = []
    for record in event["Records"]:
        try:
            receive(record["body"], context.get_remaining_time_in_millis() / 1000)
        except Exception:
            log.exception("campaign work failed", extra={"queued": record["messageId"]})
            count("CampaignWorkFailed")
            failed.append({"itemIdentifier": record["messageId"]})
    return {"batchItemFailures": failed}
