"""One run of the scheduler: its time, its vendors, and the polls that became due."""

import os
import time
from collections import defaultdict
from collections.abc import Callable, Collection, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime

from sms_gateway.config.vendor_accounts import Accounts
from sms_gateway.core.problems import ServiceUnavailableError
from sms_gateway.core.sandbox import is_sandbox
from sms_gateway.core.timestamps import epoch_ms, epoch_seconds
from sms_gateway.storage.models import Message, Submission
from sms_gateway.vendors import http_client
from sms_gateway.vendors.adapter import Adapter
from sms_gateway.vendors.types import Request, VendorResponse

RECEIPT_DEADLINE = int(os.environ["RECEIPT_DEADLINE"])  # seconds
RESERVE_SECONDS = 5  # for writing the last answers
Send = Callable[[Request, float], VendorResponse]
DuePoll = tuple[Submission, Sequence[Message], int]  # with its receipt deadline, epoch seconds


@dataclass(slots=True)
class TickRun:
    """One run of the scheduler."""

    adapters: Mapping[str, Adapter]
    pool: ThreadPoolExecutor
    now: datetime
    until: float  # epoch seconds by which this run must be over
    send: Send = http_client.send
    receipt_deadline: int = RECEIPT_DEADLINE
    accounts_known: bool = True  # whether the accounts could be read
    find_accounts: Callable[[], Accounts] | None = None  # where they are read once needed
    checked: int = 0
    due_polls: dict[str, list[DuePoll]] = field(default_factory=lambda: defaultdict(list))

    def has_time_for(self, seconds: float) -> bool:
        """Return whether work of so many seconds can still be finished."""
        return time.time() + seconds < self.until

    def need_accounts(self) -> None:
        """Read the accounts, which an idle run does without: their secret costs a call.

        Without them expiry and requeues go on.
        """
        if self.find_accounts is not None:
            with suppress(ServiceUnavailableError):
                self.adapters, self.accounts_known = self.find_accounts().adapters, True
            self.find_accounts = None

    def routable_vendors(self, sub: Submission) -> Collection[str]:
        """Return the vendors that a submission's messages may be routed to.

        All of its route while the accounts can't be read: none would reject the message.
        """
        if sub.test or self.accounts_known:
            return self.adapters_of(sub).keys()
        return sub.vendors

    def adapters_of(self, sub: Submission) -> Mapping[str, Adapter]:
        """Return the adapters that a submission may reach: the sandbox's, or all others."""
        if not sub.test:
            return self.adapters
        from sms_gateway.vendors.sandbox.adapter import ADAPTERS  # saves start-up time: few test

        return ADAPTERS

    def send_of(self, adapter: Adapter) -> Send:
        """Return what carries an adapter's requests: for the sandbox's nothing leaves."""
        if not is_sandbox(adapter.name):
            return self.send
        from sms_gateway.vendors.sandbox.answers import answer  # saves start-up time: few test

        return lambda request, _timeout: answer(request, self.now.timestamp())

    def deadline_of(self, sub: Submission) -> int:
        """Return the seconds after which a submission without a receipt is unknown."""
        if not sub.test:
            return self.receipt_deadline
        from sms_gateway.vendors.sandbox.outcomes import RECEIPT_SECONDS

        return min(self.receipt_deadline, RECEIPT_SECONDS)

    @property
    def now_seconds(self) -> int:
        """Now, in epoch seconds."""
        return epoch_seconds(self.now)

    @property
    def now_ms(self) -> int:
        """Now, in epoch milliseconds."""
        return epoch_ms(self.now)
