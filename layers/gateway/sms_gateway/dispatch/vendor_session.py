"""Where one vendor's submissions are worked on in a worker: calls within the account's bounds."""

import time
from collections.abc import Callable, Collection, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, wait
from contextlib import contextmanager
from datetime import datetime
from threading import BoundedSemaphore, Condition
from typing import Self

from sms_gateway.core.observability import count, log
from sms_gateway.dispatch.circuit_breaker import VendorFailing, guarded
from sms_gateway.receipts.callback_tokens import token
from sms_gateway.storage import rate_limiter
from sms_gateway.storage.models import Key, Message
from sms_gateway.vendors import http_client
from sms_gateway.vendors.adapter import Adapter, Call, Outcome, Outgoing, Reply, Request, Verdict
from sms_gateway.vendors.redaction import redact
from sms_gateway.verifications.model import with_code, without_code

LONG_ENOUGH = 60  # seconds of a turn, which is 115, that must be left for a submission of any size
LONGEST_TURN = 5  # seconds that a worker waits for its turn within the account's rate
TOO_MANY_REQUESTS = 429  # a refusal by its meaning (RFC 6585, section 4), whatever the body says

Send = Callable[[Request, float], Reply]
Answer = tuple[list[Outcome], str | None]  # a call's outcomes, and what was said if it is strange


class Desk:
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
        self._share = max(1, min(adapter.concurrency // workers, http_client.MOST_CONNECTIONS))
        self._room = BoundedSemaphore(self._share)
        self._callers = ThreadPoolExecutor(self._share)  # starts a thread only for a call
        self._turns = Condition()
        self._begun, self._begun_calls = 0, 0
        self._send = send

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._callers.shutdown()

    def callback_url(self, key: Key) -> str:
        """The address at which the vendor reports on this submission."""
        name = self.adapter.name
        return f"{self._callbacks}/{name}/{token(name, key, self._secret)}"

    def outgoing(self, message: Message, now: datetime) -> Outgoing:
        """The message as the adapter takes it: a verification's code exists from here on only."""
        made = message.content.outgoing(message.id, now)
        return with_code(made, message.content.recipe, self._secret)

    @contextmanager
    def turn(self, messages: int) -> Iterator[None]:
        """Waits until a submission's calls can follow those of the submissions before it.

        What has been claimed is in doubt when the worker dies, so no more is claimed than keeps
        the calls going: two submissions, or more while their calls are within twice the share.
        """
        calls = self.adapter.calls(messages)
        with self._turns:
            self._turns.wait_for(
                lambda: self._begun < 2 or self._begun_calls + calls <= 2 * self._share
            )
            self._begun += 1
            self._begun_calls += calls
        try:
            yield
        finally:
            with self._turns:
                self._begun -= 1
                self._begun_calls -= calls
                self._turns.notify_all()

    def time_for(self, messages: int) -> bool:
        """Whether a submission could still be finished, at the vendor's slowest."""
        calls = self.adapter.calls(messages)
        slowest = -(-calls // self._share) * self._slowest_call
        paced = messages / self.adapter.rate if self.adapter.rate and calls > 1 else 0
        # One that no turn is long enough for is begun all the same: what is left comes again.
        return time.time() + min(slowest + paced, LONG_ENOUGH) < self._until

    @property
    def _slowest_call(self) -> float:
        return self.adapter.timeout + http_client.CONNECT_TIMEOUT

    def _over(self) -> bool:
        """Whether it is too late to begin another call."""
        return time.time() + self._slowest_call >= self._until

    def may_start(self, messages: int) -> bool:
        """Takes a turn within the account's rate, waiting a few seconds for it at most."""
        if self.adapter.rate is None:
            return True
        now = int(time.time() * 1000)
        cost = round(messages / self.adapter.rate * 1000)
        start = rate_limiter.reserve(self.adapter.name, now, cost, LONGEST_TURN * 1000)
        if start is None:
            return False
        time.sleep(max(0, start - now) / 1000)
        return True

    def answers(self, calls: Sequence[Call]) -> list[Answer]:
        """The outcomes of each call, with what the vendor said where it can't be understood."""
        if len(calls) == 1:
            return [self._answer(calls[0])]
        waiting = []
        for call in calls:
            waiting.append(self._callers.submit(self._answer, call))
            if self.adapter.rate and not self._over():
                time.sleep(len(call.members) / self.adapter.rate)
        wait(waiting)  # rather than for one after the other: a thread would wake for each
        return [one.result() for one in waiting]

    def _answer(self, call: Call) -> Answer:
        with self._room:
            if self._over():
                return _all(call, Verdict.RETRY, "no time was left for the call")
            return guarded(
                self.adapter.name,
                lambda: self._call(call),
                lambda: _all(call, Verdict.RETRY, "the vendor's circuit is open"),
            )

    def _call(self, call: Call) -> Answer:
        """One call's outcomes. Raises VendorFailing with them when the vendor seems sick."""
        name = self.adapter.name
        try:
            reply = self._send(call.request, self.adapter.timeout)
        except http_client.VendorUnreachable as error:
            raise VendorFailing(_all(call, Verdict.RETRY, f"never connected: {error}")) from None
        except http_client.VendorSilent as error:
            raise VendorFailing(_all(call, Verdict.UNKNOWN, f"no answer: {error}")) from None
        except Exception:
            # Nobody foresaw it, so nobody can say; the other calls' answers must not be lost by it.
            log.exception("call failed", extra={"vendor": name})
            return _all(call, Verdict.UNKNOWN, "the call failed")
        outcomes = without_code(self.adapter.submitted(reply, call), call)
        unknown = all(outcome.verdict is Verdict.UNKNOWN for outcome in outcomes)
        if unknown and reply.status == TOO_MANY_REQUESTS:
            return _all(call, Verdict.RETRY, "the vendor limits the rate (HTTP 429)")
        if not any(outcome.verdict is Verdict.UNKNOWN for outcome in outcomes):
            return outcomes, None
        count("UnreadableAnswer", vendor=name)
        answer = outcomes, redact(reply.body, call)
        if unknown:
            raise VendorFailing(answer)
        return answer


def _all(call: Call, verdict: Verdict, note: str) -> Answer:
    return [Outcome(verdict, note=note)] * len(call.members), None
