"""Opens what Cognito sealed, with the AWS Encryption SDK. It and the cryptography package come
with a layer of the cognito function's own: nobody else waits for their import."""

import os
from functools import cache

from aws_encryption_sdk import CommitmentPolicy, EncryptionSDKClient
from aws_encryption_sdk.exceptions import AWSEncryptionSDKClientError
from aws_encryption_sdk.key_providers.base import MasterKeyProvider
from aws_encryption_sdk.key_providers.kms import KMSMasterKey
from botocore.exceptions import BotoCoreError, ClientError

from sms_gateway.aws import clients
from sms_gateway.core.problems import ServiceUnavailableError


def decrypt_code(ciphertext: bytes) -> str:
    """The code. Raises Unavailable when the pool's key does not open it, or KMS does not answer."""
    return decrypt_with(ciphertext, _provider())


def decrypt_with(ciphertext: bytes, provider: MasterKeyProvider) -> str:
    """The code, opened by the keys of a provider. Raises Unavailable when they don't."""
    # Cognito's messages have no key commitment: what does not require it may still be opened.
    client = EncryptionSDKClient(commitment_policy=CommitmentPolicy.REQUIRE_ENCRYPT_ALLOW_DECRYPT)
    try:
        plain, _ = client.decrypt(source=ciphertext, key_provider=provider)
    except (AWSEncryptionSDKClientError, BotoCoreError, ClientError) as error:
        raise ServiceUnavailableError(
            "The code can't be decrypted: CognitoKeyArn must be the user pool's KMSKeyID, and the "
            f"key's policy must allow this function kms:Decrypt ({type(error).__name__}).",
            slug="code-sealed",
        ) from None
    return bytes(plain).decode()


@cache
def _provider() -> MasterKeyProvider:
    # The one key that a pool has; a provider of several would make its client by boto3.
    return KMSMasterKey(key_id=os.environ["COGNITO_KEY"], client=clients.client("kms"))
