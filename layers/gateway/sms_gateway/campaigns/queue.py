"""The queue of campaign workers."""

from botocore.exceptions import BotoCoreError, ClientError

from sms_gateway.aws.sqs import _client
from sms_gateway.core.observability import increment, logger


def enqueue_campaign(url: str, campaign: str) -> None:
    """Calls a worker for a campaign by the queue at `url`. Never raises: the clock calls again."""
    try:
        _client().send_message(QueueUrl=url, MessageBody=campaign)
    except (ClientError, BotoCoreError) as error:
        logger.error("not called", extra={"campaign": campaign, "error": str(error)})
        increment("NotEnqueued", vendor="campaigns")
