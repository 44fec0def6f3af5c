"""Senders, vouchers and facts of a vendor: what a caller is told, and nothing happens twice."""

import hashlib
import json
import threading
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from sms_gateway.config.vendor_accounts import accounts
from sms_gateway.core.problems import GatewayError
from sms_gateway.core.timestamps import DAY_SECONDS
from sms_gateway.storage import dynamodb
from sms_gateway.storage.idempotency_keys import IN_PROGRESS_SECONDS, KEY_SECONDS
from sms_gateway.vendor_accounts import interface_info, senders, vouchers
from sms_gateway.vendor_accounts.calls import Caller
from sms_gateway.vendor_accounts.unlock_limits import CODES_PER_NUMBER, CODES_PER_TENANT
from testing.gateway import Gateway
from testing.settings import ACCOUNTS, set_account, set_accounts
from testing.transport import SILENT, UNREACHABLE, Wire

NOW = datetime.now(UTC)
NUMBER = "+447700900001"
UNLOCK_CODE = "K7M2Q9XA"
OK = {"StatusCode": "1", "StatusInfo": "OK"}
BODY = {"count": 2, "credits_each": 50, "remarks": "spring"}
REDEEM = {"code": "AAAA-BBBB-CCCC"}
WRITES = ("CreateVoucher", "RedeemVoucher", "UnlockOriginator", "SendOriginatorUnlockCode")


class Till:
    """server2sms's vouchers on the wire: what was created is in the list."""

    def __init__(self, wire: Wire) -> None:
        self.wire, self.rows, self._lock = wire, [], threading.Lock()  # type: ignore[var-annotated]  # a fake
        wire.answers |= {"CreateVoucher": self.create, "GetVoucherTransactions": self.list}
        wire.answers["RedeemVoucher"] = OK

    def create(self, request: Any) -> Any:
        asked = json.loads(request.body)
        with self._lock:
            for _ in range(int(asked["NumberOfVouchers"])):
                code = f"CODE-{len(self.rows):04}"
                self.rows.append({"VoucherCode": code, "Remarks": asked["Remarks"]})
        return OK

    def list(self, _request: Any) -> Any:
        return {**OK, "vouchers": self.rows}

    def creates_then(self, ends: object) -> None:
        """The next creations are done, and their answer is `ends`."""

        def answer(request: Any) -> Any:
            self.create(request)
            return ends

        self.wire.answers["CreateVoucher"] = answer


@pytest.fixture
def till(gateway: Gateway, wire: Wire) -> Till:
    return Till(wire)


def by(
    wire: Wire,
    key: str | None = None,
    after: float = 0,
    vendor: str = "server2sms",
    tenant: str = "acme",
) -> Caller:
    return Caller(vendor, tenant, NOW + timedelta(seconds=after), key, wire)


def create(wire: Wire, body: object = BODY, **caller: Any) -> dict[str, Any]:
    return vouchers.create(by(wire, **caller), accounts(), raw(body))


def redeem(wire: Wire, body: object = REDEEM, **caller: Any) -> dict[str, Any]:
    return vouchers.redeem(by(wire, **caller), accounts(), raw(body))


def send_code(wire: Wire, originator: str = NUMBER, **caller: Any) -> dict[str, Any]:
    return senders.send_unlock_code(by(wire, **caller), accounts(), originator)


def unlock(wire: Wire, body: object = None, originator: str = NUMBER, **c: Any) -> dict[str, Any]:
    given = raw(body if body is not None else {"code": UNLOCK_CODE})
    return senders.unlock(by(wire, **c), accounts(), originator, given)


CHANGES: dict[str, tuple[Callable[..., dict[str, Any]], str]] = {
    "create": (create, "CreateVoucher"),
    "redeem": (redeem, "RedeemVoucher"),
    "send_code": (send_code, "SendOriginatorUnlockCode"),
    "unlock": (unlock, "UnlockOriginator"),
}
every_change = pytest.mark.parametrize(("change", "operation"), CHANGES.values(), ids=CHANGES)


def raw(body: object) -> bytes:
    return body if isinstance(body, bytes) else json.dumps(body).encode()


def problem(call: Callable[..., object], *arguments: Any, **named: Any) -> dict[str, Any]:
    """The problem document that a call comes to."""
    with pytest.raises(GatewayError) as raised:
        call(*arguments, **named)
    return {**raised.value.to_dict(), "headers": raised.value.headers}


def slug(found: dict[str, Any]) -> tuple[int, str]:
    return found["status"], found["type"].removeprefix("/problems/")


def stored() -> str:
    return str(dynamodb.client().scan(TableName=dynamodb.table_name())["Items"])


