"""`smsgw vendors try` and `smsgw vendors test`: a described vendor, before anybody relies on it."""

import json
from collections.abc import Callable, Iterable
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

from msgspec import UNSET

from sms_gateway.config.described_vendors import check_addresses
from sms_gateway.sms.encoding import encoding_of
from sms_gateway.sms.phone_numbers import NumberError, to_e164
from sms_gateway.vendors import http_client
from sms_gateway.vendors.adapter import UnsupportedMessageError
from sms_gateway.vendors.declared.adapter import Declared
from sms_gateway.vendors.declared.description import Basic, Bearer, Header, Hmac
from sms_gateway.vendors.declared.door import declare
from sms_gateway.vendors.declared.refusals import DescriptionError
from sms_gateway.vendors.redaction import Redaction
from sms_gateway.vendors.registry import build
from sms_gateway.vendors.types import OutgoingMessage, PendingReceipt, Request, VendorResponse
from smsgw.captured_cases import ANSWER, CALLBACK_URL, REQUEST, Case, failures, missing, read_cases
from smsgw.errors import CommandError
from smsgw.files import read_file, shown
from smsgw.terminal import heading, say, say_text
from smsgw.unproven_rules import unproven_rules

IDS = ("01J8Z3K4M5N6P7Q8R9S0T1V2W3001", "01J8Z3K4M5N6P7Q8R9S0T1V2W3002")
ENDINGS = ("000000001", "000000002")  # no subscriber's
TEXTS = ("A first text: 100% & <more>", "A second text")
Send = Callable[[Request, float], VendorResponse]


def read_description(file: str) -> type[Declared]:
    """Return the class of a described vendor's accounts. Raise CommandError, with a pointer."""
    try:
        return declare(read_file(file).encode())
    except DescriptionError as error:
        raise CommandError(
            f"{shown(file)} is no description that works: {error}; docs/describing-a-vendor.md "
            "says what can be said"
        ) from None


def build_account(vendor: type[Declared], settings: dict[str, Any], file: str) -> Declared:
    """Return an account's adapter. Raise CommandError that names the setting at fault."""
    try:
        return build(vendor, settings)
    except ValueError as error:
        raise CommandError(f"{shown(file)} is not valid: {error}") from None


def made_up(vendor: type[Declared]) -> dict[str, Any]:
    """Return an account for a description of which nobody has one yet."""
    account: dict[str, Any] = {"base_url": vendor.description.defaults.get("base_url")}
    account["base_url"] = account["base_url"] or "https://vendor.example"
    for name, setting in vendor.settings.items():
        if setting.default is UNSET and not setting.optional:
            made = {
                "url": "https://vendor.example",
                "path": "/path",
                "switch": False,
                "choice": (setting.choices or [""])[0],
                "by_category": dict.fromkeys(
                    ("otp", "transactional", "promotional"), (setting.choices or ["example"])[0]
                ),
            }
            account[name] = made.get(setting.kind, f"example-{name}")
    return account


def show_requests(vendor: type[Declared], settings: dict[str, Any], file: str) -> None:
    """Print each request for an example. No secret is in them: a word stands for each."""
    build_account(vendor, settings, file)
    hidden = {name for name, one in vendor.settings.items() if one.kind == "secret"}
    masked = {name: f"hidden-{name}" if name in hidden else one for name, one in settings.items()}
    account = build_account(vendor, masked, file)
    for title, requests in _examples(account).items():
        for request in requests:
            heading(title)
            _show(account, request)
    for warning in account.warnings:
        say(f"warning: {warning}")


def _examples(account: Declared) -> dict[str, list[Request]]:
    only = account.description.numbers.only
    numbers = [f"{only[0] if only else '+999'}{ending}" for ending in ENDINGS]
    messages = [
        OutgoingMessage(one, to, text) for one, to, text in zip(IDS, numbers, TEXTS, strict=True)
    ]
    found = {"send": [one.request for one in account.submit(messages[:1], CALLBACK_URL)]}
    if account.together:
        found["send, two messages"] = [
            one.request for one in account.submit(messages, CALLBACK_URL)
        ]
    found["balance"] = list(account.balance().values())
    pending = [PendingReceipt(one.id, one.to, f"10000{n}") for n, one in enumerate(messages)]
    found["poll"] = [one.request for one in account.poll(pending)]
    return found


def _show(account: Declared, request: Request) -> None:
    auth, signed = account.description.auth, ""
    match auth:
        case Basic() | Bearer():
            signed = "Authorization"
        case Header():
            signed = auth.name
        case Hmac():
            signed = auth.header
    say(f"{request.method} {request.url}")
    for name, value in request.headers.items():
        say(f"{name}: {'(hidden)' if name == signed else value}")
    if request.body:
        say("")
        say_text(request.body.decode())


