"""Who gets in, and what everybody else is told."""

from typing import Any

import pytest

from testing.deployed import NUMBERS, Api
from tools.openapi import entity_tag, small_contract

ROUTES = [
    ("GET", "/messages"),
    ("POST", "/messages"),
    ("POST", "/messages/preview"),
    ("GET", "/messages/01M80H3EQ01TZ45Z18JY8DE15Q000"),
    ("DELETE", "/messages/01M80H3EQ01TZ45Z18JY8DE15Q000"),
    ("GET", "/batches/01M80H3EQ01TZ45Z18JY8DE15Q"),
    ("GET", "/balances"),
    ("GET", "/balances/jst"),
    ("GET", "/vendors"),
    ("GET", "/vendors/server2sms/originators/1"),
    ("POST", "/vendors/server2sms/originators/1/unlock-code"),
    ("POST", "/vendors/server2sms/originators/1/unlock"),
    ("GET", "/vendors/server2sms/vouchers"),
    ("POST", "/vendors/server2sms/vouchers"),
    ("POST", "/vendors/server2sms/vouchers/redeem"),
    ("GET", "/vendors/server2sms/version"),
    ("GET", "/vendors/server2sms/status-codes"),
    ("POST", "/verifications"),
    ("GET", "/verifications/01M80H3EQ01TZ45Z18JY8DE15Q"),
    ("POST", "/verifications/01M80H3EQ01TZ45Z18JY8DE15Q/checks"),
]


@pytest.mark.parametrize(("method", "path"), ROUTES)
@pytest.mark.parametrize("key", [None, "", "sms_wrong", "sms_" + "x" * 48])
def test_no_route_opens_without_a_key(method: str, path: str, key: str | None, api: Api) -> None:
    answer = Api(api.stack, key)(method, path)
    assert answer.status == 401
    assert answer.headers["Content-Type"] == "application/problem+json"
    assert answer.body["type"] == "/problems/unauthorized"


def test_a_revoked_key_is_a_wrong_key(api: Api) -> None:
    made = api.stack.run_smsgw("keys", "create", "--tenant", "gone", "--scope", "messages:read")
    identifier, key = made.split()[2], made.split()[-1]
    assert Api(api.stack, key)("GET", "/messages").status == 200

    api.stack.run_smsgw("keys", "revoke", identifier, "--yes")

    assert Api(api.stack, key)("GET", "/messages").status == 401
    assert f"{identifier}  gone" in api.stack.run_smsgw("keys", "list")


def test_a_key_without_the_scope_is_told_which(api: Api) -> None:
    reader = Api(api.stack, api.stack.key("demo", ("messages:read",)))
    answer = reader("POST", "/messages", {"to": NUMBERS["jst"], "text": "no"})
    assert answer.status == 403
    assert "messages:send" in answer.body["detail"]
    assert reader("GET", "/balances").status == 403


def test_a_tenant_sees_only_its_own(api: Api, stranger: Api) -> None:
    (sent,) = api.send({"to": NUMBERS["rajasms"], "text": "private"})
    for method, path in (
        ("GET", f"/messages/{sent['id']}"),
        ("DELETE", f"/messages/{sent['id']}"),
        ("GET", f"/batches/{sent['id'][:26]}"),
    ):
        assert stranger(method, path).status == 404
    assert stranger("GET", "/messages").body["messages"] == []
    assert stranger("GET", f"/messages?batch_id={sent['id'][:26]}").body["messages"] == []


def test_two_routes_need_no_key(nobody: Api) -> None:
    assert nobody("GET", "/health").body == {"status": "ok"}
    contract = nobody("GET", "/openapi.json")
    assert contract.body == small_contract()
    assert contract.headers["Cache-Control"] == "public, max-age=3600"
    assert contract.headers["ETag"] == f'W/"{entity_tag()}"'


@pytest.mark.parametrize("vendor", [*NUMBERS, "nobody"])
@pytest.mark.parametrize("token", ["x", "01M80H3EQ01TZ45Z18JY8DE15QM000" + "A" * 26])
@pytest.mark.parametrize("method", ["GET", "POST"])
def test_a_callback_needs_its_token(vendor: str, token: str, method: str, nobody: Api) -> None:
    answer = nobody(method, f"/callbacks/{vendor}/{token}")
    assert answer.status == 404
    assert answer.body["type"] == "/problems/not-found"


BAD: list[tuple[bytes, int, str]] = [
    (b"{", 400, "malformed-json"),
    (b"[]", 422, "invalid-request"),
    (b'{"to": 1, "text": "x"}', 422, "invalid-request"),
    (b'{"to": "+8801000000001", "text": "x", "colour": 1}', 422, "invalid-request"),
    (b'{"to": [], "text": "x"}', 422, "recipient-count"),
    (b'{"to": "+1", "text": "x"}', 422, "invalid-number"),
    (b'{"to": "+8801000000001", "text": ""}', 422, "empty-text"),
    (b'{"to": "+8801000000001", "text": "x", "vendor": "nobody"}', 422, "unknown-vendor"),
    (b'{"to": "+8801000000001", "text": "x", "flash": true}', 422, "unsupported-field"),
    (b" " * (1024 * 1024 + 1), 413, "body-too-large"),
]


@pytest.mark.parametrize(("body", "status", "slug"), BAD, ids=[slug for _, _, slug in BAD])
def test_bad_input_gets_its_own_problem(body: bytes, status: int, slug: str, api: Api) -> None:
    answer = api("POST", "/messages", raw=body)
    assert answer.status == status
    assert answer.headers["Content-Type"] == "application/problem+json"
    assert answer.body["type"] == f"/problems/{slug}"


def test_balances_of_all_vendors_come_in_one_answer(api: Api) -> None:
    rows: list[dict[str, Any]] = api("GET", "/balances").body["balances"]
    assert {row["vendor"] for row in rows} == {*NUMBERS, "acme"}
    assert all(row["problem"] is None and float(row["amount"]) >= 0 for row in rows)
    again = api("GET", "/balances").body["balances"]
    assert [row["checked_at"] for row in again] == [row["checked_at"] for row in rows]
    one = api("GET", "/balances/rajasms").body["balances"]
    assert {row["unit"] for row in one} == {"IDR"}
    assert api("GET", "/balances/nobody").status == 404


def test_the_vendors_say_what_they_can_do(api: Api) -> None:
    vendors = {row["vendor"]: row for row in api("GET", "/vendors").body["vendors"]}
    assert list(vendors) == [*NUMBERS, "acme"]
    assert all(row["configured"] for row in vendors.values())
    assert any("http" in warning for warning in vendors["jst"]["warnings"])
