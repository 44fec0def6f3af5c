"""What a vendor answered, by its description: rules in order, whose default is unknown.

Nothing here raises for what a vendor may answer.
"""

import re
from collections.abc import Mapping, Sequence
from copy import replace
from datetime import UTC, datetime

from sms_gateway.core.status import Status
from sms_gateway.vendors.declared import times
from sms_gateway.vendors.declared.description import (
    BalancePart,
    Callback,
    Find,
    Numbers,
    Poll,
    ReportAnswer,
    Rule,
    SubmitAnswer,
    SubmitRows,
    Time,
)
from sms_gateway.vendors.declared.documents import extract, find, look, read, root_of, rows_of
from sms_gateway.vendors.parsing import as_decimal, as_text, only_object
from sms_gateway.vendors.types import (
    Balance,
    BalanceRefusedError,
    CallbackRequest,
    DeliveryReport,
    OutgoingMessage,
    PendingReceipt,
    Price,
    SubmitOutcome,
    SubmitVerdict,
    VendorResponse,
)

NEWS: Mapping[str, Status | None] = {
    "delivered": Status.DELIVERED,
    "undelivered": Status.UNDELIVERED,
    "expired": Status.EXPIRED,
    "none": None,
    "unknown": None,
}


class View:
    """An answer, or a row of it, of which a description asks."""

    def __init__(
        self,
        http: int,
        body: str,
        holder: Mapping[str, object],
        code: Find | None,
        text: Find | None,
    ) -> None:
        self.http, self.body, self.holder = http, body, holder
        self.code, self.text = self.find(code), self.find(text)

    def find(self, where: Find | None) -> str | None:
        """Return what stands at a place of the description, as text."""
        return find(where, self.holder, self.body)

    def first[R: Rule](self, rules: Sequence[R]) -> R | None:
        """Return the first rule whose conditions all hold."""
        return next((rule for rule in rules if self._holds(rule)), None)

    def _holds(self, rule: Rule) -> bool:
        return (
            (not rule.http or any(_is_http(one, self.http) for one in rule.http))
            and (not rule.code or _is_any(self.code, rule.code))
            and (not rule.text or _is_any(self.text, rule.text))
            and all(_is_any(as_text(look(self.holder, one.at)), one.any_of) for one in rule.where)
            and (rule.pattern is None or extract(rule.pattern, self.body) is not None)
        )


def _is_http(written: str, status: int) -> bool:
    return written == str(status) or (written.endswith("xx") and written[0] == str(status)[:1])


def _is_any(found: str | None, words: Sequence[str]) -> bool:
    return found is not None and found.casefold() in map(str.casefold, words)


def _body(body: bytes) -> str:
    return body.decode("utf-8-sig", "replace")


def international(number: str | None, numbers: Numbers) -> str:
    """Return a number's digits from the country code on; '' for none."""
    digits = re.sub(r"[^0-9]", "", number or "")
    trunk = numbers.trunk_prefix
    if numbers.country_code and trunk and re.match(f"{trunk}[1-9]", digits):
        return numbers.country_code + digits.removeprefix(trunk)
    return digits.removeprefix("00")


def submitted(
    answer: SubmitAnswer,
    numbers: Numbers,
    currency: str,
    response: VendorResponse,
    members: Sequence[OutgoingMessage],
) -> list[SubmitOutcome]:
    """Return one outcome for each member: that of its row, else that of the whole answer."""
    document, body = read(answer.read, response.body), _body(response.body)
    root = root_of(document, answer.root)
    whole = View(response.status, body, root, answer.code, answer.text)
    overall = _outcome(whole, answer, currency)
    if answer.rows is None:
        return [overall] * len(members)
    rows, part = rows_of(document, answer.rows.at, answer.rows.root), answer.rows
    views = [View(response.status, body, row, part.code, part.text) for row in rows]
    return [
        _agreed([_outcome(one, part, currency) for one in found if _speaks(one, part)], overall)
        for found in _rows_of_members(views, part, numbers, members)
    ]


def _rows_of_members(
    views: Sequence[View], rows: SubmitRows, numbers: Numbers, members: Sequence[OutgoingMessage]
) -> list[list[View]]:
    """Return the rows of each member: by reference, else number, else position if none is named."""
    named: dict[tuple[str, str], list[View]] = {}
    nameless: dict[int, View] = {}
    for position, view in enumerate(views):
        reference = view.find(rows.reference)
        number = international(view.find(rows.number), numbers)
        if reference is not None or number:
            named.setdefault((reference or "", number), []).append(view)
        else:
            nameless[position] = view
    found = []
    for position, member in enumerate(members):
        digits = member.to.removeprefix("+")
        keys = ((member.id, digits), (member.id, ""), ("", digits))
        own = [view for key in keys for view in named.get(key, [])]
        if not own and len(views) == len(members) and position in nameless:
            own = [nameless[position]]
        found.append(own)
    return found


def _speaks(view: View, answer: SubmitRows | ReportAnswer) -> bool:
    """Whether an answer has its code or, where none is described, its text."""
    if answer.code is not None:
        return view.code is not None
    return answer.text is None or view.text is not None


