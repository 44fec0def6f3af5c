"""The stack of `make run`, which goes on where it stopped."""

import hashlib
import json
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from botocore.exceptions import ClientError

from local.console import BUILT, GENERATED
from local.console import SOURCES as CONSOLE_INPUTS
from local.processes import StackError
from local.stack import ROOT, LocalStack

INPUTS = (
    *("template.yaml", "samconfig.toml", "functions", "layers", "local/stack.py"),
    *("openapi.yaml", *CONSOLE_INPUTS),
)


def inputs_digest(root: Path = ROOT) -> str:
    """Return a digest of all that a deployed stack is made from."""
    found = hashlib.sha256()
    for name in INPUTS:
        for path in sorted([root / name, *(root / name).rglob("*")]):
            written = path.relative_to(root).as_posix()
            made = written in GENERATED or written.startswith(f"{BUILT}/")
            if path.is_file() and not made and "__pycache__" not in path.parts:
                found.update(f"{written}\0".encode() + path.read_bytes())
    return found.hexdigest()


@contextmanager
def resumed(stack: LocalStack) -> Iterator[bool]:
    """Start a stack with what it held when it stopped; give whether it is new.

    What changed since is built and deployed over it. Raise StackError for other ports than before.
    """
    record = stack.folder / "deployed.json"
    known = _known(stack, record)
    inputs = inputs_digest()
    whole = False
    try:
        stack.start()
        new = known is None or not _is_deployed(stack)
        if new:
            record.unlink(missing_ok=True)
            stack.build()
            stack.deploy()
        elif known is not None:
            stack.facts = known["facts"]
            if known["inputs"] == inputs:
                stack.say("going on where it stopped; `make reset` forgets")
            else:
                stack.say("what it is made from changed: deploying over what is stored")
                stack.build()
                stack.update(stack.built)
        # The API's id changes with the contract, its name does not.
        stack.facts["url"] = base_url(stack)
        whole = True
        yield new
    finally:
        stack.stop()
        if whole:  # behind the emulator's state, so that neither is newer than the other
            record.write_text(
                json.dumps({"ports": _ports(stack), "inputs": inputs, "facts": stack.facts})
            )


def base_url(stack: LocalStack) -> str:
    """Return the API's address, the same after each start and each deployment."""
    return f"{stack.endpoint}/_aws/execute-api/{stack.stack_name}/v1"


def _known(stack: LocalStack, record: Path) -> dict[str, Any] | None:
    """Return what was deployed before; forget what nothing is known of."""
    if not record.exists():
        shutil.rmtree(stack.folder, ignore_errors=True)
        return None
    try:
        known: dict[str, Any] = json.loads(record.read_text())
    except ValueError:
        raise StackError(
            f"{record} is not whole, as after a full disk: begin anew with `make reset`"
        ) from None
    if known["ports"] != _ports(stack):
        gateway, simulator = known["ports"]
        raise StackError(
            f"what is stored belongs to GATEWAY_PORT={gateway} SIMULATOR_PORT={simulator}: set"
            " these, or forget it with `make reset`"
        )
    for left in (stack.folder / "tmp").glob("ministack-lambda-*"):
        shutil.rmtree(left, ignore_errors=True)
    return known


def _ports(stack: LocalStack) -> list[int]:
    return [stack.gateway_port, stack.simulator_port]


def _is_deployed(stack: LocalStack) -> bool:
    try:
        stack.client("cloudformation").describe_stacks(StackName=stack.stack_name)
    except ClientError:
        return False
    return True
