"""A worker's session with one vendor: calls within the account's limits."""

import os
import time
from collections.abc import Callable, Collection, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, wait
from contextlib import contextmanager
from datetime import datetime
from threading import BoundedSemaphore, Condition
from typing import ClassVar, Self

from sms_gateway.config.stack_keys import message_key
from sms_gateway.core.observability import increment, logger
from sms_gateway.core.sandbox import is_sandbox
from sms_gateway.core.timestamps import epoch_seconds
from sms_gateway.dispatch.circuit_breaker import VendorFailureError, call_guarded
from sms_gateway.messages.sealed_text import open_outgoing
from sms_gateway.receipts.callback_tokens import make_token
from sms_gateway.storage.message_updates import MessageUpdate
from sms_gateway.storage.models import ItemKey, Message
from sms_gateway.vendors import http_client
from sms_gateway.vendors.adapter import Adapter
from sms_gateway.vendors.redaction import Redaction
from sms_gateway.vendors.types import (
    OutgoingMessage,
    Request,
    SubmitCall,
    SubmitOutcome,
    SubmitVerdict,
    VendorResponse,
)
from sms_gateway.verifications.codes import with_code

MAX_TIME_NEEDED_SECONDS = 60  # of a worker's 115; enough to begin a submission of any size
RECEIPT_DEADLINE = int(os.environ["RECEIPT_DEADLINE"])  # seconds
TOO_MANY_REQUESTS = 429  # a refusal by its meaning (RFC 6585, section 4), whatever the body says

Send = Callable[[Request, float], VendorResponse]
CallResult = tuple[list[SubmitOutcome], str | None]  # with the raw answer if it is unreadable


