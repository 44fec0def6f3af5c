"""Removes from the layer what no function reads: other services' API descriptions above all, and of
those that stay, what documents them. botocore reads them at every cold start.

Usage: python trim.py <the layer's python folder>
"""

import gzip
import json
import shutil
import sys
from pathlib import Path
from typing import Any

# kms is for layers/cognito.
SERVICES = {"dynamodb", "events", "kms", "s3", "sqs", "secretsmanager", "ssm", "sts"}
WHOLE_FOLDERS = ("boto3/examples", "bin")


def trim(root: Path) -> None:
    """Deletes; what is left still makes every client that the gateway uses."""
    for folder in (root / "botocore/data", root / "boto3/data"):
        for service in folder.iterdir():
            if service.is_dir() and service.name not in SERVICES:
                shutil.rmtree(service)
    for packed in (root / "botocore/data").rglob("service-2.json.gz"):
        described = json.loads(gzip.decompress(packed.read_bytes()))
        whole = _undocumented(described)
        for parameter in whole.get("clientContextParams", {}).values():
            parameter["documentation"] = ""  # the one that botocore reads
        packed.with_suffix("").write_text(_compact(whole))
        packed.unlink()
    endpoints = root / "botocore/data/endpoints.json"
    known = json.loads(endpoints.read_text())
    for partition in known["partitions"]:
        partition["services"] = {
            name: partition["services"][name] for name in SERVICES & partition["services"].keys()
        }
    endpoints.write_text(_compact(known))
    for name in WHOLE_FOLDERS:
        shutil.rmtree(root / name, ignore_errors=True)
    for stale in list(root.rglob("__pycache__")):
        shutil.rmtree(stale)


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
