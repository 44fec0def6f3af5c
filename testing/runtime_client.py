"""Functions under Lambda's own runtime client, as processes of their own.

awslambdaric is what Lambda runs them with; the Runtime Interface Emulator is in aws-sam-cli. Other
than the AWS emulator's, this runtime has a root log handler and writes what stderr gets.
"""

import os
import platform
import subprocess
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

import samcli
import urllib3

from testing.waiting import free_port, listening, until

EMULATOR = (
    Path(samcli.__file__).parent
    / "local/rapid"
    / f"aws-lambda-rie-{'arm64' if platform.machine() in ('aarch64', 'arm64') else 'x86_64'}"
)
TIMEOUT = 60.0  # seconds for a start and an invocation


class Function:
    """A function that runs at `port`; what it and the emulator write goes to `log`."""

    def __init__(self, port: int, log: IO[str]) -> None:
        self._url = f"http://127.0.0.1:{port}/2015-03-31/functions/function/invocations"
        self._log = log
        self._whole: str | None = None

    def invoke(self, event: Any) -> Any:
        """Invoke the function, and return its result or Lambda's error document."""
        return urllib3.request("POST", self._url, json=event, timeout=TIMEOUT).json()

    def written(self) -> str:
        """Return all that was written until now, or until it ended."""
        if self._whole is not None:
            return self._whole
        return Path(self._log.name).read_text(errors="replace")

    def end(self) -> None:
        """Keep what was written: the process is gone."""
        self._whole = self.written()


@contextmanager
def running(
    python: str | Path,
    folder: Path,
    paths: Sequence[Path],
    handler: str,
    variables: Mapping[str, str],
) -> Iterator[Function]:
    """Run the function in `folder` by the interpreter `python`, with `paths` on its path."""
    port, other = free_port(), free_port()
    environment = {
        **variables,
        "AWS_LAMBDA_FUNCTION_NAME": "function",
        "LAMBDA_TASK_ROOT": str(folder),
        "PATH": os.environ["PATH"],
        "PYTHONDONTWRITEBYTECODE": "1",  # root may write anywhere; on Lambda nobody may
        "PYTHONPATH": os.pathsep.join(map(str, paths)),
    }
    with tempfile.NamedTemporaryFile("w+") as log:
        process = subprocess.Popen(
            [
                str(EMULATOR),
                *("--runtime-interface-emulator-address", f"127.0.0.1:{port}"),
                *("--runtime-api-address", f"127.0.0.1:{other}"),
                *(str(python), "-m", "awslambdaric", handler),
            ],
            cwd=folder,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
        )
        function = Function(port, log)
        try:
            until(lambda: listening(port), TIMEOUT)
            yield function
        finally:
            process.terminate()
            process.wait(timeout=10)
            function.end()
