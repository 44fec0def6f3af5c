"""Every function's handler, with the event that `sam local invoke` takes from events/."""

import json
from base64 import b64encode
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any

import pytest

from sms_gateway.config import vendor_accounts
from sms_gateway.events import eventbridge
from sms_gateway.messages.send import send
from sms_gateway.webhooks import endpoints
from testing.gateway import Gateway
from testing.numbers import number
from testing.paths import ROOT
from testing.processes import function
from testing.queues import emptied
from testing.settings import set_account, set_accounts, set_routes
from testing.webhooks import activate

NAMES = sorted(path.parent.name for path in (ROOT / "functions").glob("*/app.py"))
CONTEXT = SimpleNamespace(
    function_name="test",
    aws_request_id="1",
    get_remaining_time_in_millis=lambda: 120_000,
)
MODULES = {name: function(name) for name in NAMES}


def event(name: str, **changes: Any) -> dict[str, Any]:
    """An event of events/, with some of its fields changed."""
    found: dict[str, Any] = json.loads((ROOT / "events" / f"{name}.json").read_text())
    return found | changes


def handle(name: str, given: dict[str, Any]) -> Any:
    return MODULES[name].handler(given, CONTEXT)


def asked(name: str, method: str, path: str, **changes: Any) -> tuple[int, dict[str, str], Any]:
    """A call of the API: status, headers and decoded body."""
    answer = handle(name, event(name, httpMethod=method, path=path, resource=path, **changes))
    headers = {name: values[0] for name, values in answer.get("multiValueHeaders", {}).items()}
    return answer["statusCode"], headers | answer.get("headers", {}), json.loads(answer["body"])


def by(tenant: str | None, scopes: str | None) -> dict[str, Any]:
    """Who is asking, as the authorizer says it."""
    return {"authorizer": {"tenant": tenant, "scopes": scopes}}


def test_every_function_has_an_event() -> None:
    others = {"send.asl", "from_sns_message"}  # test_sources.py looks at these
    assert {path.stem for path in (ROOT / "events").glob("*.json")} == {*NAMES, *others}


@pytest.mark.parametrize(
    ("name", "status"),
    [
        ("send", 202),
        ("status", 200),
        ("balance", 200),
        ("callback", 404),
        ("vendor_account", 502),
        ("verify", 201),
        ("webhooks", 200),
    ],
)
def test_an_api_function_answers_its_event(gateway: Gateway, name: str, status: int) -> None:
    set_account("server2sms", base_url="http://127.0.0.1:1", allow_http=True)  # nobody listens
    answer = handle(name, event(name))
    assert answer["statusCode"] == status
    json.loads(answer["body"])
    assert answer["headers"]["X-Content-Type-Options"] == "nosniff"
    assert answer["headers"]["Strict-Transport-Security"] == "max-age=31536000"


def test_the_authorizer_answers_its_event(gateway: Gateway) -> None:
    (statement,) = handle("authorize", event("authorize"))["policyDocument"]["Statement"]
    assert statement["Effect"] == "Deny"  # nobody has its key


def test_the_workers_answer_their_events(gateway: Gateway) -> None:
    assert handle("dispatch", event("dispatch")) == {"batchItemFailures": []}
    assert handle("scheduler", event("scheduler")) == {"checked": 0}
    assert handle("deliver_webhooks", event("deliver_webhooks")) == {"batchItemFailures": []}


def test_publish_answers_its_event(gateway: Gateway, monkeypatch: pytest.MonkeyPatch) -> None:
    put: list[Any] = []

    def put_events(Entries: list[Any]) -> dict[str, Any]:
        put.extend(Entries)
        return {"Entries": [{"EventId": "1"} for _ in Entries]}

    monkeypatch.setattr(eventbridge, "_client", lambda: SimpleNamespace(put_events=put_events))
    assert handle("publish_events", event("publish_events")) == {"batchItemFailures": []}
    (entry,) = put
    assert (entry["EventBusName"], entry["DetailType"]) == ("test", "VendorCircuitClosed")


def test_notify_answers_its_event(gateway: Gateway) -> None:
    endpoints.reset_cache()
    made = {"url": "https://8.8.8.8/hook", "events": ["MessageAccepted"]}
    status, _, answer = asked("webhooks", "POST", "/webhooks", body=json.dumps(made))
    assert status == 201
    activate("acme", answer["id"])
    assert handle("queue_webhooks", event("queue_webhooks")) == {"batchItemFailures": []}
    assert handle("queue_webhooks", event("queue_webhooks", redriven=True)) == {
        "batchItemFailures": [],
        "dead_lettered": [],
    }
    first, again = (json.loads(one.body) for one in emptied("deliveries"))
    assert first == again
    assert first["id"].endswith("01M8171WGKHBEDWV14PRHSE85G000-1")
    endpoints.reset_cache()


