"""The operator's settings in tests: accounts, routes and sources on the faked AWS."""

import json
import os
import time
from contextlib import suppress
from functools import cache
from typing import Any

import boto3
from samcli.yamlhelper import yaml_parse

from local.simulators.registry import routes
from sms_gateway.config import cached_setting, stack_keys
from sms_gateway.config.account_publishing import write_public_accounts
from sms_gateway.config.policies import digest_of, store_policy
from sms_gateway.config.stored_settings import ACCOUNTS as PUBLISHED
from sms_gateway.config.stored_settings import read_setting, write_setting
from sms_gateway.vendors.registry import VENDORS
from testing.paths import ROOT
from testing.rights import as_operator

TEMPLATE: dict[str, Any] = yaml_parse((ROOT / "template.yaml").read_text())
CALLBACK_KEY = "0123456789abcdef0123456789abcdef0123456789abcdef"
MARKS_KEY = "456789abcdef0123456789abcdef0123456789abcdef0123"
MESSAGE_KEY = "89abcdef0123456789abcdef0123456789abcdef01234567"
SEARCH_KEY = stack_keys.derive_search_key(MESSAGE_KEY.encode())
WEBHOOK_KEY = "fedcba9876543210fedcba9876543210fedcba9876543210"
ACCOUNTS: dict[str, Any] = {
    vendor: json.loads((ROOT / "tests" / "vendors" / vendor / "account.json").read_text())
    for vendor in VENDORS
}
ROUTES = json.dumps({"routes": routes()})
SOURCES: dict[str, Any] = {
    "bus": {"com.example.orders": {"tenant": "acme", "defaults": {"from": "ACME"}}},
    "queue": {"default": {"tenant": "acme"}},
    "topic": {
        "alarms": {"tenant": "ops", "to": ["+447700900001"]},
        "messages": {"tenant": "acme"},
    },
    "cognito": {"eu-central-1_example": {"tenant": "shop"}},
    "direct": {"tenant": "acme"},
}
SENDERS: dict[str, Any] = {"acme": ["ACME", "ACMEIN", "OTHER", "OTHERS", "+15550001111"]}
WRITTEN: list[str] = []  # settings that a test changed


@cache
def _client(service: Any) -> Any:
    """Return a client of AWS as the operator has: making one takes longer than most tests."""
    return boto3.client(service)


def set_accounts(accounts: object) -> None:
    """Write the accounts' secret and what is published of it; this process reads both anew."""
    written = accounts if isinstance(accounts, str) else json.dumps(accounts)
    _set_secret(os.environ["ACCOUNTS_SECRET"], written)
    _set_setting(PUBLISHED, published(accounts) if isinstance(accounts, dict) else written)


def set_published(accounts: dict[str, Any]) -> None:
    """Publish other accounts than the secret has, as after a change by hand."""
    _set_setting(PUBLISHED, published(accounts))


def published(accounts: dict[str, Any]) -> str:
    """Return what those that call no vendor may know of the accounts."""
    return write_public_accounts(accounts, MARKS_KEY.encode())


def set_callback_keys(current: str, previous: str | None = None) -> None:
    """Write the callback keys, which this process then reads anew."""
    keys = {"current": current, "marks": MARKS_KEY} | ({"previous": previous} if previous else {})
    _set_key(stack_keys.CALLBACK_KEY, json.dumps(keys))


def set_message_key(written: str) -> None:
    """Write the message key, which this process then reads anew."""
    _set_key(stack_keys.MESSAGE_KEY, written)


def set_search_key(written: str) -> None:
    """Write the search keys, which this process then reads anew."""
    _set_key(stack_keys.SEARCH_KEY, written)


def set_webhook_key(written: str) -> None:
    """Write the webhooks' key, which this process then reads anew."""
    _set_key(stack_keys.WEBHOOK_KEY, written)


def _set_key(label: str, written: str) -> None:
    client, name = _client("secretsmanager"), os.environ["KEYS_SECRET"]
    with suppress(client.exceptions.ResourceExistsException):
        client.create_secret(Name=name, SecretString="The keys are in its labelled versions.")
    client.put_secret_value(SecretId=name, SecretString=written, VersionStages=[label])
    forget_settings()


def _set_secret(name: str, written: str) -> None:
    client = _client("secretsmanager")
    # Made anew: moto loses track of which version is current once `smsgw` has moved AWSCURRENT.
    client.delete_secret(SecretId=name, ForceDeleteWithoutRecovery=True)
    client.create_secret(Name=name, SecretString=written)
    forget_settings()


def set_account(vendor: str, **settings: object) -> None:
    """Change settings of one vendor's account."""
    set_accounts({**ACCOUNTS, vendor: ACCOUNTS[vendor] | settings})


def set_routes(written: str) -> None:
    """Write the routes, valid or not, which this process then reads anew."""
    _set_setting("routes", written)


def set_sources(written: object) -> None:
    """Write the sources, which this process then reads anew."""
    _set_setting("sources", written if isinstance(written, str) else json.dumps(written))


def set_senders(written: object) -> None:
    """Write the senders by tenant, which this process then reads anew."""
    _set_setting("senders", written if isinstance(written, str) else json.dumps(written))


def set_guards(written: object) -> None:
    """Write who is guarded, valid or not, which this process then reads anew."""
    with as_operator():
        _set_setting("guard", written if isinstance(written, str) else json.dumps(written))


def set_campaign_defaults(written: object) -> None:
    """Write the campaigns' defaults, which this process then reads anew."""
    _set_setting("campaigns", written if isinstance(written, str) else json.dumps(written))


def set_stopped(*tenants: str) -> None:
    """Stop these tenants and no others, which this process then reads anew."""
    written = {tenant: {"since": int(time.time())} for tenant in tenants}
    with as_operator():
        _set_setting("stopped-tenants", json.dumps(written))


def set_policy(tenant: str, written: str) -> None:
    """Give a tenant a policy and stop nobody, which this process then reads anew."""
    with as_operator():
        assert store_policy(tenant, written)
        _set_setting("stopped-tenants", json.dumps({tenant: {"policy": digest_of(written)}}))


def _set_setting(name: str, written: str) -> None:
    """Write a setting past `smsgw`, which would refuse what is not valid."""
    assert write_setting(name, written, read_setting(name))
    forget_settings()


def forget_settings() -> None:
    """As a new process begins; the next test gets the old settings back."""
    cached_setting.reset_all()
    WRITTEN.append("settings")
