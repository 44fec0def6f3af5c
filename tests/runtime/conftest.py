"""Functions under Lambda's runtime client, from the sources."""

import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from testing.aws import ENVIRONMENT
from testing.paths import ROOT
from testing.runtime_client import Function, running

ENTRY = "sms_gateway.entry.handler"
UNGUARDED = "app.handler"  # what the entry imports
SHOW_ALL = {
    "POWERTOOLS_LOG_LEVEL": "DEBUG",
    "AWS_LAMBDA_LOG_LEVEL": "DEBUG",
    "AWS_LAMBDA_LOG_FORMAT": "JSON",
    "DASHBOARD": "true",
    "DEAD_LETTERS": "https://sqs.eu-central-1.amazonaws.com/123456789012/dead",
    "FIXED_EGRESS": "false",
}
Start = Callable[..., Function]


@pytest.fixture
def start() -> Iterator[Start]:
    """Start functions, by the folder of their app.py; they end with the test."""
    with ExitStack() as stack:

        def run(folder: Path, handler: str = ENTRY, **variables: str) -> Function:
            paths = [ROOT / "layers" / "gateway", folder]
            return stack.enter_context(
                running(sys.executable, folder, paths, handler, ENVIRONMENT | SHOW_ALL | variables)
            )

        yield run
