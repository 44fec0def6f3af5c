"""The simulators' state: the ledger of accepted submissions, and the deliveries that follow."""

import hashlib
import itertools
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import partial
from types import MappingProxyType
from typing import Any, Literal, Protocol

from local.simulators.callbacks import Callback, Caller, Clock
from local.simulators.faults import Faults
from local.simulators.server2sms_account import Account
from sms_gateway.vendors.registry import VENDORS

type MessageState = Literal["pending", "delivered", "undelivered"]

COUNTS = (
    "calls",
    "submissions",
    "messages",
    "polls",
    "balances",
    "changes",
    "callbacks_sent",
    "callbacks_failed",
)
MAX_TEXTS = 1000  # texts that can be read on handsets: the last ones, of all numbers together
NO_URLS: Mapping[str, str] = MappingProxyType({})


@dataclass(slots=True)
class Message:
    """One accepted message.

    `number` is digits with the country code, without a plus; times are seconds since 1970. `urls`
    are the callback addresses by the state that they are notified of.
    """

    number: str
    text: str = field(repr=False)  # the SHA-256 of it: the ledger has no texts
    reference: str | None = None
    vendor_id: str | None = None
    urls: Mapping[str, str] = field(default=NO_URLS, repr=False)
    send_at: float | None = None
    submitted_at: float = 0.0
    state: MessageState = "pending"
    in_flight: bool = False  # its time came, and it stays with the network
    final_at: float | None = None
    read: bool = False  # its final answer has been read (Dinisoft gives it once)
    dropped: bool = False  # an operator drops it, although the vendor accepted it
    plain: str = field(default="", repr=False)  # the text itself, until it is on the handset

    def view(self) -> dict[str, object]:
        """Return the message as the ledger shows it."""
        shown: dict[str, object] = {"number": self.number}
        if self.reference is not None:
            shown["reference"] = self.reference
        shown["vendor_id"] = self.vendor_id
        shown["text_sha256"] = self.text
        shown["send_at"] = None if self.send_at is None else timestamp(self.send_at)
        shown["state"] = self.state
        shown["final_at"] = None if self.final_at is None else timestamp(self.final_at)
        return shown


@dataclass(slots=True)
class Submission:
    """One call whose messages the vendor accepted, whatever it then answered."""

    seq: int
    vendor: str
    operation: str
    at: float
    messages: Sequence[Message]
    answered: str

    def view(self) -> dict[str, object]:
        """Return the submission as the ledger shows it."""
        return {
            "seq": self.seq,
            "vendor": self.vendor,
            "operation": self.operation,
            "at": timestamp(self.at),
            "answered": self.answered,
            "messages": [message.view() for message in self.messages],
        }


def digest(text: str) -> str:
    """Return the SHA-256 of a text's UTF-8, in hex."""
    return hashlib.sha256(text.encode("utf-8", "replace")).hexdigest()


def timestamp(seconds: float) -> str:
    """Return RFC 3339 in UTC with milliseconds."""
    moment = datetime.fromtimestamp(seconds, UTC)
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def outcome(number: str) -> MessageState:
    """Return a message's final state, by its number's last digits."""
    if number.endswith("98"):
        return "undelivered"
    return "pending" if number.endswith("97") else "delivered"


class Notices(Protocol):
    """How a vendor words its callbacks (see `Vendor.notices`)."""

    def __call__(self, messages: Sequence[Message], *, stale: bool = False) -> list[Callback]:
        """Return the callbacks for these messages."""
        ...


