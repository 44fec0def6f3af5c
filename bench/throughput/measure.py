"""The runs of the throughput benchmark, and their figures."""

import time
from http.client import HTTPException

from bench.report import Result, Row
from bench.throughput import kannel
from bench.throughput.stage import Stage, Told, Worker

ONE_BY_ONE, IN_BATCHES = 400, 4000  # messages a second that a worker is to reach
BATCHED = {"jst": 30, "server2sms": 60, "rajasms": 40}  # batches of a thousand
TITLES = {"jst": "JST", "dinisoft": "Dinisoft", "server2sms": "server2sms", "rajasms": "RajaSMS"}
RATE = 1000  # messages a second, of an account
MOST_OVER = 1.1  # times the rate, in four seconds: calls of a hundred messages come a little late
TENFOLD = 9.5  # times one worker's rate that ten reach at least, though they share two CPUs
KILLED, KILLED_AT = 1000, 400  # messages
TUNED_MESSAGES = 6_000

INTRODUCTION = """\
One worker is the dispatch function's own handler in a process of its own, bound to one CPU, given
events of ten queue messages until its queue is empty. It calls the vendors over loopback HTTP on
kept connections: the simulators' own answers, each 50 ms after the request. DynamoDB and SQS are
servers of ours, asked over HTTP by the real client and answering after 5 ms and 10 ms: DynamoDB
promises single-digit milliseconds. They hold every condition of an update. What is not in the
figures: TLS, and Lambda's own time to hand over an event. Vendors and AWS share the other CPU. A
run fails when a message is lost, sent twice or not recorded."""


def measure() -> Result:
    """The result. Raises RuntimeError when a message is lost or sent twice, or there is one CPU."""
    rows: list[Row] = []
    notes = [INTRODUCTION]
    with Stage() as stage:
        for part in (_vendors, _ten, _rate, _killed, _kannel):
            rows += part(stage, notes)
    return Result("throughput", "Messages a second", rows, "messages/s", notes)


_begun = time.monotonic()


def _say(what: str) -> None:
    print(f"  {time.monotonic() - _begun:3.0f} s  {what}", flush=True)


def _vendors(stage: Stage, notes: list[str]) -> list[Row]:
    """One worker, each vendor."""
    found: dict[str, Told] = {}
    for name, at_once, batches in (("dinisoft", 50, 3), ("half", 25, 2)):
        _say(f"Dinisoft, {at_once} calls at once")
        accepted = stage.accept("dinisoft", 1000, batches, concurrency=2 * at_once)
        found[name] = stage.work("dinisoft", [stage.core], 2, accepted)
    for vendor, batches in BATCHED.items():
        _say(f"{TITLES[vendor]}, {batches} batches of 1,000")
        accepted = stage.accept(vendor, 1000, batches)
        found[vendor] = stage.work(vendor, [stage.core], 2, accepted)
    one, half = found["dinisoft"], found["half"]
    rows = [
        _speed("Dinisoft, one by one, 50 calls at once", one.rate, ONE_BY_ONE),
        _speed("Dinisoft, one by one, 25 calls at once", half.rate),
    ]
    rows += [
        _speed(f"{TITLES[vendor]}, {size} a call", found[vendor].rate, IN_BATCHES)
        for vendor, size in (("jst", 100), ("server2sms", 1000), ("rajasms", 1000))
    ]
    shown = {"dinisoft": one, **{vendor: found[vendor] for vendor in BATCHED}}
    for vendor, told in shown.items():
        rows.append(Row(f"{TITLES[vendor]}: the worker's CPU time", told.cpu * 1000, "ms/message"))
    busiest = max(told.vendor_share for told in found.values())
    rows.append(Row("the vendor's share of its CPU, at most", busiest * 100, "%", 50))
    most = max(told.resident for told in found.values())
    rows.append(Row("memory of a worker, at most", most, "MB", 512))
    rows.append(
        Row("connections that 3,000 Dinisoft calls opened", one.vendor["connections"], "", 50)
    )
    return rows


def _ten(stage: Stage, notes: list[str]) -> list[Row]:
    """Ten workers that share an account's ten calls at once, beside one of them alone."""
    _say("one of ten workers, then all ten")
    # Each worker gets one record to warm up, and then two events of ten.
    account = {"concurrency": 10, "submission_size": 10}
    alone = stage.work("dinisoft", [stage.core], 10, stage.accept("dinisoft", 210, 1, **account))
    accepted = stage.accept("dinisoft", 210, 10, **account)
    together = stage.work("dinisoft", [stage.core, stage.other] * 5, 10, accepted)
    updated: dict[str, int] = together.cloud["updated"]
    shared = sum(1 for key in updated if "/S#" not in key)
    written = max(count for key, count in updated.items() if "/S#" in key)
    notes.append(
        "Ten workers at full speed need more CPUs than this machine has, so they are measured "
        "where the account's limit of ten calls at once holds them back: one call each, 20 "
        "messages/s at most, for which five of them take a fifth of a CPU; the servers are on one "
        "of the two. What is missing to ten times is their waiting for it, hence "
        f"{TENFOLD} and not 10. What they "
        "share is counted at the table: every update went to a submission, once to claim it and "
        "once to record it, on condition of the claim. "
        "Only an account with a `rate` has an item that all workers write."
    )
    return [
        _speed("Dinisoft, one worker of ten, 1 call at once", alone.rate),
        _speed("Dinisoft, ten workers, 1 call each", together.rate),
        Row("ten workers, against one", together.rate / alone.rate, "times", TENFOLD, "at least"),
        Row("items that the ten workers shared", shared, "", 0),
        Row("writes to a submission, at most", written, "", 2),
    ]


