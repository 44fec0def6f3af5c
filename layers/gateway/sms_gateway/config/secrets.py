"""The only module of the core that reads Secrets Manager. `smsgw` makes and changes the secrets."""

from sms_gateway.aws import clients
from sms_gateway.aws.errors import AWS_ERRORS, error_code
from sms_gateway.config.cached_setting import SettingUnreadableError

CURRENT = "AWSCURRENT"


def fetch_secret(name: str, stage: str = CURRENT) -> str | None:
    """Return the text of a secret's version with a label; None when there is none.

    Raises SettingUnreadableError. IAM decides first, and a secret that is not there has no ARN to
    match: so one that is denied may be one that nobody made.
    """
    try:
        secret = clients.client("secretsmanager").get_secret_value(
            SecretId=name, VersionStage=stage
        )
    except AWS_ERRORS as error:
        code = error_code(error)
        if code == "ResourceNotFoundException":
            return None
        raise SettingUnreadableError(
            f"{name} can't be read ({code or 'no answer'})", denied=code == "AccessDeniedException"
        ) from error
    return str(secret.get("SecretString"))
