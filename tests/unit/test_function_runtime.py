"""A function's process in the emulator: Lambda's runtime client between lines of JSON."""

import json
import subprocess
import sys
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest

from local import function_runtime
from local.emulator import use_runtime_client

APP = """
import logging, os
import helper

def handler(event, context):
    print("printed", helper.WORD)
    logging.getLogger("library").error("said by a library")
    if event.get("fail"):
        raise KeyError("its words")
    return {
        "event": event,
        "id": context.aws_request_id,
        "arn": context.invoked_function_arn,
        "left": 0 < context.get_remaining_time_in_millis() <= 7000,
        "depth": os.environ["_MINISTACK_INVOKE_DEPTH"],
        "own": os.environ["OWN"],
    }
"""
CONTEXT = {"request_id": "r-1", "invoked_function_arn": "arn:f", "depth": 3, "trace_id": None}


@pytest.fixture
def program(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The program as the emulator writes it."""
    runtime = import_module("ministack.core.lambda_runtime")
    monkeypatch.setattr(runtime, "_PYTHON_WORKER_SCRIPT", "")
    use_runtime_client()
    path = tmp_path / "_worker.py"
    path.write_text(runtime._PYTHON_WORKER_SCRIPT)
    return path


def run(program: Path, *events: Any, app: str = APP) -> tuple[list[dict[str, Any]], str]:
    """What the process answers, line by line, and what it logs."""
    code, layer = program.parent / "code", program.parent / "layer"
    for folder, name, text in ((code, "app", app), (layer / "python", "helper", "WORD = 'twice'")):
        folder.mkdir(parents=True)
        (folder / f"{name}.py").write_text(text)
    first = {"code_dir": str(code), "module": "app", "handler": "handler", "env": {"OWN": "yes"}}
    lines = [first, *({"event": one, "ctx": CONTEXT} for one in events)]
    done = subprocess.run(
        [sys.executable, str(program)],
        input="".join(json.dumps(one) + "\n" for one in lines),
        capture_output=True,
        text=True,
        check=False,
        env={"_LAMBDA_LAYERS_DIRS": str(layer), "_LAMBDA_TIMEOUT": "7"},
    )
    return [json.loads(line) for line in done.stdout.splitlines()], done.stderr


def test_a_function_gets_its_events_and_what_lambda_tells_of_them(program: Path) -> None:
    answers, log = run(program, {"n": 1}, {"n": "Ä"})
    assert answers[0] == {"status": "ready", "cold": True}
    got = {"id": "r-1", "arn": "arn:f", "left": True, "depth": "3", "own": "yes"}
    assert [one["result"] for one in answers[1:]] == [{"event": {"n": n}, **got} for n in (1, "Ä")]
    assert log.count("printed twice") == 2


def test_libraries_and_errors_are_logged_as_on_lambda(program: Path) -> None:
    answers, log = run(program, {"fail": True})
    assert answers[1] == {"status": "error", "error": "'its words'", "trace": ""}
    lines = [json.loads(line) for line in log.splitlines() if line.startswith("{")]
    said, failed = (one for one in lines if one.get("level", one.get("log_level")) == "ERROR")
    assert (said["message"], said["logger"]) == ("said by a library", "library")
    assert (failed["errorType"], failed["requestId"]) == ("KeyError", "r-1")


def test_a_function_that_can_not_begin_says_why(program: Path) -> None:
    answers, log = run(program, {}, app="import nothing_of_this_name")
    (answer,) = answers
    assert answer["status"] == "error"
    assert "nothing_of_this_name" in answer["error"]
    assert "Runtime.ImportModuleError" in log


def test_the_depth_has_the_emulators_own_name() -> None:
    runtime = import_module("ministack.core.lambda_runtime")
    assert runtime.INVOKE_DEPTH_ENV == function_runtime.DEPTH