def test_a_message_is_previewed(gateway: Gateway) -> None:
    status, headers, said = asked("send", "POST", "/messages/preview")
    assert (status, headers["Cache-Control"]) == (200, "no-store")
    _, _, sent = asked("send", "POST", "/messages")
    assert said["messages"][0]["vendor"] == sent["messages"][0]["vendor"]
    reader = by("acme", "messages:read")
    status, _, problem = asked("send", "POST", "/messages/preview", requestContext=reader)
    assert (status, problem["type"]) == (403, "/problems/missing-scope")
    status, _, problem = asked("send", "POST", "/messages/preview", body="{")
    assert (status, problem["type"]) == (400, "/problems/malformed-json")


def test_a_message_is_sent_read_listed_and_cancelled(gateway: Gateway) -> None:
    status, headers, sent = asked("send", "POST", "/messages")
    assert (status, headers["Cache-Control"]) == (202, "no-store")
    identifier = sent["messages"][0]["id"]
    status, _, shown = asked("status", "GET", f"/messages/{identifier}")
    assert (status, shown["status"]) == (200, "accepted")
    _, _, listed = asked("status", "GET", "/messages")
    assert [one["id"] for one in listed["messages"]] == [identifier]
    _, _, batch = asked("status", "GET", f"/batches/{sent['batch_id']}")
    assert (batch["total"], batch["counts"]) == (1, {"accepted": 1})
    status, _, cancelled = asked("send", "DELETE", f"/messages/{identifier}", body=None)
    assert (status, cancelled["status"]) == (200, "cancelled")


CALLS = [
    ("send", "POST", "/messages", "messages:send"),
    ("send", "DELETE", "/messages/x", "messages:send"),
    ("status", "GET", "/messages", "messages:read"),
    ("status", "GET", "/messages/x", "messages:read"),
    ("status", "GET", "/batches/x", "messages:read"),
    ("balance", "GET", "/balances", "balances:read"),
    ("balance", "GET", "/balances/jst", "balances:read"),
    ("balance", "GET", "/vendors", "balances:read"),
    ("vendor_account", "GET", "/vendors/server2sms/originators/1", "balances:read"),
    ("vendor_account", "POST", "/vendors/server2sms/originators/1/unlock-code", "account"),
    ("vendor_account", "POST", "/vendors/server2sms/originators/1/unlock", "account"),
    ("vendor_account", "GET", "/vendors/server2sms/vouchers", "account"),
    ("vendor_account", "POST", "/vendors/server2sms/vouchers", "account"),
    ("vendor_account", "POST", "/vendors/server2sms/vouchers/redeem", "account"),
    ("vendor_account", "GET", "/vendors/server2sms/version", "balances:read"),
    ("vendor_account", "GET", "/vendors/server2sms/status-codes", "balances:read"),
    ("verify", "POST", "/verifications", "verifications"),
    ("verify", "GET", "/verifications/x", "verifications"),
    ("verify", "POST", "/verifications/x/checks", "verifications"),
    ("webhooks", "POST", "/webhooks", "webhooks:manage"),
    ("webhooks", "GET", "/webhooks", "webhooks:manage"),
    ("webhooks", "GET", "/webhooks/x", "webhooks:manage"),
    ("webhooks", "DELETE", "/webhooks/x", "webhooks:manage"),
    ("webhooks", "POST", "/webhooks/x/rotate", "webhooks:manage"),
    ("webhooks", "POST", "/webhooks/x/test", "webhooks:manage"),
    ("webhooks", "GET", "/webhooks/x/deliveries", "webhooks:manage"),
    ("webhooks", "POST", "/webhooks/x/replay", "webhooks:manage"),
]


@pytest.mark.parametrize(("name", "method", "path", "scope"), CALLS)
def test_a_key_without_the_scope_is_forbidden(
    gateway: Gateway, name: str, method: str, path: str, scope: str
) -> None:
    others = " ".join({"messages:send", "messages:read", "balances:read", "account"} - {scope})
    given = by("acme", others)
    status, headers, problem = asked(name, method, path, requestContext=given)
    assert (status, problem["type"]) == (403, "/problems/missing-scope")
    assert scope in problem["detail"]
    assert headers["Content-Type"] == "application/problem+json"


@pytest.mark.parametrize(("name", "method", "path", "scope"), CALLS)
@pytest.mark.parametrize("context", [{}, by(None, "messages:send"), by("acme", None), by("", "")])
def test_without_the_authorizers_word_nothing_is_answered(
    gateway: Gateway, name: str, method: str, path: str, scope: str, context: dict[str, Any]
) -> None:
    status, headers, problem = asked(name, method, path, requestContext=context)
    assert (status, problem["type"]) == (401, "/problems/unauthorized")
    assert headers["WWW-Authenticate"] == 'Bearer realm="sms-gateway"'
    assert gateway.messages_stored() == 0


@pytest.mark.parametrize(
    ("name", "path"),
    [
        ("status", "/messages/nothing"),
        ("status", "/messages/01J00000000000000000000000000"),
        ("status", "/batches/nothing"),
        ("status", "/batches/KEYS"),
        ("balance", "/balances/nobody"),
        ("vendor_account", "/vendors/server2sms/originators/1/2"),
        ("verify", "/verifications/nothing"),
        ("verify", "/verifications/01J00000000000000000000000"),
    ],
)
def test_an_unknown_id_is_not_found(gateway: Gateway, name: str, path: str) -> None:
    status, _, problem = asked(name, "GET", path, queryStringParameters=None)
    assert (status, problem["type"]) == (404, "/problems/not-found")


