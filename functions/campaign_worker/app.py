"""Send uploaded campaigns; a queue message is an S3 upload notice or a campaign's id."""

from typing import Any

from sms_gateway.aws.sqs import partial_batch_response
from sms_gateway.campaigns.worker import handle_record
from sms_gateway.core.observability import increment, logger


def handler(event: dict[str, Any], context: Any) -> dict[str, Any]:
    """Report the queue messages that failed, so that SQS delivers only them again."""
    failed = []
    for record in event["Records"]:
        try:
            handle_record(record["body"], context.get_remaining_time_in_millis() / 1000)
        except Exception:
            logger.exception("campaign work failed", extra={"queue_message": record["messageId"]})
            increment("CampaignWorkFailed")
            failed.append(record["messageId"])
    return partial_batch_response(failed)
