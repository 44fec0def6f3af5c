"""Sending, following and taking back, through every vendor."""

from typing import Any

import pytest
import urllib3

from local.simulators.registry import SIMULATORS
from testing.deployed import NUMBERS, Api

RECEIPTS = {
    vendor: "callback" if simulator.sends_callbacks else "poll"
    for vendor, simulator in SIMULATORS.items()
}


def ledger(api: Api, vendor: str) -> list[dict[str, Any]]:
    """Every message that the vendor took."""
    address = f"{api.stack.simulators}/_ledger?vendor={vendor}"
    taken = urllib3.request("GET", address).json()["submissions"]
    return [message for submission in taken for message in submission["messages"]]


@pytest.mark.parametrize("vendor", NUMBERS)
def test_a_message_is_delivered_through(vendor: str, api: Api) -> None:
    (sent,) = api.send({"to": NUMBERS[vendor], "text": "Your code is 1234", "reference": "o-1"})
    assert sent["vendor"] == vendor

    message = api.final(sent["id"], clock=RECEIPTS[vendor] == "poll")

    assert message["status"] == "delivered"
    assert [step["status"] for step in message["timeline"]] == [
        "accepted",
        "submitting",
        "submitted",
        "delivered",
    ]
    assert message["timeline"][-1]["source"] == RECEIPTS[vendor]
    assert message["vendor_id"]
    assert message["reference"] == "o-1"
    assert message["problem"] is None


@pytest.mark.parametrize("vendor", NUMBERS)
def test_a_message_that_does_not_arrive_is_undelivered(vendor: str, api: Api) -> None:
    (sent,) = api.send({"to": NUMBERS[vendor][:-2] + "98", "text": "lost"})

    message = api.final(sent["id"])

    assert message["status"] == "undelivered"
    assert message["problem"]["vendor"] == vendor


@pytest.mark.parametrize(
    ("vendor", "texts"),
    [(vendor, texts) for vendor in NUMBERS for texts in ("same", "different")],
)
def test_many_are_delivered_and_none_twice(vendor: str, texts: str, api: Api) -> None:
    stem = NUMBERS[vendor][:-2]
    numbers = [f"{stem}{last}" for last in range(20, 32)]
    if texts == "same":
        body: dict[str, Any] = {"to": numbers, "text": "the same for all"}
    else:
        body = {"messages": [{"to": to, "text": f"only for {to[-2:]}"} for to in numbers]}
    before = len(ledger(api, vendor))

    sent = api.send(body)
    for one in sent:
        assert api.final(one["id"])["status"] == "delivered"

    taken = ledger(api, vendor)[before:]
    assert sorted(message["number"].lstrip("+") for message in taken) == [
        to.removeprefix("+") for to in numbers
    ]
    batch = api("GET", f"/batches/{sent[0]['id'][:26]}").body
    assert batch["counts"] == {"delivered": len(numbers)}
    assert batch["final"]


def test_one_request_reaches_all_vendors_and_names_the_refused(api: Api) -> None:
    answer = api(
        "POST",
        "/messages",
        {"to": [*NUMBERS.values(), "+1", "no number"], "text": "to everybody"},
    )

    assert answer.status == 202
    assert {one["vendor"] for one in answer.body["messages"]} == set(NUMBERS)
    assert [one["index"] for one in answer.body["rejected"]] == [4, 5]
    assert answer.body["rejected"][0]["problem"]["pointer"] == "/to/4"
    for one in answer.body["messages"]:
        assert api.final(one["id"])["status"] == "delivered"


def test_a_message_that_has_left_can_not_be_taken_back(api: Api) -> None:
    (sent,) = api.send({"to": NUMBERS["dinisoft"], "text": "gone"})
    api.final(sent["id"])

    answer = api("DELETE", f"/messages/{sent['id']}")

    assert answer.status == 409
    assert answer.body["type"] == "/problems/not-cancellable"


def test_the_list_shows_the_newest_first_and_goes_on_by_cursor(api: Api) -> None:
    sent = [
        api.send({"to": NUMBERS["jst"], "text": f"number {n}", "reference": "listed"})[0]["id"]
        for n in range(3)
    ]

    first = api("GET", "/messages?reference=listed&limit=2").body
    second = api("GET", f"/messages?reference=listed&limit=2&cursor={first['cursor']}").body

    found = [message["id"] for message in first["messages"] + second["messages"]]
    assert found == sent[::-1]


def test_text_in_any_script_arrives_whole(api: Api) -> None:
    (sent,) = api.send({"to": NUMBERS["dinisoft"], "text": "আপনার কোড 1234 🙂"})
    assert (sent["encoding"], sent["segments"]) == ("ucs2", 1)
    assert api.final(sent["id"])["status"] == "delivered"