def _rate(stage: Stage, notes: list[str]) -> list[Row]:
    """Four workers and an account with a rate."""
    _say(f"four workers at a rate of {RATE} messages/s")
    accepted = stage.accept("jst", 1000, 6, rate=RATE)
    told = stage.work("jst", [stage.core] * 4, 5, accepted)
    return [
        Row(
            f"JST, four workers, an account of {RATE:,} messages/s: the busiest 4 s",
            told.vendor["busiest"],
            "messages/s",
            RATE * MOST_OVER,
        )
    ]


def _killed(stage: Stage, notes: list[str]) -> list[Row]:
    """kill -9 amid a thousand single calls, and another worker after it."""
    _say("kill -9 of a worker")
    accepted = stage.accept("dinisoft", KILLED, 1, concurrency=100)
    first = Worker(stage, "dinisoft", stage.core, 2)
    first.wait_ready()
    first.start()
    stage.wait_taken(KILLED_AT)
    first.kill()
    stage.cloud.ask("/_again")
    second = Worker(stage, "dinisoft", stage.core, 2)
    second.wait_ready()
    second.start()
    second.result()
    told, statuses = stage.vendor.ask("/_told"), _statuses(stage)
    doubt = statuses.get("submitting", 0)
    if statuses != {"submitted": accepted - doubt} | ({"submitting": doubt} if doubt else {}):
        raise RuntimeError(f"after the kill a message is lost: {statuses}")
    taken = told["numbers"] - statuses["submitted"]
    notes.append(
        f"After `kill -9` at {KILLED_AT} of {KILLED:,} Dinisoft messages {doubt} were in doubt: "
        f"claimed, and without a record of the answer. The vendor had taken {taken} of them. None "
        "is sent again; they stay `submitting` until the operator settles them or the deadline "
        "makes them `unknown`, or go out once more where the caller wrote `resend`."
    )
    return [
        Row(f"sent twice after kill -9, of {KILLED:,}", told["twice"], "messages", 0),
        Row(f"held in doubt after kill -9, of {KILLED:,}", doubt, "messages", 100),
    ]


def _statuses(stage: Stage) -> dict[str, int]:
    found: dict[str, int] = stage.cloud.ask("/_told", vendor="dinisoft")["statuses"]
    return found


def _kannel(stage: Stage, notes: list[str]) -> list[Row]:
    """Kannel against the same vendor, where it is installed."""
    version = kannel.version()
    if version is None:
        notes.append("Kannel is not installed (`apt-get install kannel`), so it was not measured.")
        return [Row("Kannel: not installed, not measured", 0, "")]
    try:
        rows = _peer(stage, version)
    except (RuntimeError, OSError, HTTPException) as error:
        # What another program does must not decide on ours.
        notes.append(f"Kannel {version} did not do its part: {error}.")
        return [Row("Kannel: failed, not measured", 0, "")]
    notes.append(
        f"Kannel {version} from Debian, on the worker's CPU, with a file store and the same "
        f"Dinisoft vendor: as installed it has {kannel.INSTALLED} calls in the air, tuned "
        f"{kannel.TUNED}. It keeps its queue in memory and writes to its store behind: tuned and "
        "one by one it is faster than one worker, and what was in the air at a crash it sends "
        "twice. Its store is filled before, so that only its sending counts, as with ours."
    )
    return rows


def _peer(stage: Stage, version: str) -> list[Row]:
    rows = []
    for name, pending, messages in (
        ("as installed", kannel.INSTALLED, KILLED),
        ("tuned", kannel.TUNED, TUNED_MESSAGES),
    ):
        _say(f"Kannel {version}, {name}")
        sent = kannel.Kannel(stage, pending, messages).run()
        rows.append(_speed(f"Kannel {version}, {name}, one by one", sent.rate))
    for name, pending in (("as installed", kannel.INSTALLED), ("tuned", kannel.TUNED)):
        _say(f"kill -9 of Kannel, {name}")
        sent = kannel.Kannel(stage, pending, KILLED).run(KILLED_AT)
        rows.append(Row(f"Kannel, {name}: sent twice, of {KILLED:,}", sent.twice, "messages"))
        if sent.never:
            rows.append(Row(f"Kannel, {name}: never sent, of {KILLED:,}", sent.never, "messages"))
    return rows


def _speed(label: str, rate: float, target: float | None = None) -> Row:
    return Row(label, rate, "messages/s", target, "at least")
