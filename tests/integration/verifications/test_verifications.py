"""Verifications: sent like a message, checked once, and never to be read anywhere."""

import json
import re
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any
from urllib.parse import parse_qsl

import pytest

from sms_gateway.core.problems import (
    GatewayError,
    InvalidRequestError,
    ServiceUnavailableError,
    TooManyRequestsError,
)
from sms_gateway.storage import dynamodb, message_repository
from sms_gateway.storage.idempotency_keys import IN_PROGRESS_SECONDS
from sms_gateway.storage.models import ItemKey
from sms_gateway.vendors.server2sms.responses import STATUS_CODES, TOKEN_CODES
from sms_gateway.vendors.types import Request
from sms_gateway.verifications import check as verification_check
from sms_gateway.verifications import (
    repository as verification_repository,
)
from sms_gateway.verifications import start as verification_start
from sms_gateway.verifications.codes import TEST_NONCE
from testing.callbacks import server2sms
from testing.gateway import Gateway
from testing.numbers import number
from testing.paths import ROOT
from testing.processes import function
from testing.queues import drained
from testing.settings import ACCOUNTS, set_account, set_accounts, set_routes
from testing.transport import SILENT, UNREACHABLE, Wire
from testing.vendor_answers import SUBMIT, TAKES

VERIFY = function("verify")
OURS = ("jst", "dinisoft", "rajasms")
TEXT = "Your code is {code}"
FAILOVER = json.dumps({"routes": [{"prefix": "+", "vendors": ["dinisoft", "server2sms"]}]})


def now(after: float = 0) -> datetime:
    return datetime.now(UTC) + timedelta(seconds=after)


def start(vendor: str, key: str | None = None, tenant: str = "acme", **fields: Any) -> Any:
    body = {"to": number(vendor), "text": TEXT, **fields}
    return verification_start.start_verification(tenant, json.dumps(body).encode(), now(), key)


def check(
    identifier: str, code: str, wire: Wire, key: str | None = None, after: float = 0
) -> dict[str, Any]:
    body = json.dumps({"code": code}).encode()
    return verification_check.check_code("acme", identifier, body, now(after), key, wire)


def problem(work: Callable[[], object]) -> GatewayError:
    with pytest.raises(GatewayError) as refused:
        work()
    return refused.value


def received(wire: Wire) -> str:
    """The text of the last send, as the handset would show it."""
    request = next(one for one in reversed(wire.sent) if "VerifyToken" not in one.url)
    fields: dict[str, Any]
    if request.method == "GET":
        fields = dict(parse_qsl(request.url.partition("?")[2]))
    elif request.headers["Content-Type"] == "application/json":
        fields = json.loads(request.body)
    else:
        fields = dict(parse_qsl(request.body.decode()))
    packets = fields.get("datapacket")
    if packets:
        return str(packets[0]["message"])
    names = ("messageContent", "message", "MessageText", "MessageData")
    return next(str(fields[name]) for name in names if name in fields)


def sent_code(gateway: Gateway, vendor: str) -> str:
    """Sends what is queued for a vendor; the code in the text."""
    gateway.wire.answers.setdefault(SUBMIT[vendor], TAKES[vendor])
    assert gateway.dispatch(vendor) == []
    found = re.search(r"code is (\S+)", received(gateway.wire))
    assert found
    return found[1]


def other(code: str) -> str:
    """A code of the same form that is wrong."""
    return code.translate(str.maketrans("0123456789", "1234567890"))


class Vendor:
    """server2sms's tokens: it makes the codes, judges them, and says yes to any code once it has
    said yes. `says` overrides the next judgement."""

    def __init__(self, wire: Wire) -> None:
        self.tokens: dict[tuple[str, str], str] = {}
        self.verified: set[tuple[str, str]] = set()
        self.sent: list[dict[str, Any]] = []
        self.asked: list[dict[str, Any]] = []
        self.says: list[Any] = []
        wire.answers["SendTokenSMS"] = self.send
        wire.answers["VerifyToken"] = self.judge

    def send(self, request: Request) -> Any:
        data = json.loads(request.body)
        self.sent.append(data)
        to = data["Recipients"].partition(":")[0]
        self.tokens[(to, data["TokenReference"])] = data.get("VerificationCode", "4711")
        return {"StatusCode": "1", "StatusInfo": "OK"}

    def judge(self, request: Request) -> Any:
        data = json.loads(request.body)
        self.asked.append(data)
        key = (data["PhoneNumber"], data["TokenReference"])
        said = self.says.pop(0) if self.says else None
        if callable(said):
            said = said()
        if said is not None and not isinstance(said, tuple):
            return said
        right = self.tokens.get(key) == data["VerificationCode"]
        if right:
            self.verified.add(key)
        if said is not None:  # judged, and the answer got lost
            return said[0]
        code = "1" if key in self.verified else "37" if key in self.tokens else "38"
        return {"StatusCode": code, "StatusInfo": "said"}