def send_one(account: Declared, to: str, text: str, send: Send = http_client.send) -> None:
    """Send one message, once, and print what the answer means. Raise CommandError otherwise."""
    try:
        number = to_e164(to)
    except NumberError:
        raise CommandError("--to is a number with + and the country code") from None
    message = OutgoingMessage(IDS[0], number, text, encoding=encoding_of(text))
    try:
        check_addresses(account)
        account.check(message)
    except ValueError as error:
        raise CommandError(f"nothing was sent: {error}") from None
    except UnsupportedMessageError as error:
        raise CommandError(f"nothing was sent: {error.detail}") from None
    (call,) = account.submit([message], None)
    redaction = Redaction.of_call(account, call)
    heading("answer")
    try:
        response = send(call.request, account.timeout)
    except http_client.VendorConnectionFailedError as error:
        raise CommandError(f"nothing was sent: no connection ({error}); see base_url") from None
    except http_client.VendorOutcomeUnknownError as error:
        raise CommandError(
            f"nobody knows whether it was sent ({error}): look at the handset before you try again"
        ) from None
    (outcome,) = account.submitted(response, call)
    outcome = redaction.outcome(outcome)
    say(f"HTTP {response.status} {redaction.raw(response.body)}")
    said = {"code": outcome.code, "text": outcome.text, "id": outcome.vendor_id}
    words = ", ".join(f"{name} {one!r}" for name, one in said.items() if one is not None)
    say(f"means: {outcome.verdict}" + (f" ({words})" if words else ""))


class Examined(NamedTuple):
    """What captured cases say of a description: how many there are, and lines of what is wrong."""

    cases: int
    failed: list[str]
    missing: list[str]
    unproven: list[str]  # rules, by JSON Pointer


def examine(vendor: type[Declared], folder: Path | None) -> Examined:
    """Run a folder's captured cases; without a folder all are missing. Raise CommandError."""
    if folder is None:
        return Examined(0, [], _missing(vendor, [], []), [])
    try:
        settings = json.loads((folder / "account.json").read_text(encoding="utf-8"))
        answers = read_cases(vendor.name, folder, ANSWER)
        requests = read_cases(vendor.name, folder, REQUEST)
    except OSError as error:
        raise CommandError(f"{error.filename or folder} can't be read: {error.strerror}") from None
    except ValueError as error:
        raise CommandError(f"{folder} has a file that is not JSON: {error}") from None
    build_account(vendor, settings, str(folder / "account.json"))
    made = partial(_with, vendor, settings)
    failed = [line for case in [*answers, *requests] for line in _failed(case, made)]
    unproven = [] if failed else unproven_rules(vendor, settings, answers)
    cases = len(answers) + len(requests)
    return Examined(cases, failed, _missing(vendor, answers, requests), unproven)


def _missing(
    vendor: type[Declared], answers: Iterable[Case], requests: Iterable[Case]
) -> list[str]:
    return missing(
        (one.name for one in answers),
        (one.name for one in requests),
        vendor.capabilities,
        balance=vendor.description.balance is not None,
    )


def run_answers(vendor: type[Declared], folder: str) -> None:
    """Run a folder's captured cases. Raise CommandError for those that fail or are missing."""
    found = examine(vendor, Path(folder))
    _tell(f"{found.cases} cases", found.failed, found.missing)
    for pointer in found.unproven:
        say(f"not proven: {pointer}: every case passes without this rule")


def _with(vendor: type[Declared], settings: dict[str, Any], **own: object) -> Declared:
    return build(vendor, settings | own)


def _failed(case: Case, made: Callable[..., Declared]) -> list[str]:
    try:
        return [
            f"{case.name}: means {json.dumps(found)}, and not {json.dumps(case.spec['expect'])}"
            for _, found in failures([case], made)
        ]
    except (KeyError, TypeError, ValueError, IndexError) as error:
        return [f"{case.name}: can't be run: {type(error).__name__}: {error}"]


def _tell(count: str, failed: Iterable[str], absent: Iterable[str]) -> None:
    failed, absent = list(failed), list(absent)
    for line in failed:
        say(f"fails: {line}")
    for line in absent:
        say(f"missing: {line}")
    if failed or absent:
        raise CommandError(
            f"of {count}, {len(failed)} fail, and {len(absent)} are missing: what they would show "
            "is not proven"
        )
    say(f"{count} pass, and none is missing.")
