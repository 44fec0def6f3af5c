"""What the simulated vendors share: a parsed request in, an answer out."""

import json
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar, Literal

from local.simulators.callbacks import Callback
from local.simulators.state import Message, State

type Operation = Literal["submit", "poll", "balance", "inquiry", "change", "verify"]

JSON = "application/json"
HTML = "text/html; charset=UTF-8"  # what PHP calls its answers, JSON or not
TEXT = "text/plain; charset=UTF-8"


@dataclass(slots=True)
class Request:
    """A call to a vendor: `path` below the vendor's prefix, `fields` of the query and the form."""

    method: str
    path: str
    fields: Mapping[str, str]
    body: bytes = b""
    target: str = ""  # the whole address as it was written, below the server's
    headers: Mapping[str, str] = field(default_factory=dict)  # names in lower case
    answered: str = "ok"  # what the ledger will say of the answer
    peek: bool = False  # the answer will be spoiled: leave what is readable once unread

    def data(self) -> dict[str, Any] | None:
        """Return the JSON object of the body; None when it is anything else."""
        try:
            value = json.loads(self.body)
        except ValueError:
            return None
        return value if isinstance(value, dict) else None


@dataclass(frozen=True, slots=True)
class Answer:
    """A complete HTTP response. `content_type` None leaves the header out, as one vendor does."""

    body: bytes = b""
    status: int = 200
    content_type: str | None = None
    headers: Sequence[tuple[str, str]] = ()


def as_json(value: object, content_type: str | None = JSON, status: int = 200) -> Answer:
    """Return an answer that carries `value` as JSON."""
    return Answer(json.dumps(value).encode(), status, content_type)


class Vendor(ABC):
    """One simulated vendor. Never raises for what a caller sends: it refuses, as the vendor would.

    `operations` maps the paths below the prefix to what they do; `methods` are the verbs accepted.
    The module has the vendor's name.
    """

    name: ClassVar[str]
    first_number: ClassVar[int]  # of a range that no subscriber has; the local routes lead here
    methods: ClassVar[frozenset[str]]
    operations: ClassVar[Mapping[str, Operation]]
    sends_callbacks: ClassVar[bool] = False

    def __init__(self, state: State) -> None:
        self.state = state

    def operation_of(self, request: Request) -> Operation | None:
        """Return what a request asks for; None for an address that the vendor does not have."""
        return self.operations.get(request.path)

    @classmethod
    @abstractmethod
    def account(cls, base: str) -> dict[str, Any]:
        """Make the gateway's account settings for a simulator at `base`."""

    @abstractmethod
    def answer(self, request: Request) -> Answer:
        """Return the vendor's true answer; an accepted submission is then in the ledger."""

    @abstractmethod
    def refusal(self, request: Request, operation: Operation, *, temporary: bool) -> Answer:
        """Return a refusal as the vendor writes it; nothing is accepted."""

    @abstractmethod
    def unknown_code(self, request: Request, operation: Operation) -> Answer:
        """Return a well-formed answer with a code that no document lists."""

    @abstractmethod
    def wrong_type(self, operation: Operation) -> Answer:
        """Return JSON with the vendor's keys and values of types it never sends."""

    def notices(self, messages: Sequence[Message], *, stale: bool = False) -> list[Callback]:
        """Return the callbacks that report the messages' states.

        `stale` reports that they are in flight, whatever they are by now.
        """
        del messages, stale
        return []
