"""Settings: a bad one is one clear log line, and the last good one stays in use."""

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import SimpleNamespace
from typing import Any

import boto3
import pytest

from sms_gateway.aws import clients
from sms_gateway.config import routes, stack_keys, vendor_accounts
from sms_gateway.config.stored_settings import read_setting, write_setting
from sms_gateway.core.problems import ServiceUnavailableError
from sms_gateway.vendors.registry import VENDORS
from sms_gateway.webhooks import settings as webhook_settings
from testing.callbacks import call
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
    "no JSON",
    "[]",
    "7",
]
BROKEN_KEYS = [
    "no JSON",
    "{}",
    json.dumps({"current": CALLBACK_KEY}),
    *(
        json.dumps({"current": CALLBACK_KEY, "marks": CALLBACK_KEY} | wrong)
        for wrong in ({"current": SECRET}, {"marks": SECRET}, {"previous": SECRET}, {"older": ""})
    ),
]
BAD_ROUTES = [
    "no JSON",
    "{}",
    '{"routes": []}',
    '{"routes": [{"prefix": "880", "vendors": ["jst"]}]}',
    '{"routes": [{"prefix": "+880", "vendors": []}]}',
    '{"routes": [{"prefix": "+880", "vendors": ["No body"]}]}',
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
    set_accounts(written)
    caplog.clear()
    with pytest.raises(ServiceUnavailableError) as refused:
        vendor_accounts.accounts()
    assert refused.value.slug == "accounts-unavailable"
    (line,) = problems(caplog)
    assert line["msg"] == "settings refused"
    assert SECRET not in str(line)


@pytest.mark.parametrize("written", BAD_ROUTES)
def test_a_broken_setting_is_one_clear_error(
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
        (routes.routes, lambda text: put_setting(text), "{}"),
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


@pytest.mark.parametrize("written", BROKEN_KEYS)
def test_broken_callback_keys_are_refused_and_never_shown(
    gateway: Gateway, caplog: pytest.LogCaptureFixture, written: str
) -> None:
    put_key("CALLBACK_KEY", written)
    with pytest.raises(ServiceUnavailableError) as refused:
        stack_keys.callback_keys()
    assert refused.value.slug == "callback-key-unavailable"
    assert SECRET not in str(problems(caplog))
    assert len(problems(caplog)) == 1


def test_a_key_shows_nothing_of_itself(gateway: Gateway) -> None:
    assert CALLBACK_KEY not in repr(stack_keys.callback_keys())
    assert CALLBACK_KEY not in str([stack_keys.callback_keys()])


@pytest.mark.parametrize("denied", [False, True])
def test_a_secret_that_nobody_made_is_no_alarm_and_says_how_to_make_it(
    gateway: Gateway, caplog: pytest.LogCaptureFixture, denied: bool
) -> None:
    forget_settings()
    with deleted("test/vendors", denied=denied):
        for _ in range(2):
            with pytest.raises(ServiceUnavailableError, match="smsgw vendors set") as refused:
                vendor_accounts.accounts()
            assert refused.value.slug == "accounts-unavailable"
    with deleted("test/keys", denied=denied):
        for read in (stack_keys.callback_keys, stack_keys.message_key):
            with pytest.raises(ServiceUnavailableError, match="smsgw vendors set"):
                read()
        with pytest.raises(ServiceUnavailableError, match="smsgw keys create") as refused:
            webhook_settings.webhook_key()
        assert refused.value.slug == "webhook-key-unavailable"
    assert problems(caplog) == []


@pytest.mark.parametrize("denied", [False, True])
def test_a_secret_that_is_gone_or_denied_after_it_was_read_is_an_alarm(
    gateway: Gateway, caplog: pytest.LogCaptureFixture, denied: bool
) -> None:
    known = vendor_accounts.accounts()
    with deleted("test/vendors", denied=denied):
        vendor_accounts._accounts._until = 0.0
        assert vendor_accounts.accounts() is known
    (line,) = problems(caplog)
    assert line["msg"] == "settings refused"


def test_messages_are_accepted_and_callbacks_read_without_a_password(gateway: Gateway) -> None:
    """Whoever calls no vendor neither has the accounts' secret nor needs it."""
    (identifier,) = gateway.sent("server2sms")
    token = gateway.token("server2sms", gateway.submission(identifier).key)
    words = f"login test-user-key of {ACCOUNTS['server2sms']['password'].upper()} is over"
    with deleted("test/vendors", denied=False):
        forget_settings()
        gateway.one("jst")
        report = {"DST": "1", "RSN": "099", "DSTTXT": words, "ID": identifier}
        assert call("server2sms", token, report)["statusCode"] == 200
        with pytest.raises(ServiceUnavailableError):
            vendor_accounts.accounts()
    stored = str(gateway.item(gateway.submission(identifier).key))
    for secret in ("test-user-key", ACCOUNTS["server2sms"]["password"].upper()):
        assert secret not in stored


@pytest.mark.parametrize(("key", "received"), [("test-api-key", 1), ("another", 0)])
def test_a_push_with_other_keys_than_ours_is_dropped_without_knowing_ours(
    gateway: Gateway, key: str, received: int
) -> None:
    set_account("dinisoft", status_push=True)
    token = gateway.token("dinisoft", None)
    with deleted("test/vendors", denied=False):
        push = {"messageid": "1", "text": "DELIVRD", "apikey": key, "secretkey": "test-secret"}
        assert json.loads(call("dinisoft", token, push)["body"]) == {"received": received}


@contextmanager
def deleted(name: str, *, denied: bool) -> Iterator[None]:
    """Without a secret: for AWS one that is not there, or one that no policy matches."""
    client = boto3.client("secretsmanager")
    keys = ("CALLBACK_KEY", "MESSAGE_KEY", "SEARCH_KEY", "WEBHOOK_KEY")
    labels = keys if name == "test/keys" else ()
    before = {one: text_of(name, one) for one in ("AWSCURRENT", *labels)}
    refusal = {"Code": "AccessDeniedException", "Message": f"not authorized on resource: {name}"}
    reading = clients.client("secretsmanager")

    def refuse(**_: Any) -> Any:
        answer = {"Error": refusal, "ResponseMetadata": {}}
        return SimpleNamespace(status_code=400, headers={}), answer

    client.delete_secret(SecretId=name, ForceDeleteWithoutRecovery=True)
    if denied:
        reading.meta.events.register_first("before-call", refuse)
    try:
        yield
    finally:
        if denied:
            reading.meta.events.unregister("before-call", refuse)
        client.create_secret(Name=name, SecretString=before["AWSCURRENT"])
        for label in labels:
            put_key(label, before[label])


def text_of(name: str, label: str) -> str:
    found = boto3.client("secretsmanager").get_secret_value(SecretId=name, VersionStage=label)
    return str(found["SecretString"])


def put_key(label: str, text: str) -> None:
    boto3.client("secretsmanager").put_secret_value(
        SecretId="test/keys", SecretString=text, VersionStages=[label]
    )
    forget_settings()


def put_secret(text: str) -> None:
    boto3.client("secretsmanager").put_secret_value(SecretId="test/vendors", SecretString=text)


def put_setting(text: str) -> None:
    assert write_setting("routes", text, read_setting("routes"))


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
    for secret in ("test-password", "test-api-key", "test-secret", "test-user-key"):
        assert secret not in repr(dict(known.adapters))
