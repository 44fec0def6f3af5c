"""India's templates and hours: what an operator would drop is seen before it is sent."""

import re
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sms_gateway.vendors.adapter import UnsupportedMessageError
from sms_gateway.vendors.jst.dlt_templates import Template, choose, outside_hours
from sms_gateway.vendors.types import OutgoingMessage
from testing.vendor_cases import adapter

CODE, ORDER, DEFAULT = "1107100000000000011", "1107100000000000012", "1107100000000000099"
TEMPLATES = [
    {"id": CODE, "text": "Your code is {#var#}", "category": "otp"},
    {"id": ORDER, "text": "Dear {#var#}, order {#numeric#} is on its way.", "sender": "ACMEIN"},
]
NOON = datetime(2026, 6, 1, 6, 30, tzinfo=UTC)  # 12:00 in India


def message(text: str, **fields: Any) -> OutgoingMessage:
    return OutgoingMessage("1", "+911000000001", text, **fields)


def slugs(one: OutgoingMessage, at: datetime = NOON, **settings: object) -> list[str]:
    return [caution.slug for caution in adapter("jst", **settings).delivery_warnings(one, at)]


@pytest.mark.parametrize(
    ("template", "text", "matches"),
    [
        ("Your code is {#var#}", "Your code is 1234", True),
        ("Your code is {#var#}", "Your code is " + "x" * 30, True),
        ("Your code is {#var#}", "Your code is " + "x" * 31, False),
        ("Your code is {#var#}", "Your code is ", True),
        ("Your code is {#var#}", "your code is 1234", False),
        ("Your code is {#var#}", "Your  code is 1234", False),
        ("Your code is {#var#}", "Your code is 12\n34", True),
        ("{#var#} is your code", "1234 is your code", True),
        ("{#var#} is your code", "1234 is your code.", False),
        ("See {#var#}{#var#}", "See " + "x" * 60, True),
        ("See {#var#}{#var#}", "See " + "x" * 61, False),
        ("{#var#} and {#var#}", "a and b and c", True),
        ("{#var#} and {#var#} and d", "a and b and c and d", True),
        ("Rs {#numeric#} paid", "Rs 1200 paid", True),
        ("Rs {#numeric#} paid", "Rs 1,200 paid", False),
        ("Track {#url#}", "Track acme.example/x", True),
        ("Fixed", "Fixed", True),
        ("Fixed", "Fixed!", False),
        ("50% (off) [today] {#var#}*", "50% (off) [today] all*", True),
    ],
)
def test_a_text_matches_its_template(template: str, text: str, matches: bool) -> None:
    assert Template(id=CODE, text=template).matches(text) is matches


def test_how_much_a_variable_holds_can_be_set() -> None:
    template = Template(id=CODE, text="See {#var#}")
    assert template.matches("See " + "x" * 40, max_length=40)
    assert not template.matches("See " + "x" * 41, max_length=40)


parts = st.lists(st.text("ab ", max_size=3), min_size=2, max_size=4).filter(
    lambda fixed: "".join(fixed).strip()
)


@given(parts, st.text("ab ", max_size=14), st.integers(1, 5))
def test_matching_agrees_with_a_plain_pattern(fixed: list[str], text: str, longest: int) -> None:
    template = Template(id=CODE, text="{#var#}".join(fixed))
    pattern = f".{{0,{longest}}}".join(map(re.escape, fixed))
    assert template.matches(text, longest) == bool(re.fullmatch(pattern, text, re.S))


@given(parts, st.data())
def test_a_filled_template_matches(fixed: list[str], data: st.DataObject) -> None:
    values = data.draw(st.lists(st.text(max_size=30), min_size=3, max_size=3))
    text = fixed[0] + "".join(v + part for v, part in zip(values, fixed[1:], strict=False))
    assert Template(id=CODE, text="{#var#}".join(fixed)).matches(text)


def test_a_text_made_to_be_slow_is_compared_all_the_same() -> None:
    """A pattern with as many choices would look at 30 to the power of 40 ways."""
    template = Template(id=CODE, text="a{#var#}" * 40 + "b")
    assert not template.matches("a" * 1000)
    assert template.matches("a" * 1000 + "b")


@pytest.mark.parametrize(
    "template",
    [
        {"id": "abc", "text": "Hi"},
        {"id": "", "text": "Hi"},
        {"id": CODE, "text": ""},
        {"id": CODE, "text": "{#var#}"},
        {"id": CODE, "text": " {#var#} {#var#}"},
        {"id": CODE, "text": "Hi {#name#}"},
        {"id": CODE, "text": "Hi", "sender": "ACME1"},
        {"id": CODE, "text": "Hi", "category": "spam"},
        {"id": CODE, "text": "Hi", "colour": "red"},
        {"id": CODE},
        {"text": "Hi"},
    ],
)
def test_a_template_that_cannot_be_one_is_refused_by_place(template: dict[str, str]) -> None:
    with pytest.raises(ValueError, match=r"templates\[0\]") as refused:
        adapter("jst", templates=[template])
    assert "Hi {" not in str(refused.value)


