"""`smsgw keys create --test`, on a stack that nobody has set up yet."""

import json

import boto3

from sms_gateway.config.stack_keys import MESSAGE_KEY

from .conftest import FRESH, Operator

CREATE = ("keys", "create", "--test", "--tenant", "acme", "--scope", "messages:send")


def test_a_test_key_is_all_that_a_new_stack_needs(operator: Operator) -> None:
    status, said, _ = operator("--json", *CREATE)
    made = json.loads(said)
    assert status == 0
    assert made["key"].startswith("sms_test_")
    secrets = boto3.client("secretsmanager")
    stored = secrets.get_secret_value(SecretId=f"{FRESH}/keys", VersionStage=MESSAGE_KEY)
    assert len(stored["SecretString"]) >= 32
    assert operator(*CREATE)[0] == 0
    again = secrets.get_secret_value(SecretId=f"{FRESH}/keys", VersionStage=MESSAGE_KEY)
    assert again["SecretString"] == stored["SecretString"]
    listed = json.loads(operator("--json", "keys", "list")[1])
    assert [one["kind"] for one in listed] == ["test", "test"]
    assert operator("keys", "create", "--tenant", "acme", "--scope", "messages:send")[0] == 0
    assert "live" in operator("keys", "list")[1]


def test_a_test_key_gets_no_scope_that_reaches_a_vendor(operator: Operator) -> None:
    status, said, complained = operator(*CREATE, "--scope", "account")
    assert (status, said) == (1, "")
    assert "a scope of a test key is one of messages:send" in complained
    assert json.loads(operator("--json", "keys", "list")[1]) == []
