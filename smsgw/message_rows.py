"""Messages as `smsgw messages list` and `tail` show them: without text or number."""

from collections.abc import Iterator

from sms_gateway.core.timestamps import rfc3339
from sms_gateway.core.ulids import created_at
from sms_gateway.storage import message_repository
from sms_gateway.storage.message_state import status_of
from smsgw.tables import Row


def rows_of_batch(identifier: str, key_id: str | None) -> Iterator[Row]:
    """Yield a batch's messages; none when another key sent it."""
    whole = message_repository.whole_batch(identifier)
    if whole is None or key_id not in (None, whole[0].key_id):
        return
    batch, members = whole
    when = rfc3339(created_at(batch.id))
    for message, sub in members:
        yield {
            "id": message.id,
            "created_at": when,
            "status": str(status_of(message, sub)),
            "vendor": sub.vendor,
            "key": batch.key_id,
        }


def line_of(row: Row) -> str:
    """Return a message's line."""
    return (
        f"{row['id']}  {row['created_at']}  {row['status']:11}  {row['vendor']:10}  "
        f"key {row['key'] or '-'}"
    )