# Senders


@pytest.mark.parametrize(
    ("code", "authorized"), [("31", "yes"), ("28", "yes"), ("30", "no"), ("29", "pending")]
)
def test_a_sender_is_authorized_or_not_or_not_yet(
    gateway: Gateway, wire: Wire, code: str, authorized: str
) -> None:
    wire.answers["CheckOriginatorAuthorization"] = {"StatusCode": code, "StatusInfo": "word"}
    assert senders.get_sender(by(wire), accounts(), "%2B447700900001") == {
        "vendor": "server2sms",
        "originator": NUMBER,
        "authorized": authorized,
        "vendor_code": code,
        "vendor_text": "word",
    }
    assert json.loads(wire.sent[0].body)["Originator"] == NUMBER


FAILURES: list[tuple[object, int, str]] = [
    ({"StatusCode": "10"}, 422, "malformed-originator"),
    ({"StatusCode": "3"}, 502, "vendor-refuses-account"),
    ({"StatusCode": "24"}, 502, "vendor-busy"),
    ({"StatusCode": "20"}, 422, "vendor-refused"),
    ({"StatusCode": "1"}, 502, "vendor-unreadable"),
    ({"StatusCode": "6"}, 502, "vendor-unreadable"),
    ({"StatusCode": "742"}, 502, "vendor-unreadable"),
    (b"<html>", 502, "vendor-unreadable"),
    (b"", 502, "vendor-unreadable"),
    (UNREACHABLE, 502, "vendor-unreachable"),
    (SILENT, 504, "vendor-silent"),
]


@pytest.mark.parametrize(("answer", "status", "name"), FAILURES)
def test_a_question_that_brings_nothing_is_a_problem(
    gateway: Gateway, wire: Wire, answer: object, status: int, name: str
) -> None:
    wire.answers["CheckOriginatorAuthorization"] = answer
    found = problem(senders.get_sender, by(wire), accounts(), NUMBER)
    assert slug(found) == (status, name)
    assert found["vendor"] == "server2sms"
    assert found["retryable"] is (status > 500 and name != "vendor-refuses-account")
    if isinstance(answer, dict):
        assert found["vendor_code"] == answer["StatusCode"]
    assert NUMBER[1:] not in str(found)


@pytest.mark.parametrize("originator", ["1" * 16, "ABCDEFGHIJKL", "Gr%C3%BCn", "A B", "%2B", "a-b"])
@pytest.mark.parametrize("what", ["ask", "send code", "unlock"])
def test_a_malformed_originator_is_not_even_asked_for(
    gateway: Gateway, wire: Wire, originator: str, what: str
) -> None:
    calls: dict[str, Callable[[], object]] = {
        "ask": lambda: senders.get_sender(by(wire), accounts(), originator),
        "send code": lambda: send_code(wire, originator),
        "unlock": lambda: unlock(wire, originator=originator),
    }
    assert slug(problem(calls[what])) == (422, "malformed-originator")
    assert wire.sent == []


def test_an_unlock_code_is_sent_and_shown(gateway: Gateway, wire: Wire) -> None:
    wire.answers |= {"SendOriginatorUnlockCode": OK, "UnlockOriginator": OK}
    assert send_code(wire)["sent"] is True
    assert unlock(wire, {"code": UNLOCK_CODE, "affiliate_id": "mine"})["authorized"] == "yes"
    sent = json.loads(wire.sent[1].body)
    assert (sent["UnlockCode"], sent["AffiliateID"]) == (UNLOCK_CODE, "mine")


@pytest.mark.parametrize(
    ("code", "name"),
    [
        ("30", "wrong-unlock-code"),
        ("29", "wrong-unlock-code"),
        ("10", "malformed-originator"),
        ("11", "vendor-refused"),
    ],
)
def test_a_wrong_unlock_code_is_said_without_the_code(
    gateway: Gateway, wire: Wire, code: str, name: str
) -> None:
    said = f"{UNLOCK_CODE.lower()} is wrong"
    wire.answers["UnlockOriginator"] = {"StatusCode": code, "StatusInfo": said}
    found = problem(unlock, wire)
    assert slug(found) == (422, name)
    assert (found["vendor_code"], found["vendor_text"]) == (code, "[code] is wrong")