@pytest.mark.parametrize(
    ("fields", "template", "warned"),
    [
        ({"text": "Your code is 1", "category": "otp"}, CODE, []),
        ({"text": "Your code is 1"}, DEFAULT, ["template-mismatch"]),  # for another category
        ({"text": "Dear A, order 1 is on its way.", "sender": "ACMEIN"}, ORDER, []),
        ({"text": "Dear A, order 1 is on its way."}, DEFAULT, ["template-mismatch"]),
        ({"text": "Hi", "template_id": CODE}, CODE, ["template-mismatch"]),
        ({"text": "Your code is 1", "category": "otp", "template_id": CODE}, CODE, []),
        ({"text": "Your code is 1", "template_id": ORDER}, ORDER, ["template-mismatch"]),
        ({"text": "Hi", "template_id": "1"}, "1", ["template-mismatch"]),
        ({"text": "Hi"}, DEFAULT, ["template-mismatch"]),
    ],
)  # fmt: skip
def test_the_template_is_the_one_named_or_matched_or_the_account_s(
    fields: dict[str, str], template: str, warned: list[str]
) -> None:
    jst = adapter("jst", templates=TEMPLATES, template_id=DEFAULT)
    one = message(**fields)
    assert jst.template_of(one) == template
    assert slugs(one, templates=TEMPLATES, template_id=DEFAULT) == warned


def test_templates_that_match_alike_are_ambiguous_unless_one_is_the_default() -> None:
    both = [{"id": CODE, "text": "Hi {#var#}"}, {"id": ORDER, "text": "Hi {#var#}"}]
    hi = message("Hi Ani")
    assert slugs(hi, templates=both) == ["template-ambiguous"]
    assert slugs(hi, templates=both, template_id=ORDER) == []
    assert adapter("jst", templates=both, template_id=ORDER).template_of(hi) == ORDER
    twice = [{"id": CODE, "text": "Hi {#var#}", "sender": "ACMESH"}, both[0]]
    assert adapter("jst", templates=twice).template_of(hi) == CODE


def test_without_any_template_a_message_is_warned_of() -> None:
    hi = message("Hi Ani")
    assert slugs(hi) == ["template-missing"]
    assert slugs(hi, template_id=DEFAULT) == []
    assert slugs(hi, template_ids={"transactional": DEFAULT}) == []
    assert slugs(hi, template_ids={"otp": DEFAULT}) == ["template-missing"]
    assert slugs(message("Hi Ani", template_id=CODE)) == []


@pytest.mark.parametrize(
    ("text", "settings", "slug", "field"),
    [
        ("Hi", {"templates": TEMPLATES}, "template-mismatch", "text"),
        ("Hi", {}, "template-missing", "template_id"),
        ("Hi", {"templates": [{"id": CODE, "text": "Hi"}, {"id": ORDER, "text": "Hi"}]},
         "template-ambiguous", "template_id"),
    ],
)  # fmt: skip
def test_what_an_operator_would_drop_is_refused_if_the_account_says_so(
    text: str, settings: dict[str, object], slug: str, field: str
) -> None:
    adapter("jst", **settings).check(message(text))
    with pytest.raises(UnsupportedMessageError) as refused:
        adapter("jst", template_mismatch="refuse", **settings).check(message(text))
    assert (refused.value.slug, refused.value.field) == (slug, field)
    strict = adapter("jst", template_mismatch="refuse", templates=TEMPLATES)
    strict.check(message("Your code is 1", category="otp"))


def test_a_header_that_is_not_registered_is_warned_of_where_they_are_known() -> None:
    other = message("Hi", sender="OTHERS")
    assert slugs(other, template_id=DEFAULT) == []
    known: dict[str, Any] = {"template_id": DEFAULT, "senders": ["ACMEIN"]}
    assert slugs(other, **known) == ["sender-not-registered"]
    assert slugs(message("Hi", sender="ACMEIN"), **known) == []
    assert slugs(message("Hi"), **known) == []


@pytest.mark.parametrize(
    ("india", "warned"),
    [("09:59:59", True), ("10:00:00", False), ("20:59:59", False), ("21:00:00", True),
     ("00:00:00", True), ("12:00:00", False)],
)  # fmt: skip
def test_promotions_leave_between_ten_and_nine_india_time(india: str, warned: bool) -> None:
    at = datetime.fromisoformat(f"2026-06-01T{india}+05:30")
    assert outside_hours(at.astimezone(UTC)) is warned
    found = slugs(message("Hi", category="promotional"), at, template_id=DEFAULT)
    assert found == (["outside-permitted-hours"] if warned else [])
    assert slugs(message("Hi", category="otp"), at, template_id=DEFAULT) == []


@given(st.datetimes(datetime(2000, 1, 1), datetime(2100, 1, 1), timezones=st.just(UTC)))
def test_india_is_five_hours_and_a_half_ahead_all_year(at: datetime) -> None:
    there = at + timedelta(hours=5, minutes=30)
    assert outside_hours(at) is not (10 <= there.hour < 21)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("template_ids", {"otp": "abc"}),
        ("template_ids", {"spam": CODE}),
        ("template_mismatch", "ignore"),
        ("template_variable_length", 0),
        ("senders", ["ACME"]),
        ("templates", {}),
    ],
)
def test_settings_of_templates_that_cannot_work_are_named(name: str, value: object) -> None:
    with pytest.raises(ValueError, match=name):
        adapter("jst", **{name: value})


def test_a_choice_needs_no_templates() -> None:
    assert choose([], "Hi", "ACMESH", "otp", None, None).template_id is None
    assert msgspec.convert({"id": CODE, "text": "Hi"}, Template).matches("Hi")
