"""`make run`: run the gateway on this machine; at first, send one message through each vendor.

With ONCE=1 it is another stack, in a folder of its own, that stores nothing and stops after the
demonstration, with status 0 only if all were delivered.
"""

import json
import os
import shutil
import signal
import sys
import textwrap
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType

from local.demonstration import demonstrate
from local.exports import exports
from local.instance import holding
from local.kept import base_url, resumed
from local.processes import StackError
from local.stack import LocalStack, Say, running

FOLDER = Path(".local")
STOPS = (signal.SIGINT, signal.SIGTERM)
TICK_SECONDS = 5


def main(arguments: list[str]) -> int:
    """Run until Ctrl-C, or with `reset` forget; return the exit status."""
    # Also where a shell started it in the background, with SIGINT ignored.
    for number in STOPS:
        signal.signal(number, _interrupt)
    if signal.getsignal(signal.SIGHUP) != signal.SIG_IGN:  # a closed terminal, without nohup
        signal.signal(signal.SIGHUP, _interrupt)
    try:
        if arguments == ["reset"]:
            return _reset()
        return _run()
    except (StackError, OSError) as error:  # such as a folder that nobody may write into
        print(f"make {''.join(arguments) or 'run'}: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("\nstopped", flush=True)
        return 130 if _once() else 0


def _run() -> int:
    started = time.monotonic()

    def say(line: str) -> None:
        print(f"[{time.monotonic() - started:5.1f} s] {line}", flush=True)

    home = FOLDER / "once" if _once() else FOLDER
    stack = LocalStack(
        home / "run",
        _port("GATEWAY_PORT", 4566),
        _port("SIMULATOR_PORT", 8800),
        persist=not _once(),
        cache=home.absolute() / "cache",
        say=say,
    )
    with holding(home, base_url(stack)), _started(stack) as new:
        (home / "stack.json").write_text(json.dumps(stack.facts, indent=2) + "\n")
        threading.Thread(target=_tick, args=(stack, say), daemon=True).start()
        _print_usage(stack, home / "env", say)
        if new:
            all_delivered = demonstrate(stack, say)
            if _once():
                return 0 if all_delivered else 1
        _print_console(stack)
        stack.watch()


@contextmanager
def _started(stack: LocalStack) -> Iterator[bool]:
    """Start a stack, and give whether it is new; ONCE=1 leaves what is stored to others."""
    if _once():
        with running(stack):
            yield True
    else:
        with resumed(stack) as new:
            yield new


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
    for number in (*STOPS, signal.SIGHUP):  # a second one must not stop the emulator's storing
        signal.signal(number, signal.SIG_IGN)
    raise KeyboardInterrupt


def _port(variable: str, default: int) -> int:
    written = os.environ.get(variable) or str(default)
    if not (written.isascii() and written.isdigit()) or not 1 <= int(written) <= 65535:
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


def _print_usage(stack: LocalStack, file: Path, say: Say) -> None:
    lines = exports(stack)
    file.write_text(lines)
    say(f"the gateway is up, as process {os.getpid()}; Ctrl-C stops it. In another terminal:")
    print(
        f"""
{textwrap.indent(lines, "  ")}
  curl -s $URL/messages -H "Authorization: Bearer $KEY" \\
    -d '{{"to": "+8801000000001", "text": "Your code is 1234"}}'

  `. {file}` exports the same; what the vendors can do: docs/guides/simulators.md
""",
        flush=True,
    )


def _print_console(stack: LocalStack) -> None:
    """Print what to open in a browser; what stands behind the # is sent nowhere."""
    url = stack.facts["url"]
    print(
        f"""
  The API's reference: {url}/docs
  The console: {url}/console; this signs in:

  {url}/console/index.html#key={stack.facts["admin_key"]}
""",
        flush=True,
    )


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
