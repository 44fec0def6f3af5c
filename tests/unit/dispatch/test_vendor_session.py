"""Whose turn it is at a vendor's desk."""

import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from threading import Event

import pytest

from sms_gateway.dispatch.vendor_session import VendorSession
from sms_gateway.vendors.registry import build_adapter
from sms_gateway.vendors.types import Request, VendorResponse
from testing.settings import ACCOUNTS

SOON = 10  # seconds in which a thread surely runs
A_WHILE = 0.1  # seconds in which one that may run would


def silent(request: Request, timeout: float) -> VendorResponse:
    raise AssertionError("nothing is sent here")


def session(vendor: str, concurrency: int) -> VendorSession:
    """A desk whose worker has half of the account's calls at once."""
    adapter = build_adapter(vendor, ACCOUNTS[vendor] | {"concurrency": concurrency, "otp_share": 0})
    return VendorSession(adapter, "https://api.example.com", b"key", time.time() + 100, 2, silent)


def taker(at: VendorSession, messages: int) -> tuple[Callable[[], None], Event]:
    """Takes a turn and gives it back; the event says that it was taken."""
    taken = Event()

    def take() -> None:
        with at.claim_slot(messages):
            taken.set()

    return take, taken


@pytest.mark.parametrize(
    ("vendor", "concurrency", "messages", "at_once"),
    [
        ("dinisoft", 50, 50, 2),  # 25 calls at once: one submission at work, and the next
        ("dinisoft", 50, 10, 5),
        ("dinisoft", 2, 50, 2),  # never fewer, or nobody would call while DynamoDB is asked
        ("dinisoft", 50, 1, 50),
        ("jst", 10, 100, 10),  # one call each
    ],
)
def test_no_more_is_begun_than_keeps_the_calls_going(
    vendor: str, concurrency: int, messages: int, at_once: int
) -> None:
    """What was begun when a worker dies is in doubt."""
    with session(vendor, concurrency) as at, ThreadPoolExecutor(1) as others:
        take, taken = taker(at, messages)
        with ExitStack() as begun:
            for _ in range(at_once):
                begun.enter_context(at.claim_slot(messages))
            waiting = others.submit(take)
            assert not taken.wait(A_WHILE)
        assert taken.wait(SOON)
        waiting.result(SOON)


def test_a_submission_that_fails_gives_its_turn_back() -> None:
    with session("dinisoft", 2) as at:
        for _ in range(3):
            with pytest.raises(LookupError), at.claim_slot(50):
                raise LookupError
