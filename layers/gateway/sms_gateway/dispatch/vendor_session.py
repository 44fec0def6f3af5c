"""Where one vendor's submissions are worked on in a worker: calls within the account's bounds."""

import time
from collections.abc import Callable, Collection, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, wait
from contextlib import contextmanager
from datetime import datetime
from threading import BoundedSemaphore, Condition
from typing import Self

from sms_gateway.core.observability import increment, logger
from sms_gateway.dispatch.circuit_breaker import VendorFailureError, call_guarded
from sms_gateway.receipts.callback_tokens import make_token
from sms_gateway.storage import rate_limiter
from sms_gateway.storage.models import ItemKey, Message
from sms_gateway.vendors import http_client
from sms_gateway.vendors.adapter import Adapter
from sms_gateway.vendors.redaction import redact
from sms_gateway.vendors.types import (
    OutgoingMessage,
    Request,
    SubmitCall,
    SubmitOutcome,
    SubmitVerdict,
    VendorResponse,
)
from sms_gateway.verifications.codes import with_code, without_code

ENOUGH_SECONDS = (
    60  # seconds of a turn, which is 115, that must be left for a submission of any size
)
MAX_RATE_WAIT_SECONDS = 5  # seconds that a worker waits for its turn within the account's rate
TOO_MANY_REQUESTS = 429  # a refusal by its meaning (RFC 6585, section 4), whatever the body says

Send = Callable[[Request, float], VendorResponse]
CallResult = tuple[
    list[SubmitOutcome], str | None
]  # a call's outcomes, and what was said if it is strange


class VendorSession:
    """Where one vendor's submissions are worked on in this worker.

    `workers` share the account's concurrency and rate; `until` (epoch seconds) is when this one
    must be done. Calls at once are bounded by the share, the rate over all workers by the table.
    As a context manager it ends its threads.
    """

    def __init__(
        self,
        adapter: Adapter,
        callbacks: str,
        secret: bytes,
        until: float,
        workers: int = 1,
        send: Send = http_client.send,
        usable: Collection[str] = (),
    ) -> None:
        self.adapter = adapter
        self.usable = frozenset({adapter.name, *usable})
        self._callbacks = callbacks
        self._secret = secret
        self._until = until
        self._share = max(1, min(adapter.concurrency // workers, http_client.MAX_CONNECTIONS))
        self._call_slots = BoundedSemaphore(self._share)
        self._pool = ThreadPoolExecutor(self._share)  # starts a thread only for a call
        self._slot_freed = Condition()
        self._submissions, self._calls = 0, 0
        self._send = send

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._pool.shutdown()

    def callback_url(self, key: ItemKey) -> str:
        """The address at which the vendor reports on this submission."""
        name = self.adapter.name
        return f"{self._callbacks}/{name}/{make_token(name, key, self._secret)}"

    def outgoing(self, message: Message, now: datetime) -> OutgoingMessage:
        """The message as the adapter takes it: a verification's code exists from here on only."""
        made = message.content.outgoing(message.id, now)
        return with_code(made, message.content.code_spec, self._secret)

    @contextmanager
    def claim_slot(self, messages: int) -> Iterator[None]:
        """Waits until a submission's calls can follow those of the submissions before it.

        What has been claimed is in doubt when the worker dies, so no more is claimed than keeps
        the calls going: two submissions, or more while their calls are within twice the share.
        """
        calls = self.adapter.calls(messages)
        with self._slot_freed:
            self._slot_freed.wait_for(
                lambda: self._submissions < 2 or self._calls + calls <= 2 * self._share
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

    def has_time_for(self, messages: int) -> bool:
        """Whether a submission could still be finished, at the vendor's slowest."""
        calls = self.adapter.calls(messages)
        slowest = -(-calls // self._share) * self._slowest_call
        paced = messages / self.adapter.rate if self.adapter.rate and calls > 1 else 0
        # One that no turn is long enough for is begun all the same: what is left comes again.
        return time.time() + min(slowest + paced, ENOUGH_SECONDS) < self._until

    @property
    def _slowest_call(self) -> float:
        return self.adapter.timeout + http_client.CONNECT_TIMEOUT_SECONDS

    def _too_late(self) -> bool:
        """Whether it is too late to begin another call."""
        return time.time() + self._slowest_call >= self._until

    def acquire_rate(self, messages: int) -> bool:
        """Takes a turn within the account's rate, waiting a few seconds for it at most."""
        if self.adapter.rate is None:
            return True
        now = int(time.time() * 1000)
        cost = round(messages / self.adapter.rate * 1000)
        start = rate_limiter.reserve_time(
            self.adapter.name, now, cost, MAX_RATE_WAIT_SECONDS * 1000
        )
        if start is None:
            return False
        time.sleep(max(0, start - now) / 1000)
        return True

    def send_calls(self, calls: Sequence[SubmitCall]) -> list[CallResult]:
        """The outcomes of each call, with what the vendor said where it can't be understood."""
        if len(calls) == 1:
            return [self._send_guarded(calls[0])]
        waiting = []
        for call in calls:
            waiting.append(self._pool.submit(self._send_guarded, call))
            if self.adapter.rate and not self._too_late():
                time.sleep(len(call.members) / self.adapter.rate)
        wait(waiting)  # rather than for one after the other: a thread would wake for each
        return [one.result() for one in waiting]

    def _send_guarded(self, call: SubmitCall) -> CallResult:
        with self._call_slots:
            if self._too_late():
                return _same_for_all(call, SubmitVerdict.RETRY, "no time was left for the call")
            return call_guarded(
                self.adapter.name,
                lambda: self._send_call(call),
                lambda: _same_for_all(call, SubmitVerdict.RETRY, "the vendor's circuit is open"),
            )

    def _send_call(self, call: SubmitCall) -> CallResult:
        """One call's outcomes. Raises VendorFailing with them when the vendor seems sick."""
        name = self.adapter.name
        try:
            reply = self._send(call.request, self.adapter.timeout)
        except http_client.VendorConnectionFailedError as error:
            raise VendorFailureError(
                _same_for_all(call, SubmitVerdict.RETRY, f"never connected: {error}")
            ) from None
        except http_client.VendorOutcomeUnknownError as error:
            raise VendorFailureError(
                _same_for_all(call, SubmitVerdict.UNKNOWN, f"no answer: {error}")
            ) from None
        except Exception:
            # Nobody foresaw it, so nobody can say; the other calls' answers must not be lost by it.
            logger.exception("call failed", extra={"vendor": name})
            return _same_for_all(call, SubmitVerdict.UNKNOWN, "the call failed")
        outcomes = without_code(self.adapter.submitted(reply, call), call)
        unknown = all(outcome.verdict is SubmitVerdict.UNKNOWN for outcome in outcomes)
        if unknown and reply.status == TOO_MANY_REQUESTS:
            return _same_for_all(call, SubmitVerdict.RETRY, "the vendor limits the rate (HTTP 429)")
        if not any(outcome.verdict is SubmitVerdict.UNKNOWN for outcome in outcomes):
            return outcomes, None
        increment("UnreadableAnswer", vendor=name)
        answer = outcomes, redact(reply.body, call)
        if unknown:
            raise VendorFailureError(answer)
        return answer


def _same_for_all(call: SubmitCall, verdict: SubmitVerdict, note: str) -> CallResult:
    return [SubmitOutcome(verdict, note=note)] * len(call.members), None
