"""Leave out of the layer the files of libraries that no function reads.

Every file that stays is as its library published it.

Usage: python trim_dependencies.py <the layer's python folder>
"""

import shutil
import sys
from pathlib import Path

# kms is for layers/cognito.
SERVICES = frozenset({"dynamodb", "events", "kms", "s3", "secretsmanager", "sqs"})
FOLDERS = ("bin", "boto3/examples")


def trim(root: Path) -> None:
    """Delete what no function reads, and byte code.

    That is other services' API descriptions, and older versions and examples of those that stay.
    Raise FileNotFoundError where a service is unknown to botocore.
    """
    for data in (root / "botocore/data", root / "boto3/data"):
        for service in data.iterdir():
            if service.is_dir() and service.name not in SERVICES:
                shutil.rmtree(service)
    for name in SERVICES:
        *older, newest = sorted((root / "botocore/data" / name).iterdir())
        for version in older:
            shutil.rmtree(version)
        (newest / "examples-1.json").unlink(missing_ok=True)
    for folder in FOLDERS:
        shutil.rmtree(root / folder, ignore_errors=True)
    for stale in list(root.rglob("__pycache__")):
        shutil.rmtree(stale)


if __name__ == "__main__":
    trim(Path(sys.argv[1]))
