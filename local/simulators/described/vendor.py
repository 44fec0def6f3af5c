"""Plays any description: it reads the requests that one makes, and answers as its rules read.

What it plays was tried against the description first: an answer that is not read as it was meant is
an UnplayableError at the start, and no wrong figure later.
"""

import json
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar
from urllib.parse import urlencode

from local.simulators.callbacks import Callback
from local.simulators.described.answers import (
    UnplayableError,
    document,
    place_of,
    said_by,
    status_of,
    with_rows,
    written,
)
from local.simulators.described.requests import (
    Call,
    CredentialsError,
    Found,
    MismatchError,
    Reader,
)
from local.simulators.described.texts import example, pattern_of
from local.simulators.state import Message, State, digest
from local.simulators.vendor import TEXT, Answer, Operation, Request, Vendor
from sms_gateway.vendors.declared.adapter import Declared
from sms_gateway.vendors.declared.answers import international
from sms_gateway.vendors.declared.description import (
    BalanceAnswer,
    Description,
    ReportAnswer,
    ReportRule,
    Rule,
    SubmitAnswer,
    SubmitRows,
    SubmitRule,
)
from sms_gateway.vendors.declared.description import Callback as CallbackPart
from sms_gateway.vendors.declared.requests import credentials
from sms_gateway.vendors.registry import build
from smsgw.vendor_descriptions import made_up

UNKNOWN_WORD, UNKNOWN_NUMBER = "E742", "97420"  # which no description lists
PARTS: Mapping[str, Operation] = {"send": "submit", "poll": "poll", "balance": "balance"}
AMOUNT = "1500.00"
STATES = {"pending": "none", "delivered": "delivered", "undelivered": "undelivered"}


