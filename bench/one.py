"""Runs one benchmark in this process: python -m bench.one <name> <file for its result>."""

import os
import sys
from importlib import import_module
from pathlib import Path

import msgspec

from bench.report import Result

os.environ["BOTO_DISABLE_CRT"] = "true"  # the emulator brings awscrt here; the layer has none


def main(name: str, place: Path) -> None:
    """Writes the benchmark's result as JSON."""
    result: Result = import_module(f"bench.{name}").main()
    place.write_bytes(msgspec.json.encode(result))


if __name__ == "__main__":
    try:
        main(sys.argv[1], Path(sys.argv[2]))
    except KeyboardInterrupt:
        sys.exit(130)
