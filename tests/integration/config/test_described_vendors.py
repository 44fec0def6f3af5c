"""A described vendor on the way of a message: stored, used, changed, removed, and refused."""

import json
import time
from typing import Any

import pytest

from sms_gateway.config import cached_setting, described_vendors
from sms_gateway.config.public_accounts import public_accounts
from sms_gateway.config.vendor_accounts import accounts
from sms_gateway.core.problems import ServiceUnavailableError
from sms_gateway.core.timestamps import utc_now
from sms_gateway.receipts.callbacks import handle_callback
from sms_gateway.storage import dynamodb
from sms_gateway.storage.models import ItemKey
from sms_gateway.vendor_accounts.overview import vendors_view
from sms_gateway.vendors.types import Request, VendorResponse
from testing.described import account, describe, number, stored, use
from testing.descriptions import whole
from testing.gateway import Gateway
from testing.queues import drained
from testing.rights import acting_as, as_operator
from testing.settings import ACCOUNTS
from testing.transport import SILENT, UNREACHABLE


def takes(request: Request) -> Any:
    """The vendor's answer: each message of the call is queued."""
    asked = json.loads(request.body)["messages"]
    return {
        "messages": [
            {"ref": one["ref"], "id": f"id-{one['to'][-3:]}", "state": "queued"} for one in asked
        ]
    }


def state_of(identifier: str, state: str) -> dict[str, str]:
    return {"id": "id-001", "state": state, "ref": identifier}


@pytest.fixture
def described(gateway: Gateway) -> Gateway:
    """The gateway with acme, which is described and takes every message."""
    describe()
    gateway.wire.answers["/messages"] = takes
    return gateway


def sent(gateway: Gateway, *numbers: str) -> list[str]:
    to = list(numbers or (number(),))
    ids = gateway.accept({"to": to, "text": "Hello"})
    assert gateway.dispatch("declared") == []
    return ids


def test_a_message_goes_through_the_shared_queue_with_a_group_of_its_own(
    described: Gateway,
) -> None:
    (identifier,) = described.accept({"to": number(), "text": "Hello"})
    (waiting,) = drained("declared")
    assert waiting.body.startswith("acme ")
    assert waiting.group_id == "acme.acme"  # the vendor, and the tenant
    record = {"messageId": "1", "body": waiting.body, "attributes": {}}
    assert described.work([record]) == []
    view = described.view(identifier)
    assert (view["status"], view["vendor"], view["vendor_id"]) == ("submitted", "acme", "id-001")
    (request,) = described.wire.sent
    assert request.public_only
    assert request.headers["Authorization"] == "Bearer s3cret/key+1"


def test_what_must_wait_keeps_its_group(described: Gateway) -> None:
    described.accept({"to": number(), "text": "Hello"})
    (waiting,) = drained("declared")
    attributes = {"MessageGroupId": waiting.group_id}
    record = {"messageId": "1", "body": waiting.body, "attributes": attributes}
    assert described.work([record], remaining=6) == []  # no time is left for a call
    assert [one.group_id for one in drained("declared")] == ["acme.acme"]
    assert described.wire.sent == []


def test_its_receipts_are_polled(described: Gateway) -> None:
    (identifier,) = sent(described)
    described.wire.answers["/messages/id-001"] = state_of(identifier, "delivered")
    described.tick(after=3600)
    assert described.status(identifier) == "delivered"


@pytest.mark.parametrize(
    ("state", "status"), [("delivered", "delivered"), ("failed", "undelivered"), ("?", "submitted")]
)
def test_its_callback_comes_by_the_token_of_the_submission(
    described: Gateway, state: str, status: str
) -> None:
    (identifier,) = sent(described)
    report = json.loads(described.wire.sent[0].body)["report"]
    path = report.partition("/callbacks/")[2]
    event = {
        "httpMethod": "POST",
        "path": f"/callbacks/{path}",
        "pathParameters": dict(zip(("vendor", "token"), path.split("/"), strict=True)),
        "headers": {"content-type": "application/json"},
        "body": json.dumps(state_of(identifier, state)),
    }
    with acting_as("CallbackFunction"):
        assert handle_callback(event)["statusCode"] == 200
    assert described.status(identifier) == status


