"""The local stack's keys are what the gateway takes for keys, and always the same."""

import os
from datetime import UTC, datetime

import boto3

from local.keys import store_key
from sms_gateway.config import api_keys
from testing.gateway import Gateway


def test_a_local_key_opens_what_it_names_and_stays_the_same(gateway: Gateway) -> None:
    place = (boto3.client("dynamodb"), os.environ["TABLE_NAME"])
    key = store_key(*place, "key", "demo", ("messages:send",))
    assert store_key(*place, "key", "demo", ("messages:send",)) == key
    assert store_key(*place, "admin_key", "demo", api_keys.SCOPES) != key
    found, refusal = api_keys.find_key(key, datetime.now(UTC))
    assert refusal is None
    assert found is not None
    assert (found.tenant, found.scopes) == ("demo", ("messages:send",))
