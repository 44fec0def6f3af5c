"""`python -m failures.soak MINUTES [SEED]`: faults at random, the same checks, the same table.

The seed is printed; the same seed draws the same faults in the same order. Exit status 0 only when
nothing was lost, sent twice or told wrong; Ctrl-C stops everything.
"""

import random
import secrets
import signal
import sys
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from types import FrameType
from typing import get_args

from failures.arena import PATIENCE, VENDORS, Case, Ground, arena
from failures.chaos import Action, Rule
from failures.oracle import Row, table
from failures.scenarios import BARE, CLAIM, HEAD, RECORD, SUBMIT, down

MOST_AT_ONCE = 10  # rounds whose messages are under way
TELL_EVERY = 20  # seconds
FAULTS = (
    *("refuse", "refuse-temporary", "error", "hang", "reset", "rate-limit"),
    *("garbage", "html", "empty", "truncated", "wrong-type", "unknown-code"),
    *("error-after-accept", "accept-then-hang", "accept-then-reset", "slow"),
)
CALLBACKS = ("duplicate-callbacks", "drop-callbacks", "late-callbacks", "reversed-callbacks")
WRITES = {
    "head": ("PutItem", HEAD),
    "items": ("BatchWriteItem", ""),
    "claim": ("UpdateItem", CLAIM),
    "record": ("UpdateItem", RECORD),
    "fan-out": ("UpdateItem", BARE),
    "receipt by poll": ("UpdateItem", '\\"poll\\"'),
    "receipt by callback": ("UpdateItem", '\\"callback\\"'),
}
DYNAMODB = [one for one in get_args(Action) if one not in ("watch", "hold", "error-after")]
CALL = ["kill-before", "kill-after", "lose-before", "lose-after", "hang-after", "error-after"]
SQS = ["kill-before", "kill-after", "lose-before", "lose-after", "repeat"]

type Trouble = Callable[[Case, str], None]


def draw(chance: random.Random) -> tuple[str, Trouble]:
    """A kind of trouble, with its name in the table, for a round with one vendor."""
    match chance.choice(("vendor", "call", "write", "write", "sqs", "callbacks", "poll", "down")):
        case "vendor":
            fault = chance.choice(FAULTS)
            return f"vendor: {fault}", lambda case, vendor: case.fault(vendor, fault)
        case "call":
            action = chance.choice(CALL)
            return f"call: {action}", lambda case, vendor: _rule(
                case, vendor, action, SUBMIT[vendor]
            )
        case "write":
            name = chance.choice([*WRITES])
            action, count = chance.choice(DYNAMODB), chance.choice((1, 2, 9))
            operation, word = WRITES[name]
            return f"{name}: {action}", lambda case, _: _rule(
                case, "dynamodb", action, operation, word, count
            )
        case "sqs":
            action = chance.choice(SQS)
            return f"queue: {action}", lambda case, _: _rule(
                case, "sqs", action, "SendMessageBatch"
            )
        case "callbacks":
            fault = chance.choice(CALLBACKS)
            vendor = chance.choice(("server2sms", "rajasms"))
            return fault, lambda case, _: case.fault(vendor, fault, 5)
        case "poll":
            fault = chance.choice(FAULTS)
            vendor = chance.choice(("jst", "dinisoft", "server2sms"))
            return f"poll: {fault}", lambda case, _: case.fault(vendor, fault, operation="poll")
    return "vendor: down", _down


def _rule(
    case: Case, service: str, action: str, operation: str, word: str = "", count: int = 1
) -> None:
    words = (word,) if word else ()
    made: Action = action  # type: ignore[assignment]  # drawn by name
    # Nine throttles are an outage; nine lost races in a row would only try the patience here, since
    # each one doubles the wait for the next.
    most = 1 if action.startswith("kill") else 2 if action == "condition" else count
    rule = Rule(service, made, operation, words, case.marker, count=min(count, most))
    case.rules.append(case.ground.chaos.add(rule))


def _down(case: Case, vendor: str) -> None:
    with down(case.ground, vendor):
        _ask(case, vendor, 3, None)
        time.sleep(2)