def test_the_next_vendor_of_the_route_gets_what_it_refuses(gateway: Gateway) -> None:
    describe(whole("first"), whole("second"))
    answers = iter([{"error": "bad"}])
    gateway.wire.answers["/messages"] = lambda request: next(answers, None) or takes(request)
    (identifier,) = sent(gateway)
    assert gateway.status(identifier) == "accepted"
    waiting = drained("declared")
    assert [one.body.split()[0] for one in waiting] == ["second"]
    gateway.work([{"messageId": "1", "body": one.body, "attributes": {}} for one in waiting])
    view = gateway.view(identifier)
    assert (view["status"], view["vendor"]) == ("submitted", "second")


def test_a_refused_connection_fails_over_and_silence_does_not(gateway: Gateway) -> None:
    describe(whole("first"), whole("second"))
    gateway.wire.answers["/messages"] = UNREACHABLE
    (tried,) = sent(gateway)
    assert gateway.submission(tried).vendor == "second"
    drained("declared")
    gateway.wire.answers["/messages"] = SILENT
    (silent,) = sent(gateway, number(2))
    assert gateway.status(silent) == "submitting"
    assert gateway.submission(silent).outcome_unknown
    assert drained("declared") == []


@pytest.mark.parametrize("answer", [b"", b"<html>ok</html>", b"null", b'{"messages": 1}'])
def test_nothing_is_accepted_without_a_rule(described: Gateway, answer: bytes) -> None:
    described.wire.answers["/messages"] = VendorResponse(200, answer)
    (identifier,) = sent(described)
    assert described.status(identifier) == "submitting"
    assert described.submission(identifier).outcome_unknown


def test_its_balance_and_state_are_shown_by_its_name(described: Gateway) -> None:
    with acting_as("BalanceFunction"):
        rows = {one["vendor"]: one for one in vendors_view(accounts(), utc_now())}
    assert list(rows)[-1] == "acme"
    shown = rows["acme"]
    assert (shown["title"], shown["configured"], shown["circuit"]) == ("Acme", True, "closed")
    assert shown["capabilities"]["receipts_poll"]
    assert shown["problem"] is None


def test_a_change_is_seen_when_the_accounts_are_read_again(described: Gateway) -> None:
    sent(described)
    changed = whole()
    changed["send"]["request"]["url"] = "{base_url}/v2/messages"
    use({**ACCOUNTS, "acme": account(stored(changed))})
    described.wire.answers = {"/v2/messages": takes}
    (identifier,) = sent(described, number(2))
    assert described.status(identifier) == "submitted"
    assert cached_setting.MAX_AGE_SECONDS == 60  # that this may take in a process that runs


def test_a_removed_vendor_takes_no_more_and_what_waits_ends_with_a_word(
    described: Gateway,
) -> None:
    ids = described.accept({"to": number(), "text": "Hello", "validity": 600})
    use(ACCOUNTS)
    described.wire.answers.clear()  # whoever is called now fails the test
    assert described.dispatch("declared") == []
    described.tick(after=120)
    described.tick(after=700)
    view = described.view(ids[0])
    assert view["status"] == "expired"
    assert "acme is not configured any more" in view["timeline"][-1]["note"]
    with pytest.raises(ServiceUnavailableError, match="not usable"):
        described.accept({"to": number(), "text": "Hello"})


def test_what_a_removed_vendor_has_ends_as_unknown_and_is_never_sent_again(
    described: Gateway,
) -> None:
    (identifier,) = sent(described)
    use(ACCOUNTS)
    described.tick(after=3600)
    assert described.status(identifier) == "submitted"
    described.tick(after=4 * 86_400)
    assert described.status(identifier) == "unknown"
    assert len(described.wire.sent) == 1


