"""The vendors that are described from their public documents: their cases, and that they play."""

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from local.simulators.described.play import played
from local.simulators.state import State
from sms_gateway.config.described_vendors import RESERVED, check_addresses, minified
from sms_gateway.config.stored_settings import check_size
from sms_gateway.vendors.declared.door import declare
from sms_gateway.vendors.registry import build
from sms_gateway.vendors.types import OutgoingMessage, SubmitVerdict, VendorResponse
from smsgw.vendor_descriptions import examine
from testing.descriptions import DESCRIBED, DESCRIPTIONS
from testing.paths import ROOT

FOLDERS = Path(__file__).parent
VENDORS = sorted(one.stem for one in DESCRIPTIONS.glob("*.json") if one.stem not in DESCRIBED)


def test_there_are_some() -> None:
    assert VENDORS


@pytest.mark.parametrize("vendor", VENDORS)
def test_its_documented_answers_mean_what_its_cases_say(vendor: str) -> None:
    found = examine(declare((DESCRIPTIONS / f"{vendor}.json").read_bytes()), FOLDERS / vendor)
    assert (found.failed, found.missing, found.unproven) == ([], [], [])
    assert found.cases > 30


@pytest.mark.parametrize("vendor", VENDORS)
def test_it_can_be_stored_and_called_and_has_a_page(vendor: str) -> None:
    written = (DESCRIPTIONS / f"{vendor}.json").read_bytes()
    check_size(minified(written).decode())
    assert vendor not in RESERVED
    cls = declare(written)
    account = json.loads((FOLDERS / vendor / "account.json").read_text())
    check_addresses(build(cls, account))
    page = (ROOT / "docs" / "vendors" / f"{vendor}.md").read_text()
    assert f"# {cls.title}" in page
    assert "## Not proven" in page
    for setting in cls.settings:
        assert f"`{setting}`" in page


@pytest.mark.parametrize("vendor", VENDORS)
def test_it_plays_on_this_machine(vendor: str) -> None:
    state = State(3600.0, "http://127.0.0.1", 0)
    try:
        played((DESCRIPTIONS / f"{vendor}.json").read_bytes(), state, "http://127.0.0.1:1")
    finally:
        state.stop()


@pytest.mark.parametrize("vendor", VENDORS)
def test_no_answer_raises_and_none_is_accepted_but_by_a_rule(vendor: str) -> None:
    cls = declare((DESCRIPTIONS / f"{vendor}.json").read_bytes())
    account = build(cls, json.loads((FOLDERS / vendor / "account.json").read_text()))
    accepted = json.loads((FOLDERS / vendor / "submitted-accepted.expected.json").read_text())
    members = [OutgoingMessage(**one) for one in accepted["members"]]
    (call, *_) = account.submit(members, None)
    captured = [
        path.read_bytes()
        for path in (FOLDERS / vendor).glob("submitted-*")
        if not path.name.endswith("expected.json")
    ]
    accepting = [one for one in captured if _accepts(account, call, one)]
    assert accepting

    @given(st.binary(max_size=200) | st.sampled_from(captured).flatmap(_cut), st.integers(100, 599))
    def reads(body: bytes, status: int) -> None:
        for one in account.submitted(VendorResponse(status, body), call):
            if one.verdict is SubmitVerdict.ACCEPTED:
                # An answer cut short may still say so; no other may.
                assert any(whole.startswith(body) for whole in accepting)

    reads()


def _accepts(account: object, call: object, body: bytes) -> bool:
    outcomes = account.submitted(VendorResponse(201, body), call)  # type: ignore[attr-defined]  # an adapter
    return bool(outcomes[0].verdict is SubmitVerdict.ACCEPTED)


def _cut(body: bytes) -> st.SearchStrategy[bytes]:
    return st.integers(0, len(body)).map(lambda end: body[:end])
