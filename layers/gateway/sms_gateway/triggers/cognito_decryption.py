"""Decrypt Cognito's codes with the AWS Encryption SDK.

The SDK and the cryptography package come with the cognito function's own layer: no other function
waits for their import.
"""

import os
from functools import cache

from sms_gateway.aws import clients
from sms_gateway.aws.botocore_shortcuts import boto3_when_used
from sms_gateway.aws.errors import AWS_ERRORS
from sms_gateway.core.problems import InvalidRequestError, ServiceUnavailableError

with boto3_when_used():
    from aws_encryption_sdk import CommitmentPolicy, EncryptionSDKClient
    from aws_encryption_sdk.exceptions import AWSEncryptionSDKClientError
    from aws_encryption_sdk.key_providers.base import MasterKeyProvider
    from aws_encryption_sdk.key_providers.kms import KMSMasterKey


POOL = "userpool-id"  # what Cognito names in the encryption context


def decrypt_code(ciphertext: bytes, pool: str) -> str:
    """Decrypt a code that was encrypted for the pool, with its key.

    Raise ServiceUnavailableError when the key does not fit, or KMS does not answer;
    InvalidRequestError when the code is another pool's.
    """
    return decrypt_with(ciphertext, pool, _provider())


def decrypt_with(ciphertext: bytes, pool: str, provider: MasterKeyProvider) -> str:
    """Do the same with a provider's keys."""
    # Cognito's messages have no key commitment: decrypt them all the same.
    client = EncryptionSDKClient(commitment_policy=CommitmentPolicy.REQUIRE_ENCRYPT_ALLOW_DECRYPT)
    try:
        plain, header = client.decrypt(source=ciphertext, key_provider=provider)
    except (AWSEncryptionSDKClientError, *AWS_ERRORS) as error:
        raise ServiceUnavailableError(
            "The code can't be decrypted: CognitoKeyArn must be the user pool's KMSKeyID, and the "
            f"key's policy must allow this function kms:Decrypt ({type(error).__name__}).",
            slug="code-sealed",
        ) from None
    # KMS and the header's own tag vouch for the context.
    if header.encryption_context.get(POOL) != pool:
        raise InvalidRequestError(
            "The code was not encrypted for the user pool that the event names.",
            slug="code-of-another-pool",
            pointer="/request/code",
        )
    return bytes(plain).decode()


@cache
def _provider() -> MasterKeyProvider:
    # A pool has one key; a provider of several keys would make its client by boto3.
    return KMSMasterKey(key_id=os.environ["COGNITO_KEY"], client=clients.client("kms"))
