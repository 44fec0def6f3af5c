"""What the types of a description can't say: names that exist, rules that are safe."""

import keyword
import re
from collections.abc import Iterator, Sequence
from dataclasses import fields
from typing import Any
from zoneinfo import ZoneInfo

import msgspec
from msgspec import UNSET

from sms_gateway.vendors.adapter import Adapter
from sms_gateway.vendors.declared.adapter import Declared
from sms_gateway.vendors.declared.description import (
    BalanceAnswer,
    Basic,
    Bearer,
    Description,
    Header,
    Hmac,
    Reading,
    ReportAnswer,
    Rows,
    Rule,
    Schedule,
    Setting,
    Source,
    SubmitAnswer,
    SubmitRows,
    SubmitRule,
    Time,
)
from sms_gateway.vendors.declared.documents import extract
from sms_gateway.vendors.declared.message_values import MESSAGE, RECEIPT
from sms_gateway.vendors.declared.refusals import (
    check_header,
    check_own,
    check_pattern,
    escaped,
    refuse,
)
from sms_gateway.vendors.declared.request_checks import check_requests
from sms_gateway.vendors.declared.requests import used

SHARED = frozenset(
    {"base_url", "timeout", "concurrency", "rate", "submission_size", "poll_after"}
)  # a description may give them another default
OWN = MESSAGE | RECEIPT | {*dir(Declared), *Adapter.__annotations__, *Declared.__annotations__}
# What a pattern that says nothing fits, too: an empty body, and a proxy's page.
ANYTHING = ("", "<html><body><h1>502 Bad Gateway</h1>\r\n<hr>nginx</body></html>")
DIRECTIVES = frozenset("YmdHMSyjbBfz")  # of strftime
FINDS = frozenset({"code", "text", "id", "price", "reference", "number", "amount", "at"})
UNTOLD = frozenset({"408", "409", "425", "499"})  # 4xx that say nothing of what was done before
AUTH_PARTS = frozenset({"{method}", "{path}", "{query}", "{body}"})


def check(description: Description) -> None:
    """Raise DescriptionError for what can't work."""
    _check_settings(description)
    _check_defaults(description)
    for pointer, part in walk(description, ""):
        _check_part(pointer, part)
    _check_auth(description)
    check_requests(description)
    _check_answers(description)


def walk(part: Any, pointer: str) -> Iterator[tuple[str, Any]]:
    """Yield each part of a description, with its place."""
    yield pointer, part
    if isinstance(part, msgspec.Struct):
        for one in msgspec.structs.fields(part):
            yield from walk(getattr(part, one.name), f"{pointer}/{one.encode_name}")
    elif isinstance(part, list):
        for index, item in enumerate(part):
            yield from walk(item, f"{pointer}/{index}")


def _check_settings(description: Description) -> None:
    seen: set[str] = set()
    for index, setting in enumerate(description.settings):
        place, name = f"/settings/{index}", setting.name
        if name in seen:
            refuse(f"{place}/name", f"{name} is there twice")
        seen.add(name)
        taken = name in OWN or keyword.iskeyword(name)
        if taken and name != "sender":
            refuse(f"{place}/name", f"{name} is a word of the gateway's own: choose another")
        _check_setting(place, setting)


def _check_setting(place: str, setting: Setting) -> None:
    kind, default = setting.kind, setting.default
    if setting.choices and kind not in ("choice", "by_category"):
        refuse(f"{place}/choices", "only a choice and by_category have choices")
    if kind == "choice" and not setting.choices:
        refuse(f"{place}/choices", "a choice needs some")
    if setting.optional and (default is not UNSET or kind in ("switch", "by_category")):
        refuse(f"{place}/optional", "what has a default, a switch and by_category are always there")
    if default is UNSET:
        return
    if kind == "secret":
        refuse(f"{place}/default", "a secret stands in no description: an account gives it")
    wanted = {"switch": bool, "by_category": dict}.get(kind, str)
    if not isinstance(default, wanted) or default == "":
        refuse(f"{place}/default", f"is no value of a setting of kind {kind}")
    given = list(default.values()) if isinstance(default, dict) else [default]
    if setting.choices and not set(map(str, given)) <= set(setting.choices):
        refuse(f"{place}/default", "is none of the choices")
    if isinstance(default, dict) and set(default) != {"otp", "transactional", "promotional"}:
        refuse(f"{place}/default", "must name otp, transactional and promotional")


