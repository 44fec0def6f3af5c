"""A policy by tenant and by key: every way in obeys it, and without one nothing is read."""

import json
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from sms_gateway.config import api_keys, policies, stopped_tenants
from sms_gateway.core.problems import GatewayError, ServiceUnavailableError
from sms_gateway.messages.permits import permits
from sms_gateway.messages.preview import preview
from sms_gateway.messages.send import send
from sms_gateway.storage import dynamodb
from sms_gateway.triggers.direct_invocation import SendRefused
from sms_gateway.verifications.start import start_verification
from testing.counting import Meter
from testing.gateway import Gateway
from testing.numbers import number
from testing.paths import ROOT
from testing.processes import function
from testing.queues import DEAD_LETTERS, emptied
from testing.rights import acting_as, as_operator
from testing.settings import set_policy, set_stopped

NONE = '{"countries": []}'
SEND, VERIFY, AUTHORIZE = (function(name) for name in ("send", "verify", "authorize"))
SCOPES = "messages:send messages:read verifications"


def limit(tenant: str, text: str = NONE) -> None:
    set_policy(tenant, text)


def raw(**body: Any) -> bytes:
    return json.dumps(body).encode()


def post(
    module: Any, path: str, body: bytes, policy: str | None = None, ip: str | None = "192.0.2.1"
) -> tuple[int, dict[str, Any]]:
    """A request with a key, as API Gateway passes it on."""
    key = {"tenant": "acme", "scopes": SCOPES, **({"policy": policy} if policy else {})}
    event = {
        "httpMethod": "POST",
        "path": path,
        "body": body.decode(),
        "requestContext": {"authorizer": key, "identity": {"sourceIp": ip}},
    }
    name = "SendFunction" if module is SEND else "VerifyFunction"
    with acting_as(name):
        answer = module.handler(event, None)
    return answer["statusCode"], json.loads(answer["body"])


HELLO = raw(to=number("jst"), text="Hello")
CODE = raw(to=number("server2sms"), text="Code {code}")


@pytest.mark.parametrize("whose", ["tenant", "key"])
@pytest.mark.parametrize(
    ("module", "path", "body"),
    [(SEND, "/messages", HELLO), (VERIFY, "/verifications", CODE)],
    ids=["send", "verify"],
)
def test_http_obeys_the_policy_of_the_tenant_and_of_the_key(
    gateway: Gateway, whose: str, module: Any, path: str, body: bytes
) -> None:
    if whose == "tenant":
        limit("acme")
    before = gateway.messages_stored()
    status, problem = post(module, path, body, NONE if whose == "key" else None)
    assert (status, problem["type"]) == (422, "/problems/country-not-allowed")
    assert (problem["pointer"], problem["retryable"]) == ("/to", False)
    assert gateway.messages_stored() == before


def test_a_batch_is_sent_in_part(gateway: Gateway) -> None:
    limit("acme", json.dumps({"recipients": [number("jst", 1)]}))
    body = raw(to=[number("jst", 0), number("jst", 1)], text="Hello")
    status, answer = post(SEND, "/messages", body)
    assert status == 202
    assert [one["to"] for one in answer["messages"]] == [number("jst", 1)]
    (rejected,) = answer["rejected"]
    assert rejected["problem"]["type"] == "/problems/recipient-not-allowed"


def test_both_policies_hold_and_the_tenants_narrows_later(gateway: Gateway) -> None:
    limit("acme", '{"categories": ["otp"]}')
    everybody = json.dumps({"categories": ["transactional", "otp"]})
    assert post(SEND, "/messages", HELLO, everybody)[1]["type"].endswith("category-not-allowed")
    otp = raw(to=number("jst"), text="Hello", category="otp")
    assert post(SEND, "/messages", otp, everybody)[0] == 202
    assert post(SEND, "/messages", otp, '{"categories": []}')[0] == 422


def test_a_preview_shows_what_a_send_would_refuse(gateway: Gateway) -> None:
    limit("acme")
    shown = preview("acme", HELLO, datetime.now(UTC))
    assert shown["messages"] == []
    assert shown["rejected"][0]["problem"]["type"] == "/problems/country-not-allowed"


@pytest.mark.parametrize("name", ["from_eventbridge", "from_sqs", "from_sns"])
def test_a_triggers_send_becomes_a_dead_letter(gateway: Gateway, name: str) -> None:
    limit({"from_eventbridge": "acme", "from_sqs": "acme", "from_sns": "ops"}[name])
    function(name).handler(json.loads((ROOT / "events" / f"{name}.json").read_text()), None)
    letters = emptied(DEAD_LETTERS)
    assert {one.message_attributes["problem"]["StringValue"] for one in letters} & {
        "country-not-allowed",
        "all-rejected",
    }
    assert gateway.wire.sent == []


def test_a_direct_invocation_is_refused(gateway: Gateway) -> None:
    limit("acme")
    asked = {"message": {"to": number("jst"), "text": "Hello"}}
    with acting_as("FromInvocationFunction"), pytest.raises(SendRefused, match="country-not-"):
        function("from_invocation").handler(asked, None)