class State:
    """The ledger, the faults and the deliveries of all vendors.

    `delay` is the seconds from acceptance (or from the scheduled time) to the outcome, `endpoint`
    the AWS emulator's address, `balance_interval` how long RajaSMS refuses another balance query.
    """

    def __init__(self, delay: float, endpoint: str, balance_interval: float) -> None:
        self.balance_interval = balance_interval
        self.faults = Faults()
        self.account = Account()  # at server2sms, beside its messages
        self.clock = Clock()
        self.caller = Caller(endpoint, self.clock, self._called)
        self.notices: dict[str, Notices] = {}
        self.vendors: list[str] = list(VENDORS)
        self.describe: Callable[[bytes], dict[str, Any]] | None = None  # set by the server
        # From the time, so that ids differ from those of an earlier run whose messages live on.
        self._ids = itertools.count(int(time.time() * 1000))
        self._lock = threading.Lock()
        self._seq = 0
        self._delay = delay
        self._delays = dict.fromkeys(VENDORS, delay)
        self._submissions: list[Submission] = []
        self._index: dict[tuple[str, str], list[Message]] = {}
        self._handsets: deque[tuple[str, str]] = deque(maxlen=MAX_TEXTS)
        self._counts = self._zero()

    def add(self, vendor: str) -> None:
        """Know one more vendor, which is described."""
        with self._lock:
            if vendor not in self.vendors:
                self.vendors.append(vendor)
                self._delays[vendor] = self._delay
                self._counts[vendor] = dict.fromkeys(COUNTS, 0)

    def next_id(self) -> int:
        """Return a fresh vendor id, over 32 bits."""
        return next(self._ids)

    def accept(
        self, vendor: str, operation: str, messages: Sequence[Message], answered: str
    ) -> None:
        """Enter a submission into the ledger and schedule its messages' outcomes."""
        now = time.time()
        delay = self._delays[vendor]
        due: dict[float, list[Message]] = {}
        for message in messages:
            message.submitted_at = now
            wait = delay if message.send_at is None else delay + max(0.0, message.send_at - now)
            due.setdefault(wait, []).append(message)
        with self._lock:
            self._seq += 1
            self._submissions.append(
                Submission(self._seq, vendor, operation, now, messages, answered)
            )
            for message in messages:
                self._handsets.append((message.number, message.plain))
                message.plain = ""
                key = message.vendor_id or message.reference
                if key is not None:
                    self._index.setdefault((vendor, key), []).append(message)
            counts = self._counts[vendor]
            counts["submissions"] += 1
            counts["messages"] += len(messages)
        for wait, group in due.items():
            self.clock.after(wait, partial(self._arrive, vendor, group))

    def handset(self, number: str) -> list[str]:
        """Return the last texts to a number, oldest first, as its owner would read them."""
        with self._lock:
            return [text for to, text in self._handsets if to == number]

    def find(self, vendor: str, key: str) -> Sequence[Message]:
        """Return the messages with this vendor id or, at a vendor without ids, reference."""
        return self._index.get((vendor, key), ())

    def take(self, message: Message, *, peek: bool) -> bool:
        """Return whether a final answer is still unread; a read, not a `peek`, uses it up."""
        with self._lock:
            unread = not message.read
            if not peek:
                message.read = True
        return unread

    def force(self, vendor: str, number: str, state: MessageState) -> Message | None:
        """Settle the newest message to a number at once and report it; None if there is none."""
        with self._lock:
            message = next(
                (
                    message
                    for submission in reversed(self._submissions)
                    if submission.vendor == vendor
                    for message in reversed(submission.messages)
                    if message.number == number
                ),
                None,
            )
            if message is None:
                return None
            message.state = state
            message.final_at = time.time()
        self._notify(vendor, [message])
        return message

    def count(self, vendor: str, *names: str) -> None:
        """Add one to each of the vendor's counts named."""
        with self._lock:
            counts = self._counts[vendor]
            for name in names:
                counts[name] += 1

    def set_delay(self, seconds: float, vendors: Iterable[str]) -> None:
        """Set the delay of what is accepted from now on."""
        with self._lock:
            self._delays.update(dict.fromkeys(vendors, seconds))

    def delays(self) -> dict[str, float]:
        """Return the seconds to the outcome, by vendor."""
        with self._lock:
            return dict(self._delays)

    def ledger(self, vendor: str | None = None, since: int = 0) -> list[dict[str, object]]:
        """Return the submissions after number `since`, oldest first."""
        with self._lock:
            return [
                submission.view()
                for submission in self._submissions
                if submission.seq > since and vendor in (None, submission.vendor)
            ]

    def counts(self) -> dict[str, dict[str, int]]:
        """Return the counts by vendor."""
        with self._lock:
            return {vendor: dict(counts) for vendor, counts in self._counts.items()}

    def clear(self) -> None:
        """Drop every submission, count, pending delivery and callback, and reset the account."""
        self.clock.clear()
        self.account.clear()
        with self._lock:
            self._submissions.clear()
            self._index.clear()
            self._handsets.clear()
            self._counts = self._zero()

    def stop(self) -> None:
        """End the threads."""
        self.clock.stop()
        self.caller.stop()

    def _zero(self) -> dict[str, dict[str, int]]:
        return {vendor: dict.fromkeys(COUNTS, 0) for vendor in self.vendors}

    def _called(self, vendor: str, arrived: bool) -> None:
        self.count(vendor, "callbacks_sent" if arrived else "callbacks_failed")

    def _arrive(self, vendor: str, messages: Sequence[Message]) -> None:
        now = time.time()
        changed = []
        with self._lock:
            for message in messages:
                if message.state != "pending":  # settled by command before its time
                    continue
                message.state = "undelivered" if message.dropped else outcome(message.number)
                if message.state == "pending":
                    message.in_flight = True
                else:
                    message.final_at = now
                changed.append(message)
        self._notify(vendor, changed)

    def _notify(self, vendor: str, messages: Sequence[Message]) -> None:
        notices = self.notices.get(vendor)
        if notices is None or not messages:
            return
        callbacks = notices(messages)
        draw = partial(self.faults.draw, vendor, "callback")
        if callbacks and draw("reversed-callbacks"):
            # The last first, and after the finals a report that all are still in flight.
            self.caller.send([*reversed(callbacks), *notices(messages, stale=True)])
            return
        for callback in callbacks:
            if draw("drop-callbacks"):
                continue
            twice = draw("duplicate-callbacks") is not None
            late = draw("late-callbacks")
            send = partial(self.caller.send, (callback,) * (2 if twice else 1))
            if late is None:
                send()
            else:
                self.clock.after(late.seconds or 0.0, send)
