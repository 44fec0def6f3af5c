"""Install pinned packages, and say how far it is; runs before anything is installed.

`python -m tools.environment requirements.txt` with the interpreter of the environment.
"""

import re
import subprocess
import sys
import time
from pathlib import Path

STEP_SECONDS = 5
PINNED = re.compile(r"^[A-Za-z0-9._-]+(\[[^\]]*\])?==", re.MULTILINE)


def progress(line: str, found: int, wanted: int) -> str | None:
    """Return what a line of pip means for who waits; None when it means nothing."""
    if line.startswith("Collecting "):
        return f"{found} of up to {wanted} packages found"
    if line.startswith("Installing collected packages"):
        return "unpacking them, the longest step"
    return None


def main(requirements: str) -> int:
    """Install, and return pip's status; its words only when it fails."""
    wanted = len(PINNED.findall(Path(requirements).read_text()))
    # To compile all of it takes half of the time, and most is never imported: Python compiles the
    # rest when it is, once, unless PYTHONDONTWRITEBYTECODE lets it keep nothing.
    compiled = [] if sys.dont_write_bytecode else ["--no-compile"]
    command = [sys.executable, "-m", "pip", "install", *compiled]
    lines, found, started, shown_at = [], 0, time.monotonic(), 0.0
    with subprocess.Popen(  # noqa: S603 - pip
        [
            *command,
            "--disable-pip-version-check",
            "--progress-bar",
            "off",
            "--require-hashes",
            "-r",
            requirements,
        ],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    ) as process:
        for line in process.stdout or ():
            lines.append(line)
            found += line.startswith("Collecting ")
            said, now = progress(line, found, wanted), time.monotonic()
            if said and (now - shown_at >= STEP_SECONDS or not line.startswith("Collecting ")):
                shown_at = now
                print(f"[{now - started:5.1f} s] {said}", flush=True)
    status = process.returncode
    if status:
        print("".join(lines[-20:]), file=sys.stderr)
    return status


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