@pytest.mark.parametrize(
    ("body", "status", "name"),
    [
        (b"{", 400, "malformed-json"),
        ({}, 422, "invalid-request"),
        ({"code": 1}, 422, "invalid-request"),
        ({"code": "A", "colour": 1}, 422, "invalid-request"),
        ({"code": "A", "affiliate_id": "a b"}, 422, "invalid-request"),
        ({"code": ""}, 422, "malformed-unlock-code"),
        ({"code": "A B"}, 422, "malformed-unlock-code"),
        ({"code": "A" * 41}, 422, "malformed-unlock-code"),
    ],
)
def test_a_bad_body_of_an_unlock_is_not_shown_to_the_vendor(
    gateway: Gateway, wire: Wire, body: object, status: int, name: str
) -> None:
    assert slug(problem(unlock, wire, body)) == (status, name)
    assert wire.sent == []


def test_what_needs_no_unlocking_gets_no_code(gateway: Gateway, wire: Wire) -> None:
    wire.answers["SendOriginatorUnlockCode"] = {"StatusCode": "31"}
    found = problem(send_code, wire)
    assert slug(found) == (422, "already-authorized")
    assert found["vendor_text"] == "originator already authorized"


# Vouchers


def test_vouchers_are_created_and_their_codes_found_by_reference(till: Till, wire: Wire) -> None:
    create(wire)
    made = create(wire)
    assert made["codes"] == ["CODE-0002", "CODE-0003"]
    assert (made["count"], made["credits_each"]) == (2, 50)
    assert made["remarks"] == f"spring {made['reference']}"
    sent = json.loads(wire.sent[2].body)
    assert (sent["NumberOfVouchers"], sent["AmountCreditsPerVoucher"]) == ("2", "50")
    assert sent["Remarks"] == made["remarks"]


def test_without_remarks_the_reference_stands_alone(till: Till, wire: Wire) -> None:
    made = create(wire, {"count": 1.0, "credits_each": 1})
    assert made["remarks"] == made["reference"]
    assert (made["count"], len(made["codes"])) == (1, 1)


@pytest.mark.parametrize("answer", [SILENT, UNREACHABLE, b"", {"StatusCode": "3"}, {**OK}])
def test_created_is_created_also_when_the_list_does_not_show_it(
    till: Till, wire: Wire, answer: object
) -> None:
    wire.answers["GetVoucherTransactions"] = answer
    assert create(wire, key="k")["codes"] == []
    wire.answers["GetVoucherTransactions"] = till.list
    assert create(wire, key="k")["codes"] == ["CODE-0000", "CODE-0001"]
    assert wire.count("CreateVoucher") == 1


@pytest.mark.parametrize(
    ("body", "status", "name"),
    [
        (b"", 400, "malformed-json"),
        (b"[]", 422, "invalid-request"),
        ({"count": 1}, 422, "invalid-request"),
        (BODY | {"count": "2"}, 422, "invalid-request"),
        (BODY | {"colour": "red"}, 422, "invalid-request"),
        (BODY | {"count": 0}, 422, "voucher-count"),
        (BODY | {"count": -1}, 422, "voucher-count"),
        (BODY | {"count": 1.5}, 422, "voucher-count"),
        (BODY | {"count": 101}, 422, "voucher-count"),
        (b'{"count": 1e300, "credits_each": 1}', 422, "voucher-count"),
        (BODY | {"credits_each": 0}, 422, "voucher-credits"),
        (BODY | {"credits_each": 100_001}, 422, "voucher-credits"),
        (BODY | {"remarks": "x" * 101}, 422, "voucher-remarks"),
        (BODY | {"remarks": "a\u0000b"}, 422, "voucher-remarks"),
    ],
)
def test_bad_input_of_a_creation_has_its_own_problem(
    till: Till, wire: Wire, body: object, status: int, name: str
) -> None:
    assert slug(problem(create, wire, body, key="k")) == (status, name)
    assert wire.sent == []
    assert create(wire, key="k")["codes"]


def test_what_the_credit_does_not_cover_is_not_created(till: Till, wire: Wire) -> None:
    wire.answers["CreateVoucher"] = {"StatusCode": "5", "StatusInfo": "Not enough Credits."}
    found = problem(create, wire)
    assert slug(found) == (422, "not-enough-credits")
    assert (found["vendor_code"], found["vendor_text"]) == ("5", "Not enough Credits.")


@pytest.mark.parametrize("body", [{"code": ""}, {"code": "a b"}, {"code": "x" * 65}])
def test_a_malformed_voucher_is_not_shown_to_the_vendor(
    till: Till, wire: Wire, body: object
) -> None:
    assert slug(problem(redeem, wire, body)) == (422, "malformed-voucher")
    assert wire.sent == []


def test_a_voucher_is_redeemed(till: Till, wire: Wire) -> None:
    assert redeem(wire)["redeemed"] is True
    assert json.loads(wire.sent[0].body)["RedeemCode"] == REDEEM["code"]


