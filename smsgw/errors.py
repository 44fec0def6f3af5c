"""The error of a command, and what to do when AWS can't be asked."""

from botocore.exceptions import (
    BotoCoreError,
    EndpointConnectionError,
    NoCredentialsError,
    NoRegionError,
    ProfileNotFound,
)

NEXT_STEPS = {
    NoRegionError: "set AWS_DEFAULT_REGION to the stack's region",
    NoCredentialsError: "set AWS_PROFILE, or the variables of your credentials",
    ProfileNotFound: "`aws configure list-profiles` shows yours; set AWS_PROFILE to one",
    EndpointConnectionError: "see that AWS_DEFAULT_REGION is a region of AWS, and the network",
}


class CommandError(Exception):
    """A problem, in one line that says what to do."""


def not_asked(error: BotoCoreError) -> str:
    """Say why AWS could not be asked, and what to do."""
    why = str(error).strip().rstrip(".")
    step = next((step for kind, step in NEXT_STEPS.items() if isinstance(error, kind)), None)
    return f"AWS can't be asked: {why}" + (f"; {step}" if step else "")
