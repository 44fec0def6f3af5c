"""What libraries, threads and errors of a function say does not reach Lambda's logs."""

from pathlib import Path

import pytest
from runtime.conftest import ENTRY, UNGUARDED, Start

from testing.runtime_client import Function
from testing.spellings import found_in

SECRET = "https://vendor.example.com/send?key=k3y-0f-ours&to=447700900001"
APP = f"""
import asyncio, json, logging, sys, threading, warnings
from urllib3 import connectionpool
from urllib3.exceptions import MaxRetryError
from sms_gateway.core.observability import logger
from sms_gateway.core.problems import ServiceUnavailableError

SECRET = {SECRET!r}

class Finalized:
    def __del__(self):
        raise ValueError(SECRET)

def fail():
    try:
        raise KeyError(SECRET)
    except KeyError as error:
        error.add_note(SECRET)
        raise MaxRetryError(None, SECRET) from error

def run_thread():
    thread = threading.Thread(target=fail)
    thread.start()
    thread.join()

def log_own():
    try:
        fail()
    except Exception:
        logger.exception("vendor call failed")

def late():
    for name in ("urllib3.connectionpool", "botocore.endpoint", "aws_encryption_sdk.internal",
                 "aws_lambda_powertools.metrics", "a.library.loaded.later", "asyncio"):
        logging.getLogger(name).critical(SECRET)
        logging.getLogger(name).debug(SECRET)
    logging.basicConfig(level=logging.DEBUG)
    logging.error(SECRET)
    logging.getLogger("still.later").error(SECRET)

DO = dict(
    library=late,
    warning=lambda: warnings.warn(SECRET),
    thread=run_thread,
    finalizer=lambda: Finalized() and None,
    own=log_own,
    error=fail,
    problem=lambda: (_ for _ in ()).throw(ServiceUnavailableError("Try again.")),
)

def handler(event, context):
    DO[event["do"]]()
    return {{"done": event["do"]}}
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "app.py").write_text(APP)
    return tmp_path


KINDS = ("library", "warning", "thread", "finalizer", "own", "error")
LOGGED = {"thread": "thread failed", "finalizer": "thread failed", "own": "vendor call failed"}


def written(function: Function, kind: str) -> tuple[str, str]:
    """What one invocation wrote and answered."""
    before = len(function.written())
    answer = str(function.invoke({"do": kind}))
    return function.written()[before:], answer


def test_what_others_say_is_never_written(folder: Path, start: Start) -> None:
    function = start(folder, ENTRY)
    for kind in KINDS:
        log, answer = written(function, kind)
        assert not found_in(log + answer, [SECRET, "k3y-0f-ours", "447700900001"]), kind
        assert LOGGED.get(kind, "") in log


def test_without_the_entry_each_of_them_is_written(folder: Path, start: Start) -> None:
    function = start(folder, UNGUARDED)
    for kind in set(KINDS) - {"own"}:  # our own logger keeps its errors' words by itself
        log, answer = written(function, kind)
        assert found_in(log + answer, [SECRET]), kind


def test_an_error_keeps_its_type_and_place(folder: Path, start: Start) -> None:
    function = start(folder, ENTRY)
    answer = function.invoke({"do": "error"})
    assert answer["errorType"] == "UnexpectedError"
    assert answer["errorMessage"].startswith("MaxRetryError at app.py:")
    assert "in fail" in str(answer["stackTrace"])
    log, _ = written(function, "own")
    assert "MaxRetryError at app.py:" in log
    assert "KeyError at app.py:" in log


def test_a_problem_of_our_own_keeps_its_words(folder: Path, start: Start) -> None:
    answer = start(folder, ENTRY).invoke({"do": "problem"})
    assert answer["errorType"] == "ServiceUnavailableError"
    assert answer["errorMessage"] == "Try again."