class Described(Vendor):
    """A described vendor; `play` makes the class of one."""

    description: ClassVar[Description]
    cls: ClassVar[type[Declared]]
    methods: ClassVar[frozenset[str]] = frozenset({"GET", "POST"})
    operations: ClassVar[Mapping[str, Operation]] = {}

    def __init__(self, state: State, base: str) -> None:
        super().__init__(state)
        self.settings = self.account(base)
        kinds = {one.name: one.kind for one in self.description.settings}
        self.adapter = build(self.cls, self.settings)
        own = {name: getattr(self.adapter, name) for name in [*kinds, "base_url"]}
        self.reader = Reader({n: v for n, v in own.items() if v is not None}, kinds)

    @classmethod
    def account(cls, base: str) -> dict[str, Any]:
        """Make the account settings."""
        own = made_up(cls.cls)
        for name, setting in cls.cls.settings.items():
            if setting.kind == "url" and name in own:
                own[name] = f"{base}/{name}"
        return own | {"base_url": base, "allow_http": True}

    def find(self, request: Request) -> tuple[Operation, Found] | None:
        """Return what a request asks for, and what it says; None for no request of the description.

        Raises CredentialsError.
        """
        call = Call(
            request.method,
            request.target.partition("?")[0],
            request.target.partition("?")[2],
            request.headers,
            request.body,
        )
        for name, operation in PARTS.items():
            part = getattr(self.description, name)
            if part is None:
                continue
            try:
                found = self.reader.read(part.request, call)
            except MismatchError:
                continue
            self._check_credentials(call)
            return operation, found
        return None

    def operation_of(self, request: Request) -> Operation | None:
        """Return what a request asks for, also where its credentials are wrong."""
        try:
            found = self.find(request)
        except CredentialsError:
            return "submit"
        return found[0] if found else None

    def _check_credentials(self, call: Call) -> None:
        url = call.path + (f"?{call.search}" if call.search else "")
        own = self.reader.account.__getitem__
        wanted = credentials(self.description.auth, own, call.method, url, call.body)
        for name, value in wanted.items():
            if call.headers.get(name.lower()) != value:
                raise CredentialsError("another credential")

    def answer(self, request: Request) -> Answer:
        """Answer any call of the description."""
        try:
            known = self.find(request)
        except CredentialsError:
            return Answer(b"Unauthorized", 401, TEXT)
        if known is None:
            return Answer(b"Bad Request", 400, TEXT)
        operation, found = known
        if operation == "submit":
            return self._accept(request, found)
        poll, balance = self.description.poll, self.description.balance
        if operation == "poll" and poll is not None:
            return self._report(poll.answer, found)
        return self._balance(balance.answer) if balance else Answer(b"Bad Request", 400, TEXT)

    def _accept(self, request: Request, found: Found) -> Answer:
        messages = []
        for one in found.messages():
            url = one.get("callback_url") or self.account_callback
            messages.append(
                Message(
                    self._number(one),
                    digest(one["text"]),
                    reference=one.get("reference"),
                    vendor_id=str(self.state.next_id()),
                    urls={"all": url} if url else {},
                    plain=one["text"],
                )
            )
        if len({one.number for one in messages}) < len(messages):
            return Answer(b"Bad Request", 400, TEXT)
        self.state.accept(self.name, "send", messages, request.answered)
        return self.submitted("accepted", messages)

    account_callback: str | None = None  # told by the control route, for a vendor that needs it

    def _number(self, said: Mapping[str, str]) -> str:
        written = said.get("to") or said.get("to_digits") or said.get("to_national") or ""
        return international(written, self.description.numbers)

    def submitted(
        self, verdict: str, messages: Sequence[Message], *, wrong: bool = False
    ) -> Answer:
        """Return an answer to a send that means a verdict for each message.

        Raises UnplayableError where no rule says it.
        """
        answer = self.description.send.answer
        rows = answer.rows
        own = _rule(rows.rules, verdict) if rows else None
        rule = own or _rule(answer.rules, verdict)
        if rule is None:
            raise UnplayableError(f"/send/answer has no rule that says {verdict}")
        spoken = _spoken(rule, answer, messages[0].vendor_id if messages else None)
        if spoken is not None:
            return Answer(b"[null]" if wrong else spoken, status_of(rule), TEXT)
        whole: dict[str, Any] = {}
        if rows is None or own is None:
            whole = said_by(rule, answer.code, answer.text)
            _say(whole, answer, "id", messages[0].vendor_id if messages else None)
        made = document(answer.root[0], _spoiled(whole) if wrong else whole)
        if rows is not None and own is not None:
            each = [self._row(rows, own, one) for one in messages]
            made = with_rows(made, rows, [_spoiled(one) for one in each] if wrong else each)
        body, content_type = written(answer.read[0], made)
        return Answer(body, status_of(rule), content_type)

    def _row(self, rows: SubmitRows, rule: SubmitRule, message: Message) -> dict[str, Any]:
        said: dict[str, Any] = said_by(rule, rows.code, rows.text)
        _say(said, rows, "reference", message.reference)
        _say(said, rows, "number", message.number)
        _say(said, rows, "id", message.vendor_id)
        return said

    def _report(self, answer: ReportAnswer, found: Found) -> Answer:
        asked = [
            message
            for one in found.messages()
            for message in self._messages(one.get("vendor_id") or one.get("reference") or "")
        ]
        if not asked:
            return Answer(b"Not Found", 404, TEXT)
        state = STATES[asked[0].state]
        rule = _report_rule(answer.rules, state)
        if rule and (spoken := _spoken(rule, answer, None)) is not None:
            return Answer(spoken, status_of(rule), TEXT)
        made, status = self._reports(answer, asked)
        body, content_type = written(answer.read[0], made)
        return Answer(body, status, content_type)

    def _messages(self, key: str) -> Sequence[Message]:
        return self.state.find(self.name, key)

    def _reports(
        self, answer: ReportAnswer, messages: Sequence[Message], *, stale: bool = False
    ) -> tuple[Any, int]:
        each, status = [], 200
        for message in messages:
            state = "pending" if stale else message.state
            rule = _report_rule(answer.rules, STATES[state])
            if rule is None:
                raise UnplayableError(f"no rule of a report says {STATES[state]}")
            said: dict[str, Any] = said_by(rule, answer.code, answer.text)
            _say(said, answer, "reference", message.reference)
            _say(said, answer, "id", message.vendor_id)
            _say(said, answer, "number", message.number)
            if (code := place_of(answer.code)) is not None:
                said.setdefault(code, "0")  # without one a report says nothing
            each.append(said)
            status = status_of(rule)
        if answer.rows is None:
            return document(answer.root[0], each[0]), status
        return with_rows({}, answer.rows, each), status

    def _balance(self, answer: BalanceAnswer) -> Answer:
        pattern = pattern_of(answer.amount)
        if pattern is not None:
            return Answer(example(pattern, AMOUNT).encode(), 200, TEXT)
        place = place_of(answer.amount)
        if place is None:
            return Answer(AMOUNT.encode(), 200, TEXT)
        body, content_type = written(answer.read[0], document(answer.root[0], {place: AMOUNT}))
        return Answer(body, 200, content_type)

    def refusal(self, request: Request, operation: Operation, *, temporary: bool) -> Answer:
        """Return a refusal as the first rule for one reads it; 429 where it has none for now."""
        if operation != "submit":
            return Answer(b"Service Unavailable", 503, TEXT)
        try:
            return self.submitted("retry" if temporary else "refused", self._asked(request))
        except UnplayableError:
            return Answer(b"Too Many Requests", 429, TEXT)

    def unknown_code(self, request: Request, operation: Operation) -> Answer:
        """Return what is accepted, with words that no rule knows."""
        del operation
        pattern = pattern_of(self.description.send.answer.code)
        if pattern is not None:
            return Answer(example(pattern, UNKNOWN_NUMBER).encode(), 200, TEXT)
        answer = self.submitted("accepted", self._asked(request))
        data = answer.body
        for rule in self._accepting():
            for word in [*rule.code, *rule.text, *(one for w in rule.where for one in w.any_of)]:
                data = data.replace(f'"{word}"'.encode(), f'"{UNKNOWN_WORD}"'.encode())
                data = data.replace(f">{word}<".encode(), f">{UNKNOWN_WORD}<".encode())
        return Answer(data, answer.status, answer.content_type)

    def wrong_type(self, operation: Operation) -> Answer:
        """Return what is accepted, with lists in place of texts."""
        if operation != "submit":
            return Answer(json.dumps({"balance": [None]}).encode(), 200, "application/json")
        return self.submitted("accepted", [Message("0", "", vendor_id="0")], wrong=True)

    def _accepting(self) -> list[SubmitRule]:
        answer = self.description.send.answer
        rules = [*answer.rules, *(answer.rows.rules if answer.rows else ())]
        return [one for one in rules if one.verdict == "accepted"]

    def _asked(self, request: Request) -> list[Message]:
        known = self.find(request)
        found = known[1].messages() if known else [{}]
        return [Message(self._number(one), "", one.get("reference"), "0") for one in found]

    def notices(self, messages: Sequence[Message], *, stale: bool = False) -> list[Callback]:
        """Return a callback for each message that has an address."""
        part = self.description.callback
        if part is None:
            return []
        return [
            self.notice(part, one, one.urls["all"], stale=stale) for one in messages if one.urls
        ]

    def notice(
        self, part: CallbackPart, message: Message, url: str, *, stale: bool = False
    ) -> Callback:
        """Return the callback that tells a message's state."""
        made, _ = self._reports(part.answer, [message], stale=stale)
        for one in part.secrets:
            made = document("", {**_flat(made), one.at: self.settings[one.setting]})
        if part.query:
            return Callback(self.name, f"{url}?{urlencode(made)}")
        return Callback(self.name, url, "POST", written(part.answer.read[0], made)[0])