def test_what_waits_for_a_removed_vendor_goes_to_the_next_of_its_route(gateway: Gateway) -> None:
    describe(whole("first"), whole("second"))
    gateway.wire.answers["/messages"] = takes
    (identifier,) = gateway.accept({"to": number(), "text": "Hello"})
    kept = {"second": account(stored(whole("second")))}
    use({**ACCOUNTS, **kept})
    assert gateway.dispatch("declared") == []
    gateway.tick(after=120)
    assert gateway.dispatch("declared") == []
    view = gateway.view(identifier)
    assert (view["status"], view["vendor"]) == ("submitted", "second")
    assert any("first is not configured any more" in str(one) for one in view["timeline"])


def faults() -> dict[str, str]:
    with acting_as("DispatchFunction"):
        found = accounts()
    assert set(found.adapters) == set(ACCOUNTS)  # the others go on
    return dict(found.faults)


def test_a_description_that_is_not_there_is_a_fault_of_one_vendor_until_it_is(
    gateway: Gateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    digest = stored(whole())
    key = ItemKey("DESCRIPTION#acme", digest)
    item = dynamodb.get(key)
    assert item
    dynamodb.remove(key)
    use({**ACCOUNTS, "acme": account(digest)})
    assert "its description is not in the table" in faults()["acme"]
    dynamodb.put_all([item])
    monkeypatch.setattr(time, "monotonic", lambda: 1e12)  # a minute later
    assert "acme" in accounts().adapters


def test_who_changes_the_table_changes_no_description(gateway: Gateway) -> None:
    digest = stored(whole())
    other = json.dumps(whole()).replace("/messages", "/elsewhere")
    dynamodb.put_all([described_vendors._item("acme", digest, other)])
    use({**ACCOUNTS, "acme": account(digest)})
    assert "was changed in the table" in faults()["acme"]


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"base_url": "http://acme.example", "allow_http": True}, "must begin with https://"),
        ({"base_url": "https://10.0.0.1"}, "leads inside"),
        ({"base_url": "https://169.254.169.254/latest"}, "leads inside"),
        ({"base_url": "https://[::1]"}, "leads inside"),
        ({"base_url": "https://localhost"}, "leads inside"),
        ({"base_url": "https://vault"}, "leads inside"),
        ({"description": "0" * 32}, "not in the table"),
        ({"description": "../routes"}, "not in the table"),
        ({"description": 7}, "unknown vendor; there are jst"),
        ({"nobody": 1}, "unknown setting nobody"),
    ],
)
def test_an_account_that_cannot_be_used_is_a_fault(
    gateway: Gateway, settings: dict[str, Any], said: str
) -> None:
    digest = stored(whole())
    use({**ACCOUNTS, "acme": account(digest, **settings)})
    assert said in faults()["acme"]


def test_where_described_vendors_are_off_none_is_used(
    described: Gateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DECLARED_VENDORS", "false")
    monkeypatch.setenv("QUEUE_DECLARED", "")
    cached_setting.reset_all()
    assert "described vendors are off" in faults()["acme"]
    with pytest.raises(ServiceUnavailableError):
        described.accept({"to": number(), "text": "Hello"})


@pytest.mark.parametrize("name", ["jst", "sandbox", "declared"])
def test_a_name_that_is_taken_is_refused(gateway: Gateway, name: str) -> None:
    with as_operator(), pytest.raises(ValueError, match="is taken"):
        described_vendors.store_description(name, json.dumps(whole(name)).encode())


def test_what_calls_no_vendor_knows_no_secret_of_it(described: Gateway) -> None:
    with acting_as("SendFunction"):
        found = public_accounts()
    assert found.adapters["acme"].key == "*"  # type: ignore[attr-defined]  # of its description
    assert set(found.marks["acme"]) == {"key"}
    stored_text = dynamodb.get(ItemKey("ACCOUNTS", "accounts"))
    assert "s3cret" not in json.dumps(stored_text)


def test_an_account_of_none_reads_no_description(
    gateway: Gateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[ItemKey] = []
    monkeypatch.setattr(dynamodb, "get", lambda key, **_: asked.append(key))
    cached_setting.reset_all()
    assert set(accounts().adapters) == set(ACCOUNTS)
    assert asked == []
