"""The only module of the core that reads Secrets Manager. `smsgw` makes and changes the secrets."""

from botocore.exceptions import BotoCoreError, ClientError

from sms_gateway.aws import clients
from sms_gateway.config.cached_setting import SettingUnreadableError


def fetch_secret(name: str) -> str | None:
    """Return a secret's text; None when there is no such secret.

    Raises SettingUnreadableError. IAM decides first, and a secret that is not there has no ARN to
    match: so one that is denied may be one that nobody made.
    """
    try:
        secret = clients.client("secretsmanager").get_secret_value(
            SecretId=name, VersionStage="AWSCURRENT"
        )
    except ClientError as error:
        code = error.response.get("Error", {}).get("Code")
        if code == "ResourceNotFoundException":
            return None
        raise SettingUnreadableError(
            f"{name} can't be read ({code})", denied=code == "AccessDeniedException"
        ) from error
    except BotoCoreError as error:
        raise SettingUnreadableError(f"{name} can't be read") from error
    return str(secret.get("SecretString"))
