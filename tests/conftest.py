"""The environment that a function has on AWS, for the core when it runs inside the tests; and which
tests share a process."""

import os
import signal
from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from xdist.scheduler import LoadScopeScheduling

os.environ |= {
    "AWS_ACCESS_KEY_ID": "testing",
    "AWS_SECRET_ACCESS_KEY": "testing",
    "AWS_SESSION_TOKEN": "testing",
    "AWS_DEFAULT_REGION": "eu-central-1",
    "AWS_REGION": "eu-central-1",
    "AWS_EC2_METADATA_DISABLED": "true",
    "STACK_NAME": "test",
    "TABLE_NAME": "test-table",
    "ACCOUNTS_SECRET": "test/vendors",
    "WEBHOOK_SECRET": "test/webhooks",
    "ROUTES_PARAMETER": "/test/routes",
    "CAMPAIGNS_PARAMETER": "/test/campaigns",
    "CAMPAIGNS_BUCKET": "test-campaigns",
    "CAMPAIGN_QUEUE": "https://sqs.eu-central-1.amazonaws.com/123456789012/campaigns",
    "SOURCES_PARAMETER": "/test/sources",
    "DEAD_LETTERS": "https://sqs.eu-central-1.amazonaws.com/123456789012/dead-letters",
    "OWN_ACCOUNT": "123456789012",
    "COGNITO_KEY": "arn:aws:kms:eu-central-1:123456789012:key/00000000-0000-0000-0000-000000000000",
    "REQUEUE_AFTER": "60",
    "INTERRUPTED_AFTER": "150",
    "RECEIPT_DEADLINE": "259200",
    "RETENTION_DAYS": "90",
    "VERIFICATION_SENDS": "5",
    "VERIFICATION_WINDOW": "600",
    "EVENTS": "all",
    "EVENT_DETAIL": "masked",
    "EVENT_BUS": "test",
    "STREAM_DEAD_LETTERS": "https://sqs.eu-central-1.amazonaws.com/123456789012/stream-dead",
    "WEBHOOK_LOOPBACK": "false",
    "DELIVERY_QUEUE": "https://sqs.eu-central-1.amazonaws.com/123456789012/deliveries",
    "DELIVERY_QUEUE_SLOW": "https://sqs.eu-central-1.amazonaws.com/123456789012/slow",
    "DELIVERY_QUEUE_SLOW_ARN": "arn:aws:sqs:eu-central-1:123456789012:slow",
    "CALLBACK_URL": "https://api.example.com/v1/callbacks",
    "DISPATCH_WORKERS": "2",
    "POWERTOOLS_SERVICE_NAME": "sms-gateway",
    "POWERTOOLS_METRICS_NAMESPACE": "SmsGateway",
    "POWERTOOLS_LOG_LEVEL": "INFO",
    "QUEUE_JST": "https://sqs.eu-central-1.amazonaws.com/123456789012/jst",
    "QUEUE_DINISOFT": "https://sqs.eu-central-1.amazonaws.com/123456789012/dinisoft",
    "QUEUE_SERVER2SMS": "https://sqs.eu-central-1.amazonaws.com/123456789012/server2sms",
    "QUEUE_RAJASMS": "https://sqs.eu-central-1.amazonaws.com/123456789012/rajasms",
}
os.environ.pop("AWS_ENDPOINT_URL", None)
os.environ.pop("AWS_PROFILE", None)

# How long an example takes says more of the machine than of us.
settings.register_profile(
    "any machine", deadline=None, suppress_health_check=[HealthCheck.too_slow]
)
settings.load_profile("any machine")
signal.signal(signal.SIGTERM, signal.default_int_handler)  # whoever stops us gets it all stopped


LONG = ("tests/e2e/test_contract_fuzz.py", "tests/e2e/test_schedule.py")


class ByFile(LoadScopeScheduling):
    """A file's tests run in one process. Those of a whole stack share two stacks: what mostly waits
    has one of its own."""

    def _split_scope(self, nodeid: str) -> str:
        file = nodeid.partition("::")[0]
        if file.startswith("tests/e2e/"):
            return "a stack that waits" if file in LONG else "a stack"
        return file


def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> ByFile:
    """Who runs what, where tests run in several processes."""
    return ByFile(config, log)
