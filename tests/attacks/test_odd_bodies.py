"""Bodies, headers and paths that no client sends: each gets a problem, none an error of ours."""

import gzip
import json
import random

import pytest

from testing.deployed import NUMBERS, Api

ROUTES = ("/messages", "/messages/preview", "/verifications", "/webhooks")
TO = NUMBERS["rajasms"]
SEED = random.SystemRandom().randrange(2**32)
ODD = {
    "empty": b"",
    "blank": b" \n\t",
    "null": b"null",
    "a number": b"1e999",
    "not a number": b'{"to": NaN}',
    "a list in a list": b"[" * 100_000,
    "objects in objects": b'{"a":' * 50_000,
    "a key twice": b'{"to": "+1", "to": "+2", "text": "x"}',
    "a great number": b'{"to": "'
    + TO.encode()
    + b'", "text": "x", "validity": '
    + b"9" * 5000
    + b"}",
    "latin-1": '{"to": "+62", "text": "café"}'.encode("latin-1"),
    "utf-16": '{"to": "+62", "text": "x"}'.encode("utf-16"),
    "a lone surrogate": b'{"to": "+62", "text": "\\ud800"}',
    "null bytes": b'{"to": "+62\\u0000", "text": "\\u0000"}',
    "gzip": gzip.compress(json.dumps({"to": TO, "text": "x" * 100_000}).encode()),
    "xml": b"<?xml version='1.0'?><!DOCTYPE a [<!ENTITY b SYSTEM 'file:///etc/passwd'>]><a>&b;</a>",
    "a form": b"to=%2B62&text=x",
    "a prototype": b'{"__proto__": {"tenant": "demo"}, "to": "+62", "text": "x"}',
    "a tenant": json.dumps({"to": TO, "text": "x", "tenant": "demo"}).encode(),
    "a table's key": json.dumps({"to": TO, "text": "x", "pk": "KEYS"}).encode(),
    "an event": json.dumps({"httpMethod": "POST", "requestContext": {"authorizer": {}}}).encode(),
    "numbers without end": json.dumps({"to": [TO] * 1001, "text": "x"}).encode(),
    "true": json.dumps({"to": True, "text": True}).encode(),
    "an object as text": json.dumps({"to": {"$ne": None}, "text": {"$gt": ""}}).encode(),
}


@pytest.mark.parametrize("route", ROUTES)
@pytest.mark.parametrize("name", ODD)
def test_an_odd_body_gets_a_problem(route: str, name: str, admin: Api) -> None:
    answer = admin("POST", route, raw=ODD[name], headers={"Content-Type": "application/json"})
    if route == "/messages/preview" and answer.status == 200:
        assert answer.body["rejected"]
        return
    assert 400 <= answer.status < 500
    assert answer.headers["Content-Type"] == "application/problem+json"
    assert answer.body["detail"]


def test_drawn_damage_never_breaks_a_function(api: Api) -> None:
    print(f"seed {SEED}")
    draw = random.Random(SEED)  # noqa: S311 - no secret
    whole = json.dumps({"to": [TO, TO], "text": "Hello", "validity": 600}).encode()
    for _ in range(80):
        damaged = bytearray(whole)
        for _ in range(draw.randint(1, 4)):
            damaged[draw.randrange(len(damaged))] = draw.randrange(256)
        answer = api("POST", "/messages/preview", raw=bytes(damaged))
        assert answer.status < 500, (SEED, bytes(damaged))


@pytest.mark.parametrize(
    "name",
    ["Idempotency-Key", "X-Forwarded-For", "X-Amzn-Trace-Id", "X-HTTP-Method-Override"],
)
@pytest.mark.parametrize("value", ["x" * 6000, "%00", "' OR 1=1 --", "{{7*7}}", "../../KEYS"])
def test_an_odd_header_changes_nothing(name: str, value: str, api: Api) -> None:
    answer = api("POST", "/messages/preview", {"to": TO, "text": "x"}, headers={name: value})
    assert answer.status in (200, 400, 413, 422, 431)


@pytest.mark.parametrize(
    "path",
    [
        "/messages/..%2f..%2fKEYS",
        "/messages/%00",
        "/messages/" + "A" * 3000,
        "/messages/' OR '1'='1",
        "/batches/*",
        "/verifications/%F0%9F%98%80",
        "/vendors/server2sms/originators/%2e%2e",
        "/messages?limit=-1",
        "/messages?limit=99999999999999999999",
        "/messages?created_from=%FF",
        "/messages?cursor=" + "A" * 5000,
    ],
)
def test_an_odd_path_gets_a_problem(path: str, api: Api) -> None:
    answer = api("GET", path.replace(" ", "%20"))
    assert 400 <= answer.status < 500
    assert answer.headers["Content-Type"] == "application/problem+json"
