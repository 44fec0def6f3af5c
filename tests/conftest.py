"""The environment that a function has on AWS, for the core when it runs inside the tests."""

import os

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
    "ROUTES_PARAMETER": "/test/routes",
    "CAMPAIGNS_PARAMETER": "/test/campaigns",
    "CAMPAIGNS_BUCKET": "test-campaigns",
    "CAMPAIGN_QUEUE": "https://sqs.eu-central-1.amazonaws.com/123456789012/campaigns",
    "HAND_OVER_AFTER": "60",
    "CUT_SHORT_AFTER": "150",
    "RECEIPT_DEADLINE": "259200",
    "RETENTION_DAYS": "90",
    "VERIFICATION_SENDS": "5",
    "VERIFICATION_WINDOW": "600",
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