def _spoken(
    rule: Rule, reading: SubmitAnswer | ReportAnswer, vendor_id: str | None
) -> bytes | None:
    """Return an answer in plain text with which a rule holds; None where a document is read."""
    wanted = ((reading.id, [vendor_id or ""]), (reading.code, rule.code), (reading.text, rule.text))
    for find, words in wanted:
        pattern = pattern_of(find)
        if pattern is not None and words and words[0]:
            return example(pattern, words[0]).encode()
    return example(rule.pattern).encode() if rule.pattern is not None else None


def _flat(made: Any) -> dict[str, Any]:
    return {f"/{name}": value for name, value in made.items()}


def _spoiled(said: Mapping[str, Any]) -> dict[str, Any]:
    return {place: [None, {}] for place in said}


def _rule(rules: Sequence[SubmitRule], verdict: str) -> SubmitRule | None:
    own = [one for one in rules if one.verdict == verdict]
    of_message = [one for one in own if not one.account_fault]
    return next(iter(of_message or own), None)


def _report_rule(rules: Sequence[ReportRule], status: str) -> ReportRule | None:
    own = [one for one in rules if one.status == status]
    return next((one for one in own if not one.http), next(iter(own), None))


def _say(said: dict[str, Any], reading: Any, name: str, value: str | None) -> None:
    place = place_of(getattr(reading, name))
    if place is not None and value is not None:
        said[place] = value


def play(cls: type[Declared]) -> type[Described]:
    """Return the simulator of a description."""
    return type(
        f"Simulated{cls.name.capitalize()}",
        (Described,),
        {
            "name": cls.name,
            "description": cls.description,
            "cls": cls,
            "sends_callbacks": cls.description.callback is not None,
        },
    )
