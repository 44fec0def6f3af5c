"""The local stack's API keys, which are the same after each start. They open nothing on AWS."""

import hashlib
import time
import zlib
from base64 import urlsafe_b64encode
from collections.abc import Sequence
from typing import Any

from sms_gateway.config.api_keys import CHECKSUM_BYTES, PARTITION, PREFIX, digest


def local_key(name: str) -> str:
    """Return the key that a name always has, of the form that real keys have."""
    drawn = hashlib.sha256(f"sms-gateway local {name}".encode()).digest()
    return PREFIX + urlsafe_b64encode(drawn + zlib.crc32(drawn).to_bytes(CHECKSUM_BYTES)).decode()


def store_key(dynamodb: Any, table: str, name: str, tenant: str, scopes: Sequence[str]) -> str:
    """Store the key of a name for a tenant, and return it."""
    key = local_key(name)
    dynamodb.put_item(
        TableName=table,
        Item={
            "pk": {"S": PARTITION},
            "sk": {"S": digest(key)},
            "tenant": {"S": tenant},
            "scopes": {"S": " ".join(sorted(set(scopes)))},
            "label": {"S": f"local {name}"},
            "created": {"N": str(int(time.time()))},
        },
    )
    return key
