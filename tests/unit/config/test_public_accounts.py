"""What is published of the accounts: all that accepting takes, and no secret."""

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from sms_gateway.config.account_publishing import write_public_accounts
from sms_gateway.config.public_accounts import parse_public_accounts
from sms_gateway.vendors.adapter import Adapter, UnsupportedMessageError
from sms_gateway.vendors.redaction import secrets_of
from sms_gateway.vendors.registry import VENDORS
from sms_gateway.vendors.types import OutgoingMessage
from testing.numbers import number
from testing.settings import ACCOUNTS
from testing.vendor_cases import adapter

KEY = b"a key of marks, which no rotation changes"
NOW = datetime(2026, 11, 28, 12, tzinfo=UTC)
PUBLISHED = write_public_accounts(ACCOUNTS, KEY)


def messages(vendor: str) -> list[OutgoingMessage]:
    found = []
    for nth, (text, sender, flash) in enumerate(
        (("Hello", None, False), ("Hello " * 90, "ACME", False), ("\u20ac", "+447700900001", True))
    ):
        one = OutgoingMessage(
            f"id{nth}", number(vendor, nth), text, sender, "otp", "gsm7", flash, False, None, None
        )
        found += [one, one]
    return found


def answers(one: Adapter, vendor: str) -> Any:
    """All that accepting asks of an adapter."""
    checks: list[tuple[str, str, str] | None] = []
    for message in messages(vendor):
        try:
            one.check(message)
            checks.append(None)
        except UnsupportedMessageError as refusal:
            checks.append((refusal.slug, refusal.field, refusal.detail))
    return (
        checks,
        [one.delivery_warnings(message, NOW) for message in messages(vendor)],
        [one.template_of(message) for message in messages(vendor)],
        one.pack(messages(vendor)),
        [one.calls(count) for count in (1, 2, 100, 1000)],
        [one.holds(NOW + timedelta(minutes=minutes)) for minutes in (1, 60, 6000)],
        (one.makes_codes, one.account_callbacks, one.warnings, one.schedule_at_vendor, one.prices),
        (one.rate, one.concurrency, one.balance_low, one.poll_after),
    )


@pytest.mark.parametrize("vendor", VENDORS)
def test_an_account_without_its_secrets_accepts_what_the_whole_one_does(vendor: str) -> None:
    public = parse_public_accounts(PUBLISHED).adapters[vendor]
    assert answers(public, vendor) == answers(adapter(vendor), vendor)


@pytest.mark.parametrize("vendor", VENDORS)
def test_nothing_that_is_published_holds_a_secret(vendor: str) -> None:
    secrets = secrets_of(adapter(vendor))
    assert secrets
    known = parse_public_accounts(PUBLISHED)
    for secret in secrets:
        assert secret not in PUBLISHED
        assert secret not in str(secrets_of(known.adapters[vendor]))


def test_what_is_not_valid_or_not_known_is_not_published() -> None:
    """What is wrong with it may be a secret in another one's place."""
    wrong = {"jst": {"pasword": "shown?"}, "another": {"key": "shown?"}, "rajasms": "shown?"}
    assert write_public_accounts(wrong, KEY) == "{}"


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("no JSON", "JSON"),
        ("[]", "object"),
        ('{"jst": {}}', "settings"),
        ('{"jst": {"settings": {}, "marks": {}, "password": "x"}}', "password"),
        (json.dumps({"jst": {"settings": {}, "marks": {"password": "no mark"}}}), "mark"),
    ],
)
def test_what_was_not_published_by_the_command_is_refused(text: str, why: str) -> None:
    with pytest.raises(ValueError, match=why):
        parse_public_accounts(text)
