"""Runs one benchmark in this process: python -m bench.one <name> <file for its result>.

Ends with NOT_CALM when the machine did not let it measure.
"""

import os
import sys
from importlib import import_module
from pathlib import Path

import msgspec

from bench.calm import NotCalmError
from bench.report import Result

NOT_CALM = 3
os.environ["BOTO_DISABLE_CRT"] = "true"  # the emulator brings awscrt here; the layer has none


def main(name: str, place: Path) -> None:
    """Writes the benchmark's result as JSON."""
    result: Result = import_module(f"bench.{name}").main()
    place.write_bytes(msgspec.json.encode(result))


if __name__ == "__main__":
    try:
        main(sys.argv[1], Path(sys.argv[2]))
    except NotCalmError as error:
        print(error, file=sys.stderr)
        sys.exit(NOT_CALM)
    except KeyboardInterrupt:
        sys.exit(130)
