"""Whatever a stranger, or another vendor, makes of a callback's address reports on nothing."""

import random
import time
from collections.abc import Callable
from typing import Any
from urllib.parse import quote, urlencode

import pytest

from local.stack import LocalStack
from sms_gateway.config.stack_keys import CALLBACK_KEY, parse_callback_keys
from sms_gateway.receipts.callback_tokens import (
    LATE_SECONDS,
    MAC_LENGTH,
    make_account_token,
    make_token,
)
from sms_gateway.storage.models import ItemKey
from testing.deployed import NUMBERS, Answer, Api

SEED = random.SystemRandom().randrange(2**32)
NOBODY = {"type": "/problems/not-found", "detail": "There is no such callback address."}
AHEAD = 86_400  # seconds until the deadline of a token that is good
FAILED = {"rajasms": "4", "server2sms": "2"}  # as each vendor says that a message did not arrive


def callback_key(stack: LocalStack) -> bytes:
    """The key of the stack's addresses, which no attacker has."""
    got = stack.client("secretsmanager").get_secret_value(
        SecretId=stack.facts["keys_secret"], VersionStage=CALLBACK_KEY
    )
    return parse_callback_keys(got["SecretString"]).accepted[0]


class Victim:
    """A message that its vendor has and does not report on, and its address."""

    def __init__(self, api: Api, vendor: str, nth: int, key: bytes) -> None:
        self.api, self.vendor, self.key = api, vendor, key
        number = f"{NUMBERS[vendor][:-4]}8{nth}97"  # the simulators report on none that ends so
        (sent,) = api.send({"to": number, "text": "waits for its report"})
        self.id = sent["id"]
        submitted = api.until(self.id, lambda one: bool(one["status"] == "submitted"))
        self.vendor_id, self.to = submitted["vendor_id"], submitted["to"]

    def token(self, seconds: float = AHEAD, vendor: str | None = None) -> str:
        """Its token, of another vendor or with another deadline."""
        deadline = int(time.time() + seconds)
        key = ItemKey(self.id[:26], f"M#{self.id[26:]}")
        return make_token(vendor or self.vendor, key, deadline, self.key)

    def view(self) -> Any:
        return self.api("GET", f"/messages/{self.id}").body

    def report(self, nobody: Api, token: str, vendor: str | None = None, **more: str) -> Answer:
        """The vendor's report that it did not arrive."""
        where = f"/callbacks/{vendor or self.vendor}/{quote(token, safe='')}"
        if (vendor or self.vendor) == "server2sms":
            query = {"DST": FAILED["server2sms"], "RSN": "000", "ID": self.id, **more}
            return nobody("GET", f"{where}?{urlencode(query)}")
        row = {"sendingid": self.vendor_id, "number": self.to[1:], **more}
        row["deliverystatus"] = FAILED["rajasms"]
        return nobody("POST", where, {"status_respon": [row]})


@pytest.fixture(scope="module")
def victims(api: Api) -> list[Victim]:
    """Two messages of each vendor that calls back."""
    key = callback_key(api.stack)
    return [Victim(api, vendor, nth, key) for vendor in FAILED for nth in range(2)]


@pytest.fixture(autouse=True)
def _nothing_changes(victims: list[Victim]) -> Any:
    """No attack changes a message, or writes a word on its timeline."""
    before = [one.view() for one in victims]
    yield
    assert [one.view() for one in victims] == before


def refused(answer: Answer) -> bool:
    """Whether it is as for an address that nobody ever had."""
    got = {name: answer.body.get(name) for name in NOBODY}
    return (answer.status, got) == (404, NOBODY)


FORGED: dict[str, Callable[[Victim, Victim], str]] = {
    "a guess": lambda one, _: one.token()[:-MAC_LENGTH] + "A" * MAC_LENGTH,
    "no MAC": lambda one, _: one.token()[:-MAC_LENGTH],
    "half a MAC": lambda one, _: one.token()[:-1],
    "a MAC of another's": lambda one, two: one.token()[:-MAC_LENGTH] + two.token()[-MAC_LENGTH:],
    "a longer life": lambda one, _: _later(one.token()),
    "in lower case": lambda one, _: one.token().lower(),
    "twice": lambda one, _: one.token() * 2,
    "with a NUL": lambda one, _: one.token() + "\0",
    "of another script": lambda one, _: one.token()[:-1] + "\uff21",
    "a long one": lambda one, _: one.token() + "A" * 3000,
    "the account's": lambda one, _: make_account_token(one.vendor, one.key),
    "of another vendor": lambda one, _: one.token(vendor="dinisoft"),
    "of another key": lambda one, _: make_token(
        one.vendor, ItemKey(one.id[:26], "M#000"), int(time.time()) + AHEAD, b"another key" * 4
    ),
    "a key's partition": lambda one, _: "KEYS" + one.token()[4:],
}


def _later(token: str) -> str:
    """A token whose hour of expiry is another one."""
    return f"{token[: -MAC_LENGTH - 5]}FFFFF{token[-MAC_LENGTH:]}"


@pytest.mark.parametrize("attack", FORGED)
def test_a_forged_address_is_as_one_that_nobody_had(
    victims: list[Victim], nobody: Api, attack: str
) -> None:
    for one, two in (victims[:2], victims[2:]):
        answer = one.report(nobody, FORGED[attack](one, two))
        assert refused(answer) or answer.status in (400, 403, 414), answer


def test_a_token_with_any_letter_changed_opens_nothing(victims: list[Victim], nobody: Api) -> None:
    print(f"seed {SEED}")
    draw = random.Random(SEED)  # noqa: S311 - no secret
    for one in victims[::2]:
        token = one.token()
        for place in draw.sample(range(len(token)), 15):
            other = draw.choice([x for x in "ABCDEFGHIJKLMNOP234567" if x != token[place]])
            assert refused(one.report(nobody, token[:place] + other + token[place + 1 :])), SEED


def test_one_vendors_address_is_no_other_vendors(victims: list[Victim], nobody: Api) -> None:
    for one, others in ((victims[0], "server2sms"), (victims[2], "rajasms")):
        assert refused(one.report(nobody, one.token(), vendor=others))


def test_an_address_does_not_speak_for_another_message(victims: list[Victim], nobody: Api) -> None:
    """Taken, and dropped: the report is of no message of that address."""
    for mine, theirs in (victims[:2], victims[2:], victims[1::2], victims[2::-2]):
        assert theirs.report(nobody, mine.token(), vendor=mine.vendor).status == 200


def test_an_expired_address_reports_on_nothing(victims: list[Victim], nobody: Api) -> None:
    for one in victims[::2]:
        answer = one.report(nobody, one.token(-LATE_SECONDS - 3600))
        assert (answer.status, answer.body["type"]) == (404, "/problems/callback-expired")


@pytest.mark.parametrize("method", ["PUT", "DELETE", "PATCH"])
def test_another_method_opens_nothing(victims: list[Victim], nobody: Api, method: str) -> None:
    for one in victims[::2]:
        assert nobody(method, f"/callbacks/{one.vendor}/{one.token()}").status >= 400


def test_options_are_the_same_for_an_address_that_nobody_has(
    victims: list[Victim], nobody: Api
) -> None:
    for one in victims[::2]:
        for token in (one.token(), "nobody"):
            answer = nobody("OPTIONS", f"/callbacks/{one.vendor}/{token}")
            assert (answer.status, answer.body) == (204, None)
