"""What messages cost: once a vendor took them, by its own word or by the operator's table."""

from datetime import UTC, datetime
from typing import Any

import pytest

from sms_gateway.messages.listing import list_messages, parse_query
from sms_gateway.messages.views import batch_view
from sms_gateway.storage import message_repository
from sms_gateway.storage.models import split_id
from sms_gateway.vendors.types import Request
from testing.callbacks import rajasms, server2sms
from testing.gateway import Gateway
from testing.numbers import number
from testing.settings import set_account
from testing.transport import SILENT, UNREACHABLE
from testing.vendor_answers import POLL, SUBMIT, TAKES, rajasms_answer

TABLES = {
    "jst": {"currency": "INR", "per_segment": {"+91": "0.18", "+": "0.5"}},
    "dinisoft": {"currency": "BDT", "per_segment": {"+880": "0.45"}},
    "server2sms": {"currency": "CHF", "per_segment": {"+44": "0.06", "+447700900002": "0.09"}},
}
SINGLE = {"jst": "0.18", "dinisoft": "0.45", "server2sms": "0.06"}


def priced(vendor: str) -> None:
    set_account(vendor, prices=TABLES[vendor])


def listed(identifier: str) -> dict[str, Any]:
    query, cursor = parse_query({"batch_id": identifier[:26]})
    shown = list_messages("acme", query, cursor, datetime.now(UTC))["messages"]
    (found,) = (one for one in shown if one["id"] == identifier)
    row: dict[str, Any] = found
    return row


def batch(identifier: str) -> list[dict[str, Any]]:
    whole = message_repository.whole_batch(identifier[:26])
    assert whole
    sums: list[dict[str, Any]] = batch_view(*whole)["price"]
    return sums


@pytest.mark.parametrize("vendor", TABLES)
def test_a_message_costs_its_segments_by_the_table_once_it_is_taken(
    gateway: Gateway, vendor: str
) -> None:
    priced(vendor)
    identifier = gateway.one(vendor)
    assert gateway.view(identifier)["price"] is None
    gateway.wire.answers[SUBMIT[vendor]] = TAKES[vendor]
    gateway.dispatch(vendor)
    wanted = {"amount": SINGLE[vendor], "currency": TABLES[vendor]["currency"]}
    assert gateway.view(identifier)["price"] == wanted
    assert listed(identifier)["price"] == wanted
    assert batch(identifier) == [wanted | {"messages": 1}]


def test_a_batch_has_the_exact_sum_of_different_rows_and_lengths(gateway: Gateway) -> None:
    priced("server2sms")
    gateway.wire.answers[SUBMIT["server2sms"]] = TAKES["server2sms"]
    long = "x" * 307  # three segments
    ids = gateway.accept(
        {
            "messages": [
                {"to": number("server2sms", 0), "text": "Hello"},
                {"to": number("server2sms", 1), "text": "Hello"},
                {"to": number("server2sms", 0), "text": long},
            ]
        }
    )
    gateway.dispatch("server2sms")
    amounts = [gateway.view(one)["price"]["amount"] for one in ids]
    assert sorted(amounts) == ["0.06", "0.09", "0.18"]
    assert batch(ids[0]) == [{"amount": "0.33", "currency": "CHF", "messages": 3}]


def test_a_batch_over_vendors_has_a_sum_for_each_currency(gateway: Gateway) -> None:
    priced("jst")
    gateway.wire.answers |= {SUBMIT[vendor]: TAKES[vendor] for vendor in ("jst", "rajasms")}
    gateway.wire.answers[SUBMIT["dinisoft"]] = TAKES["dinisoft"]
    ids = gateway.accept(
        {"to": [number("jst"), number("rajasms"), number("dinisoft")], "text": "Hello"}
    )
    for vendor in ("jst", "rajasms", "dinisoft"):
        gateway.dispatch(vendor)
    # Dinisoft has no table here: its message is in no sum.
    assert batch(ids[0]) == [
        {"amount": "320", "currency": "IDR", "messages": 1},
        {"amount": "0.18", "currency": "INR", "messages": 1},
    ]


