"""Run benchmarks: python -m bench [family ...]; without a name all, and write bench/README.md.

Each family runs in a process of its own, so that none sees another's caches and clients, and leaves
its figures in .bench/results. The exit status is 1 when a target is missed.
"""

import os
import subprocess
import sys
import time
from collections.abc import Sequence
from datetime import UTC, datetime
from importlib import import_module

import msgspec

from bench import FAMILIES, report
from bench.targets import TARGETS, Family, missed
from testing.paths import ROOT

AS_DEPLOYED = ("cpu", "cost")  # with logs
RESULTS = ROOT / ".bench" / "results"


def measure(name: str) -> None:
    """Run a family in this process, print its figures and keep them."""
    os.environ["POWERTOOLS_LOG_LEVEL"] = "INFO" if name in AS_DEPLOYED else "ERROR"
    began = time.monotonic()
    family: Family = import_module(f"bench.{name}").main()
    family = msgspec.structs.replace(family, seconds=round(time.monotonic() - began, 1))
    print("\n".join([*report.tables(family), "", *family.notes]))
    print(f"({family.seconds:.0f} s)\n", flush=True)
    RESULTS.mkdir(parents=True, exist_ok=True)
    (RESULTS / f"{name}.json").write_bytes(msgspec.json.encode(family))


def main(names: Sequence[str]) -> int:
    """Return the exit status."""
    if strange := sorted(set(names) - set(FAMILIES)):
        print(f"no such benchmark: {strange[0]}; there are {', '.join(FAMILIES)}")
        return 2
    began = datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC")
    families = []
    for name in names or FAMILIES:
        print(f"{name}:", flush=True)
        alone = f"from bench.__main__ import measure; measure({name!r})"
        subprocess.run([sys.executable, "-c", alone], check=True)  # noqa: S603 - our own program
        path = RESULTS / f"{name}.json"
        families.append(msgspec.json.decode(path.read_bytes(), type=Family))
    misses = [line for one in families for line in missed(one)]
    if not names:
        report.write(families, began)
        misses += late(families)
    print("missed: " + "; ".join(misses) if misses else "every target is met")
    return 1 if misses else 0


def late(families: Sequence[Family]) -> list[str]:
    """Return the target of the time that all families take together, if it is missed."""
    seconds, most = sum(one.seconds for one in families), TARGETS["all"]["seconds"]
    return [f"all together: {seconds:.0f} s, at most {most}"] if seconds > most else []


if __name__ == "__main__":
    try:
        sys.exit(main(sys.argv[1:]))
    except subprocess.CalledProcessError as error:
        sys.exit(f"a benchmark failed with status {error.returncode}")
    except KeyboardInterrupt:
        sys.exit("stopped")
