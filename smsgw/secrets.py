"""The stack's secrets: made when they are first needed, changed only as they were read, kept."""

from typing import Any

from botocore.exceptions import ClientError

from sms_gateway.aws.errors import error_code
from sms_gateway.config.secrets import CURRENT
from sms_gateway.core.value_object import ValueObject
from smsgw.errors import CommandError

PENDING = "AWSPENDING"
NOTHING = "The versions with labels of their own are what this secret holds."


class ReadSecret(ValueObject, frozen=True):
    """A secret's text and the id of the version that it was read from."""

    hidden = frozenset({"text"})

    text: str
    version: str


class Secret:
    """A secret, by its name, with the operator's client of Secrets Manager.

    `key` is the KMS key of a secret that is made; without one it is AWS's own. With a `label` it is
    the version of a secret that has it: one secret has many, each of which lives on its own.
    """

    def __init__(
        self, client: Any, name: str, key: str | None = None, label: str = CURRENT
    ) -> None:
        self._client = client
        self._secret = name
        self._label = label
        self.name = name if label == CURRENT else f"{label} of {name}"
        self._key = {"KmsKeyId": key} if key else {}

    def read(self) -> ReadSecret | None:
        """Return the secret; None when nobody made it. Raise CommandError while it is deleted."""
        try:
            found = self._client.get_secret_value(SecretId=self._secret, VersionStage=self._label)
        except ClientError as error:
            if error_code(error) == "ResourceNotFoundException":
                return None
            raise self._explained(error) from None
        return ReadSecret(str(found.get("SecretString")), found["VersionId"])

    def create(self, text: str, description: str) -> None:
        """Make the secret. Raise CommandError when it is there, or is being deleted."""
        first = text if self._label == CURRENT else NOTHING
        try:
            self._client.create_secret(
                Name=self._secret, Description=description, SecretString=first, **self._key
            )
        except ClientError as error:
            if error_code(error) != "ResourceExistsException":
                raise self._explained(error) from None
            if self._label == CURRENT:
                raise self._changed() from None
        if self._label != CURRENT:
            self._write(text, {})

    def replace(self, read: ReadSecret, text: str) -> None:
        """Write the secret in place of what was read. Raise CommandError if it was changed since.

        A version can't be put on a condition, but a label can be moved on one: away from the
        version that was read.
        """
        self._write(text, {"RemoveFromVersionId": read.version})

    def _write(self, text: str, before: dict[str, str]) -> None:
        """Write a version, and move the label to it: from nowhere, or from `before` only."""
        try:
            put = self._client.put_secret_value(
                SecretId=self._secret, SecretString=text, VersionStages=[PENDING]
            )
            self._client.update_secret_version_stage(
                SecretId=self._secret,
                VersionStage=self._label,
                MoveToVersionId=put["VersionId"],
                **before,
            )
        except ClientError as error:
            if error_code(error) == "InvalidParameterException":
                raise self._changed() from None
            raise self._explained(error) from None

    def _changed(self) -> CommandError:
        return CommandError(f"somebody else has just changed {self.name}: run this again")

    def _explained(self, error: ClientError) -> Exception:
        """Return what to do about a secret in its recovery window, or the error itself."""
        said = str(error.response.get("Error", {}).get("Message"))
        if error_code(error) == "InvalidRequestException" and "delet" in said:
            return CommandError(
                f"{self._secret} is marked for deletion; bring it back first: "
                f"aws secretsmanager restore-secret --secret-id {self._secret}"
            )
        return error