def _ask(case: Case, vendor: str, count: int, key: str | None) -> None:
    """A send; with a key it is repeated like a good caller does, until there is an answer."""
    body = case.different(vendor, count) if count < 10 else case.body(vendor, count)
    answer = case.post(body, key)
    end = time.monotonic() + PATIENCE
    while key and answer.status != 202 and time.monotonic() < end:
        time.sleep(2)
        answer = case.post(body, key)
    case.note(body, answer)


def soak(ground: Ground, minutes: float, seed: int) -> list[Row]:
    """Rounds of random trouble for so long, then the time to settle; a row for each kind."""
    chance = random.Random(seed)  # noqa: S311 - chance for tests, not for secrets
    ground.simulators("POST", "_seed", {"seed": seed})
    end = time.monotonic() + minutes * 60
    rounds = 0
    said = time.monotonic()
    waiting: list[Future[Row]] = []
    with ThreadPoolExecutor(2 * MOST_AT_ONCE) as pool:
        while time.monotonic() < end:
            name, trouble = draw(chance)
            vendor = chance.choice((*VENDORS, "jst, server2sms", "dinisoft, server2sms"))
            count, keyed = chance.choice((1, 1, 1, 5, 20, 60)), chance.random() < 0.5
            case = Case(name, f"soak{rounds:05d}z", ground)
            key = f"{seed} {rounds}" if keyed else None
            rounds += 1
            trouble(case, vendor.partition(",")[0])
            waiting.append(pool.submit(_round, case, vendor, count, key))
            while sum(not one.done() for one in waiting) >= MOST_AT_ONCE:
                time.sleep(0.2)
            time.sleep(0.3)
            if time.monotonic() - said > TELL_EVERY:
                said = time.monotonic()
                _tell(waiting, end - said)
        print("no more faults; waiting for the last messages", flush=True)
        rows = [one.result() for one in waiting]
    return [*merged(rows), _rest(ground)]


def _tell(rounds: list[Future[Row]], left: float) -> None:
    over = [one.result() for one in rounds if one.done()]
    lost, twice = sum(row.lost for row in over), sum(row.duplicated for row in over)
    print(
        f"{left / 60:.1f} minutes to go: {sum(row.messages for row in over)} messages ended, "
        f"{lost} lost, {twice} duplicated, {sum(row.wrong for row in over)} wrong",
        flush=True,
    )


def _round(case: Case, vendor: str, count: int, key: str | None) -> Row:
    _ask(case, vendor, count, key)
    return case.settle(doubtful=True)


def _rest(ground: Ground) -> Row:
    found = ground.unexplained()
    return Row("unexplained at the end", wrong=len(found), faults=found)


def merged(rows: list[Row]) -> list[Row]:
    """One row for each kind of trouble."""
    kinds: dict[str, Row] = {}
    for row in rows:
        kind = kinds.setdefault(row.scenario, Row(row.scenario))
        kind.messages += row.messages
        kind.lost += row.lost
        kind.duplicated += row.duplicated
        kind.wrong += row.wrong
        kind.unknown += row.unknown
        kind.seconds += row.seconds
        kind.faults += row.faults
    return [kinds[kind] for kind in sorted(kinds)]


def main() -> int:
    """Runs a soak; the exit status."""
    minutes = float(sys.argv[1]) if len(sys.argv) > 1 else 15.0
    seed = int(sys.argv[2]) if len(sys.argv) > 2 else secrets.randbelow(10**6)
    signal.signal(signal.SIGTERM, _interrupt)
    print(f"soak: {minutes:g} minutes, seed {seed}", flush=True)
    try:
        with (
            tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder,
            arena(Path(folder) / "run") as ground,
        ):
            rows = soak(ground, minutes, seed)
    except KeyboardInterrupt:
        print("stopped", flush=True)
        return 130
    written = f"{table(rows)}\nseed {seed}"
    print(written)
    for row in rows:
        for fault in row.faults:
            print(f"{row.scenario}: {fault}")
    with suppress(OSError):
        Path(".local").mkdir(exist_ok=True)
        (Path(".local") / "soak.txt").write_text(written + "\n")
    return 0 if all(row.good for row in rows) else 1


def _interrupt(_number: int, _frame: FrameType | None) -> None:
    raise KeyboardInterrupt


if __name__ == "__main__":
    sys.exit(main())
