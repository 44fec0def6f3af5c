"""The AWS emulator as the benchmarks of cost and scale use it: a process of its own, so that the
CPU time of this one is the gateway's alone. Its tables can be filled without the API.

As a program (python -m bench.emulator module:function) it calls that function first, in the
emulator's own process, and then serves.
"""

import os
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module
from pathlib import Path
from typing import Any

import urllib3
from botocore.config import Config

from sms_gateway.aws import clients

ROOT = Path(__file__).parent.parent
ACCOUNT, REGION = "000000000000", "us-east-1"
PATIENCE = 120  # seconds


@contextmanager
def emulator(first: str = "") -> Iterator[str]:
    """Runs the emulator on the last CPU, and from now on this process on the first; its address.
    `first` names what fills its tables, as module:function. Raises RuntimeError when it does not
    come up."""
    port, cores = _free_port(), sorted(os.sched_getaffinity(0))
    with tempfile.TemporaryDirectory() as folder:
        environment = {
            **os.environ,
            "BIND_HOST": "127.0.0.1",
            "GATEWAY_PORT": str(port),
            "MINISTACK_REGION": REGION,
            "SFTP_ENABLED": "0",
            "IOT_MTLS_ENABLED": "0",
            "LOG_LEVEL": "ERROR",
            "PERSIST_STATE": "0",
            "STATE_DIR": folder,
            "TMPDIR": folder,
        }
        environment.pop("AWS_ENDPOINT_URL", None)
        log = Path(folder) / "log"
        os.sched_setaffinity(0, {cores[-1]})  # a child begins with its parent's
        with log.open("wb") as output:
            process = subprocess.Popen(  # noqa: S603 - our own program
                [sys.executable, "-m", "bench.emulator", first],
                cwd=ROOT,
                env=environment,
                stdout=output,
                stderr=output,
            )
        os.sched_setaffinity(0, {cores[0]})
        endpoint = f"http://127.0.0.1:{port}"
        try:
            _wait_for(process, f"{endpoint}/_ministack/health", log)
            yield endpoint
        finally:
            process.terminate()
            try:
                process.wait(5)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
    return port


def _wait_for(process: subprocess.Popen[bytes], url: str, log: Path) -> None:
    pool = urllib3.PoolManager(retries=False, timeout=2.0)
    until = time.monotonic() + PATIENCE
    while time.monotonic() < until and process.poll() is None:
        try:
            if pool.request("GET", url).status < 500:
                return
        except urllib3.exceptions.HTTPError:
            time.sleep(0.1)
    raise RuntimeError(f"the emulator does not come up:\n{log.read_text(errors='replace')[-2000:]}")


def use(endpoint: str) -> None:
    """Makes this process talk to the emulator as a function does to AWS; before any client."""
    queues = {
        name: f"{endpoint}/{ACCOUNT}/{name.removeprefix('QUEUE_').lower()}"
        for name in os.environ
        if name.startswith("QUEUE_")
    }
    os.environ |= {
        "AWS_ENDPOINT_URL": endpoint,
        "AWS_ACCESS_KEY_ID": "test",
        "AWS_SECRET_ACCESS_KEY": "test",
        "AWS_DEFAULT_REGION": REGION,
        "AWS_REGION": REGION,
        **queues,
    }
    os.environ.pop("AWS_SESSION_TOKEN", None)


def patient() -> None:
    """Lets the table's client, else the functions' own, wait longer than theirs may: a machine that
    is busy must not fail a count."""
    patience = Config(read_timeout=PATIENCE)
    clients.CONFIGS["dynamodb"] = clients.CONFIGS["dynamodb"].merge(patience)
    clients.reset()


def table_definition(name: str, template: dict[str, Any]) -> dict[str, Any]:
    """CreateTable's parameters for the template's own table."""
    properties = template["Resources"]["Table"]["Properties"]
    kept = ("BillingMode", "AttributeDefinitions", "KeySchema", "GlobalSecondaryIndexes")
    return {"TableName": name, **{one: properties[one] for one in kept}}


def main(first: str) -> None:
    """Fills, then serves until it is stopped."""
    from ministack.app import main as serve  # type: ignore[import-untyped] # ministack has no types

    if first:
        module, function = first.split(":")
        getattr(import_module(module), function)()
    sys.argv[1:] = []
    serve()


if __name__ == "__main__":
    main(sys.argv[1])