def _check_defaults(description: Description) -> None:
    types = {one.name: one.type for one in fields(Adapter)}
    for name, value in description.defaults.items():
        place = f"/defaults/{escaped(name)}"
        if name not in SHARED:
            refuse(place, f"only {', '.join(sorted(SHARED))} have a default here")
        try:
            msgspec.convert(value, types[name])
        except msgspec.ValidationError as error:
            refuse(place, str(error))


def _check_part(pointer: str, part: Any) -> None:
    if isinstance(part, Reading | Rows | Time):
        _check_finds(pointer, part)
    if isinstance(part, Source):
        if part.at is None and part.pattern is None:
            refuse(pointer, "must say at or pattern")
        check_pattern(f"{pointer}/pattern", part.pattern)
    elif isinstance(part, Rule):
        check_pattern(f"{pointer}/pattern", part.pattern)
    elif isinstance(part, Time):
        for index, one in enumerate(part.formats):
            if one not in ("epoch", "epoch-ms", "iso"):
                _check_format(f"{pointer}/formats/{index}", one)
        _check_zone(pointer, part.zone)
    elif isinstance(part, Schedule):
        if part.format != "epoch":
            _check_format(f"{pointer}/format", part.format)
        _check_zone(pointer, part.zone)


def _check_finds(pointer: str, part: Reading | Rows | Time) -> None:
    for name in sorted(FINDS & set(part.__struct_fields__)):
        found = getattr(part, name)
        if name == "at" and isinstance(part, Rows):
            continue
        single = not isinstance(found, list)
        for index, one in enumerate([found] if single else found):
            if isinstance(one, str) and not re.fullmatch("(/[^/]*)*", one):
                place = f"{pointer}/{name}" if single else f"{pointer}/{name}/{index}"
                refuse(place, "is no JSON Pointer: it begins with a slash")


def _check_format(pointer: str, written: str) -> None:
    after = written.replace("%%", "").split("%")[1:]
    if not after or not all(one and one[0] in DIRECTIVES for one in after):
        refuse(pointer, f"must be of strftime's directives {', '.join(sorted(DIRECTIVES))}")
    if not written.isprintable():
        refuse(pointer, "must be printable")


def _check_zone(pointer: str, zone: str) -> None:
    try:
        ZoneInfo(zone)
    except (OSError, ValueError, LookupError):
        refuse(f"{pointer}/zone", "is no time zone, such as Asia/Jakarta")


def _check_auth(description: Description) -> None:
    match description.auth:
        case Basic() | Bearer() as plain:
            for one in msgspec.structs.fields(plain):
                check_own(f"/auth/{one.name}", getattr(plain, one.name), description)
        case Header() as header:
            check_header("/auth/name", header.name)
            check_own("/auth/value", header.value, description)
        case Hmac() as signature:
            check_header("/auth/header", signature.header)
            check_own("/auth/key", signature.key, description)
            for index, part in enumerate(signature.parts):
                if part not in AUTH_PARTS:
                    check_own(f"/auth/parts/{index}", part, description)
            for name in ("prefix", "join"):
                if not (getattr(signature, name).isascii()):
                    refuse(f"/auth/{name}", "must be ASCII")


