"""Takes boto3 out of the AWS Encryption SDK: only clients that the SDK would make by itself come
from it. Ours is given to it, made by botocore as all others are.

Usage: python trim.py <the layer's python folder>
"""

import sys
from pathlib import Path

KEYS = "aws_encryption_sdk/key_providers/kms.py"
NEEDLESS = "import boto3\n"


def trim(root: Path) -> None:
    """Rewrites. Raises ValueError where the SDK is no longer as it was when this was written."""
    keys = root / KEYS
    text = keys.read_text()
    if text.count(NEEDLESS) != 1:
        raise ValueError(f"{KEYS} imports boto3 in another way: see docs/decisions.md")
    keys.write_text(text.replace(NEEDLESS, ""))


if __name__ == "__main__":
    trim(Path(sys.argv[1]))
