"""Removes from the layer what no function reads: other services' API descriptions above all.

Usage: python trim.py <the layer's python folder>
"""

import shutil
import sys
from pathlib import Path

SERVICES = {"dynamodb", "events", "sqs", "secretsmanager", "ssm", "sts"}
WHOLE_FOLDERS = ("boto3/examples", "bin")


def trim(root: Path) -> None:
    """Deletes; what is left still makes every client that the gateway uses."""
    for folder in (root / "botocore/data", root / "boto3/data"):
        for service in folder.iterdir():
            if service.is_dir() and service.name not in SERVICES:
                shutil.rmtree(service)
    for name in WHOLE_FOLDERS:
        shutil.rmtree(root / name, ignore_errors=True)
    for stale in list(root.rglob("__pycache__")):
        shutil.rmtree(stale)


if __name__ == "__main__":
    trim(Path(sys.argv[1]))
