"""Reads uploaded campaigns; a queue message is S3's notice of an upload, or a campaign's id."""

from typing import Any

from sms_gateway.campaigns.worker import handle_record
from sms_gateway.core.observability import increment, logger


def handler(event: dict[str, Any], context: Any) -> dict[str, Any]:
    """Answers which queue messages failed, so that only those come again."""
    failed = []
    for record in event["Records"]:
        try:
            handle_record(record["body"], context.get_remaining_time_in_millis() / 1000)
        except Exception:
            logger.exception("campaign work failed", extra={"queued": record["messageId"]})
            increment("CampaignWorkFailed")
            failed.append({"itemIdentifier": record["messageId"]})
    return {"batchItemFailures": failed}
