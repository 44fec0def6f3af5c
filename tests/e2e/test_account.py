"""Senders, vouchers and facts of server2sms on the real stack: IAM enforced, real arithmetic."""

import time
from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import pytest
import urllib3

from local.stack import LocalStack
from testing.deployed import Api

VENDOR = "/vendors/server2sms"
NUMBER = "+447700900001"


@pytest.fixture(scope="module")
def account(stack: LocalStack) -> Api:
    """A key as an operator makes one for this: the scope `account` and no other but reading."""
    return Api(stack, stack.key("till", ("account", "balances:read")))


@pytest.fixture(autouse=True)
def no_faults(stack: LocalStack) -> Iterator[None]:
    yield
    urllib3.request("DELETE", f"{stack.simulators}/_faults")


def simulated(api: Api) -> dict[str, Any]:
    """What server2sms knows of the account."""
    answer = urllib3.request("GET", f"{api.stack.simulators}/_account")
    return dict(answer.json()["server2sms"])


def fault(api: Api, name: str, operation: str = "change") -> None:
    order = {"vendor": "server2sms", "fault": name, "operation": operation, "count": 1}
    answer = urllib3.request("POST", f"{api.stack.simulators}/_faults", json=order)
    assert answer.status == 201, answer.data


def credit(api: Api) -> Decimal:
    return Decimal(simulated(api)["credits"])


def test_vouchers_are_created_listed_and_redeemed_once(account: Api) -> None:
    before = credit(account)
    body, key = {"count": 2, "credits_each": 50, "remarks": "spring"}, {"Idempotency-Key": "v-1"}
    made = account("POST", f"{VENDOR}/vouchers", body, headers=key)
    assert made.status == 201, made.body
    assert len(made.body["codes"]) == 2
    assert credit(account) == before - 100

    again = account("POST", f"{VENDOR}/vouchers", body, headers=key)
    assert (again.status, again.body) == (201, made.body)
    other = account("POST", f"{VENDOR}/vouchers", body | {"count": 3}, headers=key)
    assert (other.status, other.body["type"]) == (422, "/problems/idempotency-key-reused")
    assert credit(account) == before - 100

    listed = account("GET", f"{VENDOR}/vouchers").body["vouchers"]
    mine = [one for one in listed if made.body["reference"] in one["remarks"]]
    assert [one["code"] for one in mine] == made.body["codes"]
    assert {one["credits"] for one in mine} == {"50"}

    code, key = {"code": made.body["codes"][0]}, {"Idempotency-Key": "r-1"}
    for _ in range(2):
        redeemed = account("POST", f"{VENDOR}/vouchers/redeem", code, headers=key)
        assert (redeemed.status, redeemed.body["redeemed"]) == (200, True)
        assert credit(account) == before - 50
    used = account("POST", f"{VENDOR}/vouchers/redeem", code)
    assert (used.status, used.body["type"]) == (422, "/problems/unknown-voucher")
    assert used.body["vendor_code"] == "11"
    assert code["code"] not in str(used.body)


def test_a_creation_whose_answer_is_lost_is_settled_by_the_vendors_list(account: Api) -> None:
    before = credit(account)
    fault(account, "accept-then-reset")
    made = account("POST", f"{VENDOR}/vouchers", {"count": 1, "credits_each": 7})
    assert (made.status, len(made.body["codes"])) == (201, 1)
    assert credit(account) == before - 7


@pytest.mark.parametrize(("name", "status"), [("hang", 504), ("empty", 502), ("html", 502)])
def test_what_nobody_can_say_is_never_done_again(account: Api, name: str, status: int) -> None:
    before = credit(account)
    fault(account, name)
    fault(account, "error", "inquiry")  # the list, right after
    body, key = {"count": 1, "credits_each": 5}, {"Idempotency-Key": f"lost-{name}"}
    lost = account("POST", f"{VENDOR}/vouchers", body, headers=key)
    assert (lost.status, lost.body["type"]) == (status, "/problems/outcome-unknown")
    done = name != "hang"  # the others were done, and their answer spoiled
    again = account("POST", f"{VENDOR}/vouchers", body, headers=key)
    assert again.status == (201 if done else 504)
    assert credit(account) == before - (5 if done else 0)