@pytest.fixture
def vendor(gateway: Gateway) -> Vendor:
    return Vendor(gateway.wire)


def begun(gateway: Gateway, vendor: Vendor, **fields: Any) -> str:
    """A verification at server2sms whose code, 4711, was sent; its id."""
    identifier = start("server2sms", length=4, **fields)["id"]
    assert gateway.dispatch("server2sms") == []
    assert vendor.sent
    return str(identifier)


def said(code: str) -> Any:
    return {"StatusCode": code, "StatusInfo": f"word {code}"}


# From send to approved


@pytest.mark.parametrize("name", OURS)
def test_our_own_code_is_sent_and_approved_once(gateway: Gateway, name: str) -> None:
    view = start(name, reference="login-7")
    assert (view["status"], view["checks_left"], view["to"]) == ("pending", 5, number(name))
    assert (view["reference"], view["message_id"]) == ("login-7", view["id"] + "000")
    code = sent_code(gateway, name)
    assert re.fullmatch(r"\d{6}", code)

    assert check(view["id"], code, gateway.wire)["status"] == "approved"

    again = problem(lambda: check(view["id"], code, gateway.wire))
    assert (again.slug, again.http_status) == ("verification-approved", 409)
    assert again.members["verification"]["status"] == "approved"
    assert (
        verification_start.show_verification("acme", view["id"], now(1000))["status"] == "approved"
    )


@pytest.mark.parametrize("name", OURS)
def test_a_message_like_any_other_stands_behind_it(gateway: Gateway, name: str) -> None:
    view = start(name)
    code = sent_code(gateway, name)
    message = gateway.view(view["message_id"])
    assert (message["status"], message["category"]) == ("submitted", "otp")
    assert (message["text"], message["text_withheld"], message["segments"]) == (None, True, 1)
    assert gateway.text(view["message_id"]) == TEXT
    assert code not in TEXT


def test_the_vendor_makes_the_code_and_judges_it(gateway: Gateway, vendor: Vendor) -> None:
    view = start("server2sms", mask="###-NN", ttl=330, case_sensitive=True)
    gateway.dispatch("server2sms")
    (sent,) = vendor.sent
    notify = sent.pop("URLDeliveryNotification")
    assert notify.startswith("https://api.example.com/v1/callbacks/server2sms/")
    assert sent.pop("URLBufferedMessageNotification") == notify
    assert sent.pop("URLNonDeliveryNotification") == notify
    assert sent == {
        "UserName": ACCOUNTS["server2sms"]["user_key"],
        "Password": ACCOUNTS["server2sms"]["password"],
        "Originator": "ACME",
        "Recipients": f"{number('server2sms')}:{view['message_id']}",
        "MessageData": "Your code is <VERIFICATIONCODE>",
        "TokenReference": view["message_id"],
        "TokenValidity": "6",
        "TokenMask": "###-NN",
        "TokenCaseSensitive": "1",
    }
    vendor.tokens[(number("server2sms"), view["message_id"])] = "123-4z"
    assert check(view["id"], "1234z", gateway.wire)["status"] == "approved"
    assert vendor.asked[-1] == {
        "UserName": ACCOUNTS["server2sms"]["user_key"],
        "Password": ACCOUNTS["server2sms"]["password"],
        "PhoneNumber": number("server2sms"),
        "TokenReference": view["message_id"],
        "VerificationCode": "123-4z",
    }


def test_the_vendors_receipt_settles_the_message(gateway: Gateway, vendor: Vendor) -> None:
    identifier = begun(gateway, vendor)
    server2sms(gateway, f"{identifier}000", "0")
    assert gateway.status(f"{identifier}000") == "delivered"


def test_a_verification_at_the_vendor_that_makes_codes_stays_there(
    gateway: Gateway, vendor: Vendor
) -> None:
    set_routes(json.dumps({"routes": [{"prefix": "+", "vendors": ["server2sms", "dinisoft"]}]}))
    identifier = start("dinisoft")["id"]
    gateway.wire.answers["SendTokenSMS"] = said("24")
    gateway.dispatch("server2sms")
    assert gateway.submission(f"{identifier}000").vendors == ("server2sms",)
    assert gateway.status(f"{identifier}000") == "accepted"
    assert drained("dinisoft") == []


