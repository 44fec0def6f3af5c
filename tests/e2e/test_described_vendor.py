"""A described vendor on the real stack, with IAM: dispatch, callback, poll, failover, balance."""

from typing import Any

import pytest
import urllib3

from testing.deployed import DESCRIBED, DESCRIBED_THEN_BUILT_IN, Api

AWKWARD = '100% <b>&amp;</b> {to} "q" \\\\ আপনার কোড ✓ 😀\nend'


def taken(api: Api, number: str) -> list[dict[str, Any]]:
    """What vendors took for a number."""
    found = urllib3.request("GET", f"{api.stack.simulators}/_ledger").json()["submissions"]
    return [
        {"vendor": one["vendor"], **message}
        for one in found
        for message in one["messages"]
        if message["number"] == number[1:]
    ]


def fault(api: Api, name: str) -> None:
    """Let the simulated vendor fail once."""
    body = {"vendor": "acme", "fault": name, "count": 1}
    answer = urllib3.request("POST", f"{api.stack.simulators}/_faults", json=body)
    assert answer.status == 201, answer.data


def number(stem: str, nth: int) -> str:
    return f"{stem[:-3]}{nth:03}"


def test_its_callback_tells_of_a_text_that_arrived_as_it_was_sent(api: Api) -> None:
    to = number(DESCRIBED, 101)
    (sent,) = api.send({"to": to, "text": AWKWARD})
    message = api.final(sent["id"], clock=False)
    assert (message["status"], message["vendor"]) == ("delivered", "acme")
    assert message["timeline"][-1]["source"] == "callback"
    (one,) = taken(api, to)
    assert one["reference"] == sent["id"]
    handset = urllib3.request("GET", f"{api.stack.simulators}/_handset?number={to[1:]}").json()
    assert handset["texts"] == [AWKWARD]


def test_what_no_callback_tells_is_polled(api: Api) -> None:
    to = number(DESCRIBED, 102)
    fault(api, "drop-callbacks")
    (sent,) = api.send({"to": to, "text": "Hello"})
    message = api.final(sent["id"])
    assert (message["status"], message["timeline"][-1]["source"]) == ("delivered", "poll")
    assert len(taken(api, to)) == 1


def test_many_go_in_one_call(api: Api) -> None:
    numbers = [number(DESCRIBED, 110 + nth) for nth in range(5)]
    sent = api.send({"to": numbers, "text": "Hello all"})
    assert {api.final(one["id"])["status"] for one in sent} == {"delivered"}
    assert [len(taken(api, one)) for one in numbers] == [1] * 5


def test_what_it_refuses_goes_to_the_next_vendor(api: Api) -> None:
    to = number(DESCRIBED_THEN_BUILT_IN, 103)
    fault(api, "refuse")
    (sent,) = api.send({"to": to, "text": "Hello"})
    message = api.final(sent["id"])
    assert (message["status"], message["vendor"]) == ("delivered", "server2sms")
    assert [one["vendor"] for one in taken(api, to)] == ["server2sms"]


@pytest.mark.parametrize("name", ["accept-then-reset", "html", "unknown-code", "truncated"])
def test_what_it_may_have_taken_is_never_sent_again(api: Api, name: str) -> None:
    to = number(DESCRIBED_THEN_BUILT_IN, {"html": 120, "truncated": 121}.get(name, 122 + len(name)))
    fault(api, name)
    (sent,) = api.send({"to": to, "text": "Hello"})
    message = api.final(sent["id"])  # its callback names our reference
    assert (message["status"], message["vendor"]) == ("delivered", "acme")
    assert [one["vendor"] for one in taken(api, to)] == ["acme"]


def test_it_is_shown_by_its_name(api: Api) -> None:
    rows = {one["vendor"]: one for one in api("GET", "/vendors").body["vendors"]}
    assert (rows["acme"]["title"], rows["acme"]["configured"]) == ("Acme", True)
    balance = api("GET", "/balances/acme").body["balances"]
    assert [(one["amount"], one["unit"]) for one in balance] == [("1500.00", "EUR")]
    listed = api("GET", "/messages?vendor=acme").body["messages"]
    assert {one["vendor"] for one in listed} <= {"acme"}
    unknown = api("POST", "/messages", {"to": DESCRIBED, "text": "x", "vendor": "nobody"})
    assert (unknown.status, "acme" in unknown.body["detail"]) == (422, True)


def test_the_operator_lists_and_checks_it(api: Api) -> None:
    shown = api.stack.run_smsgw("vendors", "list")
    (row,) = [line for line in shown.splitlines() if line.startswith("acme")]
    assert "1500.00 EUR" in row
    assert "Acme" not in api.stack.run_smsgw("dlq", "list", "--queue", "declared")
