"""`make run`: run the gateway on this machine; at first, send one message through each vendor.

With ONCE=1 it stops after the demonstration, with status 0 only if all were delivered.
"""

import json
import os
import shutil
import signal
import sys
import textwrap
import threading
import time
from pathlib import Path
from types import FrameType

from local.demonstration import demonstrate
from local.exports import exports
from local.instance import holding
from local.kept import base_url, resumed
from local.processes import StackError
from local.stack import LocalStack, Say

FOLDER = Path(".local")
TICK_SECONDS = 5


def main(arguments: list[str]) -> int:
    """Run until Ctrl-C, or with `reset` forget; return the exit status."""
    # Also where a shell started it in the background, with SIGINT ignored.
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, _interrupt)
    try:
        if arguments == ["reset"]:
            return _reset()
        return _run()
    except StackError as error:
        print(f"make {''.join(arguments) or 'run'}: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("\nstopped", flush=True)
        return 130 if _once() else 0


def _run() -> int:
    started = time.monotonic()

    def say(line: str) -> None:
        print(f"[{time.monotonic() - started:5.1f} s] {line}", flush=True)

    stack = LocalStack(
        FOLDER / "run",
        _port("GATEWAY_PORT", 4566),
        _port("SIMULATOR_PORT", 8800),
        persist=True,
        cache=FOLDER.absolute() / "cache",
        say=say,
    )
    with holding(FOLDER, base_url(stack)), resumed(stack) as new:
        (FOLDER / "stack.json").write_text(json.dumps(stack.facts, indent=2) + "\n")
        threading.Thread(target=_tick, args=(stack, say), daemon=True).start()
        _print_usage(stack, say)
        if new or _once():
            all_delivered = demonstrate(stack, say)
            if _once():
                return 0 if all_delivered else 1
        while True:
            signal.pause()


def _reset() -> int:
    """Forget all that is stored; what was built stays."""
    with holding(FOLDER, ""):
        shutil.rmtree(FOLDER / "run", ignore_errors=True)
        (FOLDER / "stack.json").unlink(missing_ok=True)
    print("forgotten: the next `make run` begins anew")
    return 0


def _once() -> bool:
    return os.environ.get("ONCE") == "1"


def _interrupt(_number: int, _frame: FrameType | None) -> None:
    raise KeyboardInterrupt


def _port(variable: str, default: int) -> int:
    written = os.environ.get(variable) or str(default)
    if not written.isdigit() or not 1 <= int(written) <= 65535:
        raise StackError(f"{variable} must be a port from 1 to 65535, not {written!r}")
    return int(written)


def _tick(stack: LocalStack, say: Say) -> None:
    """Run the scheduler every few seconds, so that nothing has to wait for AWS's minute."""
    while True:
        time.sleep(TICK_SECONDS)
        if not stack.processes:
            return
        try:
            stack.tick()
        except Exception as error:
            if stack.processes:
                say(f"the scheduler did not run: {error}")


def _print_usage(stack: LocalStack, say: Say) -> None:
    lines = exports(stack)
    (FOLDER / "env").write_text(lines)
    say(f"the gateway is up, as process {os.getpid()}; Ctrl-C stops it. In another terminal:")
    print(
        f"""
{textwrap.indent(lines, "  ")}
  curl -s $URL/messages -H "Authorization: Bearer $KEY" \\
    -d '{{"to": "+8801000000001", "text": "Your code is 1234"}}'

  `. {FOLDER / "env"}` exports the same; what the vendors can do: docs/guides/simulators.md
""",
        flush=True,
    )


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
