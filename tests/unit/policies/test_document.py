"""The policy's document: what is refused by name, and its JSON Schema."""

import json
from datetime import UTC, datetime

import msgspec
import phonenumbers
import pytest
from phonenumbers import PhoneNumberType

from sms_gateway.core.problems import ForbiddenError, InvalidRequestError
from sms_gateway.policies.document import Policy, parse_policy, refuse_wider
from sms_gateway.policies.rules import Rules
from sms_gateway.sms.number_types import number_type_of
from sms_gateway.sms.phone_numbers import country_of
from testing.numbers import number
from testing.paths import ROOT

SPEND = json.dumps(
    {
        "spend_per_day": {"amount": "5", "currency": "USD"},
        "assumed_price": {"amount": "0.05", "currency": "USD"},
    }
)
NOW = datetime(2026, 11, 28, tzinfo=UTC)


@pytest.mark.parametrize(
    ("written", "named"),
    [
        ('{"contries": ["BD"]}', "contries"),
        ('{"messages_a_day": 5}', "messages_a_day"),
        ('{"messages_per_day": -1}', "messages_per_day"),
        ('{"segments_per_day": 1.5}', "segments_per_day"),
        ('{"most_per_number_per_day": "5"}', "most_per_number_per_day"),
        ('{"requests_per_second": 0}', "requests_per_second"),
        ('{"burst": 5}', "burst: it needs requests_per_second"),
        ('{"fail": "ajar"}', "fail"),
        (
            '{"spend_per_day": {"amount": "5", "currency": "USD"}}',
            "spend_per_day: a spend limit without any price",
        ),
        (
            '{"spend_per_month": {"amount": "5", "currency": "USD"}}',
            "spend_per_month: a spend limit without any price",
        ),
        ('{"assumed_price": {"amount": "5", "currency": "USD"}}', "assumed_price: it needs spend"),
        ('{"spend_per_day": {"amount": 5, "currency": "USD"}}', "spend_per_day.amount"),
        ('{"spend_per_day": {"amount": "-5", "currency": "USD"}}', "spend_per_day"),
        ('{"spend_per_day": {"amount": "5", "currency": "usd"}}', "three capital letters"),
        ('{"spend_per_day": {"amount": "5"}}', "currency"),
        ('{"spend_per_day": {"amount": "5", "currency": "USD", "per": "day"}}', "per"),
        (SPEND.replace("0.05", "0"), "assumed_price: it must be more than 0"),
        (SPEND.replace("USD", "INR", 1), "spend_per_day: its currency"),
        ('{"countries": ["XX"]}', "XX"),
        ('{"countries": ["bd"]}', "countries"),
        ('{"countries": "BD"}', "countries"),
        ('{"refused_number_types": ["mobile"]}', "refused_number_types"),
        ('{"categories": ["spam"]}', "categories"),
        ('{"senders": ["seventeen letters"]}', "senders"),
        ('{"recipients": ["8801700000001"]}', "recipients: number 0"),
        ('{"recipients": ["+0"]}', "recipients: number 0"),
        ('{"expires_at": "2026-12-31T00:00:00"}', "expires_at"),
        ('{"from_ips": ["192.0.2.1/24"]}', "from_ips"),
        ('{"from_ips": ["localhost"]}', "from_ips"),
        ("[]", "object"),
        ("{", "truncated"),
    ],
)
def test_what_is_not_valid_is_refused_by_name(written: str, named: str) -> None:
    with pytest.raises(ValueError, match=named):
        parse_policy(written)


def test_a_refused_recipient_is_named_by_its_place_and_not_repeated() -> None:
    with pytest.raises(ValueError, match="number 1") as refused:
        parse_policy(json.dumps({"recipients": [number("jst"), "+1 23"]}))
    assert "23" not in str(refused.value)


@pytest.mark.parametrize(
    ("key", "tenant", "named"),
    [
        ({"countries": ["BD", "IN"]}, {"countries": ["BD"]}, "countries"),
        ({"categories": ["otp"]}, {"categories": []}, "categories"),
        ({"senders": ["ACME"]}, {"senders": ["OTHER"]}, "senders"),
        ({"recipients": ["+447700900001"]}, {"recipients": ["+447700900002"]}, "recipients"),
        (
            {"expires_at": "2027-01-02T00:00:00Z"},
            {"expires_at": "2027-01-01T00:00:00Z"},
            "expires_at",
        ),
        ({"from_ips": ["192.0.2.0/24"]}, {"from_ips": ["192.0.2.0/25"]}, "from_ips"),
        ({"messages_per_day": 6}, {"messages_per_day": 5}, "messages_per_day"),
        ({"segments_per_day": 6}, {"segments_per_day": 5}, "segments_per_day"),
        ({"most_per_number_per_day": 2}, {"most_per_number_per_day": 1}, "most_per_number"),
        ({"requests_per_second": 6}, {"requests_per_second": 5}, "requests_per_second"),
        ({"requests_per_second": 5, "burst": 6}, {"requests_per_second": 5}, "burst"),
        ({"from_ips": ["2001:db8::/64"]}, {"from_ips": ["192.0.2.0/24"]}, "from_ips"),
    ],
)
def test_a_keys_policy_may_not_allow_more_than_its_tenants(
    key: dict[str, object], tenant: dict[str, object], named: str
) -> None:
    inner, outer = parse_policy(json.dumps(key)), parse_policy(json.dumps(tenant))
    with pytest.raises(ValueError, match=named):
        refuse_wider(inner, outer)
    refuse_wider(outer, outer)
    refuse_wider(Policy(), outer)
    refuse_wider(inner, Policy())