def test_our_own_code_fails_over_and_stays_the_same(gateway: Gateway, vendor: Vendor) -> None:
    set_routes(FAILOVER)
    view = start("dinisoft")
    gateway.wire.answers[SUBMIT["dinisoft"]] = UNREACHABLE
    gateway.dispatch("dinisoft")
    first = re.search(r"code is (\S+)", received(gateway.wire))
    assert first
    gateway.dispatch("server2sms")
    (sent,) = vendor.sent
    assert sent["VerificationCode"] == first[1]
    assert sent["MessageData"] == "Your code is <VERIFICATIONCODE>"
    assert "TokenMask" not in sent
    assert check(view["id"], first[1], gateway.wire)["status"] == "approved"
    assert vendor.asked == []


def test_an_account_may_want_our_codes(gateway: Gateway, vendor: Vendor) -> None:
    set_account("server2sms", own_codes=True)
    view = start("server2sms")
    gateway.dispatch("server2sms")
    code = vendor.sent[0]["VerificationCode"]
    assert check(view["id"], other(code), gateway.wire)["status"] == "pending"
    assert check(view["id"], code, gateway.wire)["status"] == "approved"
    assert vendor.asked == []


def test_a_code_is_still_sent_after_a_crash(gateway: Gateway) -> None:
    """Nothing was enqueued, and another worker sends it: within its validity."""
    view = start("dinisoft", ttl=300)
    drained("dinisoft")
    gateway.tick(70)
    code = sent_code(gateway, "dinisoft")
    assert check(view["id"], code, gateway.wire)["status"] == "approved"


def test_a_code_does_not_leave_when_it_is_over(gateway: Gateway) -> None:
    view = start("dinisoft", ttl=60)
    drained("dinisoft")
    gateway.tick(61)
    assert gateway.status(view["message_id"]) == "expired"
    assert gateway.wire.sent == []


# Checks


@pytest.mark.parametrize("name", ["dinisoft", "server2sms"])
def test_wrong_codes_are_counted_until_none_is_left(
    gateway: Gateway, vendor: Vendor, name: str
) -> None:
    identifier = start(name, length=4, max_checks=2)["id"]
    code = "4711"
    if name == "server2sms":
        gateway.dispatch(name)
    else:
        code = sent_code(gateway, name)
    first = check(identifier, other(code), gateway.wire)
    assert (first["status"], first["checks_left"]) == ("pending", 1)
    second = check(identifier, other(code), gateway.wire)
    assert (second["status"], second["checks_left"]) == ("exhausted", 0)
    third = problem(lambda: check(identifier, code, gateway.wire))
    assert (third.slug, third.http_status) == ("verification-exhausted", 409)
    assert verification_start.show_verification("acme", identifier, now())["status"] == "exhausted"


@pytest.mark.parametrize("name", ["dinisoft", "server2sms"])
def test_a_code_is_over_when_its_time_is(gateway: Gateway, vendor: Vendor, name: str) -> None:
    identifier = start(name, ttl=60)["id"]
    assert verification_start.show_verification("acme", identifier, now(55))["status"] == "pending"
    assert verification_start.show_verification("acme", identifier, now(61))["status"] == "expired"
    late = problem(lambda: check(identifier, "123456", gateway.wire, after=61))
    assert (late.slug, late.http_status) == ("verification-expired", 409)
    assert late.members["verification"]["checks_left"] == 5


def test_capitals_matter_only_where_they_are_asked_for(gateway: Gateway) -> None:
    loose = start("dinisoft", length=10, alphabet="letters")["id"]
    assert (
        check(loose, sent_code(gateway, "dinisoft").lower(), gateway.wire)["status"] == "approved"
    )
    strict = start("dinisoft", length=10, alphabet="letters", case_sensitive=True)["id"]
    code = sent_code(gateway, "dinisoft")
    assert check(strict, code.swapcase(), gateway.wire)["status"] == "pending"
    assert check(strict, code, gateway.wire)["status"] == "approved"


@pytest.mark.parametrize("written", ["47111", "471", "47a1", "12/34"])
def test_what_can_not_be_a_code_uses_up_no_check(
    gateway: Gateway, vendor: Vendor, written: str
) -> None:
    identifier = begun(gateway, vendor)
    refused = problem(lambda: check(identifier, written, gateway.wire))
    assert (refused.slug, refused.http_status, refused.pointer) == ("not-a-code", 422, "/code")
    assert "has 4 digits" in refused.detail
    shown = verification_start.show_verification("acme", identifier, now())
    assert (shown["status"], shown["checks_left"]) == ("pending", 5)
    assert vendor.asked == []


@pytest.mark.parametrize("around", ["{}\n", "\u2068{}\u2069", " {}.", "\u201c{}\u201d"])
def test_a_code_is_approved_as_people_type_it(gateway: Gateway, around: str) -> None:
    identifier = start("dinisoft")["id"]
    code = sent_code(gateway, "dinisoft")
    bangla = "".join(chr(0x09E6 + int(digit)) for digit in code)
    assert check(identifier, around.format(bangla), gateway.wire)["status"] == "approved"


