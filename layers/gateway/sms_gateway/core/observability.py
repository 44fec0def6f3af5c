"""Logs and metrics: ids, vendor names and codes, never a text, a phone number or a secret."""

import logging
import os

from aws_lambda_powertools.logging import Logger
from aws_lambda_powertools.metrics import MetricUnit, single_metric

from sms_gateway.core.error_places import trace
from sms_gateway.core.sandbox import is_sandbox

NAMESPACE = "SmsGateway"

logger = Logger(
    service=os.environ.get("POWERTOOLS_SERVICE_NAME", "sms-gateway"),
    use_rfc3339=True,
    utc=True,
)


def _without_words(record: logging.LogRecord) -> bool:
    """Show a record's error by type and place: its words may repeat content."""
    error = record.exc_info[1] if record.exc_info else None
    if error is not None:
        record.exception, record.exception_name = trace(error), type(error).__name__
        record.exc_info = None
    return True


logger.addFilter(_without_words)


def has_dashboard() -> bool:
    """Return whether somebody looks at what `report` logs."""
    return os.environ["DASHBOARD"] == "true"


def report(line: str, **fields: str | float | None) -> None:
    """Log what only the dashboard reads, without the fields that are None.

    Nothing of the sandbox.
    """
    if has_dashboard() and not is_sandbox(str(fields.get("vendor"))):
        known = {name: value for name, value in fields.items() if value is not None}
        logger.info(line, extra=known)


def increment(metric: str, amount: int = 1, **dimensions: str) -> None:
    """Add to a CloudWatch metric, by stack and `dimensions`; nothing of the sandbox."""
    if is_sandbox(dimensions.get("vendor", "")):
        return
    with single_metric(
        name=metric, unit=MetricUnit.Count, value=amount, namespace=NAMESPACE
    ) as emitted:
        emitted.add_dimension("stack", os.environ["STACK_NAME"])
        for name, value in dimensions.items():
            emitted.add_dimension(name, value)


def count(metric: str, reason: str, **dimensions: str) -> None:
    """Count one refusal by its reason, and in the sum of all that one alarm watches."""
    increment("Refused")
    increment(metric, 1, reason=reason, **dimensions)