def test_too_dear_is_said_by_the_vendor(account: Api) -> None:
    answer = account("POST", f"{VENDOR}/vouchers", {"count": 100, "credits_each": 100_000})
    assert (answer.status, answer.body["type"]) == (422, "/problems/not-enough-credits")
    assert answer.body["vendor_code"] == "5"


def test_a_sender_is_unlocked_with_the_code_that_it_got(account: Api) -> None:
    place = f"{VENDOR}/originators/%2B447700900001"
    assert account("GET", place).body["authorized"] == "no"
    sent = account("POST", f"{place}/unlock-code", headers={"Idempotency-Key": "u-1"})
    assert (sent.status, sent.body["originator"]) == (202, NUMBER)
    code = simulated(account)["originators"][NUMBER]["unlock_code"]
    assert account("GET", place).body["authorized"] == "pending"
    again = account("POST", f"{place}/unlock-code", headers={"Idempotency-Key": "u-1"})
    assert (again.status, again.body) == (202, sent.body)
    assert simulated(account)["originators"][NUMBER]["unlock_code"] == code

    wrong = account("POST", f"{place}/unlock", {"code": "WRONG"})
    assert (wrong.status, wrong.body["type"]) == (422, "/problems/wrong-unlock-code")
    unlocked = account("POST", f"{place}/unlock", {"code": code})
    assert (unlocked.status, unlocked.body["authorized"]) == (200, "yes")
    assert account("GET", place).body["authorized"] == "yes"
    assert account("GET", place.replace("%2B", "+")).body["authorized"] == "yes"
    needless = account("POST", f"{place}/unlock-code")
    assert (needless.status, needless.body["type"]) == (422, "/problems/already-authorized")


def test_version_and_codes_are_asked_once_a_day(account: Api) -> None:
    version = account("GET", f"{VENDOR}/version")
    assert (version.status, version.body["data"]["Version"]) == (200, "1.0.0.0")
    assert version.body["content_type"] == "application/json"
    codes = account("GET", f"{VENDOR}/status-codes")
    assert {one["code"] for one in codes.body["codes"]} >= {"1", "30", "31"}
    time.sleep(1.1)  # checked_at would show it
    assert account("GET", f"{VENDOR}/version").body == version.body
    assert account("GET", f"{VENDOR}/status-codes").body == codes.body


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/vouchers"),
        ("POST", "/vouchers"),
        ("POST", "/vouchers/redeem"),
        ("POST", "/originators/1/unlock-code"),
        ("POST", "/originators/1/unlock"),
    ],
)
def test_the_scope_account_is_needed(api: Api, nobody: Api, method: str, path: str) -> None:
    refused = api(method, VENDOR + path)
    assert (refused.status, refused.body["type"]) == (403, "/problems/missing-scope")
    assert "account" in refused.body["detail"]
    assert nobody(method, VENDOR + path).status == 401


@pytest.mark.parametrize("vendor", ["jst", "dinisoft", "rajasms", "acme"])
def test_an_operation_that_a_vendor_does_not_have_names_who_has_it(
    account: Api, vendor: str
) -> None:
    for path in ("vouchers", "originators/1", "version", "status-codes"):
        answer = account("GET", f"/vendors/{vendor}/{path}")
        assert (answer.status, answer.body["type"]) == (404, "/problems/no-such-operation")
        assert answer.body["vendors"] == ["server2sms"]


def test_no_code_is_in_the_logs(account: Api) -> None:
    made = account("POST", f"{VENDOR}/vouchers", {"count": 1, "credits_each": 1}).body
    fault(account, "unknown-code")
    account("POST", f"{VENDOR}/vouchers/redeem", {"code": made["codes"][0]})
    logs = account.stack.client("logs")
    shown, events = "", 0
    for group in logs.describe_log_groups()["logGroups"]:
        found = logs.filter_log_events(logGroupName=group["logGroupName"])["events"]
        events += len(found)
        shown += "".join(one["message"] for one in found)
    assert events
    for row in simulated(account)["vouchers"]:
        assert row["VoucherCode"] not in shown
