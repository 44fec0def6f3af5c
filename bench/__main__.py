"""python -m bench [cold cpu cost throughput scale campaign]: runs those benchmarks, or all.

Each runs in a process of its own, so that none sees another's caches and clients. Exits with 1 when
a target is missed, and names it, or when all together take longer than they may. Results are
written when all that were asked for are there.
"""

import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

import msgspec

from bench import BENCHMARKS, summary
from bench.report import Kept, Result, kept, now, read, shown, write

PATIENCE = 10  # seconds that a stopped benchmark has to clear up
LONGEST = 600  # seconds that all benchmarks may take together


def run(name: str, place: Path, date: str) -> Kept:
    """One benchmark's result. Raises RuntimeError when it fails. Whatever it started is gone
    afterwards: it shares a process group with its children, which must not leave that."""
    started = time.monotonic()
    process = subprocess.Popen(  # noqa: S603 - our own program
        [sys.executable, "-m", "bench.one", name, str(place)], start_new_session=True
    )
    try:
        status = process.wait()
    finally:
        _end(process)
    if status:
        raise RuntimeError(f"the benchmark {name} failed with status {status}")
    result = msgspec.json.decode(place.read_bytes(), type=Result)
    return kept(result, time.monotonic() - started, date)


def _end(process: subprocess.Popen[bytes]) -> None:
    for number in (signal.SIGINT, signal.SIGKILL):
        try:
            os.killpg(process.pid, number)
            process.wait(PATIENCE)
        except (ProcessLookupError, subprocess.TimeoutExpired, KeyboardInterrupt):
            continue


def show(result: Result) -> None:
    """The figures, for a terminal."""
    wide = max(len(row.label) for row in result.rows)
    for row in result.rows:
        target = "" if row.target is None else f"{row.bound} {shown(row.target)}"
        mark = row.mark if row.met else row.mark.upper()
        figure = f"{shown(row.value):>10} {row.unit:<12}"
        print(f"  {row.label:<{wide}} {figure} {target:<18} {mark}".rstrip())
    for note in result.notes:
        print(f"\n{note}")


def main(names: list[str]) -> int:
    """The exit status."""
    strange = sorted(set(names) - set(BENCHMARKS))
    if strange:
        print(f"no such benchmark: {strange[0]}; there are {', '.join(BENCHMARKS)}")
        return 2
    wanted = names or list(BENCHMARKS)
    date, results = now(), []
    with tempfile.TemporaryDirectory() as folder:
        for number, name in enumerate(wanted, 1):
            print(f"[{number}/{len(wanted)}] {name}", flush=True)
            one = run(name, Path(folder) / name, date)
            show(one.result)
            print(f"  ({one.seconds:.0f} s)\n", flush=True)
            results.append(one)
    write(results, BENCHMARKS)
    summary.write(read())
    misses = missed(results)
    print("missed: " + "; ".join(misses) if misses else "every target is met")
    return 1 if misses else 0


def missed(results: Sequence[Kept]) -> list[str]:
    """Each target that is missed, in one line; the time that all benchmarks take is one."""
    misses = [miss for one in results for miss in one.result.misses]
    seconds = sum(one.seconds for one in results)
    if len(results) == len(BENCHMARKS) and seconds > LONGEST:
        misses.append(f"all together: {seconds:.0f} s, at most {LONGEST}")
    return misses


def _stop(*_: object) -> None:
    raise KeyboardInterrupt


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, _stop)
    try:
        sys.exit(main(sys.argv[1:]))
    except RuntimeError as error:
        sys.exit(str(error))
    except KeyboardInterrupt:
        sys.exit("stopped")