def test_a_number_may_be_national_where_a_region_says_so(gateway: Gateway) -> None:
    body = {"to": "01712345678", "text": TEXT}
    with_region = json.dumps(body | {"region": "BD"}).encode()
    started = verification_start.start_verification("acme", with_region, now())
    assert started["to"] == "+8801712345678"
    of_the_key = verification_start.start_verification(
        "acme", json.dumps(body).encode(), now(), region="BD"
    )
    assert of_the_key["to"] == "+8801712345678"
    guessed = problem(
        lambda: verification_start.start_verification("acme", json.dumps(body).encode(), now())
    )
    assert guessed.slug == "invalid-number"


@pytest.mark.parametrize("name", ["dinisoft", "server2sms"])
def test_of_many_right_checks_at_once_one_is_approved(
    gateway: Gateway, vendor: Vendor, name: str
) -> None:
    identifier = start(name, length=4, max_checks=10)["id"]
    code = "4711"
    if name == "server2sms":
        gateway.dispatch(name)
    else:
        code = sent_code(gateway, name)
    came = at_once(8, lambda _: check(identifier, code, gateway.wire))
    approved = [one for one in came if isinstance(one, dict) and one["status"] == "approved"]
    assert len(approved) == 1
    slugs = {one.slug for one in came if isinstance(one, GatewayError)}
    assert slugs <= {"verification-approved", "check-in-progress"}


def test_of_many_guesses_at_once_only_as_many_are_looked_at_as_are_allowed(
    gateway: Gateway,
) -> None:
    identifier = start("dinisoft", length=4, max_checks=3)["id"]
    code = sent_code(gateway, "dinisoft")
    guesses = [f"{(int(code) + step) % 10_000:04d}" for step in range(1, 17)]
    came = at_once(16, lambda nth: check(identifier, guesses[nth], gateway.wire))
    looked = [one for one in came if isinstance(one, dict)]
    assert sorted(one["checks_left"] for one in looked) == [0, 1, 2]
    assert {one.slug for one in came if isinstance(one, GatewayError)} == {"verification-exhausted"}
    assert problem(lambda: check(identifier, code, gateway.wire)).slug == "verification-exhausted"


def at_once(count: int, work: Callable[[int], Any]) -> list[Any]:
    """What `work` comes to in threads that begin together."""
    barrier = threading.Barrier(count)

    def one(nth: int) -> Any:
        barrier.wait()
        try:
            return work(nth)
        except GatewayError as error:
            return error

    with ThreadPoolExecutor(count) as pool:
        return list(pool.map(one, range(count)))


def test_a_wrong_code_is_not_believed_while_the_vendor_says_yes_to_a_right_one(
    gateway: Gateway, vendor: Vendor
) -> None:
    """The vendor says yes to any code from then on, so that a second check has to wait."""
    identifier = begun(gateway, vendor)

    def meanwhile() -> Any:
        busy = problem(lambda: check(identifier, "0000", gateway.wire))
        assert (busy.slug, busy.http_status) == ("check-in-progress", 409)
        assert int(busy.headers["Retry-After"]) >= 1
        assert (
            verification_start.show_verification("acme", identifier, now())["status"] == "pending"
        )

    vendor.says = [meanwhile]
    assert check(identifier, "4711", gateway.wire)["status"] == "approved"
    assert len(vendor.asked) == 1


# A vendor that does not judge


def test_an_answer_that_got_lost_leaves_its_own_code_good(gateway: Gateway, vendor: Vendor) -> None:
    identifier = begun(gateway, vendor)
    vendor.says = [(SILENT,)]
    lost = problem(lambda: check(identifier, "4711", gateway.wire))
    assert (lost.slug, lost.http_status, lost.retryable) == ("check-failed", 503, True)
    assert verification_start.show_verification("acme", identifier, now())["checks_left"] == 5
    approved = check(identifier, "4711", gateway.wire)
    assert (approved["status"], approved["checks_left"]) == ("approved", 4)


def test_after_a_lost_yes_no_other_code_is_believed(gateway: Gateway, vendor: Vendor) -> None:
    """The vendor would say yes to this guess."""
    identifier = begun(gateway, vendor)
    vendor.says = [(SILENT,)]
    problem(lambda: check(identifier, "4711", gateway.wire))
    for left in (4, 3):
        doubt = problem(lambda: check(identifier, "0000", gateway.wire))
        assert (doubt.slug, doubt.http_status) == ("check-in-doubt", 502)
        assert (
            verification_start.show_verification("acme", identifier, now())["checks_left"] == left
        )
    assert verification_start.show_verification("acme", identifier, now())["status"] == "pending"


