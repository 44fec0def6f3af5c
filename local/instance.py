"""Which `make run` is running: one holds a folder, and others learn of it."""

import fcntl
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from local.processes import StackError


@contextmanager
def holding(folder: Path, url: str) -> Iterator[None]:
    """Hold the folder while a stack at `url` runs. Raise StackError naming who holds it already.

    The system lets go of it when the process ends, however it ends.
    """
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "running.json").open("a+") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            raise StackError(_holder(file.name)) from None
        file.truncate(0)
        file.write(json.dumps({"pid": os.getpid(), "url": url}) + "\n")
        file.flush()
        try:
            yield
        finally:
            file.truncate(0)


def _holder(name: str) -> str:
    try:
        known = json.loads(Path(name).read_text())
    except ValueError:
        return "another is starting or stopping in this folder: try again in a moment"
    pid, url = known["pid"], known["url"]
    return f"one runs already, as process {pid}, at {url}; Ctrl-C there or `kill {pid}` stops it"
