"""Takes out of the AWS Encryption SDK what it imports and is never asked for here: boto3, of which
come only clients that the SDK would make by itself (ours is given to it, made by botocore as all
others are), and its caches of keys, since no two codes have the same.

Usage: python trim.py <the layer's python folder>
"""

import sys
from pathlib import Path

NEEDLESS = {
    "key_providers/kms.py": ("import boto3\n",),
    "__init__.py": (
        "from aws_encryption_sdk.caches.local import LocalCryptoMaterialsCache  # noqa\n",
        "from aws_encryption_sdk.caches.null import NullCryptoMaterialsCache  # noqa\n",
        "from aws_encryption_sdk.materials_managers.caching import CachingCryptoMaterialsManager"
        "  # noqa\n",
    ),
}


def trim(root: Path) -> None:
    """Rewrites. Raises ValueError where the SDK is no longer as it was when this was written."""
    for name, imports in NEEDLESS.items():
        module = root / "aws_encryption_sdk" / name
        text = module.read_text()
        for one in imports:
            if text.count(one) != 1:
                raise ValueError(f"{name} has not one {one.strip()!r}: see docs/decisions.md")
            text = text.replace(one, "")
        module.write_text(text)


if __name__ == "__main__":
    trim(Path(sys.argv[1]))