class VendorSession:
    """One vendor's session in this worker.

    `workers` share the account's rate and calls at once, or with `codes` those kept for codes;
    `until` (epoch seconds) is the deadline. The share bounds parallel calls, the table the rate
    over all workers. A context manager: leaving it ends its threads. One `for_tests` takes the
    sandbox's adapters and test messages only.
    """

    for_tests: ClassVar[bool] = False

    def __init__(
        self,
        adapter: Adapter,
        callback_base: str,
        callback_key: bytes,
        until: float,
        workers: int = 1,
        send: Send = http_client.send,
        usable: Collection[str] = (),
        *,
        codes: bool = False,
    ) -> None:
        if is_sandbox(adapter.name) != self.for_tests:
            raise ValueError(f"{adapter.name} has another kind of session")
        self.adapter = adapter
        self.usable = frozenset({adapter.name, *usable})
        self._callback_base = callback_base
        self._callback_key = callback_key
        self._until = until
        share = adapter.calls_at_once(codes=codes) // workers
        self._max_calls = max(1, min(share, http_client.MAX_CONNECTIONS))
        self._call_slots = BoundedSemaphore(self._max_calls)
        self._pool = ThreadPoolExecutor(self._max_calls)  # starts a thread only for a call
        self._slot_freed = Condition()
        self._submissions, self._calls = 0, 0
        self._send = send

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._pool.shutdown()

    def callback_url(
        self, key: ItemKey, messages: Sequence[OutgoingMessage], now: datetime
    ) -> str | None:
        """Return the URL for the vendor's reports on this submission's messages; None for none."""
        name = self.adapter.name
        leaves = max([now, *(message.send_at for message in messages if message.send_at)])
        token = make_token(name, key, epoch_seconds(leaves) + RECEIPT_DEADLINE, self._callback_key)
        return f"{self._callback_base}/{name}/{token}"

    def of_its_kind(self, change: MessageUpdate) -> MessageUpdate:
        """Require that a submission is no test, whatever its queue message and its vendor say."""
        return change.if_missing("test")

    def outgoing(self, message: Message, now: datetime) -> OutgoingMessage:
        """Return the message for the adapter; a verification's code is filled in here.

        Raise SealBrokenError for a text that can't be opened.
        """
        outgoing = open_outgoing(message, message_key, now)
        return with_code(outgoing, message.content.code_spec, message_key)

    @contextmanager
    def claim_slot(self, messages: int) -> Iterator[None]:
        """Wait until a submission's calls can follow those before it.

        A claimed submission's outcome is unknown when the worker dies, so only as many are claimed
        as keep the calls going: two, or more while their calls are within twice the share.
        """
        calls = self.adapter.calls(messages)
        with self._slot_freed:
            self._slot_freed.wait_for(
                lambda: self._submissions < 2 or self._calls + calls <= 2 * self._max_calls
            )
            self._submissions += 1
            self._calls += calls
        try:
            yield
        finally:
            with self._slot_freed:
                self._submissions -= 1
                self._calls -= calls
                self._slot_freed.notify_all()

    def has_time_for(self, messages: int, segments: int = 0) -> bool:
        """Return whether a submission can be finished even if every call is slow."""
        calls = self.adapter.calls(messages)
        slowest = -(-calls // self._max_calls) * self._max_call_seconds
        paced = self.adapter.seconds(messages, segments) if calls > 1 else 0
        # Begin one that no worker has time for all the same: calls not made are retried.
        return time.time() + min(slowest + paced, MAX_TIME_NEEDED_SECONDS) < self._until

    @property
    def _max_call_seconds(self) -> float:
        return self.adapter.timeout + http_client.CONNECT_TIMEOUT_SECONDS

    def _too_late_to_call(self) -> bool:
        """Return whether another call could outlast the deadline."""
        return time.time() + self._max_call_seconds >= self._until

    def send_calls(self, calls: Sequence[SubmitCall]) -> list[CallResult]:
        """Make calls in parallel; return each call's outcomes, with an unreadable raw answer."""
        if len(calls) == 1:
            return [self._send_guarded(calls[0])]
        futures = []
        for call in calls:
            futures.append(self._pool.submit(self._send_guarded, call))
            if self.adapter.rate and not self._too_late_to_call():
                time.sleep(self._pace(call))
        wait(futures)  # together: one after the other would wake this thread for each
        return [future.result() for future in futures]

    def _pace(self, call: SubmitCall) -> float:
        """Return the seconds that a call takes of the account's rate."""
        if self.adapter.rate_unit == "messages":
            return self.adapter.seconds(len(call.members))
        from sms_gateway.sms.encoding import segments  # few accounts count them: starts faster

        counted = sum(segments(member.text, member.encoding) for member in call.members)
        return self.adapter.seconds(len(call.members), counted)

    def _send_guarded(self, call: SubmitCall) -> CallResult:
        with self._call_slots:
            if self._too_late_to_call():
                return _repeat_outcome(call, SubmitVerdict.RETRY, "no time was left for the call")
            return self._through_circuit(call)

    def _through_circuit(self, call: SubmitCall) -> CallResult:
        return call_guarded(
            self.adapter.name,
            lambda: self._send_call(call),
            lambda: _repeat_outcome(call, SubmitVerdict.RETRY, "the vendor's circuit is open"),
        )

    def _send_call(self, call: SubmitCall) -> CallResult:
        """Make a call; raise VendorFailureError with its outcomes when the vendor seems to fail."""
        name = self.adapter.name
        try:
            response = self._send(call.request, self.adapter.timeout)
        except http_client.VendorConnectionFailedError as error:
            raise VendorFailureError(
                _repeat_outcome(call, SubmitVerdict.RETRY, f"never connected: {error}")
            ) from None
        except http_client.VendorOutcomeUnknownError as error:
            raise VendorFailureError(
                _repeat_outcome(call, SubmitVerdict.UNKNOWN, f"no answer: {error}")
            ) from None
        except Exception:
            # Unforeseen, so the outcome is unknown; the other calls' answers must not be lost.
            logger.exception("vendor call failed", extra={"vendor": name})
            return _repeat_outcome(call, SubmitVerdict.UNKNOWN, "the call failed")
        redaction = Redaction.of_call(self.adapter, call)
        outcomes = [*map(redaction.outcome, self.adapter.submitted(response, call))]
        unknown = all(outcome.verdict is SubmitVerdict.UNKNOWN for outcome in outcomes)
        if unknown and response.status == TOO_MANY_REQUESTS:
            return _repeat_outcome(
                call, SubmitVerdict.RETRY, "the vendor limits the rate (HTTP 429)"
            )
        if not any(outcome.verdict is SubmitVerdict.UNKNOWN for outcome in outcomes):
            return outcomes, None
        increment("UnreadableVendorResponse", vendor=name)
        result = outcomes, redaction.raw(response.body)
        if unknown:
            raise VendorFailureError(result)
        return result


def _repeat_outcome(call: SubmitCall, verdict: SubmitVerdict, note: str) -> CallResult:
    return [SubmitOutcome(verdict, note=note)] * len(call.members), None