@pytest.mark.parametrize("path", ["/messages", "/messages/preview"])
def test_an_address_that_is_not_allowed_opens_no_route(gateway: Gateway, path: str) -> None:
    near = '{"from_ips": ["198.51.100.0/24"]}'
    assert post(SEND, path, HELLO, near)[1]["type"] == "/problems/address-not-allowed"
    assert post(SEND, path, HELLO, near, ip=None)[0] == 403
    assert post(SEND, path, HELLO, near, ip="198.51.100.9")[0] in (200, 202)
    limit("acme", near)
    assert post(SEND, path, HELLO)[0] == 403
    answer = send("acme", HELLO, datetime.now(UTC))  # a trigger's has no address
    assert answer["messages"]


def test_after_its_end_a_policy_sends_nothing(gateway: Gateway) -> None:
    limit("acme", '{"expires_at": "2020-01-01T00:00:00Z"}')
    status, problem = post(SEND, "/messages", HELLO)
    assert (status, problem["type"]) == (403, "/problems/policy-expired")
    with pytest.raises(GatewayError, match="ended"):
        start_verification("acme", CODE, datetime.now(UTC))


@pytest.mark.parametrize("whose", ["tenant", "key"])
def test_before_its_end_a_policy_lets_nothing_be_left_for_later(
    gateway: Gateway, whose: str
) -> None:
    now = datetime.now(UTC)
    end = json.dumps({"expires_at": (now + timedelta(hours=1)).isoformat()})
    if whose == "tenant":
        limit("acme", end)
    key_policy = end if whose == "key" else None

    def later(hours: float) -> tuple[int, dict[str, Any]]:
        send_at = (now + timedelta(hours=hours)).isoformat()
        body = raw(to=number("server2sms"), text="Hello", send_at=send_at)
        return post(SEND, "/messages", body, key_policy)

    assert later(0.5)[0] == 202
    status, problem = later(1.5)
    assert (status, problem["type"]) == (422, "/problems/policy-expired")
    assert (problem["pointer"], problem["retryable"]) == ("/send_at", False)


def test_a_repeat_gets_its_first_answer_whatever_the_policy_is_then(gateway: Gateway) -> None:
    now = datetime.now(UTC)
    first = send("acme", HELLO, now, "order-1")
    limit("acme")
    assert send("acme", HELLO, now, "order-1") == first
    with pytest.raises(GatewayError, match="this country"):
        send("acme", HELLO, now, "order-2")


def test_a_tenant_with_a_policy_is_not_stopped_and_another_is_not_limited(
    gateway: Gateway,
) -> None:
    limit("other")
    assert stopped_tenants.stops() == {}
    assert gateway.one("jst")


def test_what_can_not_be_read_sends_nothing_and_others_go_on(gateway: Gateway) -> None:
    limit("acme")
    with as_operator():
        policies.drop_policy("acme")
    policies._read.clear()
    status, problem = post(SEND, "/messages", HELLO)
    assert (status, problem["type"]) == (503, "/problems/policies-unavailable")
    assert problem["retryable"] is True
    assert send("other", HELLO, datetime.now(UTC))["messages"]
    limit("acme", "{")
    with pytest.raises(ServiceUnavailableError):
        permits("acme", datetime.now(UTC))


def test_without_a_policy_nothing_more_is_read_and_with_one_once(gateway: Gateway) -> None:
    set_stopped()
    gateway.one("jst")  # reads the settings
    with Meter().listening(dynamodb.client()) as meter:
        gateway.one("jst")
    assert meter.total.calls["dynamodb.GetItem"] == 0
    limit("acme", '{"categories": ["transactional"]}')
    gateway.one("jst")
    with Meter().listening(dynamodb.client()) as meter:
        gateway.one("jst")
    assert meter.total.calls["dynamodb.GetItem"] == 0


def test_a_changed_policy_holds_when_the_settings_are_read_again(gateway: Gateway) -> None:
    limit("acme")
    assert post(SEND, "/messages", HELLO)[0] == 422
    limit("acme", '{"countries": ["IN", "BD", "PK", "NP", "LK", "ZW", "ZA", "NG"]}')
    status, problem = post(SEND, "/messages", HELLO)
    assert status == 202, problem


def test_a_start_imports_no_rules() -> None:
    code = (
        "import sys; sys.path.insert(0, 'functions/send'); import app;"
        "assert 'sms_gateway.policies.door' in sys.modules;"
        "assert 'sms_gateway.policies.rules' not in sys.modules;"
        "assert 'sms_gateway.policies.quota' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=True)


def test_a_keys_policy_travels_with_the_authorizers_answer(gateway: Gateway) -> None:
    with as_operator():
        text, _ = api_keys.create_key("acme", ["messages:send"], "", datetime.now(UTC), policy=NONE)
        plain, _ = api_keys.create_key("acme", ["messages:send"], "", datetime.now(UTC))
    got = [
        AUTHORIZE.handler(
            {"authorizationToken": f"Bearer {key}", "methodArn": "arn:api/stage/GET/x"}, None
        )["context"].get("policy")
        for key in (text, plain)
    ]
    assert got == [NONE, None]