def test_an_unknown_voucher_is_said_without_its_code(till: Till, wire: Wire) -> None:
    said = f"no voucher {REDEEM['code']}"
    wire.answers["RedeemVoucher"] = {"StatusCode": "11", "StatusInfo": said}
    found = problem(redeem, wire)
    assert slug(found) == (422, "unknown-voucher")
    assert found["vendor_text"] == "no voucher [code]"


def test_an_undocumented_code_and_no_such_voucher_in_the_list_is_a_refusal(
    till: Till, wire: Wire
) -> None:
    wire.answers["RedeemVoucher"] = {"StatusCode": "40", "StatusInfo": "odd"}
    found = problem(redeem, wire, key="k")
    assert slug(found) == (422, "unknown-voucher")
    assert (found["vendor_code"], found["vendor_text"]) == ("40", "odd")
    wire.answers["RedeemVoucher"] = OK
    assert redeem(wire, key="k")["redeemed"] is True


@pytest.mark.parametrize(
    "listed",
    [
        {**OK, "vouchers": [{"VoucherCode": "aaaa-bbbb-cccc"}]},
        {"vouchers": []},
        {"StatusCode": [None], "vouchers": 7},
        SILENT,
        b"<html>",
    ],
)
def test_an_undocumented_code_stays_in_doubt_where_the_list_does_not_deny_it(
    till: Till, wire: Wire, listed: object
) -> None:
    wire.answers["RedeemVoucher"] = {"StatusCode": "40", "StatusInfo": REDEEM["code"]}
    wire.answers["GetVoucherTransactions"] = listed
    for after in (0, IN_PROGRESS_SECONDS + 1):
        found = problem(redeem, wire, key="k", after=after)
        assert slug(found) == (502, "outcome-unknown")
        assert found["vendor_text"] == "[code]"
    assert wire.count("RedeemVoucher") == 1


def test_the_list_shows_what_the_vendor_tells(till: Till, wire: Wire) -> None:
    create(wire, {"count": 1, "credits_each": 5})
    listed = vouchers.list_vouchers(by(wire), accounts())
    assert [one["code"] for one in listed["vouchers"]] == ["CODE-0000"]
    assert listed["vouchers"][0]["data"] == till.rows[0]
    wire.answers["GetVoucherTransactions"] = {"StatusCode": "9"}
    found = problem(vouchers.list_vouchers, by(wire), accounts())
    assert slug(found) == (502, "vendor-refuses-account")


def test_a_tenant_sees_only_the_vouchers_that_it_made(till: Till, wire: Wire) -> None:
    mine, theirs = create(wire), create(wire, tenant="other")
    till.rows.append({"VoucherCode": "BOUGHT", "Remarks": "made at the vendor"})
    # Its own words claim nobody's.
    nearly = mine["reference"][:-1] + ("1" if mine["reference"].endswith("0") else "0")
    claims = create(wire, {**BODY, "remarks": nearly}, tenant="other")
    for tenant, codes in (
        ("acme", mine["codes"]),
        ("other", theirs["codes"] + claims["codes"]),
        ("nobody", []),
    ):
        listed = vouchers.list_vouchers(by(wire, tenant=tenant), accounts())
        assert [one["code"] for one in listed["vouchers"]] == codes


def test_a_number_gets_few_unlock_codes_a_day_whoever_asks(gateway: Gateway, wire: Wire) -> None:
    wire.answers["SendOriginatorUnlockCode"] = OK
    for nth in range(CODES_PER_NUMBER):
        send_code(wire, tenant=f"tenant{nth}", after=nth)
    found = problem(send_code, wire, key="k-1", originator=NUMBER.lstrip("+"), after=9)
    assert slug(found) == (429, "too-many-unlock-codes")
    assert 86_000 < int(found["headers"]["Retry-After"]) <= 86_400
    assert len(wire.sent) == CODES_PER_NUMBER
    limits = dynamodb.client().scan(TableName=dynamodb.table_name())["Items"]
    keys = [one["pk"]["S"] for one in limits if one["pk"]["S"].startswith("UNLOCKS#")]
    assert keys
    assert NUMBER.lstrip("+") not in str(keys)
    send_code(wire, key="k-1", originator=NUMBER.lstrip("+"), after=DAY_SECONDS + 9)


def test_a_tenant_gets_few_unlock_codes_a_day_whatever_the_number(
    gateway: Gateway, wire: Wire
) -> None:
    wire.answers["SendOriginatorUnlockCode"] = OK
    for nth in range(CODES_PER_TENANT):
        send_code(wire, f"+4477009001{nth:02}")
    found = problem(send_code, wire, originator="+447700900999")
    assert slug(found) == (429, "too-many-unlock-codes")
    assert len(wire.sent) == CODES_PER_TENANT
    send_code(wire, "+447700900999", tenant="other")


