"""A code as a user pool of Cognito encrypts it."""

from typing import Any

import botocore.session
from aws_encryption_sdk import Algorithm, CommitmentPolicy, EncryptionSDKClient
from aws_encryption_sdk.key_providers.kms import KMSMasterKey

from testing.aws import ENVIRONMENT

POOL = "eu-central-1_example"  # that of events/from_cognito.json


def sealed(code: bytes, base: str) -> bytes:
    """Encrypt a code for POOL with COGNITO_KEY of the KMS at `base`, which testing.aws serves."""
    kms: Any = botocore.session.get_session().create_client(
        "kms",
        "eu-central-1",
        endpoint_url=base,
        aws_access_key_id="a",
        aws_secret_access_key="b",
    )
    client = EncryptionSDKClient(commitment_policy=CommitmentPolicy.FORBID_ENCRYPT_ALLOW_DECRYPT)
    found, _ = client.encrypt(
        source=code,
        encryption_context={"userpool-id": POOL},
        key_provider=KMSMasterKey(key_id=ENVIRONMENT["COGNITO_KEY"], client=kms),
        algorithm=Algorithm.AES_256_GCM_IV12_TAG16_HKDF_SHA384_ECDSA_P384,
    )
    return bytes(found)