def test_a_no_of_the_vendor_ends_the_doubt(gateway: Gateway, vendor: Vendor) -> None:
    identifier = begun(gateway, vendor)
    vendor.says = [(SILENT,)]
    problem(lambda: check(identifier, "0000", gateway.wire))
    assert check(identifier, "1111", gateway.wire)["status"] == "pending"
    assert check(identifier, "4711", gateway.wire)["status"] == "approved"


def test_a_worker_that_dies_in_a_check_leaves_its_code_in_doubt(
    gateway: Gateway, vendor: Vendor
) -> None:
    identifier = begun(gateway, vendor)

    def dies() -> Any:
        vendor.verified.add((number("server2sms"), f"{identifier}000"))
        raise KeyboardInterrupt

    vendor.says = [dies]
    with pytest.raises(KeyboardInterrupt):
        check(identifier, "4711", gateway.wire)
    assert problem(lambda: check(identifier, "0000", gateway.wire)).slug == "check-in-progress"
    late = verification_check.IN_PROGRESS_SECONDS + 1
    guess = problem(lambda: check(identifier, "0000", gateway.wire, after=late))
    assert guess.slug == "check-in-doubt"


def test_a_worker_that_dies_in_a_check_does_not_burn_its_code(
    gateway: Gateway, vendor: Vendor
) -> None:
    identifier = begun(gateway, vendor)

    def dies() -> Any:
        raise KeyboardInterrupt

    vendor.says = [dies]
    with pytest.raises(KeyboardInterrupt):
        check(identifier, "4711", gateway.wire)
    late = verification_check.IN_PROGRESS_SECONDS + 1
    assert check(identifier, "4711", gateway.wire, after=late)["status"] == "approved"


@pytest.mark.parametrize("code", list(STATUS_CODES))
def test_every_code_of_the_vendor_has_its_consequence(
    gateway: Gateway, vendor: Vendor, code: str
) -> None:
    identifier = begun(gateway, vendor)
    vendor.says = [said(code)]
    if code == "1":
        assert check(identifier, "0000", gateway.wire)["status"] == "approved"
        return
    if TOKEN_CODES.get(code) == "wrong":
        wrong = check(identifier, "0000", gateway.wire)
        assert (wrong["status"], wrong["checks_left"]) == ("pending", 4)
        return
    failed = problem(lambda: check(identifier, "0000", gateway.wire))
    assert failed.slug == ("check-in-doubt" if code == "39" else "check-failed")
    assert failed.http_status == (503 if code in ("2", "6", "7", "24") else 502)
    assert failed.members == {
        "vendor": "server2sms",
        "vendor_code": code,
        "vendor_text": f"word {code}",
    }
    left = verification_start.show_verification("acme", identifier, now())["checks_left"]
    assert left == (4 if code == "39" else 5)


def test_already_verified_is_believed_only_after_a_lost_answer(
    gateway: Gateway, vendor: Vendor
) -> None:
    identifier = begun(gateway, vendor)
    vendor.says = [(SILENT,), said("39")]
    problem(lambda: check(identifier, "4711", gateway.wire))
    assert check(identifier, "4711", gateway.wire)["status"] == "approved"


@pytest.mark.parametrize(
    ("answer", "status"),
    [
        (UNREACHABLE, 503),
        (SILENT, 503),
        (b"", 502),
        (b"<html>4711</html>", 502),
        (said("742"), 502),
        ([None], 502),
        ({"StatusCode": None}, 502),
    ],
    ids=str,
)
def test_a_vendor_that_does_not_judge_uses_up_no_check(
    gateway: Gateway, vendor: Vendor, answer: Any, status: int
) -> None:
    identifier = begun(gateway, vendor, max_checks=1)
    vendor.says = [answer] * 3
    for _ in range(3):
        failed = problem(lambda: check(identifier, "4711", gateway.wire))
        assert (failed.slug, failed.http_status) == ("check-failed", status)
    assert verification_start.show_verification("acme", identifier, now())["checks_left"] == 1
    assert check(identifier, "4711", gateway.wire)["status"] == "approved"


def test_without_the_vendors_account_its_code_can_not_be_judged(
    gateway: Gateway, vendor: Vendor
) -> None:
    identifier = begun(gateway, vendor)
    set_accounts({name: one for name, one in ACCOUNTS.items() if name != "server2sms"})
    failed = problem(lambda: check(identifier, "4711", gateway.wire))
    assert (failed.slug, failed.http_status) == ("vendor-not-configured", 503)
    assert verification_start.show_verification("acme", identifier, now())["checks_left"] == 5