def test_what_a_tenant_is_refused_uses_up_none_of_a_strangers_unlock_codes(
    gateway: Gateway, wire: Wire
) -> None:
    wire.answers["SendOriginatorUnlockCode"] = OK
    for nth in range(CODES_PER_TENANT):
        send_code(wire, f"+4477009001{nth:02}", tenant="thief")
    for _ in range(CODES_PER_NUMBER):
        assert slug(problem(send_code, wire, tenant="thief")) == (429, "too-many-unlock-codes")
    for _ in range(CODES_PER_NUMBER):
        send_code(wire)
    assert len(wire.sent) == CODES_PER_TENANT + CODES_PER_NUMBER


def test_a_repeated_request_for_an_unlock_code_counts_once(gateway: Gateway, wire: Wire) -> None:
    wire.answers["SendOriginatorUnlockCode"] = OK
    for _ in range(CODES_PER_NUMBER + 1):
        send_code(wire, key="k-1")
    assert len(wire.sent) == 1


# Once


@every_change
def test_the_same_key_gives_the_same_answer_and_changes_once(
    till: Till, wire: Wire, change: Callable[..., Any], operation: str
) -> None:
    wire.answers |= {"SendOriginatorUnlockCode": OK, "UnlockOriginator": OK}
    first = change(wire, key="k")
    assert [change(wire, key="k", after=s) for s in (1, 100, KEY_SECONDS - 1)] == [first] * 3
    assert wire.count(operation) == 1
    change(wire, key="k", after=KEY_SECONDS)
    change(wire, key="other")
    change(wire, key="k", tenant="other")
    change(wire)
    assert wire.count(operation) == 5


@pytest.mark.parametrize(
    "again",
    [
        lambda wire: create(wire, BODY | {"count": 3}, key="k"),
        lambda wire: redeem(wire, key="k"),
        lambda wire: unlock(wire, key="k"),
        lambda wire: send_code(wire, key="k"),
    ],
)
def test_another_request_under_the_same_key_is_refused(
    till: Till, wire: Wire, again: Callable[[Wire], object]
) -> None:
    create(wire, key="k")
    sent = len(wire.sent)
    assert slug(problem(again, wire)) == (422, "idempotency-key-reused")
    assert len(wire.sent) == sent


def test_the_same_request_written_otherwise_is_not_done_again(till: Till, wire: Wire) -> None:
    first = create(wire, key="k")
    assert create(wire, raw(BODY) + b" ", key="k") == first
    assert wire.count("CreateVoucher") == 1


def test_the_originator_belongs_to_the_request(gateway: Gateway, wire: Wire) -> None:
    wire.answers["SendOriginatorUnlockCode"] = OK
    send_code(wire, key="k")
    found = problem(send_code, wire, "+447700900002", key="k")
    assert slug(found) == (422, "idempotency-key-reused")


@every_change
def test_while_the_first_is_at_work_the_second_is_told_to_come_again(
    till: Till, wire: Wire, change: Callable[..., Any], operation: str
) -> None:
    found: list[dict[str, Any]] = []
    takes = wire.answers.get(operation, OK)

    def slow(request: Any) -> Any:
        found.append(problem(change, wire, key="k"))
        return takes(request) if callable(takes) else takes

    wire.answers[operation] = slow
    change(wire, key="k")
    assert slug(found[0]) == (409, "request-in-progress")
    assert 1 <= int(found[0]["headers"]["Retry-After"]) <= 5
    assert wire.count(operation) == 1


