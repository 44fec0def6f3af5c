"""The same text to one number: at most so often in any 24 hours, and no text is stored."""

import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from sms_gateway.config.stack_keys import message_key
from sms_gateway.messages.cancel import cancel_message
from sms_gateway.messages.cancel_unsent import cancel_unsent_of
from sms_gateway.messages.send import send
from sms_gateway.policies.limits import QuotaExhaustedError
from sms_gateway.policies.text_shares import text_key, text_secret
from sms_gateway.storage import dynamodb, time_sets
from sms_gateway.verifications.start import start_verification
from testing.counting import Meter
from testing.gateway import Gateway
from testing.interleaved import interleaved
from testing.numbers import number
from testing.rights import acting_as
from testing.settings import set_policy

NOW = datetime(2026, 11, 28, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)


def limit(**policy: Any) -> None:
    set_policy("acme", json.dumps(policy))


def body(*nth: int, text: str = "Hello", **fields: Any) -> bytes:
    return json.dumps({"to": [number("jst", n) for n in nth], "text": text, **fields}).encode()


def go(*nth: int, at: datetime = NOW, text: str = "Hello", **key: Any) -> int:
    try:
        with acting_as("SendFunction"):
            return len(send("acme", body(*nth, text=text), at, **key)["messages"])
    except QuotaExhaustedError:
        return 0


def times(text: str = "Hello", nth: int = 1) -> int:
    key = text_key("acme", (number("jst", nth), text), text_secret(message_key))
    return len(time_sets.read(key).get("times", ()))


def test_the_same_text_goes_so_often_and_another_one_too(gateway: Gateway) -> None:
    limit(same_text_per_number=2)
    assert [go(1) for _ in range(3)] == [1, 1, 0]
    assert go(1, 2) == 1
    assert go(1, text="Hello!") == 1
    with pytest.raises(QuotaExhaustedError) as caught:
        send("acme", body(1), NOW + HOUR)
    problem = caught.value.to_dict()
    assert (problem["quota"], problem["limit"], problem["used"]) == ("same_text_per_number", 2, 2)
    assert problem["resets_at"] == "2026-11-29T12:00:00.000Z"
    assert caught.value.headers["Retry-After"] == str(23 * 3600)


def test_any_24_hours_hold_no_more_of_it(gateway: Gateway) -> None:
    limit(same_text_per_number=2)
    hours = [0, 20, 23, 24, 25, 43, 44, 48]
    assert [go(1, at=NOW + hour * HOUR) for hour in hours] == [1, 1, 0, 1, 0, 0, 1, 1]


def test_of_one_request_the_first_ones_go(gateway: Gateway) -> None:
    limit(same_text_per_number=2)
    answer = send("acme", body(1, 1, 2, 1), NOW)
    assert len(answer["messages"]) == 3
    assert [one["index"] for one in answer["rejected"]] == [3]


@pytest.mark.parametrize("seed", range(3))
def test_of_many_at_once_no_more_go(gateway: Gateway, seed: int) -> None:
    limit(same_text_per_number=3)
    go(2)  # reads the settings
    policy = '{"same_text_per_number": 2}'

    def work(**key: Any) -> Callable[[], int]:
        def one() -> int:
            try:
                return len(send("acme", body(1), NOW, **key)["messages"])
            except QuotaExhaustedError:
                return 0

        return one

    keyed = [work(key_id="k", key_policy=policy)] * 6
    went = interleaved(seed, keyed)
    assert sum(went) == 2
    assert sum(interleaved(seed, [work()] * 6)) == 1


def test_a_repeat_of_a_write_whose_answer_was_lost_counts_once(
    gateway: Gateway, failing: Callable[..., None]
) -> None:
    limit(same_text_per_number=1)
    failing("UpdateItem", 1, lost=True)
    assert [go(1), go(1)] == [1, 0]
    assert times() == 1


def test_what_the_day_or_the_claim_refuses_is_given_back(gateway: Gateway) -> None:
    limit(same_text_per_number=5, messages_per_day=2)
    assert go(1, 2, 3) == 2
    assert [times(nth=nth) for nth in (1, 2, 3)] == [1, 1, 0]
    limit(same_text_per_number=5, most_per_number_per_day=9)
    with acting_as("SendFunction"):
        send("acme", body(4), NOW, "order-1")
        with pytest.raises(Exception, match="body"):
            send("acme", body(4, 5), NOW, "order-1")
    assert (times(nth=4), times(nth=5)) == (1, 0)


def test_what_a_number_may_not_get_counts_for_nothing_else(gateway: Gateway) -> None:
    limit(same_text_per_number=1, most_per_number_per_day=2, messages_per_day=9)
    assert [go(1), go(1), go(1, text="other"), go(1, text="third")] == [1, 0, 1, 0]
    assert times("third") == 0


@pytest.mark.parametrize("nth", [(1,), (1, 2, 3)])
def test_a_cancelled_message_is_given_back(gateway: Gateway, nth: tuple[int, ...]) -> None:
    limit(same_text_per_number=1)
    policy = '{"same_text_per_number": 1}'
    now = datetime.now(UTC)
    later = body(*nth, send_at=(now + 50 * HOUR).isoformat())

    def ask() -> list[str]:
        answer = send("acme", later, now, key_id="k", key_policy=policy)
        return [one["id"] for one in answer["messages"]]

    first = ask()
    with acting_as("SendFunction"):
        for _ in range(2):
            cancel_message("acme", first[0], now)
    again = ask()
    assert len(again) == 1
    for batch in (first, again):
        cancel_unsent_of(batch[0][:26], lambda _: True)
    assert len(ask()) == len(nth)


def test_codes_of_verifications_are_no_same_texts(gateway: Gateway) -> None:
    limit(same_text_per_number=1)
    code = json.dumps({"to": number("server2sms"), "text": "Code {code}"}).encode()
    with acting_as("VerifyFunction"):
        for _ in range(3):
            start_verification("acme", code, NOW)


def test_it_costs_a_write_a_recipient_and_stores_neither_text_nor_number(gateway: Gateway) -> None:
    limit(same_text_per_number=2)
    go(1)
    with Meter().listening(dynamodb.client()) as meter:
        go(1, 2, 3)
    assert meter.total.calls["dynamodb.UpdateItem"] == 3
    key = text_key("acme", (number("jst", 1), "Hello"), text_secret(message_key))
    stored = json.dumps(dynamodb.get(key))
    assert "Hello" not in stored + key.batch
    assert number("jst", 1)[3:] not in stored + key.batch
