"""What the delivery queues carry."""

import msgspec

from sms_gateway.aws.sqs import QueueMessage

STATUS_SUFFIX = "-status"  # ends the id of what goes to a message's status_url


class DeliveryMessage(msgspec.Struct, frozen=True, omit_defaults=True):
    """What the delivery queues carry. `id` is the delivery's; `url` is a message's status_url;
    `body` is the event as it is told, empty for a delivery that is stored."""

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
        """As a queue takes it; one webhook is one fair-queue group."""
        return QueueMessage(msgspec.json.encode(self).decode(), self.webhook, delay)


def delivery_id(at: int, event: str) -> str:
    """A delivery's id: it sorts by the event's time (epoch ms)."""
    return f"{at:013d}-{event}"