@pytest.mark.parametrize(
    ("key", "named"),
    [
        (SPEND.replace('"5"', '"5.01"'), "spend_per_day: it is above"),
        (SPEND.replace("_day", "_month").replace('"5"', '"90.1"'), "spend_per_month: it is above"),
        (SPEND.replace("USD", "EUR"), "assumed_price: its currency"),
        (SPEND.replace("0.05", "0.049"), "assumed_price: it is below"),
    ],
)
def test_a_key_may_not_spend_more_than_its_tenant(key: str, named: str) -> None:
    month = {"spend_per_month": {"amount": "90", "currency": "USD"}}
    tenant = parse_policy(json.dumps({**json.loads(SPEND), **month}))
    with pytest.raises(ValueError, match=named):
        refuse_wider(parse_policy(key), tenant)
    refuse_wider(parse_policy(SPEND), tenant)
    refuse_wider(parse_policy(key), Policy())
    refuse_wider(Policy(), tenant)


def test_the_published_schema_is_the_documents() -> None:
    published = json.loads((ROOT / "docs/guides/policy.schema.json").read_text())
    made = json.dumps(msgspec.json.schema(Policy)).replace(r"\\Z", "$")
    assert published == json.loads(made)


def test_phonenumbers_tells_the_types_that_a_policy_refuses() -> None:
    """Each from the package's own example of that type."""
    examples = {
        name: next(
            example
            for region in sorted(phonenumbers.SUPPORTED_REGIONS)
            if (example := phonenumbers.example_number_for_type(region, kind)) is not None
        )
        for name, kind in {
            "premium_rate": PhoneNumberType.PREMIUM_RATE,
            "toll_free": PhoneNumberType.TOLL_FREE,
            "shared_cost": PhoneNumberType.SHARED_COST,
            "pager": PhoneNumberType.PAGER,
            "fixed_line": PhoneNumberType.FIXED_LINE,
        }.items()
    }
    for name, example in examples.items():
        to = phonenumbers.format_number(example, phonenumbers.PhoneNumberFormat.E164)
        assert number_type_of(to) == name
        rules = Rules([parse_policy(json.dumps({"refused_number_types": [name]}))])
        with pytest.raises(InvalidRequestError) as refused:
            rules.refuse_recipient(to, "otp", None, "", "/to")
        assert (refused.value.slug, refused.value.pointer) == ("number-type-not-allowed", "/to")
    rules = Rules([Policy(refused_number_types=["fixed_line", "pager", "premium_rate"])])
    rules.refuse_recipient(number("jst"), "otp", None, "", "/to")


@pytest.mark.parametrize(
    ("to", "country"),
    [("+447700900001", "GB"), ("+18765550100", "JM"), ("+15005550006", "US"), ("+8835100", "+883")],
)
def test_a_shared_code_is_told_by_the_number(to: str, country: str) -> None:
    assert country_of(to) == country


@pytest.mark.parametrize(
    ("policy", "slug"),
    [
        (Policy(countries=[]), "country-not-allowed"),
        (Policy(categories=["otp"]), "category-not-allowed"),
        (Policy(senders=["OTHER"]), "sender-not-allowed"),
        (Policy(recipients=["+447700900001"]), "recipient-not-allowed"),
    ],
)
def test_each_rule_refuses_with_a_problem_of_its_own(policy: Policy, slug: str) -> None:
    for rules in (Rules([policy]), Rules([Policy(), policy]), Rules([policy, Policy()])):
        with pytest.raises(InvalidRequestError) as refused:
            rules.refuse_recipient(number("jst"), "promotional", "ACME", "", "/to")
        assert refused.value.slug == slug
        assert number("jst")[3:] not in refused.value.detail
    Rules([Policy()]).refuse_recipient(number("jst"), "promotional", "ACME", "", "/to")


def test_no_sender_is_always_the_accounts_own() -> None:
    Rules([Policy(senders=[])]).refuse_recipient(number("jst"), "otp", None, "", "/to")


def test_a_senders_plus_makes_no_difference() -> None:
    rules = Rules([Policy(senders=["+447700900001"])])
    rules.refuse_recipient(number("jst"), "otp", "447700900001", "", "/to")


def test_addresses_are_those_of_the_networks() -> None:
    rules = Rules([Policy(from_ips=["192.0.2.0/24", "2001:db8::/32"])])
    for allowed in ("192.0.2.7", "2001:db8::7"):
        rules.refuse_address(allowed)
    for refused in ("198.51.100.1", "2001:db9::1", None):
        with pytest.raises(ForbiddenError, match="does not allow this address"):
            rules.refuse_address(refused)


def test_a_policy_ends_at_its_end() -> None:
    rules = Rules([parse_policy('{"expires_at": "2026-11-28T00:00:01Z"}')])
    rules.refuse_expired(NOW)
    with pytest.raises(ForbiddenError, match="ended"):
        rules.refuse_expired(NOW.replace(second=1))
