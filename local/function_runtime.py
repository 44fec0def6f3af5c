"""A function's process in the emulator, under Lambda's own runtime client.

The emulator's own program calls the handler by itself: there is no log handler at the root, and an
error is told in other words than on Lambda. Here awslambdaric runs, with all that it logs; only its
calls of the Runtime API are the lines of JSON that the emulator writes and reads. The emulator
copies this text: it imports nothing of ours, and `main` is called behind it.
"""

import json
import os
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, TextIO

DEPTH = "_MINISTACK_INVOKE_DEPTH"  # how long a chain of invocations is: the emulator ends loops


class RuntimeApi:
    """What awslambdaric asks for invocations, and tells their ends."""

    def __init__(self, output: TextIO, timeout: float, marshaller: Any, request: Any) -> None:
        self.marshaller = marshaller
        self._output, self._timeout, self._request = output, timeout, request
        self._started = False

    def wait_next_invocation(self) -> Any:
        """Wait for the next line; the process ends with the lines."""
        if not self._started:
            self._started = True
            self._tell(status="ready", cold=True)
        if not (line := sys.stdin.readline()):
            sys.exit(0)
        message = json.loads(line)
        about = message["ctx"]
        os.environ[DEPTH] = str(about.get("depth") or 0)
        return self._request(
            invoke_id=about["request_id"],
            x_amzn_trace_id=about.get("trace_id"),
            invoked_function_arn=about["invoked_function_arn"],
            deadline_time_in_ms=int((time.time() + self._timeout) * 1000),
            client_context=None,
            cognito_identity=None,
            tenant_id=None,
            content_type="application/json",
            event_body=json.dumps(message["event"]),
            invocation_id=None,
        )

    def post_invocation_result(self, _id: str, result: str, *_: object) -> None:
        """Tell a result."""
        self._tell(status="ok", result=json.loads(result))

    def post_invocation_error(self, _id: str, error: str, *_: object) -> None:
        """Tell an error, which awslambdaric has logged."""
        self._tell(status="error", error=json.loads(error)["errorMessage"], trace="")

    def post_init_error(self, error: Any, *_: object) -> None:
        """Tell why the function can't begin."""
        self._tell(status="error", error=error["errorMessage"])

    def _tell(self, **answer: Any) -> None:
        self._output.write(json.dumps(answer) + "\n")
        self._output.flush()


def main(prepare: Callable[[], None]) -> None:
    """Run the function of the first line; `prepare` is called when its path is complete."""
    output = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # what is printed is the function's log
    first = json.loads(sys.stdin.readline())
    os.environ |= first["env"]
    os.environ |= {
        "AWS_EXECUTION_ENV": "AWS_Lambda_python3.13",
        "AWS_LAMBDA_LOG_FORMAT": "JSON",
        "AWS_LAMBDA_LOG_LEVEL": os.environ.get("POWERTOOLS_LOG_LEVEL", "INFO"),
    }
    layers = filter(None, os.environ.get("_LAMBDA_LAYERS_DIRS", "").split(os.pathsep))
    sys.path[:0] = [*(str(Path(one) / "python") for one in layers), first["code_dir"]]
    prepare()
    from awslambdaric import bootstrap  # type: ignore[import-untyped]  # no stubs
    from awslambdaric.lambda_runtime_client import (  # type: ignore[import-untyped]  # no stubs
        InvocationRequest,
    )
    from awslambdaric.lambda_runtime_marshaller import (  # type: ignore[import-untyped]  # no stubs
        LambdaMarshaller,
    )

    timeout = float(os.environ.get("_LAMBDA_TIMEOUT", "3"))
    api = RuntimeApi(output, timeout, LambdaMarshaller(), InvocationRequest)
    bootstrap.run(f"{first['module']}.{first['handler']}", api)
