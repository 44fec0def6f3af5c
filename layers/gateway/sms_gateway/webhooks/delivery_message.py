"""The message of the delivery queues."""

import msgspec

from sms_gateway.aws.sqs import QueueMessage

STATUS_SUFFIX = "-status"  # ends the id of a delivery to a message's status_url


class DeliveryMessage(msgspec.Struct, frozen=True, omit_defaults=True):
    """A message of the delivery queues; `id` is the delivery's.

    `url` is a message's status_url; `body` is the event's JSON, empty for a stored delivery.
    """

    tenant: str
    webhook: str
    id: str
    type: str = ""
    url: str | None = None
    body: str = ""

    @property
    def event_id(self) -> str:
        """The event's id, which the receiver sees as webhook-id."""
        return self.id.partition("-")[2].removesuffix(STATUS_SUFFIX)

    def to_queue_message(self, delay: int = 0) -> QueueMessage:
        """Make a queue message; each webhook is a fair-queue group of its own."""
        return QueueMessage(msgspec.json.encode(self).decode(), self.webhook, delay)


def delivery_id(at: int, event: str) -> str:
    """Make a delivery's id, which sorts by the event's time (epoch ms)."""
    return f"{at:013d}-{event}"