def test_a_send_without_an_answer_is_unknown_like_any_other(
    gateway: Gateway, vendor: Vendor
) -> None:
    identifier = start("server2sms", length=4)["id"]
    gateway.wire.answers["SendTokenSMS"] = SILENT
    gateway.dispatch("server2sms")
    assert gateway.status(f"{identifier}000") == "submitting"
    gateway.wire.answers["SendTokenSMS"] = vendor.send
    gateway.wire.answers["DeliveryNotifications"] = {"StatusCode": "1"}
    gateway.tick(200)
    gateway.dispatch("server2sms")
    assert gateway.wire.count("SendTokenSMS") == 1


# Once for an Idempotency-Key


def test_the_same_key_sends_one_code(gateway: Gateway) -> None:
    first, second = start("dinisoft", "k-1"), start("dinisoft", "k-1")
    assert first == second
    assert len(drained("dinisoft")) == 1
    refused = problem(lambda: start("dinisoft", "k-1", ttl=600))
    assert (refused.slug, refused.http_status) == ("idempotency-key-reused", 422)


def test_the_same_key_counts_one_send(gateway: Gateway) -> None:
    for _ in range(9):
        start("dinisoft", "k-1")
    for nth in range(4):
        start("dinisoft", f"k-{nth + 2}")
    with pytest.raises(TooManyRequestsError):
        start("dinisoft", "k-9")


def test_a_refused_request_leaves_its_key_free(gateway: Gateway) -> None:
    with pytest.raises(InvalidRequestError):
        start("dinisoft", "k-1", ttl=1)
    assert start("dinisoft", "k-1")["status"] == "pending"


def test_a_crash_before_the_message_is_made_good_by_the_same_key(
    gateway: Gateway, failing: Callable[..., None]
) -> None:
    failing("BatchWriteItem", 1)
    with pytest.raises(ServiceUnavailableError):
        start("dinisoft", "k-1")
    assert problem(lambda: start("dinisoft", "k-1")).slug == "request-in-progress"
    body = json.dumps({"to": number("dinisoft"), "text": TEXT}).encode()
    again = verification_start.start_verification("acme", body, now(IN_PROGRESS_SECONDS + 1), "k-1")
    assert len(drained("dinisoft")) == 1
    assert verification_start.show_verification("acme", again["id"], now())["status"] == "pending"


@pytest.mark.parametrize("name", ["dinisoft", "server2sms"])
def test_a_repeated_check_gets_its_first_answer(
    gateway: Gateway, vendor: Vendor, name: str
) -> None:
    identifier = start(name, length=4)["id"]
    code = "4711"
    if name == "server2sms":
        gateway.dispatch(name)
    else:
        code = sent_code(gateway, name)
    wrong = [check(identifier, other(code), gateway.wire, "k-1") for _ in range(3)]
    assert [one["checks_left"] for one in wrong] == [4, 4, 4]
    right = [check(identifier, code, gateway.wire, "k-2") for _ in range(3)]
    assert [one["status"] for one in right] == ["approved"] * 3
    assert check(identifier, other(code), gateway.wire, "k-1") == wrong[0]
    reused = problem(lambda: check(identifier, code, gateway.wire, "k-1"))
    assert (reused.slug, reused.http_status) == ("idempotency-key-reused", 422)


def test_a_check_that_the_vendor_did_not_judge_leaves_its_key_free(
    gateway: Gateway, vendor: Vendor
) -> None:
    identifier = begun(gateway, vendor)
    vendor.says = [said("24")]
    problem(lambda: check(identifier, "4711", gateway.wire, "k-1"))
    assert check(identifier, "4711", gateway.wire, "k-1")["status"] == "approved"


@pytest.mark.parametrize("name", ["dinisoft", "server2sms"])
def test_a_lost_answer_of_the_table_counts_a_check_once(
    gateway: Gateway, vendor: Vendor, failing: Callable[..., None], name: str
) -> None:
    identifier = start(name, length=4)["id"]
    code = "4711"
    if name == "server2sms":
        gateway.dispatch(name)
    else:
        code = sent_code(gateway, name)
    failing("UpdateItem", 1, lost=True)
    assert check(identifier, other(code), gateway.wire)["checks_left"] == 4
    failing("UpdateItem", 1, lost=True)
    assert check(identifier, code, gateway.wire)["status"] == "approved"


# Limits


def test_a_number_gets_five_codes_in_ten_minutes(gateway: Gateway) -> None:
    for _ in range(5):
        start("dinisoft")
    refused = problem(lambda: start("dinisoft"))
    assert (refused.slug, refused.http_status) == ("too-many-codes", 429)
    assert 590 <= int(refused.headers["Retry-After"]) <= 600
    assert len(drained("dinisoft")) == 5
    assert start("rajasms")["status"] == "pending"
    assert start("dinisoft", tenant="other")["status"] == "pending"