@pytest.mark.parametrize(
    ("method", "path", "body", "status", "slug"),
    [
        ("GET", "/vendors/jst/vouchers", None, 404, "no-such-operation"),
        ("GET", "/vendors/acme/version", None, 404, "no-such-operation"),
        ("GET", "/vendors/server2sms/originators/ABCDEFGHIJKL", None, 422, "malformed-originator"),
        ("POST", "/vendors/server2sms/originators/1/unlock", "{}", 422, "invalid-request"),
        ("POST", "/vendors/server2sms/originators/%2B1/unlock", "", 400, "malformed-json"),
        (
            "POST",
            "/vendors/server2sms/vouchers",
            '{"count": 0, "credits_each": 1}',
            422,
            "voucher-count",
        ),
        ("POST", "/vendors/server2sms/vouchers/redeem", '{"code": ""}', 422, "malformed-voucher"),
    ],
)
def test_bad_input_of_an_account_route_is_its_own_problem(
    gateway: Gateway, method: str, path: str, body: str | None, status: int, slug: str
) -> None:
    given = by("acme", "account balances:read")
    got, headers, problem = asked("vendor_account", method, path, body=body, requestContext=given)
    assert (got, problem["type"]) == (status, f"/problems/{slug}")
    assert headers["Content-Type"] == "application/problem+json"


def test_a_vendor_that_cannot_be_reached_is_a_502(gateway: Gateway) -> None:
    set_account("server2sms", base_url="http://127.0.0.1:1", allow_http=True)
    given = by("acme", "account balances:read")
    for name in ("version", "status-codes", "vouchers", "originators/1"):
        path = f"/vendors/server2sms/{name}"
        status, _, problem = asked("vendor_account", "GET", path, requestContext=given)
        assert (status, problem["type"]) == (502, "/problems/vendor-unreachable")
        assert problem["vendor"] == "server2sms"


@pytest.mark.parametrize("path", ["/messages/{id}", "/batches/{batch}"])
def test_somebody_elses_message_is_not_found(gateway: Gateway, path: str) -> None:
    body = json.dumps({"to": number("jst"), "text": "Hello"}).encode()
    sent = send("other", body, datetime.now(UTC))
    place = path.format(id=sent["messages"][0]["id"], batch=sent["batch_id"])
    assert asked("status", "GET", place, queryStringParameters=None)[0] == 404


def test_a_body_in_base64_is_the_same_body(gateway: Gateway) -> None:
    body = b64encode(json.dumps({"to": number("jst"), "text": "Hello"}).encode()).decode()
    assert asked("send", "POST", "/messages", body=body, isBase64Encoded=True)[0] == 202


@pytest.mark.parametrize("body", [None, "", "{"])
def test_no_body_is_malformed(gateway: Gateway, body: str | None) -> None:
    assert asked("send", "POST", "/messages", body=body)[0] == 400


@pytest.mark.parametrize("which", ["accounts", "routes"])
def test_broken_settings_are_503_and_no_stack_trace(
    gateway: Gateway, which: str, caplog: pytest.LogCaptureFixture
) -> None:
    (set_accounts if which == "accounts" else set_routes)("no JSON")
    status, headers, problem = asked("send", "POST", "/messages")
    assert (status, problem["type"]) == (503, f"/problems/{which}-unavailable")
    assert problem["retryable"] is True
    assert headers["Content-Type"] == "application/problem+json"
    assert not [one for one in caplog.records if hasattr(one, "exception")]
    assert gateway.messages_stored() == 0


def test_what_nobody_foresaw_shows_nothing_of_itself(
    gateway: Gateway, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.delenv("TABLE_NAME")
    status, _, problem = asked("send", "POST", "/messages")
    assert (status, problem["type"]) == (500, "/problems/internal-error")
    assert "TABLE_NAME" not in json.dumps(problem)
    assert [one for one in caplog.records if hasattr(one, "exception")]


def test_the_open_route_needs_no_key(gateway: Gateway) -> None:
    assert asked("status", "GET", "/health", requestContext={})[2] == {"status": "ok"}


def test_no_log_line_shows_a_number_or_a_text(
    gateway: Gateway, caplog: pytest.LogCaptureFixture, capsys: pytest.CaptureFixture[str]
) -> None:
    body = json.dumps({"to": [number("jst"), number("rajasms"), "+4477x"], "text": "Top secret"})
    asked("send", "POST", "/messages", body=body)
    vendor_accounts.accounts()
    gateway.wire.answers[""] = b"<html>911000000001 Top secret</html>"
    for vendor in ("jst", "rajasms"):
        gateway.dispatch(vendor)
    gateway.tick(200)
    shown = str([vars(one) for one in caplog.records]) + capsys.readouterr().out
    for secret in ("911000000001", "628000000001", "Top secret", "test-password", "test-api-key"):
        assert secret not in shown