def _check_answers(description: Description) -> None:
    send = description.send.answer
    check_rules("/send/answer", send, send.rules)
    if send.rows:
        check_rules("/send/answer/rows", send.rows, send.rows.rules)
        for index, rule in enumerate(send.rules):
            if rule.verdict == "accepted":
                refuse(
                    f"/send/answer/rules/{index}/verdict",
                    "where each message has a row, only its row can say that it is accepted",
                )
    for place, one in (("/send/answer", send), ("/send/answer/rows", send.rows)):
        if one and one.price is not None and send.currency is None:
            refuse(f"{place}/price", "needs the answer's currency")
    if send.price is not None and set(used(description.send.request, repeated=True)):
        refuse("/send/answer/price", "is of one message: where a call has many, a row says it")
    check_own("/send/answer/currency", send.currency or "", description)
    _check_other_answers(description)


def _check_other_answers(description: Description) -> None:
    if (balance := description.balance) is not None:
        check_rules("/balance/answer", balance.answer, balance.answer.rules)
        check_own("/balance/unit", balance.unit, description)
    if (poll := description.poll) is not None:
        check_rules("/poll/answer", poll.answer, poll.answer.rules)
        if poll.answer.rows and not _names_its_message(poll.answer):
            refuse("/poll/answer", "rows must say id, reference or number of their message")
    if (callback := description.callback) is not None:
        check_rules("/callback/answer", callback.answer, callback.answer.rules)
        if not _names_its_message(callback.answer):
            refuse("/callback/answer", "must say id, reference or number of its message")
        if not callback.account and "callback_url" not in set(used(description.send.request)):
            refuse("/callback/account", "is false, and no send says {callback_url}: who calls?")


def _names_its_message(answer: ReportAnswer) -> bool:
    return any(one is not None for one in (answer.id, answer.reference, answer.number))


Answer = SubmitAnswer | SubmitRows | ReportAnswer | BalanceAnswer


def check_rules(place: str, answer: Answer, rules: Sequence[Rule]) -> None:
    """Raise DescriptionError for a rule without a condition, or one that only seems safe."""
    if answer.code is None and answer.text is None and isinstance(answer, ReportAnswer):
        refuse(place, "must say where the code or the text stands")
    for index, rule in enumerate(rules):
        pointer = f"{place}/rules/{index}"
        said = rule.code or rule.text or rule.where or _says_something(rule.pattern)
        if not said and not rule.http:
            refuse(pointer, "needs a condition: without a rule that holds, nothing is known")
        for name in ("code", "text"):
            if getattr(rule, name) and getattr(answer, name) is None:
                refuse(f"{pointer}/{name}", f"the answer does not say where its {name} stands")
        if isinstance(rule, SubmitRule) and not said:
            _check_by_status_alone(pointer, rule)
    if isinstance(answer, SubmitRows) or (isinstance(answer, ReportAnswer) and answer.rows):
        _check_rows(place, answer)


def _check_rows(place: str, answer: SubmitRows | ReportAnswer) -> None:
    """Raise DescriptionError for what a row would take from another row."""
    why = "is of the whole answer, where other messages have rows, too: say at which place of a row"
    for index, rule in enumerate(answer.rules):
        if rule.pattern is not None:
            refuse(f"{place}/rules/{index}/pattern", why)
    for pointer, part in walk(answer, place):
        if isinstance(part, Source) and part.at is None:
            refuse(pointer, why)


def _says_something(pattern: str | None) -> bool:
    return pattern is not None and all(extract(pattern, body) is None for body in ANYTHING)


def _check_by_status_alone(pointer: str, rule: SubmitRule) -> None:
    if rule.verdict == "accepted":
        refuse(f"{pointer}/http", "accepted needs more than the HTTP status: a proxy answers 200")
    certain = all(one[0] == "4" and one[1:] != "xx" and one not in UNTOLD for one in rule.http)
    if rule.verdict in ("refused", "retry") and not certain:
        refuse(
            f"{pointer}/http",
            f"{rule.verdict} by the status alone needs a 4xx written out, and not "
            f"{', '.join(sorted(UNTOLD))}: others do not say that nothing was sent",
        )