def _agreed(outcomes: Sequence[SubmitOutcome], overall: SubmitOutcome) -> SubmitOutcome:
    """Return the outcome of a message's rows, which may be one for each part of a long text."""
    if not outcomes:
        return overall
    if len({one.verdict for one in outcomes}) == 1:
        return outcomes[0]
    return SubmitOutcome(
        SubmitVerdict.UNKNOWN,
        code=outcomes[-1].code,
        text=outcomes[-1].text,
        note="the vendor answered differently for parts of this message",
    )


def _outcome(view: View, answer: SubmitAnswer | SubmitRows, currency: str) -> SubmitOutcome:
    rule = view.first(answer.rules)
    verdict = SubmitVerdict(rule.verdict) if rule else SubmitVerdict.UNKNOWN
    accepted = verdict is SubmitVerdict.ACCEPTED
    amount = as_decimal(view.find(answer.price)) if accepted and currency else None
    return SubmitOutcome(
        verdict,
        vendor_id=view.find(answer.id),
        code=view.code,
        text=view.text or (rule.words if rule else None),
        price=Price(amount, currency) if amount is not None else None,
        account_fault=rule.account_fault if rule else False,
    )


def balance(part: BalancePart, unit: str, response: VendorResponse, product: str | None) -> Balance:
    """Return a balance. Raises BalanceRefusedError, also for an unreadable response."""
    answer = part.answer
    root = root_of(read(answer.read, response.body), answer.root)
    view = View(response.status, _body(response.body), root, answer.code, answer.text)
    rule = view.first(answer.rules)
    if rule.verdict == "refused" if rule else view.code is not None:
        text = view.text or (rule.words if rule else None) or "unknown code"
        raise BalanceRefusedError(
            text,
            view.code,
            retryable=rule.retryable if rule else False,
            limited=rule.limited if rule else False,
        )
    amount = as_decimal(view.find(answer.amount))
    if amount is None:
        raise BalanceRefusedError("unreadable answer")
    expires = _time(answer.expires, view)
    return Balance(product, amount, unit, expires.date() if expires else None)


def reports(
    poll: Poll, numbers: Numbers, response: VendorResponse, pending: Sequence[PendingReceipt]
) -> list[DeliveryReport]:
    """Return the reports of a poll, only of the messages that were asked for."""
    answer = poll.answer
    found = _views(answer, read(answer.read, response.body), response.status, response.body)
    by_name: dict[str | None, list[PendingReceipt]] = {None: [*pending]}
    for one in pending:  # once: an answer may have many rows
        for name in {one.id, one.vendor_id, one.to.removeprefix("+")} - {None}:
            by_name.setdefault(name, []).append(one)
    made = []
    for report in filter(None, (_report(answer, numbers, view) for view in found)):
        name = report.message_id or report.vendor_id or report.number
        if name is None and answer.rows is not None:
            continue
        asked = [one for one in by_name.get(name, ()) if _is_about(report, one)]
        if len(asked) == 1:
            made.append(_of_poll(report, asked[0]))
    return made


def _is_about(report: DeliveryReport, receipt: PendingReceipt) -> bool:
    return (
        report.message_id in (None, receipt.id)
        and report.vendor_id in (None, receipt.vendor_id)
        and report.number in (None, receipt.to.removeprefix("+"))
    )


def _of_poll(report: DeliveryReport, receipt: PendingReceipt) -> DeliveryReport:
    return replace(report, message_id=receipt.id, vendor_id=None, number=None)


def said(callback: Callback, request: CallbackRequest) -> object:
    """Return the document of a callback."""
    document = read(callback.answer.read, request.body)
    if not callback.query:
        return document
    inner = only_object(document)
    return {**request.query, **(inner if isinstance(inner, dict) else {})}


def called_back(
    callback: Callback, numbers: Numbers, request: CallbackRequest
) -> list[DeliveryReport]:
    """Return the reports of a callback, only those that name their message."""
    found = _views(callback.answer, said(callback, request), 200, request.body)
    made = [_report(callback.answer, numbers, view) for view in found]
    return [one for one in made if one and (one.message_id or one.vendor_id or one.number)]


def _views(answer: ReportAnswer, document: object, http: int, body: bytes) -> list[View]:
    if answer.rows is None:
        holders = [root_of(document, answer.root)]
    else:
        holders = rows_of(document, answer.rows.at, answer.rows.root)
    words = _body(body)
    return [View(http, words, one, answer.code, answer.text) for one in holders]


def _report(answer: ReportAnswer, numbers: Numbers, view: View) -> DeliveryReport | None:
    if not _speaks(view, answer):
        return None
    rule = view.first(answer.rules)
    status = NEWS[rule.status] if rule else None
    at = _time(answer.time, view)
    return DeliveryReport(
        status,
        message_id=view.find(answer.reference),
        vendor_id=view.find(answer.id),
        number=international(view.find(answer.number), numbers) or None,
        code=view.code,
        text=view.text or (rule.words if rule else None),
        at=at.astimezone(UTC) if at else None,
        read_once=answer.read_once and status is not None,
        account_fault=rule.account_fault if rule else False,
        unknown_status=rule is None or rule.status == "unknown",
    )


def _time(time: Time | None, view: View) -> datetime | None:
    return times.read_time(time, view.find(time.at)) if time else None