def test_the_window_slides(gateway: Gateway) -> None:
    body = json.dumps({"to": number("dinisoft"), "text": TEXT}).encode()
    for after in (0, 100, 200, 300, 400):
        verification_start.start_verification("acme", body, now(after))
    refused = problem(lambda: verification_start.start_verification("acme", body, now(550)))
    assert 45 <= int(refused.headers["Retry-After"]) <= 50
    verification_start.start_verification("acme", body, now(601))
    refused = problem(lambda: verification_start.start_verification("acme", body, now(650)))
    assert 45 <= int(refused.headers["Retry-After"]) <= 50


def test_of_many_sends_at_once_no_more_go_than_are_allowed(gateway: Gateway) -> None:
    came = at_once(12, lambda _: start("dinisoft"))
    assert len(drained("dinisoft")) == sum(isinstance(one, dict) for one in came) <= 5


def test_a_limit_holds_no_number(gateway: Gateway) -> None:
    start("dinisoft")
    items = dynamodb.client().scan(TableName=dynamodb.table_name())["Items"]
    (limit,) = [item for item in items if item["sk"]["S"] == "SENDS"]
    assert number("dinisoft")[1:] not in json.dumps(limit)
    assert set(limit) == {"pk", "sk", "sends", "claim", "ttl"}


def test_a_lost_answer_counts_a_send_once(gateway: Gateway, failing: Callable[..., None]) -> None:
    failing("PutItem", 1, lost=True)
    start("dinisoft")
    items = dynamodb.client().scan(TableName=dynamodb.table_name())["Items"]
    (limit,) = [item for item in items if item["sk"]["S"] == "SENDS"]
    assert len(limit["sends"]["L"]) == 1


def test_a_refused_send_is_not_counted(gateway: Gateway) -> None:
    for _ in range(6):
        with pytest.raises(InvalidRequestError):
            start("dinisoft", to="+880")
    set_accounts({name: one for name, one in ACCOUNTS.items() if name != "dinisoft"})
    for _ in range(6):
        with pytest.raises(ServiceUnavailableError):
            start("dinisoft")
    set_accounts(ACCOUNTS)
    assert start("dinisoft")["status"] == "pending"


# Nothing is to be read


@pytest.mark.parametrize("name", OURS)
def test_the_code_stands_in_no_item_no_queue_and_no_log(
    gateway: Gateway,
    name: str,
    caplog: pytest.LogCaptureFixture,
    capsys: pytest.CaptureFixture[str],
) -> None:
    view = start(name, length=10, alphabet="letters")
    waiting = gateway.queued(name)
    gateway.wire.answers[SUBMIT[name]] = lambda request: b"<html>" + request.body + b"</html>"
    gateway.work(waiting)
    found = re.search(r"code is (\S+)", received(gateway.wire))
    assert found
    code = found[1]
    gateway.tick(200)
    check(view["id"], other(code[::-1]), gateway.wire, "k-1")
    check(view["id"], code, gateway.wire, "k-2")
    stored = json.dumps(
        dynamodb.client().scan(TableName=dynamodb.table_name())["Items"], default=str
    )
    logs = str([vars(one) for one in caplog.records])
    shown = logs + capsys.readouterr().out + json.dumps(gateway.view(view["message_id"]))
    for place in (stored, json.dumps(waiting), shown):
        assert code not in place
        assert code[::-1] not in place
    assert number(name)[1:] not in logs


def test_a_vendor_that_repeats_a_code_does_not_put_it_on_the_timeline(gateway: Gateway) -> None:
    view = start("dinisoft", length=4)

    def refuses(request: Request) -> Any:
        return {"Status": "1", "Text": dict(parse_qsl(request.url))["messageContent"]}

    gateway.wire.answers[SUBMIT["dinisoft"]] = refuses
    gateway.dispatch("dinisoft")
    last = gateway.view(view["message_id"])["timeline"][-1]
    assert (last["status"], last["vendor_text"]) == ("rejected", "[text]")


def test_codes_of_one_number_differ(gateway: Gateway) -> None:
    codes = set()
    for _ in range(5):
        start("dinisoft", length=10)
        codes.add(sent_code(gateway, "dinisoft"))
    assert len(codes) == 5


def test_somebody_elses_verification_is_not_found(gateway: Gateway) -> None:
    identifier = start("dinisoft", tenant="other")["id"]
    for work in (
        lambda: verification_start.show_verification("acme", identifier, now()),
        lambda: check(identifier, "123456", gateway.wire),
        lambda: verification_start.show_verification("acme", "KEYS", now()),
        lambda: verification_start.show_verification("acme", identifier[:-1] + "0", now()),
    ):
        assert problem(work).http_status == 404
    message = gateway.accept({"to": number("jst"), "text": "Hello"})[0]
    assert (
        problem(
            lambda: verification_start.show_verification("acme", message[:26], now())
        ).http_status
        == 404
    )


