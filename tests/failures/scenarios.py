"""What can go wrong, one scenario each: who is called, what fails, and which ends are allowed."""

import threading
import time
import traceback
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field

from failures.arena import VENDORS, Case, Ground
from failures.oracle import Row

DELIVERED = frozenset({"delivered"})
IN_DOUBT = frozenset({"delivered", "unknown"})
CLAIM = "#attempt = #attempt +"  # the write before a vendor call
RECORD = '"#result"'  # the write after it
BARE = " AND attribute_not_exists(#status)"  # a message of a mixed answer goes its own way
HEAD = "attribute_not_exists(pk)"  # the write that accepts a batch
SUBMIT = {
    "jst": "-sms",
    "dinisoft": "/sendtext",
    "server2sms": "SendTextSMS",
    "rajasms": "send_json.php",
}


@dataclass(frozen=True, slots=True)
class Scenario:
    """`phase`s follow one another. Within one, the lanes run side by side and a lane's scenarios
    one after the other: those that would catch each other's faults share a lane. With `alone`, the
    next in the lane waits until this one's messages have all ended. `may` are the allowed ends."""

    name: str
    run: Callable[[Case], None] = field(repr=False)
    lane: str
    phase: int
    alone: bool
    may: frozenset[str]


@dataclass(slots=True)
class Done:
    """A scenario that is over: its line, and what it did not do as it should."""

    row: Row
    error: str | None = None


SCENARIOS: dict[str, Scenario] = {}


def scenario(
    name: str,
    lane: str,
    may: Iterable[str] = DELIVERED,
    *,
    phase: int = 1,
    alone: bool = False,
) -> Callable[[Callable[[Case], None]], Callable[[Case], None]]:
    """Enters a scenario into the list."""

    def enter(run: Callable[[Case], None]) -> Callable[[Case], None]:
        SCENARIOS[name] = Scenario(name, run, lane, phase, alone, frozenset(may))
        return run

    return enter


def run_all(ground: Ground, chosen: Sequence[Scenario]) -> dict[str, Done]:
    """Runs scenarios to their ends, phase by phase."""
    done: dict[str, Done] = {}
    for phase in sorted({one.phase for one in chosen}):
        lanes: dict[str, list[tuple[int, Scenario]]] = defaultdict(list)
        for nth, one in enumerate(chosen):
            if one.phase == phase:
                lanes[one.lane].append((nth, one))
        with ThreadPoolExecutor(len(chosen) + len(lanes)) as pool:
            settling: dict[str, Future[Done]] = {}
            lock = threading.Lock()

            def run_lane(
                lane: Sequence[tuple[int, Scenario]],
                pool: ThreadPoolExecutor = pool,
                settling: dict[str, Future[Done]] = settling,
                lock: threading.Lock = lock,
            ) -> None:
                for nth, one in lane:
                    case = Case(one.name, f"sc{nth:02d}x{time.time_ns() % 10**8:08d}z", ground)
                    error = act(case, one)
                    ending = pool.submit(end, case, error)
                    with lock:
                        settling[one.name] = ending
                    if one.alone:
                        ending.result()

            for running in [pool.submit(run_lane, lane) for lane in lanes.values()]:
                running.result()
            done |= {name: ending.result() for name, ending in settling.items()}
    return {one.name: done[one.name] for one in chosen}


def act(case: Case, one: Scenario) -> str | None:
    """Does what the scenario says; what went wrong with that, if anything."""
    try:
        one.run(case)
    except Exception:
        return traceback.format_exc()
    return None


def end(case: Case, error: str | None) -> Done:
    """Waits for the end and lets the oracle speak."""
    try:
        row = case.settle()
    except Exception:
        return Done(Row(case.name), (error or "") + traceback.format_exc())
    missed = [rule for rule in case.rules if not rule.struck]
    if missed and error is None:
        error = f"the fault did not strike: {missed}"
    return Done(row, error)


# What vendors do


@scenario("a vendor hangs after accepting", "a", IN_DOUBT)
def _hangs(case: Case) -> None:
    for vendor in VENDORS:
        case.rule(vendor, "hang-after", SUBMIT[vendor])
        case.send(vendor, 20)


@scenario("a vendor accepts, then resets", "b", IN_DOUBT)
def _resets(case: Case) -> None:
    for vendor in VENDORS:
        case.rule(vendor, "lose-after", SUBMIT[vendor])
        case.send(vendor, 20)


@scenario("a vendor accepts, then answers 5xx", "c", IN_DOUBT)
def _fails(case: Case) -> None:
    for vendor in VENDORS:
        case.rule(vendor, "error-after", SUBMIT[vendor])
        case.send(vendor, 20)


@scenario("the worker is killed during the call", "dinisoft", IN_DOUBT, phase=2)
def _killed_during(case: Case) -> None:
    for vendor in VENDORS:
        rule = case.rule(vendor, "kill-after", SUBMIT[vendor])
        case.send(vendor)
        rule.wait()
        assert rule.killed
