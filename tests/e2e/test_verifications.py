"""One-time codes through every vendor, from send to approved, with IAM enforced."""

import hashlib
import itertools
import json
import re
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
import urllib3

from testing.deployed import NUMBERS, Answer, Api

TEXT = "Your code is {code}"
_numbers = itertools.count(1)


def fresh(vendor: str) -> str:
    """A number of a vendor that no other test sends to: five codes are the limit."""
    return f"{NUMBERS[vendor][:-3]}{500 + next(_numbers)}"


def control(api: Api, method: str, path: str, body: object = None) -> Any:
    answer = urllib3.request(method, api.stack.simulators + path, json=body)
    return answer.json() if answer.data else None


def handset(api: Api, number: str) -> str:
    """The last text to a number."""
    return str(control(api, "GET", f"/_handset?number={number[1:]}")["texts"][-1])


def start(api: Api, **fields: Any) -> dict[str, Any]:
    answer = api("POST", "/verifications", {"text": TEXT} | fields)
    assert answer.status == 201, answer.body
    return dict(answer.body)


def received(api: Api, verification: dict[str, Any]) -> str:
    """Waits until the message arrived; the code in it."""
    message = api.final(verification["message_id"])
    assert message["status"] == "delivered"
    assert (message["text"], message["text_withheld"], message["category"]) == (None, True, "otp")
    found = re.fullmatch(r"Your code is (.+)", handset(api, verification["to"]))
    assert found
    return found[1]


def check(api: Api, verification: dict[str, Any], code: str, **headers: str) -> Answer:
    path = f"/verifications/{verification['id']}/checks"
    return api("POST", path, {"code": code}, headers=headers)


def wrong(code: str) -> str:
    return code.translate(str.maketrans("0123456789", "1234567890"))


@pytest.mark.parametrize("vendor", NUMBERS)
def test_a_code_goes_from_send_to_approved_once(vendor: str, api: Api) -> None:
    begun = start(api, to=fresh(vendor), reference="login-7")
    assert (begun["status"], begun["checks_left"], begun["reference"]) == ("pending", 5, "login-7")
    code = received(api, begun)
    assert re.fullmatch(r"\d{6}", code)

    first = check(api, begun, wrong(code)).body
    assert (first["status"], first["checks_left"]) == ("pending", 4)
    assert check(api, begun, code).body["status"] == "approved"

    again = check(api, begun, code)
    assert (again.status, again.body["type"]) == (409, "/problems/verification-approved")
    assert api("GET", f"/verifications/{begun['id']}").body["status"] == "approved"
    message = api("GET", f"/messages/{begun['message_id']}").body
    assert message["vendor"] == vendor
    sent = control(api, "GET", f"/_ledger?vendor={vendor}")["submissions"]
    (once,) = [one for call in sent for one in call["messages"] if one["number"] == begun["to"][1:]]
    assert once["text_sha256"] == hashlib.sha256(f"Your code is {code}".encode()).hexdigest()


@pytest.mark.parametrize("vendor", NUMBERS)
def test_of_right_checks_at_once_one_is_approved(vendor: str, api: Api) -> None:
    begun = start(api, to=fresh(vendor), mask="A#-NN", max_checks=10)
    code = received(api, begun)
    with ThreadPoolExecutor(4) as pool:
        came = list(pool.map(lambda _: check(api, begun, code.lower()), range(4)))
    assert sorted(one.status for one in came) == [200, 409, 409, 409]
    assert [one.body["status"] for one in came if one.status == 200] == ["approved"]


@pytest.mark.parametrize("vendor", ["dinisoft", "server2sms"])
def test_a_code_is_exhausted(vendor: str, api: Api) -> None:
    begun = start(api, to=fresh(vendor), length=4, max_checks=2)
    code = received(api, begun)
    assert check(api, begun, wrong(code)).body["status"] == "pending"
    assert check(api, begun, wrong(code)).body["status"] == "exhausted"
    over = check(api, begun, code)
    assert (over.status, over.body["type"]) == (409, "/problems/verification-exhausted")


def test_a_repeated_request_sends_and_counts_once(api: Api) -> None:
    body = {"to": fresh("rajasms"), "text": TEXT}
    key = {"Idempotency-Key": f"verify-{body['to']}"}
    begun = [api("POST", "/verifications", body, headers=key) for _ in range(7)]
    assert {one.status for one in begun} == {201}
    assert len({json.dumps(one.body) for one in begun}) == 1
    verification = begun[0].body
    code = received(api, verification)
    for _ in range(3):
        again = check(api, verification, wrong(code), **{"Idempotency-Key": "c-1"})
        assert (again.status, again.body["checks_left"]) == (200, 4)
    for _ in range(2):
        again = check(api, verification, code, **{"Idempotency-Key": "c-2"})
        assert again.body["status"] == "approved"


def test_a_number_gets_five_codes(api: Api) -> None:
    to = fresh("dinisoft")
    for _ in range(5):
        start(api, to=to)
    refused = api("POST", "/verifications", {"to": to, "text": TEXT})
    assert (refused.status, refused.body["type"]) == (429, "/problems/too-many-codes")
    assert 1 <= int(refused.headers["Retry-After"]) <= 600


def test_a_vendor_that_does_not_judge_is_a_problem_and_no_check(api: Api) -> None:
    begun = start(api, to=fresh("server2sms"), max_checks=1)
    code = received(api, begun)
    faults = (("refuse", 502), ("refuse-temporary", 503), ("garbage", 502), ("error", 502))
    for fault, status in faults:
        order = {"vendor": "server2sms", "fault": fault, "operation": "verify", "count": 1}
        control(api, "POST", "/_faults", order)
        failed = check(api, begun, code)
        assert (failed.status, failed.body["type"]) == (status, "/problems/check-failed")
        assert failed.body["vendor"] == "server2sms"
    assert check(api, begun, code).body["status"] == "approved"


BAD = [
    ({"text": "Your code"}, "code-missing"),
    ({"mask": "###X"}, "unknown-mask-character"),
    ({"ttl": 86_401}, "ttl-out-of-range"),
    ({"length": 3}, "length-out-of-range"),
    ({"to": "+1"}, "invalid-number"),
    ({"vendor": "nobody"}, "unknown-vendor"),
]


@pytest.mark.parametrize(("fields", "slug"), BAD, ids=[slug for _, slug in BAD])
def test_bad_input_gets_its_own_problem(fields: dict[str, Any], slug: str, api: Api) -> None:
    answer = api("POST", "/verifications", {"to": NUMBERS["jst"], "text": TEXT} | fields)
    assert (answer.status, answer.body["type"]) == (422, f"/problems/{slug}")


def test_a_tenant_checks_only_its_own(api: Api, stranger: Api) -> None:
    begun = start(api, to=fresh("jst"))
    assert check(stranger, begun, "123456").status == 403  # its key lacks the scope
    other = Api(api.stack, api.stack.key("another", ("verifications",)))
    assert check(other, begun, "123456").status == 404
    assert other("GET", f"/verifications/{begun['id']}").status == 404
