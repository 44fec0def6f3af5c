"""Removes from the layer what no function reads: other services' API descriptions above all, and of
those that stay, what documents them; and from libraries the imports of their parts that nothing
here uses. All of it would be read at every cold start.

Usage: python trim.py <the layer's python folder>
"""

import ast
import gzip
import json
import re
import shutil
import sys
from collections.abc import Sequence, Set
from pathlib import Path
from typing import Any

# What is asked of each service; kms is for layers/cognito. A client has a method made for each.
OPERATIONS = {
    "dynamodb": {
        *("BatchGetItem", "BatchWriteItem", "DeleteItem", "GetItem"),
        *("PutItem", "Query", "TransactWriteItems", "UpdateItem"),
    },
    "events": {"PutEvents"},
    "kms": {"Decrypt"},
    "s3": {
        *("CompleteMultipartUpload", "CreateMultipartUpload", "GetObject"),
        *("HeadObject", "PutObject", "UploadPart"),
    },
    "secretsmanager": {"GetSecretValue"},
    "sqs": {"SendMessage", "SendMessageBatch"},
    "ssm": {"GetParameter"},
}
WHOLE_FOLDERS = ("boto3/examples", "bin")
# Statements of a module that it loses, by patterns; without them only what is said here is missing.
STATEMENTS = {
    # the documents of clients, and help() on them
    "botocore/docs/__init__.py": (r"from botocore\.docs\.service import .*",),
    "botocore/docs/docstring.py": (
        r"from botocore\.docs\.bcdoc\.restdoc import .*",
        r"from botocore\.docs\.method import .*",
        r"from botocore\.docs\.paginator import .*",
        r"from botocore\.docs\.waiter import .*",
    ),
    # formatting while one types, finding numbers in a text, short numbers
    "phonenumbers/__init__.py": (
        r"from \.asyoutypeformatter import .*",
        r"from \.phonenumbermatcher import .*",
        r"from \.shortnumberinfo import .*",
    ),
    "phonenumbers/data/__init__.py": (
        r"from \.alt_format_\d+ import .*",
        r"_ALT_NUMBER_FORMATS = .*",
    ),
    # the library's own version
    "ulid/__init__.py": (r"from importlib\.metadata import version", r"__version__ = .*"),
    # an expression that nothing asks, among the dearest to compile
    "urllib3/util/url.py": (r"_IPV6_RE = .*",),
    # HTTP/2, which has to be asked for
    "urllib3/http2/__init__.py": (r"from importlib\.metadata import version",),
}

# Modules that others take the place of: all that is asked of this one is part of Python by now.
STAND_INS = {
    "typing_extensions.py": "from collections.abc import Buffer\n"
    "from typing import NotRequired, ParamSpec, Required, Self, get_type_hints, override\n"
    "from warnings import deprecated\n",
}


def trim(root: Path) -> None:
    """Deletes; what is left still makes every call that the gateway makes. Raises ValueError where
    a library is no longer as it was when this was written."""
    for folder in (root / "botocore/data", root / "boto3/data"):
        for service in folder.iterdir():
            if service.is_dir() and service.name not in OPERATIONS:
                shutil.rmtree(service)
    for service, operations in OPERATIONS.items():
        *older, newest = sorted((root / "botocore/data" / service).iterdir())
        for version in older:
            shutil.rmtree(version)
        packed = newest / "service-2.json.gz"
        described = _undocumented(json.loads(gzip.decompress(packed.read_bytes())))
        for parameter in described.get("clientContextParams", {}).values():
            parameter["documentation"] = ""  # the one that botocore reads
        _reduce(described, operations)
        packed.with_suffix("").write_text(_compact(described))
        packed.unlink()
    endpoints = root / "botocore/data/endpoints.json"
    known = json.loads(endpoints.read_text())
    for partition in known["partitions"]:
        partition["services"] = {
            name: partition["services"][name] for name in OPERATIONS.keys() & partition["services"]
        }
    endpoints.write_text(_compact(known))
    for name in WHOLE_FOLDERS:
        shutil.rmtree(root / name, ignore_errors=True)
    for module, patterns in STATEMENTS.items():
        _take_out(root / module, patterns)
    for module, instead in STAND_INS.items():
        (root / module).write_text(instead)
    for stale in list(root.rglob("__pycache__")):
        shutil.rmtree(stale)


def _take_out(module: Path, patterns: Sequence[str]) -> None:
    """Deletes the statements that a pattern fits."""
    text = module.read_text()
    lines = text.splitlines(keepends=True)
    missing = set(patterns)
    for statement in reversed(ast.parse(text).body):
        written = ast.unparse(statement)
        fitting = {one for one in patterns if re.fullmatch(one, written, re.DOTALL)}
        if fitting:
            del lines[statement.lineno - 1 : statement.end_lineno]
            missing -= fitting
    if missing:
        raise ValueError(f"{module} has no {missing}: see docs/decisions.md")
    module.write_text("".join(lines))


def _reduce(described: dict[str, Any], operations: Set[str]) -> None:
    """Leaves these operations of an API, and the shapes that they come to."""
    if missing := operations - described["operations"].keys():
        raise ValueError(f"{described['metadata']['serviceId']} has no {missing}")
    described["operations"] = {name: described["operations"][name] for name in sorted(operations)}
    kept: dict[str, Any] = {}
    open_ends = _shapes(described["operations"])
    while new := open_ends - kept.keys():
        kept |= {name: described["shapes"][name] for name in sorted(new)}
        open_ends = _shapes([kept[name] for name in new])
    described["shapes"] = kept


def _shapes(part: Any) -> set[str]:
    """The names of the shapes that a part of a description speaks of."""
    if isinstance(part, dict):
        named = {part["shape"]} if isinstance(part.get("shape"), str) else set()
        return named.union(*map(_shapes, part.values()))
    return set().union(*map(_shapes, part)) if isinstance(part, list) else set()


def _undocumented(part: Any) -> Any:
    """An API's description without its documentation, which is a text; an operation's or a shape's
    member of that name is none."""
    if isinstance(part, list):
        return [_undocumented(one) for one in part]
    if not isinstance(part, dict):
        return part
    return {
        name: _undocumented(value)
        for name, value in part.items()
        if name != "documentation" or not isinstance(value, str)
    }


def _compact(data: object) -> str:
    return json.dumps(data, separators=(",", ":"))


if __name__ == "__main__":
    trim(Path(sys.argv[1]))
