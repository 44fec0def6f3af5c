"""What AWS's clients raise, for those who catch it. No module outside aws/ imports botocore."""

from typing import Any, Final

from botocore.exceptions import BotoCoreError, ClientError

# ClientError: AWS refused. BotoCoreError: no answer came, or nothing could be asked.
AWS_ERRORS: Final = (ClientError, BotoCoreError)


def answer_of(error: BaseException | None) -> dict[str, Any]:
    """Return the answer with which AWS refused a call; {} when none came."""
    return dict(error.response) if isinstance(error, ClientError) else {}


def error_code(error: BaseException | None) -> str | None:
    """Return AWS's code of a refusal, such as "AccessDenied"; None when no answer came."""
    answer = answer_of(error)
    return str(answer.get("Error", {}).get("Code", "error")) if answer else None
