"""Dinisoft and RajaSMS as descriptions: their captured cases pass unchanged, and nothing more is
accepted than by the adapters in Python."""

from functools import partial

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sms_gateway.vendors.types import (
    CallbackRequest,
    OutgoingMessage,
    PendingReceipt,
    SubmitVerdict,
    VendorResponse,
)
from smsgw.captured_cases import described as requests_of
from smsgw.captured_cases import missing, understood
from testing.descriptions import DESCRIBED, described
from testing.vendor_cases import Case, adapter, cases
from testing.vendor_responses import captured_replies

NUMBERS = {"dinisoft": "+88010000000", "rajasms": "+6280000000"}


def of_described(suffix: str) -> list[Case]:
    return [case for case in cases(suffix) if case.vendor in DESCRIBED]


def messages(vendor: str) -> list[OutgoingMessage]:
    return [
        OutgoingMessage(f"01J8Z3K4M5N6P7Q8R9S0T1V2W300{n}", f"{NUMBERS[vendor]}0{n}", "Kode 1234")
        for n in (1, 2)
    ]


@pytest.mark.parametrize("case", of_described("expected.json"), ids=str)
def test_a_described_vendors_answer_means_what_the_case_says(case: Case) -> None:
    assert understood(case, partial(described, case.vendor)) == case.spec["expect"]


@pytest.mark.parametrize("case", of_described("request.json"), ids=str)
def test_a_described_vendors_request_is_what_the_case_says(case: Case) -> None:
    assert requests_of(case, partial(described, case.vendor)) == case.spec["expect"]


@pytest.mark.parametrize("vendor", DESCRIBED)
def test_a_described_vendor_can_do_what_the_adapter_in_python_can(vendor: str) -> None:
    written, by_description = adapter(vendor), described(vendor)
    assert by_description.capabilities == written.capabilities
    assert (by_description.name, by_description.title) == (written.name, written.title)
    assert by_description.unregistered_address == written.unregistered_address
    assert by_description.own_senders == written.own_senders
    names = [one.name for one in of_described("expected.json") if one.vendor == vendor]
    requests = [one.name for one in of_described("request.json") if one.vendor == vendor]
    assert missing(names, requests, by_description.capabilities) == []


@pytest.mark.parametrize("vendor", DESCRIBED)
def test_a_description_reads_any_answer_and_accepts_no_more_than_the_adapter(vendor: str) -> None:
    written, by_description = adapter(vendor), described(vendor)
    calls = [one.submit(messages(vendor), None)[0] for one in (written, by_description)]
    assert calls[0].request.url == calls[1].request.url

    @given(captured_replies(vendor), st.sampled_from([200, 404, 500]))
    def read(body: bytes, status: int) -> None:
        reply = VendorResponse(status, body)
        theirs = written.submitted(reply, calls[0])
        ours = by_description.submitted(reply, calls[1])
        assert len(ours) == len(theirs)
        for one, other in zip(ours, theirs, strict=True):
            if one.verdict is not SubmitVerdict.UNKNOWN:
                assert (one.verdict, one.vendor_id) == (other.verdict, other.vendor_id)

    read()


@pytest.mark.parametrize("vendor", DESCRIBED)
def test_a_description_tells_no_delivery_that_the_adapter_does_not(vendor: str) -> None:
    written, by_description = adapter(vendor), described(vendor)
    pending = [PendingReceipt(one.id, one.to, "194234") for one in messages(vendor)[:1]]
    polls = [next(iter(one.poll(pending)), None) for one in (written, by_description)]

    @given(captured_replies(vendor))
    def read(body: bytes) -> None:
        request = CallbackRequest("POST", {}, body)
        theirs = {(one.vendor_id, one.number, one.status) for one in written.callback(request)}
        for one in by_description.callback(request):
            assert one.status is None or (one.vendor_id, one.number, one.status) in theirs
        if polls[0] and polls[1]:
            reply = VendorResponse(200, body)
            known = {one.status for one in written.reports(reply, polls[0])}
            assert {one.status for one in by_description.reports(reply, polls[1])} <= known | {None}

    read()


@pytest.mark.parametrize("vendor", DESCRIBED)
def test_a_described_vendor_groups_messages_as_the_adapter_in_python_does(vendor: str) -> None:
    written, by_description = adapter(vendor), described(vendor)
    assert by_description.calls(3) == written.calls(3)

    @given(
        st.lists(
            st.tuples(
                st.integers(1, 3),
                st.sampled_from(["a", "b"]),
                st.sampled_from(["otp", "promotional"]),
            ),
            max_size=8,
        )
    )
    def pack(rows: list[tuple[int, str, str]]) -> None:
        made = [
            OutgoingMessage(str(index), f"{NUMBERS[vendor]}0{to}", text, category=category)  # type: ignore[arg-type]  # sampled as text
            for index, (to, text, category) in enumerate(rows)
        ]
        assert by_description.pack(made) == written.pack(made)

    pack()
