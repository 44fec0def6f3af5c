"""Waiting for a vendor's rate: in order, without going round, and with codes ahead of campaigns."""

import time
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise

import pytest

from sms_gateway.dispatch.outcome_handling import MAX_CHAIN
from sms_gateway.dispatch.turns import MAX_SLEEP_MS
from sms_gateway.messages import acceptance
from sms_gateway.messages.cancel_unsent import cancel_unsent_of
from sms_gateway.messages.queue import SubmissionTask
from sms_gateway.storage import rate_limiter
from sms_gateway.storage.models import ItemKey
from testing.fast_motion import FastMotion
from testing.gateway import Gateway
from testing.settings import set_account
from testing.transport import UNREACHABLE
from testing.vendor_answers import SUBMIT, TAKES

VENDOR = "rajasms"
SIZE = 20  # messages at one a second: twenty seconds, as 1,000 messages at 50 a second
SECONDS = 20.0
FEW = 3  # rounds that a submission may go, however long it waits


@pytest.fixture
def motion(gateway: Gateway, monkeypatch: pytest.MonkeyPatch) -> FastMotion:
    set_account(VENDOR, rate=1)
    # As it was accepted before turns were short: what waits today may take as long.
    monkeypatch.setattr(acceptance, "MAX_TURN_SECONDS", 1_000.0)
    gateway.wire.answers[SUBMIT[VENDOR]] = TAKES[VENDOR]
    return FastMotion(gateway, VENDOR, monkeypatch)


def campaign(motion: FastMotion, chunks: int, size: int = SIZE) -> list[str]:
    """Accept as many submissions at once; their names in order."""
    made: list[str] = []

    def accept() -> None:
        for _ in range(chunks):
            made.append(motion.gateway.many(VENDOR, size)[0][:26])

    motion.plan(0, accept)
    return made


def batches(names: Iterable[str]) -> list[str]:
    return [name.partition("/")[0] for name in names]


def gone(motion: FastMotion) -> list[str]:
    """Whose calls were made, in order."""
    return batches(name for _, name in motion.left)


def test_ten_times_a_thousand_messages_go_round_a_few_times_and_in_order(
    motion: FastMotion,
) -> None:
    made = campaign(motion, 10)
    motion.run(400)
    assert gone(motion) == batches(motion.came)
    assert len(motion.left) == len(made)
    assert max(motion.rounds.values()) <= FEW
    assert sum(motion.rounds.values()) <= 2.2 * len(made)


def test_a_line_keeps_the_accounts_rate_and_leaves_little_of_it_unused(motion: FastMotion) -> None:
    campaign(motion, 10)
    motion.run(400)
    times = [when for when, _ in motion.left]
    assert all(after - before >= SECONDS - 0.01 for before, after in pairwise(times))
    assert times[-1] <= 9 * SECONDS * 1.05


@pytest.mark.parametrize("every", [4.0, 2.0], ids=["a quarter codes", "half codes"])
def test_codes_go_ahead_of_a_campaign_which_stays_in_order(
    motion: FastMotion, every: float
) -> None:
    made = campaign(motion, 5)
    asked: dict[str, float] = {}

    def code() -> None:
        identifier = motion.gateway.one(VENDOR, category="otp")
        asked[identifier[:26]] = motion.at

    for nth in range(int(80 / every)):
        motion.plan(1 + nth * every, code)
    motion.run(900)
    left = dict(zip(gone(motion), [when for when, _ in motion.left], strict=True))
    order = [name for name in batches(motion.came) if name in made]
    assert [name for name in gone(motion) if name in made] == order
    assert asked.keys() <= left.keys()
    # At most what is under way, which nobody can take back, and the codes before.
    waited = [left[name] - when for name, when in asked.items()]
    assert max(waited) <= SECONDS + MAX_SLEEP_MS / 1000 + SECONDS / every + motion.late
    assert max(motion.rounds.values()) <= 2 * FEW
    costs = {name: SECONDS if name in made else 1.0 for name in left}
    by_time = sorted(left.items(), key=lambda one: one[1])
    assert all(b - a >= costs[name] - 0.01 for (name, a), (_, b) in pairwise(by_time))


def test_a_code_that_is_valid_for_long_waits_behind_no_campaign(motion: FastMotion) -> None:
    campaign(motion, 8)
    motion.plan(1, lambda: motion.gateway.one(VENDOR, category="otp", validity=1800))
    motion.run(60)
    when = {name: at for at, name in motion.left if "/M#" in name}
    assert len(when) == 1
    assert max(when.values()) <= SECONDS + MAX_SLEEP_MS / 1000 + motion.late


def test_many_codes_at_once_keep_the_rate_and_come_back_once(motion: FastMotion) -> None:
    motion.plan(0, lambda: [motion.gateway.one(VENDOR, category="otp") for _ in range(60)])
    motion.run(200)
    times = [when for when, _ in motion.left]
    assert len(times) == 60
    assert max(motion.rounds.values()) <= 2
    assert times[-1] <= 60


def test_what_waits_beyond_the_queues_longest_delay_is_held_and_by_no_queue(
    motion: FastMotion,
) -> None:
    set_account(VENDOR, rate=0.1)  # 200 seconds each
    made = campaign(motion, 8)
    motion.run(2)
    assert any(motion.gateway.submission(f"{one}000").held for one in made)
    motion.run(2400)
    assert gone(motion) == batches(motion.came)
    assert max(motion.rounds.values()) <= FEW
    assert motion.left[-1][0] <= 7 * 200 * 1.05