@every_change
def test_of_many_at_once_one_changes(
    till: Till, wire: Wire, change: Callable[..., Any], operation: str
) -> None:
    wire.answers |= {"SendOriginatorUnlockCode": OK, "UnlockOriginator": OK}
    barrier, came = threading.Barrier(6), []

    def one() -> None:
        barrier.wait()
        try:
            came.append(json.dumps(change(wire, key="k")))
        except GatewayError as error:
            came.append(error.slug)

    threads = [threading.Thread(target=one) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wire.count(operation) == 1
    assert len({one for one in came if one != "request-in-progress"}) == 1


@every_change
@pytest.mark.parametrize("answer", [UNREACHABLE, {"StatusCode": "24"}, {"StatusCode": "3"}])
def test_what_was_certainly_not_done_leaves_the_key_free(
    till: Till, wire: Wire, change: Callable[..., Any], operation: str, answer: object
) -> None:
    wire.answers |= {"SendOriginatorUnlockCode": OK, "UnlockOriginator": OK}
    takes = wire.answers[operation]
    wire.answers[operation] = answer
    assert problem(change, wire, key="k")["status"] == 502
    wire.answers[operation] = takes
    assert change(wire, key="k", after=1)["vendor"] == "server2sms"
    assert wire.count(operation) == 2


UNKNOWN = [
    (SILENT, 504),
    (b"", 502),
    (b"<html>", 502),
    ({"StatusCode": "6"}, 502),
    ({"StatusCode": "7"}, 502),
]


@every_change
@pytest.mark.parametrize(("answer", "status"), UNKNOWN)
def test_what_nobody_can_say_is_never_done_again(
    till: Till,
    wire: Wire,
    change: Callable[..., Any],
    operation: str,
    answer: object,
    status: int,
) -> None:
    wire.answers[operation] = answer
    first = problem(change, wire, key="k")
    assert slug(first) == (status, "outcome-unknown")
    assert first["retryable"] is False
    wire.answers[operation] = OK
    for after in (1, IN_PROGRESS_SECONDS + 1, KEY_SECONDS - 1):
        assert problem(change, wire, key="k", after=after) == first
    assert wire.count(operation) == 1


@every_change
def test_a_call_cut_short_is_never_made_again(
    till: Till, wire: Wire, change: Callable[..., Any], operation: str
) -> None:
    wire.answers[operation] = RuntimeError("crash")
    with pytest.raises(RuntimeError, match=r"^crash$"):
        change(wire, key="k")
    wire.answers[operation] = OK
    assert slug(problem(change, wire, key="k", after=IN_PROGRESS_SECONDS - 1)) == (
        409,
        "request-in-progress",
    )
    for after in (IN_PROGRESS_SECONDS, KEY_SECONDS - 1):
        found = problem(change, wire, key="k", after=after)
        assert slug(found) == (502, "outcome-unknown")
    assert wire.count(operation) == 1


@pytest.mark.parametrize("ends", [SILENT, b"", {"StatusCode": "7"}, RuntimeError("crash")])
def test_the_vendors_list_settles_a_creation_whose_answer_was_lost(
    till: Till, wire: Wire, ends: object
) -> None:
    till.creates_then(ends)
    wire.answers["GetVoucherTransactions"] = SILENT
    with pytest.raises((GatewayError, RuntimeError)):
        create(wire, key="k")
    wire.answers["GetVoucherTransactions"] = till.list
    made = create(wire, key="k", after=IN_PROGRESS_SECONDS + 1)
    assert made["codes"] == ["CODE-0000", "CODE-0001"]
    assert create(wire, key="k", after=IN_PROGRESS_SECONDS + 2) == made
    assert wire.count("CreateVoucher") == 1


def test_a_lost_answer_is_settled_at_once_where_the_list_can_say_so(till: Till, wire: Wire) -> None:
    till.creates_then(SILENT)
    assert create(wire)["codes"] == ["CODE-0000", "CODE-0001"]


def test_rows_of_which_no_code_can_be_made_out_settle_it_too(till: Till, wire: Wire) -> None:
    till.creates_then(SILENT)
    wire.answers["GetVoucherTransactions"] = lambda _: {
        **OK,
        "vouchers": [f"{one['VoucherCode']};50;{one['Remarks']}" for one in till.rows],
    }
    assert create(wire)["codes"] == []


def test_what_is_in_doubt_names_the_reference_to_look_for(till: Till, wire: Wire) -> None:
    till.creates_then(SILENT)
    wire.answers["GetVoucherTransactions"] = SILENT
    found = problem(create, wire)
    assert found["reference"] in till.rows[0]["Remarks"]
    assert "GET /vendors/server2sms/vouchers" in found["detail"]


@every_change
def test_a_table_that_fails_after_the_change_hides_nothing_and_repeats_nothing(
    till: Till,
    wire: Wire,
    failing: Callable[..., None],
    change: Callable[..., Any],
    operation: str,
) -> None:
    wire.answers |= {"SendOriginatorUnlockCode": OK, "UnlockOriginator": OK}
    failing("UpdateItem")
    first = change(wire, key="k")
    assert first["vendor"] == "server2sms"
    if operation == "CreateVoucher":  # the vendor's list settles it
        assert change(wire, key="k", after=IN_PROGRESS_SECONDS + 1) == first
    else:
        found = problem(change, wire, key="k", after=IN_PROGRESS_SECONDS + 1)
        assert slug(found) == (502, "outcome-unknown")
    assert wire.count(operation) == 1


@every_change
def test_a_table_that_takes_no_record_lets_nothing_happen(
    till: Till,
    wire: Wire,
    failing: Callable[..., None],
    change: Callable[..., Any],
    operation: str,
) -> None:
    failing("PutItem")
    assert problem(change, wire, key="k")["status"] == 503
    assert wire.count(operation) == 0


def test_a_records_lost_answer_does_not_stop_its_own_request(
    till: Till, wire: Wire, failing: Callable[..., None]
) -> None:
    failing("PutItem", 1, lost=True)
    assert create(wire, key="k")["codes"]
    assert wire.count("CreateVoucher") == 1


@pytest.mark.parametrize("key", ["", " k", "é", "k" * 256])
def test_a_key_that_cannot_be_is_refused(till: Till, wire: Wire, key: str) -> None:
    assert slug(problem(create, wire, key=key)) == (422, "invalid-idempotency-key")
    assert wire.sent == []


def test_an_operation_costs_a_read_and_two_writes(till: Till, wire: Wire) -> None:
    calls: list[str] = []

    def note(model: Any, **_: Any) -> None:
        calls.append(model.name)

    events = dynamodb.client().meta.events
    events.register("before-call.dynamodb", note)
    try:
        create(wire, key="k")
        assert calls == ["GetItem", "PutItem", "UpdateItem"]
        calls.clear()
        create(wire, key="k")
        assert calls == ["GetItem"]
        calls.clear()
        create(wire)
        assert calls == []
        wire.answers["VersionInfo"] = VERSION
        version(wire)
        assert calls == ["BatchGetItem", "PutItem"]
        calls.clear()
        version(wire)
        assert calls == ["BatchGetItem"]
    finally:
        events.unregister("before-call.dynamodb", note)


# Secrets


def test_no_code_is_in_the_table_or_in_a_log(
    till: Till, wire: Wire, caplog: pytest.LogCaptureFixture, capsys: pytest.CaptureFixture[str]
) -> None:
    caplog.set_level("DEBUG", "sms-gateway")
    wire.answers |= {"SendOriginatorUnlockCode": OK, "UnlockOriginator": OK}
    made = create(wire, key="k")
    redeem(wire, {"code": made["codes"][0]}, key="k2")
    unlock(wire, key="k3")
    for nth, (answer, operation) in enumerate(
        (said, operation)
        for said in (SILENT, b"CODE-0000 AAAA-BBBB-CCCC K7M2Q9XA", {"StatusCode": "24"})
        for operation in WRITES
    ):
        wire.answers[operation] = answer
        for change, name in CHANGES.values():
            if name == operation:
                found = problem(change, wire, key=f"x{nth}")
                assert "CODE-0" not in str(found)
    wire.answers["GetVoucherTransactions"] = b"CODE-0000"
    problem(vouchers.list_vouchers, by(wire), accounts())
    shown = stored() + str([vars(one) for one in caplog.records]) + capsys.readouterr().out
    for secret in ("CODE-0", "AAAA-BBBB", UNLOCK_CODE, "test-password", NUMBER[1:] + "."):
        assert secret not in shown
    assert made["reference"] in shown  # so what was looked through is there


def test_a_short_code_cannot_be_found_from_what_the_table_has(till: Till, wire: Wire) -> None:
    redeem(wire, key="k")
    assert hashlib.sha256(raw(REDEEM)).hexdigest() not in stored()


# Which vendors


@pytest.mark.parametrize("vendor", ["jst", "dinisoft", "rajasms", "nobody"])
@pytest.mark.parametrize(
    "call",
    [
        lambda who: senders.get_sender(who, accounts(), NUMBER),
        lambda who: vouchers.list_vouchers(who, accounts()),
        lambda who: vouchers.create(who, accounts(), b"{"),
        lambda who: interface_info.version(who, accounts()),
        lambda who: interface_info.status_codes(who, accounts()),
    ],
)
def test_a_vendor_without_the_operation_names_those_that_have_it(
    gateway: Gateway, wire: Wire, vendor: str, call: Callable[[Caller], object]
) -> None:
    found = problem(call, by(wire, vendor=vendor))
    assert slug(found) == (404, "no-such-operation")
    assert found["vendors"] == ["server2sms"]
    assert "server2sms" in found["detail"]


def test_a_vendor_that_is_not_configured_is_not_asked(gateway: Gateway, wire: Wire) -> None:
    set_accounts({name: one for name, one in ACCOUNTS.items() if name != "server2sms"})
    assert slug(problem(create, wire)) == (404, "vendor-not-configured")


def test_the_accounts_own_time_bounds_a_question(gateway: Gateway) -> None:
    set_account("server2sms", timeout=0.5)
    asked: list[float] = []

    def send(_request: Any, timeout: float) -> Any:
        asked.append(timeout)
        raise SILENT

    caller = Caller("server2sms", "acme", NOW, None, send)
    problem(senders.get_sender, caller, accounts(), NUMBER)
    problem(vouchers.create, caller, accounts(), raw(BODY))
    assert asked == [0.5] * 3


# Facts

VERSION = {"Version": "1.0.0.0"}
CODES = [{"StatusCode": "1", "StatusInfo": "Ok."}, {"StatusCode": "742", "StatusInfo": "Odd."}]


def version(wire: Wire, after: float = 0) -> dict[str, Any]:
    return interface_info.version(by(wire, after=after), accounts())


def test_the_version_is_passed_through_and_kept_for_a_day(gateway: Gateway, wire: Wire) -> None:
    wire.answers["VersionInfo"] = VERSION
    first = version(wire)
    assert (first["data"], first["content_type"]) == (VERSION, "application/json")
    assert first["problem"] is None
    assert version(wire, DAY_SECONDS - 2) == first
    assert wire.count("VersionInfo") == 1
    assert version(wire, DAY_SECONDS)["checked_at"] > first["checked_at"]
    assert wire.count("VersionInfo") == 2


@pytest.mark.parametrize("failure", [SILENT, UNREACHABLE, b"", {"StatusCode": "3"}])
def test_a_vendor_that_fails_later_leaves_what_it_said_before(
    gateway: Gateway, wire: Wire, failure: object
) -> None:
    wire.answers["VersionInfo"] = failure
    assert problem(version, wire)["status"] in (502, 504)
    wire.answers["VersionInfo"] = VERSION
    first = version(wire)
    wire.answers["VersionInfo"] = failure
    later = version(wire, DAY_SECONDS + 1)
    assert (later["data"], later["checked_at"]) == (VERSION, first["checked_at"])
    assert later["problem"]["type"].startswith("/problems/vendor-")


@pytest.mark.parametrize(
    "body",
    [b"1.0.0.0", b'"x"', b"null", b"17", b"<Version>1</Version>", b"\x00\xff", b"[" * 3000, b"{"],
)
def test_any_shape_is_passed_through(gateway: Gateway, wire: Wire, body: bytes) -> None:
    wire.answers |= {"VersionInfo": body, "ListAllStatusCodes": body}
    first = version(wire)
    assert version(wire, 1) == first
    assert wire.count("VersionInfo") == 1
    assert interface_info.status_codes(by(wire), accounts())["data"] == first["data"]


@pytest.mark.parametrize(
    "body", [b"<!DOCTYPE html><p>busy</p>", b" <HTML>", json.dumps("x" * 200_000).encode()]
)
def test_a_web_page_and_what_is_too_large_are_shown_but_not_kept(
    gateway: Gateway, wire: Wire, body: bytes
) -> None:
    wire.answers["VersionInfo"] = body
    assert isinstance(version(wire)["data"], str)
    version(wire, 1)
    assert wire.count("VersionInfo") == 2


def test_the_vendors_list_is_joined_with_our_table(gateway: Gateway, wire: Wire) -> None:
    wire.answers["ListAllStatusCodes"] = CODES
    found = interface_info.status_codes(by(wire), accounts())
    assert found["data"] == CODES
    codes = {one["code"]: one for one in found["codes"]}
    assert codes["1"] == {"code": "1", "text": "Ok.", "meaning": "accepted", "listed": True}
    assert codes["2"]["text"] == "connect failed"
    assert (codes["2"]["meaning"], codes["2"]["listed"]) == ("retry", False)
    assert codes["742"] == {"code": "742", "text": "Odd.", "meaning": None, "listed": True}
    assert "texts" not in found
    assert list(codes) == sorted(codes, key=int)
    assert interface_info.status_codes(by(wire, after=1), accounts()) == found


def test_the_kept_list_has_the_word_for_a_code_that_came_without_one(
    till: Till, wire: Wire
) -> None:
    wire.answers["CreateVoucher"] = {"StatusCode": "742"}
    assert "vendor_text" not in problem(create, wire)
    wire.answers["ListAllStatusCodes"] = CODES
    interface_info.status_codes(by(wire), accounts())
    assert problem(create, wire)["vendor_text"] == "Odd."
    wire.answers["CheckOriginatorAuthorization"] = {"StatusCode": "742", "StatusInfo": "Own word"}
    found = problem(senders.get_sender, by(wire), accounts(), NUMBER)
    assert found["vendor_text"] == "Own word"
