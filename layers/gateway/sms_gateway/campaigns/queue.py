"""Wake campaign workers by their queue."""

from sms_gateway.aws.errors import AWS_ERRORS
from sms_gateway.aws.sqs import client
from sms_gateway.core.error_places import describe
from sms_gateway.core.observability import increment, logger


def enqueue_campaign(url: str, campaign: str) -> None:
    """Enqueue a campaign's id for a worker. Never raise: the scheduler enqueues it again."""
    try:
        client().send_message(QueueUrl=url, MessageBody=campaign)
    except AWS_ERRORS as error:
        logger.error(
            "campaign not enqueued", extra={"campaign": campaign, "error": describe(error)}
        )
        increment("NotEnqueued", vendor="campaigns")