def test_the_vendors_own_word_goes_before_the_table(gateway: Gateway) -> None:
    set_account("rajasms", prices={"currency": "USD", "per_segment": {"+": "1"}})

    def one_without_price(request: Request) -> Any:
        answer = rajasms_answer([(number("rajasms", n)[1:], 10, 700 + n) for n in range(2)])
        del answer["sending_respon"][0]["datapacket"][1]["packet"]["price"]
        return answer

    gateway.wire.answers[SUBMIT["rajasms"]] = one_without_price
    ids = gateway.sent("rajasms", 2)
    assert [gateway.view(one)["price"] for one in ids] == [
        {"amount": "320", "currency": "IDR"},
        {"amount": "1", "currency": "USD"},
    ]


def test_a_later_table_does_not_rewrite_what_was_charged(gateway: Gateway) -> None:
    priced("jst")
    ids = gateway.sent("jst", 2)
    set_account("jst", prices={"currency": "INR", "per_segment": {"+": "9"}})
    assert batch(ids[0]) == [{"amount": "0.36", "currency": "INR", "messages": 2}]
    set_account("jst")
    assert batch(ids[0]) == [{"amount": "0.36", "currency": "INR", "messages": 2}]


def test_what_no_vendor_took_costs_nothing(gateway: Gateway) -> None:
    priced("jst")
    gateway.wire.answers[SUBMIT["jst"]] = {"status": "failed", "error": "Invalid number"}
    (refused,) = gateway.sent("jst")
    assert (gateway.status(refused), gateway.view(refused)["price"]) == ("rejected", None)
    gateway.wire.answers[SUBMIT["jst"]] = UNREACHABLE
    (waiting,) = gateway.sent("jst")
    assert (gateway.status(waiting), gateway.view(waiting)["price"]) == ("accepted", None)
    assert batch(refused) == batch(waiting) == []


def test_a_call_in_doubt_costs_nothing_until_a_receipt_says_that_it_arrived(
    gateway: Gateway,
) -> None:
    priced("server2sms")
    gateway.wire.answers[SUBMIT["server2sms"]] = SILENT
    ids = gateway.sent("server2sms", 2)
    assert [gateway.view(one)["price"] for one in ids] == [None, None]
    server2sms(gateway, ids[0], "0")
    assert gateway.view(ids[0])["price"] == {"amount": "0.06", "currency": "CHF"}
    assert gateway.view(ids[1])["price"] is None


def test_what_was_taken_and_did_not_arrive_has_its_price(gateway: Gateway) -> None:
    (identifier,) = gateway.sent("rajasms")
    rajasms(gateway, identifier, "4")
    assert gateway.status(identifier) == "undelivered"
    assert gateway.view(identifier)["price"] == {"amount": "320", "currency": "IDR"}


def test_one_in_doubt_among_many_keeps_its_id_and_its_price(gateway: Gateway) -> None:
    """Dinisoft answers one of two with a code that nobody knows, and an id to ask by."""
    priced("dinisoft")
    odd = number("dinisoft", 1)[1:]

    def answer(request: Request) -> Any:
        good = TAKES["dinisoft"](request)
        return good | {"Status": "77"} if odd in request.url else good

    gateway.wire.answers[SUBMIT["dinisoft"]] = answer
    good, doubtful = gateway.sent("dinisoft", 2)
    assert gateway.statuses([good, doubtful]) == ["submitted", "submitting"]
    assert gateway.view(doubtful)["price"] is None
    gateway.wire.answers[POLL["dinisoft"]] = {"Status": "0", "Text": "DELIVRD"}
    gateway.tick(200)
    assert gateway.statuses([good, doubtful]) == ["delivered", "delivered"]
    assert gateway.view(doubtful)["price"] == {"amount": "0.45", "currency": "BDT"}
    key = split_id(doubtful)
    assert key
    assert "9000002" in gateway.item(key)["result"]["S"]
