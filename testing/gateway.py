"""The gateway as a test drives it: accept, dispatch, tick, look."""

import json
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any

from sms_gateway.config import vendor_accounts
from sms_gateway.dispatch import worker
from sms_gateway.messages.sealed_text import open_content
from sms_gateway.messages.send import send as accept_body
from sms_gateway.messages.views import message_view
from sms_gateway.receipts.callback_tokens import make_account_token, make_token
from sms_gateway.scheduler import tick as scheduler_tick
from sms_gateway.scheduler import tick_run
from sms_gateway.storage import dynamodb, message_repository
from sms_gateway.storage.models import ItemKey, Submission, split_id
from testing.numbers import number
from testing.queues import drained
from testing.rights import acting_as
from testing.settings import CALLBACK_KEY, MESSAGE_KEY
from testing.transport import Wire
from testing.vendor_answers import SUBMIT, TAKES


@dataclass
class Gateway:
    """What a test does with the core: accept, dispatch, tick, look."""

    wire: Wire
    context: Any = field(
        default_factory=lambda: SimpleNamespace(get_remaining_time_in_millis=lambda: 120_000)
    )

    def accept(self, body: dict[str, Any], tenant: str = "acme") -> list[str]:
        """Accept a send; the ids of its messages."""
        with acting_as("SendFunction"):
            answer = accept_body(tenant, json.dumps(body).encode(), datetime.now(UTC))
        return [one["id"] for one in answer["messages"]]

    def test(self, *to: str, **fields: Any) -> list[str]:
        """Accept a send of a test key to numbers; the ids of its messages."""
        body = {"to": list(to), "text": "Hello", **fields}
        with acting_as("SendFunction"):
            answer = accept_body("acme", json.dumps(body).encode(), datetime.now(UTC), test=True)
        return [one["id"] for one in answer["messages"]]

    def one(self, vendor: str, **fields: Any) -> str:
        """Accept a message for a vendor; its id."""
        return self.accept({"to": number(vendor), "text": "Hello", **fields})[0]

    def many(self, vendor: str, count: int, **fields: Any) -> list[str]:
        """Accept a batch of one text for a vendor; the ids."""
        numbers = [number(vendor, nth) for nth in range(count)]
        return self.accept({"to": numbers, "text": "Hello", **fields})

    def queued(self, vendor: str) -> list[dict[str, Any]]:
        """Take what is in a vendor's queue, delayed or not, as Lambda's records."""
        waiting = drained(vendor)
        return [{"messageId": one.id, "body": one.body, "attributes": {}} for one in waiting]

    def dispatch(self, vendor: str, remaining: float = 120) -> list[str]:
        """Handle all that is queued for a vendor; return the ids of the failed records."""
        records = self.queued(vendor)
        return self.work(records, remaining)

    def work(self, records: Sequence[dict[str, Any]], remaining: float = 120) -> list[str]:
        """Works on records of the queue."""
        with acting_as("DispatchFunction"):
            answer = worker.handle_records(records, remaining, self.wire)
        return [one["itemIdentifier"] for one in answer["batchItemFailures"]]

    def tick(self, after: float = 0, **options: Any) -> int:
        """Run the clock `after` seconds from now."""
        adapters = options.pop("adapters", None)
        threads = ThreadPoolExecutor(scheduler_tick.THREADS)
        with threads as pool, acting_as("SchedulerFunction"):
            return scheduler_tick.check_all_due(
                tick_run.TickRun(
                    adapters=vendor_accounts.accounts().adapters if adapters is None else adapters,
                    pool=pool,
                    now=datetime.now(UTC) + timedelta(seconds=after),
                    until=time.time() + options.pop("remaining", 60),
                    send=self.wire,
                    **options,
                )
            )

    def sent(self, vendor: str, count: int = 0, **fields: Any) -> list[str]:
        """Accept and submits a message, or `count` in a batch; the ids."""
        self.wire.answers.setdefault(SUBMIT[vendor], TAKES[vendor])
        ids = self.many(vendor, count, **fields) if count else [self.one(vendor, **fields)]
        assert self.dispatch(vendor) == []
        return ids

    def view(self, identifier: str) -> dict[str, Any]:
        """Return a message as the API shows it."""
        key = split_id(identifier)
        assert key
        found = message_repository.find_message(key)
        assert found
        return message_view(*found)

    def text(self, identifier: str) -> str:
        """Return a message's text as its vendor would get it now."""
        key = split_id(identifier)
        assert key
        found = message_repository.find_message(key)
        assert found
        return open_content(found[1], MESSAGE_KEY.encode).text

    def status(self, identifier: str) -> str:
        """Return a message's status."""
        return str(self.view(identifier)["status"])

    def statuses(self, ids: Sequence[str]) -> list[str]:
        """Messages' statuses."""
        return [self.status(one) for one in ids]

    def submission(self, identifier: str) -> Submission:
        """Return the submission that a message stands in."""
        key = split_id(identifier)
        assert key
        found = message_repository.find_message(key)
        assert found
        return found[2]

    def token(self, vendor: str, key: ItemKey | None) -> str:
        """Return the callback token of a submission, or of an account."""
        secret = CALLBACK_KEY.encode()
        if key is None:
            return make_account_token(vendor, secret)
        return make_token(vendor, key, int(time.time()), secret)

    def item(self, key: ItemKey) -> dict[str, Any]:
        """Return an item as it is stored; empty when it is not there."""
        return dynamodb.get(key) or {}

    def messages_stored(self) -> int:
        """How many items the table has, beside the operator's settings and records."""
        found = dynamodb.client().scan(TableName=dynamodb.table_name())["Items"]
        return sum(item["pk"]["S"] not in ("SETTINGS", "ACCOUNTS", "AUDIT") for item in found)
