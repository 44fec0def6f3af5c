"""Callback tokens: unguessable, for a time, and only for what they were made for."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sms_gateway.core.timestamps import HOUR_SECONDS
from sms_gateway.receipts.callback_tokens import (
    LATE_SECONDS,
    ExpiredTokenError,
    ForgedTokenError,
    make_account_token,
    make_token,
    verify_token,
)
from sms_gateway.storage.models import ItemKey
from sms_gateway.vendors.registry import VENDORS

SECRET = b"0123456789abcdef0123456789abcdef"
BATCH = "01J0000000000000000000000A"
NOW = 1_800_000_000


@pytest.mark.parametrize("vendor", VENDORS)
@pytest.mark.parametrize("key", [ItemKey(BATCH, "M#000"), ItemKey(BATCH, "S#999")])
def test_a_token_leads_back_to_its_submission(vendor: str, key: ItemKey) -> None:
    made = make_token(vendor, key, NOW, SECRET)
    assert made.isalnum()
    assert verify_token(vendor, made, SECRET, NOW) == key


@pytest.mark.parametrize("vendor", VENDORS)
def test_an_accounts_token_leads_to_no_submission_at_any_time(vendor: str) -> None:
    made = make_account_token(vendor, SECRET)
    assert made.isalnum()
    assert verify_token(vendor, made, SECRET, NOW * 2) is None


@given(deadline=st.integers(0, 2 * NOW))
def test_a_token_is_good_for_a_week_after_its_messages_deadline(deadline: int) -> None:
    """To the hour, and never less."""
    made = make_token("jst", ItemKey(BATCH, "M#000"), deadline, SECRET)
    last = deadline + LATE_SECONDS - 1
    assert verify_token("jst", made, SECRET, last) == ItemKey(BATCH, "M#000")
    with pytest.raises(ExpiredTokenError):
        verify_token("jst", made, SECRET, last + HOUR_SECONDS)


def test_a_callback_address_stays_within_its_limit() -> None:
    longest = max(
        len(f"/{vendor}/{make_token(vendor, ItemKey(BATCH, 'S#000'), NOW, SECRET)}")
        for vendor in VENDORS
    )
    base = "https://0123456789.execute-api.ap-southeast-3.amazonaws.com/v1/callbacks"
    assert len(base) + longest <= 140
    described = make_token("v" * 20, ItemKey(BATCH, "S#000"), NOW, SECRET)
    assert len(f"{base}/{'v' * 20}/{described}") <= 150


@given(given_token=st.text() | st.from_regex(r"[A-Z0-9]{20,80}", fullmatch=True))
def test_nothing_else_is_a_token(given_token: str) -> None:
    with pytest.raises(ForgedTokenError):
        verify_token("jst", given_token, SECRET, NOW)


@pytest.mark.parametrize("place", range(56))
def test_no_letter_of_a_token_can_be_changed(place: int) -> None:
    made = make_token("jst", ItemKey(BATCH, "M#000"), NOW, SECRET)
    assert len(made) == 56
    changed = made[:place] + ("B" if made[place] != "B" else "C") + made[place + 1 :]
    with pytest.raises(ForgedTokenError):
        verify_token("jst", changed, SECRET, NOW)


def test_a_token_is_its_vendors_and_its_secrets_own() -> None:
    made = make_account_token("jst", SECRET)
    for vendor, secret in (("rajasms", SECRET), ("jst", b"another secret")):
        with pytest.raises(ForgedTokenError):
            verify_token(vendor, made, secret, NOW)