def test_a_batch_shows_the_message_and_not_the_verification(gateway: Gateway) -> None:
    identifier = start("dinisoft")["id"]
    found = message_repository.whole_batch(identifier)
    assert found
    assert len(found[1]) == 1
    assert "tenant" not in gateway.item(verification_repository.verification_key(identifier))


# Through the function


def asked(method: str, path: str, body: object, **headers: str) -> tuple[int, dict[str, str], Any]:
    event = json.loads((ROOT / "events" / "verify.json").read_text())
    event |= {"httpMethod": method, "path": path, "resource": path}
    event["body"] = json.dumps(body) if body else None
    event["headers"] |= headers
    event["multiValueHeaders"] = {name: [value] for name, value in event["headers"].items()}
    answer = VERIFY.handler(event, SimpleNamespace(function_name="verify", aws_request_id="1"))
    sent = {name: values[0] for name, values in answer.get("multiValueHeaders", {}).items()}
    return answer["statusCode"], sent | answer.get("headers", {}), json.loads(answer["body"])


def test_the_function_answers_all_three_routes(gateway: Gateway) -> None:
    body = {"to": number("dinisoft"), "text": TEXT}
    status, _, view = asked("POST", "/verifications", body, **{"Idempotency-Key": "k-1"})
    assert (status, view["status"]) == (201, "pending")
    assert asked("POST", "/verifications", body, **{"Idempotency-Key": "k-1"})[2] == view
    assert asked("GET", f"/verifications/{view['id']}", None)[::2] == (200, view)
    code = sent_code(gateway, "dinisoft")
    path = f"/verifications/{view['id']}/checks"
    status, _, wrong = asked("POST", path, {"code": other(code)}, **{"Idempotency-Key": "c-1"})
    assert (status, wrong["checks_left"]) == (200, 4)
    assert asked("POST", path, {"code": other(code)}, **{"Idempotency-Key": "c-1"})[2] == wrong
    assert asked("POST", path, {"code": code})[2]["status"] == "approved"
    status, headers, over = asked("POST", path, {"code": code})
    assert (status, over["type"]) == (409, "/problems/verification-approved")
    assert headers["Content-Type"] == "application/problem+json"
    assert over["verification"]["id"] == view["id"]


def test_an_empty_idempotency_key_is_refused(gateway: Gateway) -> None:
    body = {"to": number("dinisoft"), "text": TEXT}
    for path in ("/verifications", f"/verifications/{start('dinisoft')['id']}/checks"):
        given = body if path == "/verifications" else {"code": "123456"}
        status, _, refused = asked("POST", path, given, **{"Idempotency-Key": " x"})
        assert (status, refused["type"]) == (422, "/problems/invalid-idempotency-key")


def started_as_test(**fields: Any) -> Any:
    """Start a verification with a test key."""
    body = json.dumps({"to": number("jst"), "text": TEXT, **fields}).encode()
    return verification_start.start_verification("acme", body, now(), test=True)


def test_the_code_of_a_test_is_zeros_and_no_vendor_hears_of_it(gateway: Gateway) -> None:
    for mask, code in (("######", "000000"), ("AA-##", "AA00"), ("NNNN", "0000")):
        begun = started_as_test(mask=mask)
        assert begun["test"] is True
        assert gateway.dispatch("jst") == []

        def asked(code: str, identifier: str = begun["id"]) -> Any:
            body = json.dumps({"code": code}).encode()
            return verification_check.check_code("acme", identifier, body, now(), test=True)

        wrong = asked(code[:-1] + "1")
        assert (wrong["status"], wrong["checks_left"]) == ("pending", 4)
        assert asked(code)["status"] == "approved"
    assert gateway.wire.sent == []


def test_a_live_key_can_never_check_the_code_of_a_test(gateway: Gateway) -> None:
    begun, live = started_as_test(), start("jst")
    assert problem(lambda: check(begun["id"], "000000", gateway.wire)).http_status == 404
    body = b'{"code": "000000"}'
    assert (
        problem(
            lambda: verification_check.check_code("acme", live["id"], body, now(), test=True)
        ).http_status
        == 404
    )
    assert (
        problem(
            lambda: verification_start.show_verification("acme", begun["id"], now())
        ).http_status
        == 404
    )


def test_a_live_code_is_never_that_of_a_test(gateway: Gateway) -> None:
    begun = start("jst")
    content = message_repository.find_message(ItemKey(begun["id"], "M#000"))
    assert content
    assert content[1].content.code_spec
    assert content[1].content.code_spec.nonce != TEST_NONCE


def test_a_number_never_gets_too_many_codes_of_a_test(gateway: Gateway) -> None:
    for _ in range(7):
        started_as_test()
    start("jst")
