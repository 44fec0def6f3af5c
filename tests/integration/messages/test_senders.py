"""A tenant names the account's own senders, and those that the operator lets it use."""

import json
from datetime import UTC, datetime
from typing import Any

import pytest

from sms_gateway.core.problems import InvalidRequestError
from sms_gateway.messages.preview import preview
from sms_gateway.verifications.start import start_verification
from testing.gateway import Gateway
from testing.numbers import number
from testing.settings import ACCOUNTS, set_account, set_routes, set_senders

NOW = datetime.now(UTC)


def named(gateway: Gateway, sender: str, vendor: str = "server2sms", tenant: str = "acme") -> Any:
    """What a message with a sender comes to: its view, or the refusal's slug."""
    try:
        ids = gateway.accept({"to": number(vendor), "text": "Hello", "from": sender}, tenant)
    except InvalidRequestError as refused:
        return refused.slug
    return gateway.view(ids[0])["from"]


@pytest.mark.parametrize("vendor", ["server2sms", "dinisoft", "jst"])
def test_by_default_a_tenant_may_name_the_accounts_own_senders(
    gateway: Gateway, vendor: str
) -> None:
    set_senders({})
    own = ACCOUNTS[vendor]["sender"]
    assert named(gateway, own, vendor) == own
    assert named(gateway, "BANKCO", vendor) == "sender-not-allowed"


def test_the_operator_lets_a_tenant_use_more(gateway: Gateway) -> None:
    set_senders({"acme": ["ACMESHOP", "447700900001"], "*": ["SHARED"], "trusted": ["*"]})
    assert named(gateway, "ACMESHOP") == "ACMESHOP"
    assert named(gateway, "+447700900001") == "+447700900001"
    assert named(gateway, "SHARED", tenant="other") == "SHARED"
    assert named(gateway, "ACMESHOP", tenant="other") == "sender-not-allowed"
    assert named(gateway, "WHATEVER", tenant="trusted") == "WHATEVER"


def test_the_refusal_says_what_to_do_and_others_of_the_request_go(gateway: Gateway) -> None:
    set_senders({})
    one = {"to": number("server2sms"), "text": "Hello"}
    body = json.dumps({"messages": [one, {**one, "from": "BANKCO"}]}).encode()
    answer = preview("acme", body, NOW)
    assert len(answer["messages"]) == 1
    (rejected,) = answer["rejected"]
    problem = rejected["problem"]
    assert problem["type"] == "/problems/sender-not-allowed"
    assert problem["pointer"] == "/messages/1/from"
    assert "smsgw senders set" in problem["detail"]


def test_a_verification_is_held_to_it_too(gateway: Gateway) -> None:
    set_senders({})
    body = json.dumps(
        {"to": number("server2sms"), "text": "Code {code}", "from": "BANKCO"}
    ).encode()
    with pytest.raises(InvalidRequestError) as refused:
        start_verification("acme", body, NOW, None)
    assert refused.value.slug == "sender-not-allowed"


def test_a_next_vendor_whose_sender_it_is_not_is_left_out(gateway: Gateway) -> None:
    set_senders({})
    own = str(ACCOUNTS["server2sms"]["sender"])
    routes = [{"prefix": "+", "vendors": ["server2sms", "dinisoft"]}]
    set_routes(json.dumps({"routes": routes}))
    body = {"to": number("server2sms"), "text": "Hello", "from": own}
    assert gateway.submission(gateway.accept(body)[0]).vendors == ("server2sms", "dinisoft")
    set_account("dinisoft", sender="ANOTHER")
    assert gateway.submission(gateway.accept(body)[0]).vendors == ("server2sms",)
