"""The environment that a function has on AWS, for code that runs inside the tests."""

import os

from sms_gateway.vendors.registry import VENDORS

ACCOUNT_ID, REGION = "123456789012", "eu-central-1"

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
    "KEYS_SECRET": "test/keys",
    "CAMPAIGNS_BUCKET": "test-campaigns",
    "CAMPAIGN_QUEUE": "https://sqs.eu-central-1.amazonaws.com/123456789012/campaigns",
    "DEAD_LETTERS": "https://sqs.eu-central-1.amazonaws.com/123456789012/dead-letters",
    "OWN_ACCOUNT": "123456789012",
    "COGNITO_KEY": "arn:aws:kms:eu-central-1:123456789012:key/00000000-0000-0000-0000-000000000000",
    "REQUEUE_AFTER": "60",
    "INTERRUPTED_AFTER": "150",
    "RECEIPT_DEADLINE": "259200",
    "RETENTION_DAYS": "90",
    "PUMPING_GUARD": "false",
    "VERIFICATION_SENDS": "5",
    "VERIFICATION_WINDOW": "600",
    "DECLARED_VENDORS": "true",
    "EVENTS": "all",
    "EVENT_DETAIL": "masked",
    "EVENT_BUS": "test",
    "STREAM_DEAD_LETTERS": "https://sqs.eu-central-1.amazonaws.com/123456789012/stream-dead",
    "WEBHOOK_LOOPBACK": "false",
    "WEBHOOK_PORTS": "443,8443",
    "WEBHOOK_RATE": "6000",
    "DASHBOARD": "false",
    "DELIVERY_QUEUE": "https://sqs.eu-central-1.amazonaws.com/123456789012/deliveries",
    "DELIVERY_QUEUE_SLOW": "https://sqs.eu-central-1.amazonaws.com/123456789012/slow",
    "DELIVERY_QUEUE_SLOW_ARN": "arn:aws:sqs:eu-central-1:123456789012:slow",
    "CALLBACK_URL": "https://api.example.com/v1/callbacks",
    "DISPATCH_WORKERS": "2",
    "FIXED_EGRESS": "false",
    "POWERTOOLS_SERVICE_NAME": "sms-gateway",
    "POWERTOOLS_METRICS_NAMESPACE": "SmsGateway",
    "POWERTOOLS_LOG_LEVEL": "INFO",
    **{
        f"QUEUE_{vendor.upper()}": f"https://sqs.eu-central-1.amazonaws.com/123456789012/{vendor}"
        for vendor in (*VENDORS, "declared", "express")
    },
}
os.environ.pop("AWS_ENDPOINT_URL", None)
os.environ.pop("AWS_PROFILE", None)