def test_what_is_cancelled_or_expires_while_it_waits_goes_round_no_more(
    motion: FastMotion,
) -> None:
    gateway = motion.gateway
    made = campaign(motion, 2)
    short: list[str] = []
    motion.plan(0.5, lambda: short.extend(gateway.many(VENDOR, 2, validity=60)))
    motion.run(0.6)
    motion.run(100)
    assert set(gateway.statuses(short)) <= {"submitted", "expired"}
    motion.run(400)
    assert set(made) <= set(gone(motion))
    assert max(motion.rounds.values()) <= FEW


def test_a_cancelled_campaign_leaves_no_hours_in_which_nobody_is_sent(motion: FastMotion) -> None:
    set_account(VENDOR, rate=0.1)  # 200 seconds each
    gateway = motion.gateway
    made = campaign(motion, 12)
    later: list[str] = []

    def cancel() -> None:
        for name in made[1:10]:
            assert cancel_unsent_of(name, lambda _seconds: True) is not None

    motion.plan(30, cancel)
    # In time for the rate that lies idle, and too late for the line that nobody stands in.
    motion.plan(60, lambda: later.extend(gateway.many(VENDOR, 2, validity=1500)))
    for nth in range(12):
        motion.plan(300 + nth, lambda: later.extend(gateway.many(VENDOR, 2, validity=1500)))
    motion.run(1900)  # all that were not sent have expired by now
    assert set(gateway.statuses(later)) == {"submitted"}
    motion.run(3000)
    assert set(made[10:]) <= set(gone(motion))
    assert max(motion.rounds.values()) <= 4 * FEW  # two lines in one for a while
    costs = {name: 200.0 if name in made else 20.0 for name in gone(motion)}
    by_time = list(zip(gone(motion), [when for when, _ in motion.left], strict=True))
    assert all(b - a >= costs[name] - 0.01 for (name, a), (_, b) in pairwise(by_time))


def test_another_threads_sleep_moves_no_simulated_time(motion: FastMotion) -> None:
    with ThreadPoolExecutor(1) as pool:
        pool.submit(time.sleep, 0.01).result()
    assert motion.at == 0
    time.sleep(5)
    assert motion.at == 5


def test_codes_do_not_hide_that_nobody_stands_in_the_line(gateway: Gateway) -> None:
    now = 1_800_000_000_000
    assert rate_limiter.leave(VENDOR, now, 20_000, now + 5_000, None) == (now, True)
    for _ in range(100):  # all of them are cancelled
        rate_limiter.join(VENDOR, 20_000)
    for second in range(0, 90, 10):
        at = now + second * 1000
        assert rate_limiter.book_urgent(VENDOR, at, 1_000, at + 60_000) is not None
    soon, late = now + 60_000, now + 90_000
    assert rate_limiter.leave(VENDOR, soon, 1_000, soon + 5_000, None)[1] is False
    assert rate_limiter.leave(VENDOR, late, 1_000, late + 5_000, None) == (late, True)
    assert rate_limiter.leave(VENDOR, late, 1_000, late + 5_000, None) == (late + 1_000, True)


def test_who_lost_its_turn_comes_back_the_later_the_longer_it_is_late(gateway: Gateway) -> None:
    now = 1_800_000_000_000
    assert rate_limiter.leave(VENDOR, now, 20_000, now + 5_000, None) == (now, True)
    late = rate_limiter.leave(VENDOR, now, 20_000, now + 5_000, now - 400_000)
    assert late == (now + 100_000, False)
    longest = rate_limiter.leave(VENDOR, now, 20_000, now + 5_000, now - 90_000_000)
    assert longest == (now + rate_limiter.MAX_LATE_MS, False)


def test_a_redelivery_books_no_second_time_for_a_code(gateway: Gateway) -> None:
    now = 1_800_000_000_000
    assert rate_limiter.book_urgent(VENDOR, now, 1000, now) == now
    assert rate_limiter.book_urgent(VENDOR, now, 1000, now + 60_000) == now + 1000
    task = SubmissionTask(VENDOR, ItemKey("01J0000000000000000000000A", "M#000"), 1, urgent=True)
    assert SubmissionTask.parse(str(task)) == task
    back = SubmissionTask(VENDOR, task.key, 1, urgent=True, place=now + 1000)
    assert SubmissionTask.parse(str(back)) == back


def test_nobody_leaves_before_those_who_wait(gateway: Gateway) -> None:
    now = 1_800_000_000_000
    assert rate_limiter.leave(VENDOR, now, 20_000, now + 5_000, None) == (now, True)
    first = rate_limiter.join(VENDOR, 20_000)
    assert (first.turn, first.number) == (now + 20_000, now + 20_000)
    late = now + 21_000
    assert rate_limiter.leave(VENDOR, late, 1_000, late + 5_000, None) == (now + 40_000, False)
    # A code takes a second: everybody who waits is a second later.
    assert rate_limiter.book_urgent(VENDOR, now, 1_000, now + 60_000) == now + 20_000
    turn = now + 21_000
    assert rate_limiter.leave(VENDOR, now, 20_000, turn - 1, first.number) == (turn, False)
    assert rate_limiter.leave(VENDOR, now, 20_000, turn, first.number) == (turn, True)


def test_a_vendor_that_is_down_makes_no_chain_that_lambda_would_end(
    gateway: Gateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    gateway.wire.answers[SUBMIT["jst"]] = UNREACHABLE
    motion = FastMotion(gateway, "jst", monkeypatch)
    motion.plan(0, lambda: gateway.one("jst"))
    motion.run(4000)
    assert max(motion.rounds.values()) > 16
    assert motion.lineage.longest <= MAX_CHAIN
    assert motion.lineage.refused == []
