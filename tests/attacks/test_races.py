"""What is asked many times at once happens once."""

from collections import Counter
from concurrent.futures import ThreadPoolExecutor

import urllib3

from testing.deployed import NUMBERS, Api

AT_ONCE = 12


def taken(api: Api, number: str) -> int:
    """How many messages to a number the vendors took."""
    got = urllib3.request("GET", f"{api.stack.simulators}/_ledger").json()["submissions"]
    return [m["number"] for one in got for m in one["messages"]].count(number[1:])


def test_guesses_at_once_use_up_the_checks(api: Api) -> None:
    to = f"{NUMBERS['rajasms'][:-3]}901"
    begun = api("POST", "/verifications", {"to": to, "text": "{code}", "max_checks": 5}).body
    path = f"/verifications/{begun['id']}/checks"
    with ThreadPoolExecutor(AT_ONCE) as pool:
        answers = list(pool.map(lambda n: api("POST", path, {"code": f"{n:06}"}), range(40)))
    counts = Counter(one.status for one in answers)
    # A guess may be right once in 200,000 runs of this test.
    assert counts[200] == 5
    assert counts[409] == 35
    assert api("GET", f"/verifications/{begun['id']}").body["status"] == "exhausted"


def test_one_key_at_once_sends_once(api: Api) -> None:
    to = f"{NUMBERS['rajasms'][:-3]}902"
    headers = {"Idempotency-Key": "at-once"}
    with ThreadPoolExecutor(AT_ONCE) as pool:
        answers = list(
            pool.map(
                lambda _: api("POST", "/messages", {"to": to, "text": "x"}, headers=headers),
                range(AT_ONCE),
            )
        )
    accepted = {one.body["batch_id"] for one in answers if one.status == 202}
    assert len(accepted) == 1
    assert {one.status for one in answers} <= {202, 409}
    (message,) = next(one.body["messages"] for one in answers if one.status == 202)
    assert api.final(message["id"])["status"] == "delivered"
    assert taken(api, to) == 1


def test_a_cancelled_message_is_not_sent(api: Api) -> None:
    """Cancelling races with dispatch: whoever is told `cancelled` finds nothing at the vendor."""
    ends = []
    for nth in range(6):
        to = f"{NUMBERS['rajasms'][:-3]}91{nth}"
        (sent,) = api.send({"to": to, "text": "x"})
        api("DELETE", f"/messages/{sent['id']}")
        ends.append((api.final(sent["id"])["status"], taken(api, to)))
    assert set(ends) <= {("cancelled", 0), ("delivered", 1)}
