"""Settings: a bad one is one clear log line, and the last good one stays in use."""

import json
from collections.abc import Callable

import boto3
import pytest

from sms_gateway.config import routes, vendor_accounts
from sms_gateway.core.problems import ServiceUnavailableError
from sms_gateway.vendors.registry import VENDORS
from testing.gateway import Gateway
from testing.settings import (
    ACCOUNTS,
    CALLBACK_KEY,
    forget_settings,
    set_account,
    set_accounts,
    set_routes,
)

SECRET = "never-to-be-shown"
BROKEN = [
    "",
    "no JSON",
    "[]",
    "7",
    "{}",
    json.dumps({"callback_key": SECRET}),
    json.dumps({"callback_key": 7, "jst": {}}),
]
BAD_ROUTES = [
    "no JSON",
    "{}",
    '{"routes": []}',
    '{"routes": [{"prefix": "880", "vendors": ["jst"]}]}',
    '{"routes": [{"prefix": "+880", "vendors": []}]}',
    '{"routes": [{"prefix": "+880", "vendors": ["nobody"]}]}',
    '{"routes": [{"prefix": "+880", "vendors": ["jst", "jst"]}]}',
    '{"routes": [{"prefix": "+", "vendors": ["jst"]}, {"prefix": "+", "vendors": ["jst"]}]}',
    '{"routes": [{"prefix": "+", "vendors": ["jst"], "regoin": "IN"}]}',
]


def problems(caplog: pytest.LogCaptureFixture) -> list[dict[str, object]]:
    """The errors in the log."""
    return [vars(one) for one in caplog.records if one.levelname == "ERROR"]


def aged(read: Callable[[], object]) -> None:
    """As if the minute for which a setting is cached were over."""
    setting = vendor_accounts._accounts if read is vendor_accounts.accounts else routes._routes
    assert setting._until
    setting._until = 0.0


@pytest.mark.parametrize("written", BROKEN)
def test_a_broken_secret_is_one_clear_error(
    gateway: Gateway, written: str, caplog: pytest.LogCaptureFixture
) -> None:
    if written:
        set_accounts(written)
    else:
        boto3.client("secretsmanager").delete_secret(
            SecretId="test/vendors", ForceDeleteWithoutRecovery=True
        )
        forget_settings()
    caplog.clear()
    with pytest.raises(ServiceUnavailableError) as refused:
        vendor_accounts.accounts()
    assert refused.value.slug == "accounts-unavailable"
    (line,) = problems(caplog)
    assert line["msg"] == "settings refused"
    assert SECRET not in str(line)


@pytest.mark.parametrize("written", BAD_ROUTES)
def test_a_broken_parameter_is_one_clear_error(
    gateway: Gateway, written: str, caplog: pytest.LogCaptureFixture
) -> None:
    set_routes(written)
    caplog.clear()
    with pytest.raises(ServiceUnavailableError) as refused:
        routes.routes()
    assert refused.value.slug == "routes-unavailable"
    assert len(problems(caplog)) == 1


@pytest.mark.parametrize(
    ("read", "write", "bad"),
    [
        (vendor_accounts.accounts, lambda text: put_secret(text), "no JSON"),
        (routes.routes, lambda text: put_parameter(text), "{}"),
    ],
)
def test_the_last_good_one_stays_in_use(
    gateway: Gateway, read: Callable[[], object], write: Callable[[str], None], bad: str
) -> None:
    good = read()
    write(bad)
    for _ in range(2):
        aged(read)
        assert read() == good
    forget_settings()
    with pytest.raises(ServiceUnavailableError):
        read()


def put_secret(text: str) -> None:
    boto3.client("secretsmanager").put_secret_value(SecretId="test/vendors", SecretString=text)


def put_parameter(text: str) -> None:
    boto3.client("ssm").put_parameter(Name="/test/routes", Value=text, Overwrite=True)


def test_a_change_is_seen_after_a_minute_and_not_before(gateway: Gateway) -> None:
    before = vendor_accounts.accounts()
    put_secret(json.dumps(ACCOUNTS | {"jst": {"username": "x"}}))
    assert vendor_accounts.accounts() is before
    aged(vendor_accounts.accounts)
    assert "jst" not in vendor_accounts.accounts().adapters


@pytest.mark.parametrize(
    "account",
    [
        None,
        [],
        {},
        {"password": SECRET},
        ACCOUNTS["jst"] | {"allow_http": False},
        ACCOUNTS["jst"] | {"unheard_of": SECRET},
        ACCOUNTS["jst"] | {"concurrency": 0},
        ACCOUNTS["jst"] | {"timeout": 26},
        ACCOUNTS["jst"] | {"rate": -1},
        ACCOUNTS["jst"] | {"submission_size": 1001},
        ACCOUNTS["jst"] | {"username": 7},
        ACCOUNTS["jst"] | {"base_url": "http://["},
    ],
)
def test_one_vendors_bad_settings_put_out_no_other(
    gateway: Gateway, account: object, caplog: pytest.LogCaptureFixture
) -> None:
    set_accounts({**ACCOUNTS, "jst": account, "nobody": {}})
    known = vendor_accounts.accounts()
    assert set(known.adapters) == set(VENDORS) - {"jst"}
    assert set(known.faults) == {"jst", "nobody"}
    assert {one["vendor"] for one in problems(caplog)} == {"jst", "nobody"}
    assert SECRET not in str(known.faults)


def test_plain_http_is_allowed_with_a_warning(
    gateway: Gateway, caplog: pytest.LogCaptureFixture
) -> None:
    set_account("jst")
    vendor_accounts.accounts()
    assert any("Plain http" in str(vars(one)) for one in caplog.records)


def test_accounts_show_no_secret(gateway: Gateway) -> None:
    known = vendor_accounts.accounts()
    assert CALLBACK_KEY not in repr(known)
    for secret in ("test-password", "test-api-key", "test-secret", "test-user-key"):
        assert secret not in repr(dict(known.adapters))
