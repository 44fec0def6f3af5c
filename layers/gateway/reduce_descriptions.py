"""Derive from botocore's API descriptions the small ones that botocore_shortcuts.py reads.

They have the operations that are called with the shapes that those need, and no documentation.
botocore's own stay beside them, as published.

Usage: python -B reduce_descriptions.py <folder to make>, with botocore on PYTHONPATH
"""

import json
import sys
from collections.abc import Set
from pathlib import Path
from typing import Any

from botocore.loaders import Loader

# What is called of each service; kms is for layers/cognito. A client makes a method for each.
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
}
RULES = "endpoint-rule-set-1"
WHOLE = ("_retry", "partitions", "sdk-default-configuration")  # of no service, and small


def write_reduced(folder: Path) -> None:
    """Write the reduced descriptions as a search path of botocore's loader.

    Raise ValueError where a service has lost an operation.
    """
    loader = Loader(
        include_default_search_paths=False, extra_search_paths=[Loader.BUILTIN_DATA_PATH]
    )
    for service, operations in OPERATIONS.items():
        version = loader.determine_latest_version(service, "service-2")
        described = remove_documentation(loader.load_service_model(service, "service-2"))
        for parameter in described.get("clientContextParams", {}).values():
            parameter["documentation"] = ""  # the one that botocore reads
        keep_operations(described, operations)
        _write(folder / service / version / "service-2.json", described)
        rules = loader.load_service_model(service, RULES)
        _write(folder / service / version / f"{RULES}.json", rules)
    for name in WHOLE:
        _write(folder / f"{name}.json", loader.load_data(name))
    known = loader.load_data("endpoints")
    for partition in known["partitions"]:
        services = partition["services"]
        partition["services"] = {name: services[name] for name in OPERATIONS if name in services}
    _write(folder / "endpoints.json", known)


def keep_operations(described: dict[str, Any], operations: Set[str]) -> None:
    """Leave these operations of an API, and the shapes that they come to."""
    if missing := operations - described["operations"].keys():
        raise ValueError(f"{described['metadata']['serviceId']} has no {sorted(missing)}")
    described["operations"] = {name: described["operations"][name] for name in sorted(operations)}
    kept: set[str] = set()
    new = _shapes(described["operations"])
    while new:
        kept |= new
        new = _shapes([described["shapes"][name] for name in new]) - kept
    described["shapes"] = {name: described["shapes"][name] for name in sorted(kept)}


def _shapes(part: Any) -> set[str]:
    """Return the names of the shapes that a part of a description speaks of."""
    if isinstance(part, dict):
        named = {part["shape"]} if isinstance(part.get("shape"), str) else set()
        return named.union(*map(_shapes, part.values()))
    return set().union(*map(_shapes, part)) if isinstance(part, list) else set()


def remove_documentation(part: Any) -> Any:
    """Return a copy of a description without its documentation, which is a text.

    An operation's or a shape's member of that name is none.
    """
    if isinstance(part, list):
        return [remove_documentation(item) for item in part]
    if not isinstance(part, dict):
        return part
    return {
        name: remove_documentation(value)
        for name, value in part.items()
        if name != "documentation" or not isinstance(value, str)
    }


def _write(path: Path, data: object) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(data, separators=(",", ":")))


if __name__ == "__main__":
    write_reduced(Path(sys.argv[1]))
