"""The error of a command, and what every other error means to an operator: one line."""

from typing import Any

CHECK = "your clock and credentials: `aws sts get-caller-identity` must answer"
LOG_IN = "`aws sso login`, or take new ones, and run this again"
NEXT_STEPS = {  # by the class of what botocore raises
    "NoRegionError": "name it by --region, or set AWS_DEFAULT_REGION to the stack's region",
    "InvalidRegionError": "name it by --region, or AWS_DEFAULT_REGION, such as eu-central-1",
    "NoCredentialsError": "name a profile by --profile or AWS_PROFILE, or set your credentials",
    "PartialCredentialsError": "set all variables of your credentials, or AWS_PROFILE",
    "ProfileNotFound": "`aws configure list-profiles` shows yours; set --profile or AWS_PROFILE",
    "EndpointConnectionError": "see that AWS_DEFAULT_REGION is a region of AWS, and the network",
    "ConnectTimeoutError": "see that AWS_DEFAULT_REGION is a region of AWS, and the network",
    "SSOTokenLoadError": LOG_IN,
    "UnauthorizedSSOTokenError": LOG_IN,
    "TokenRetrievalError": LOG_IN,
    "CredentialRetrievalError": "see the profile's credential_process, or log in again",
}
REFUSALS = {  # by the code of what AWS answers
    "ExpiredToken": f"the session is over: {LOG_IN}",
    "ExpiredTokenException": f"the session is over: {LOG_IN}",
    "RequestExpired": f"the session is over, or this machine's clock is wrong: {LOG_IN}",
    "InvalidClientTokenId": f"the credentials are not of this account's partition or gone: {CHECK}",
    "UnrecognizedClientException": f"the credentials are unknown there: {CHECK}",
    "SignatureDoesNotMatch": f"the secret key is wrong: {CHECK}",
    "AuthFailure": f"the credentials are refused: {CHECK}",
}
DENIED = ("AccessDenied", "AccessDeniedException", "UnauthorizedOperation")


class CommandError(Exception):
    """A problem, in one line that says what to do."""


def explain(error: Exception) -> str | None:
    """Return an error's line; None for one that nobody foresaw."""
    from botocore.exceptions import BotoCoreError, ClientError

    from sms_gateway.core.problems import GatewayError

    if isinstance(error, CommandError | GatewayError | ValueError):
        return str(error)
    if isinstance(error, ClientError):
        return _refused(error.response.get("Error", {}))
    if isinstance(error, BotoCoreError):
        why = str(error).strip().rstrip(".")
        step = next(
            (NEXT_STEPS[one.__name__] for one in type(error).__mro__ if one.__name__ in NEXT_STEPS),
            None,
        )
        return f"AWS can't be asked: {why}" + (f"; {step}" if step else "")
    return None


def _refused(refusal: Any) -> str:
    code, said = refusal.get("Code"), refusal.get("Message")
    if step := REFUSALS.get(code):
        return f"AWS refused: {code}: {step}"
    if code in DENIED:
        return f"AWS refused: {said}; take a profile that may (--profile), or ask for the right"
    return f"AWS refused: {code}: {said}"
