"""Vendors, receivers, files and strangers that repeat what is secret: no function shows any of it.

What test_hostile_vendors.py does for sends, polls and balances, for all other functions that meet
somebody else's words.
"""

import json
import re
from base64 import b64encode
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any
from urllib.parse import urlencode

import pytest
from runtime.conftest import Start
from runtime.test_hostile_vendors import (
    CODE,
    EVENTS,
    FUNCTIONS,
    TEXT,
    api,
    gateway,
    hidden,
    secrets,
)

from local.simulators.registry import vendor_number
from sms_gateway.messages.queue import EXPRESS
from sms_gateway.receipts.callback_tokens import make_account_token, make_token
from sms_gateway.storage.models import ItemKey
from sms_gateway.vendors.registry import VENDORS
from testing.aws import CALLBACK_KEY, ENVIRONMENT, Aws, served
from testing.hostile_vendor import ANSWERS, HostileVendor, hostile_vendor
from testing.runtime_client import Function
from testing.sealed import sealed
from testing.server import Asked, Said
from testing.spellings import found_in

VOUCHER, UNLOCK_CODE = "AAAA-9Q7X-CCCC", "K7M2Q9XA"
ORIGINATOR = "+447700900123"


def allowed(event: Any, *scopes: str) -> Any:
    """An event of a caller with these scopes."""
    context = event["requestContext"]
    return event | {
        "requestContext": context
        | {"authorizer": context["authorizer"] | {"scopes": " ".join(scopes)}}
    }


def body_of(answer: Any) -> Any:
    assert answer["statusCode"] < 300, answer
    return json.loads(answer["body"])


def asks(hostile: HostileVendor, kind: str | None, work: Callable[[], Any]) -> Any:
    """The result of a work that calls the vendor, which answers by `kind`.

    On a busy machine no call may get through within the second that an account waits.
    """
    hostile.kind, before = kind, len(hostile.asked)
    for _ in range(3):
        result = work()
        if len(hostile.asked) > before:
            return result
    raise AssertionError(f"{kind}: no vendor was called: {result}")


# Codes


def begun(verify: Function, vendor: str) -> str:
    """The id of a verification."""
    wanted = {"to": vendor_number(vendor), "text": "Hello through Ärmel, code {code}"}
    return str(body_of(verify.invoke(api("verify", "POST", "/verifications", wanted)))["id"])


@pytest.mark.parametrize("vendor", VENDORS)
def test_a_verification_shows_no_code(vendor: str, start: Start) -> None:
    with gateway() as (aws, hostile):
        verify = start(FUNCTIONS / "verify", AWS_ENDPOINT_URL=aws.base)
        dispatch = start(FUNCTIONS / "dispatch", AWS_ENDPOINT_URL=aws.base)
        known = {*secrets(aws, vendor), vendor_number(vendor)[1:], "Hello through Ärmel"}
        codes: set[str] = set()

        def sends() -> Any:
            with aws.unchanged():
                begun(verify, vendor)
                return dispatch.invoke({"Records": aws.receive(EXPRESS)})

        for kind in ANSWERS:
            for answer in (kind, None):  # a true answer keeps the circuit closed
                result = asks(hostile, answer, sends)
                codes |= sent_codes(hostile.asked[-1])
                assert not found_in(str(result), known | codes), kind
        assert bool(codes) is (vendor != "server2sms")  # which makes its own codes
        assert not found_in(verify.written() + dispatch.written(), known | codes)


def sent_codes(asked: Asked) -> set[str]:
    """The code that a vendor was asked to send."""
    words = f"{asked.fields} {asked.body.decode()} {dict(fields_of(asked))}"
    return set(re.findall(r"code (?:\+)?(\d{4,})", words.replace("%20", " ").replace("+", " ")))


def fields_of(asked: Asked) -> Iterator[tuple[str, str]]:
    yield from asked._replace(search=asked.body.decode()).fields.items()


def test_a_check_that_the_vendor_judges_shows_no_code(start: Start) -> None:
    with gateway() as (aws, hostile):
        verify = start(FUNCTIONS / "verify", AWS_ENDPOINT_URL=aws.base)
        dispatch = start(FUNCTIONS / "dispatch", AWS_ENDPOINT_URL=aws.base)
        identifier = begun(verify, "server2sms")
        dispatch.invoke({"Records": aws.receive(EXPRESS)})
        path = f"/verifications/{identifier}/checks"

        def checks() -> Any:
            with aws.unchanged():
                return verify.invoke(api("verify", "POST", path, {"code": CODE}))

        for kind in ANSWERS:
            result = asks(hostile, kind, checks)
            assert CODE in hostile.asked[-1].body.decode()
            assert not found_in(str(result), {*secrets(aws, "server2sms"), CODE}), kind
        assert not found_in(verify.written(), hidden(aws, "server2sms"))


def from_pool(code: str, trigger: str = "Authentication", **attributes: str) -> Any:
    event = EVENTS["from_cognito"]
    request = event["request"] | {"code": code}
    request["userAttributes"] = request["userAttributes"] | attributes
    return event | {"request": request, "triggerSource": f"CustomSMSSender_{trigger}"}


def test_a_code_of_a_user_pool_is_not_shown(start: Start, monkeypatch: pytest.MonkeyPatch) -> None:
    password = "Quz!7-Ärmel-9041"  # made up
    with gateway() as (aws, hostile):
        sends = start(FUNCTIONS / "from_cognito", AWS_ENDPOINT_URL=aws.base)
        dispatch = start(FUNCTIONS / "dispatch", AWS_ENDPOINT_URL=aws.base)
        number = vendor_number("jst")
        right = b64encode(sealed(CODE.encode(), aws.base)).decode()
        temporary = b64encode(sealed(password.encode(), aws.base)).decode()
        known = {*hidden(aws, "jst"), password, "8801000000099", "447700900199"}

        def got() -> Any:
            with aws.unchanged():
                sends.invoke(from_pool(right, phone_number=number))
                return dispatch.invoke({"Records": aws.receive(EXPRESS)})

        for kind in ANSWERS:
            for answer in (kind, None):
                result = asks(hostile, answer, got)
                assert CODE in str(hostile.asked[-1])
                assert not found_in(str(result), known), kind
        wrong = (
            from_pool(b64encode(f"{CODE} in plain".encode()).decode(), phone_number=number),
            from_pool(CODE, phone_number=number),
            from_pool(right, phone_number=f"{number} or 8801000000099"),
            from_pool(right, phone_number="", email="+447700900199"),
            from_pool(right, "NewOfVendor", phone_number=number),
            from_pool(temporary, "AdminCreateUser", phone_number=number),
        )
        for event in wrong:
            answer = sends.invoke(event)
            if answer != event:  # which is what Cognito wants back
                assert not found_in(str(answer), known)
        key = {"KeyId": ENVIRONMENT["COGNITO_KEY"], "Plaintext": b64encode(CODE.encode()).decode()}
        monkeypatch.setattr(aws, "_Decrypt", lambda _asked: key)  # a key that opens nothing
        answer = sends.invoke(from_pool(right, phone_number=number))
        assert "errorType" in answer or aws.queues["dead"], answer
        assert not found_in(str(answer) if "errorType" in answer else "", known)
        assert not found_in(sends.written() + dispatch.written(), known)


# Callbacks


def said_of(words: str, vendor: str, view: dict[str, str]) -> list[dict[str, Any]]:
    """Callbacks with words of a stranger's choice wherever a vendor has words of its own."""
    queries = {
        "server2sms": {"DST": words, "RSN": words, "ID": view["id"], "RCPNT": view["to"]},
        "dinisoft": {"messageid": view["vendor_id"], "text": words, "donedate": words},
        "rajasms": {"sendingid": view["vendor_id"], "deliverystatus": words},
        "jst": {"job_id": view["vendor_id"], "status": words},
    }
    query = queries[vendor]
    row = query | {"deliverystatustext": words, "number": view["to"][1:]}
    bodies = (json.dumps({"status_respon": [row]}), urlencode(row), words, json.dumps([words]))
    posts = [{"httpMethod": "POST", "body": body, "queryStringParameters": None} for body in bodies]
    bare = {"httpMethod": "GET", "queryStringParameters": {words: words}}
    return [{"httpMethod": "GET", "queryStringParameters": query}, bare, *posts]


@pytest.mark.parametrize("vendor", VENDORS)
def test_a_callback_shows_nothing(vendor: str, start: Start) -> None:
    with gateway() as (aws, _):
        aws.accounts["dinisoft"] |= {"status_push": True}
        aws.publish()
        send = start(FUNCTIONS / "send", AWS_ENDPOINT_URL=aws.base)
        dispatch = start(FUNCTIONS / "dispatch", AWS_ENDPOINT_URL=aws.base)
        callback = start(FUNCTIONS / "callback", AWS_ENDPOINT_URL=aws.base)
        status = start(FUNCTIONS / "status", AWS_ENDPOINT_URL=aws.base)
        message = {"to": vendor_number(vendor), "text": TEXT}
        (sent,) = body_of(send.invoke(api("send", "POST", "/messages", message)))["messages"]
        dispatch.invoke({"Records": aws.receive(vendor)})
        reading = allowed(api("status", "GET", f"/messages/{sent['id']}"), "messages:read")
        view = body_of(status.invoke(reading))
        key, secret = ItemKey(sent["id"][:26], "M#000"), CALLBACK_KEY.encode()
        tokens = {make_token(vendor, key, 2**31, secret), make_account_token(vendor, secret)}
        words = {*hidden(aws, vendor), f"code {CODE} to {view['to']}"}
        for token in (*tokens, "f0rged-t0ken-of-a-stranger"):
            known = hidden(aws, vendor) | ({token} & tokens)
            before = len(callback.written())
            for said in (*sorted(words | {token}), " ".join(sorted(words | {token}))):
                for event in said_of(said, vendor, view):
                    given = {"pathParameters": {"vendor": vendor, "token": token}}
                    answer = callback.invoke(EVENTS["callback"] | event | given)
                    assert answer["statusCode"] in (200, 404), answer
                    assert not found_in(str(answer), known)
            assert not found_in(callback.written()[before:], known), token
        stored = json.dumps(list(aws.items().values()))
        assert not found_in(stored, {*secrets(aws, vendor), *tokens})


# Webhooks

PATH = "/hooks/a-p4th-that-is-s3cret"
LANE = "arn:aws:sqs:eu-central-1:123456789012:slow"


def obeys(asked: Asked) -> Said:
    """The answer of a receiver that wants its events."""
    return Said(json.dumps({"challenge": json.loads(asked.body)["data"]["challenge"]}).encode())


@contextmanager
def receiver() -> Iterator[tuple[Aws, HostileVendor, dict[str, str]]]:
    """AWS, a receiver of webhooks, and what its functions' environment has more."""
    queues = "https://sqs.eu-central-1.amazonaws.com/123456789012"
    with served() as aws, hostile_vendor(obeys) as hostile:
        more = {
            "AWS_ENDPOINT_URL": aws.base,
            "WEBHOOK_LOOPBACK": "true",
            "DELIVERY_QUEUE": f"{queues}/deliveries",
            "DELIVERY_QUEUE_SLOW": f"{queues}/slow",
            "DELIVERY_QUEUE_SLOW_ARN": LANE,
            "EVENTS": "all",
        }
        yield aws, hostile, more


def test_a_receiver_shows_nothing(start: Start) -> None:
    with receiver() as (aws, hostile, more):
        webhooks = start(FUNCTIONS / "webhooks", **more)
        deliver = start(FUNCTIONS / "deliver_webhooks", **more)
        wanted = {"url": f"{hostile.base}{PATH}"}
        made = body_of(webhooks.invoke(api("webhooks", "POST", "/webhooks", wanted)))
        test = api("webhooks", "POST", f"/webhooks/{made['id']}/test")
        assert body_of(webhooks.invoke(test))["proven"] is True
        number = vendor_number("jst")
        known = {
            made["secret"],
            made["secret"].removeprefix("whsec_"),
            PATH,
            TEXT,
            CODE,
            number[1:],
        }
        got = {"to": number, "text": TEXT, "code": CODE}
        for kind in ANSWERS:
            hostile.kind, before = kind, len(hostile.asked)
            with aws.unchanged():
                outcome = webhooks.invoke(test)
                assert body_of(outcome)["event_id"]
                result = deliver.invoke({"Records": [delivery(made["id"], got)]})
            challenge, delivered = hostile.asked[before:]
            known.add(json.loads(challenge.body)["data"]["challenge"])
            known.add(challenge.headers["webhook-signature"].removeprefix("v1,"))
            known.add(delivered.headers["webhook-signature"].removeprefix("v1,"))
            assert result == {"batchItemFailures": []}
            assert not found_in(str(outcome), known), kind
        assert TEXT in json.loads(delivered.body)["text"]
        assert not found_in(webhooks.written() + deliver.written(), known)


def delivery(webhook: str, got: dict[str, str]) -> Any:
    """A record of the queue of deliveries."""
    (record,) = EVENTS["deliver_webhooks"]["Records"]
    message = json.loads(record["body"]) | {
        "webhook": webhook,
        "type": "MessageDelivered",
        "body": json.dumps(got),
    }
    return record | {"body": json.dumps(message), "eventSourceARN": LANE}


# Campaigns

FILES = {
    "a good one": f"to,text\n{{number}},{TEXT}\n",
    "no head": f"{{number}},{TEXT}\n{{number}},{TEXT}\n",
    "a number as a column": "to,text,{number}\n{number},x,y\n",
    "a text as a column": f"to,text,{TEXT}\n{{number}},x,y\n",
    "a text as a number": f"to,text\n{TEXT},{{number}}\n",
    "an open quote": f'to,text\n{{number}},"{TEXT}\n',
    "too many cells": f"to,text\n{{number}},{TEXT},{CODE},{{number}}\n",
    "no template": f"to,template,name\n{{number}},Code {{name}} {CODE} {{{{other}}}},{TEXT}\n",
    "a formula": f"to,text\n{{number}},\"=cmd|'{CODE}'!A0\"\n",
    "an unknown option": f"to,text,category\n{{number}},{TEXT},{CODE}\n",
    "a sender of others": f"to,text,from\n{{number}},{TEXT},S{CODE}\n",
}


def test_a_campaigns_file_shows_nothing(start: Start) -> None:
    with served() as aws:
        aws.put(
            [
                {
                    "pk": {"S": "KEYS"},
                    "sk": {"S": "0" * 64},
                    "tenant": {"S": "acme"},
                    "scopes": {"S": "messages:send"},
                    "label": {"S": ""},
                    "created": {"N": "0"},
                }
            ]
        )
        work = start(FUNCTIONS / "campaign_worker", AWS_ENDPOINT_URL=aws.base)
        number = vendor_number("jst")
        known = {number[1:], TEXT, CODE}
        files = {name: one.replace("{number}", number).encode() for name, one in FILES.items()}
        files["not UTF-8"] = files["a good one"] + f"{number},Ä {CODE}\n".encode("latin-1")
        files["UTF-16"] = files["a good one"].decode().encode("utf-16")
        files["a NUL"] = files["a good one"].replace(b",", b"\0,")
        for name, file in files.items():
            aws.upload = file
            with aws.unchanged():
                before = len(aws.items())
                result = work.invoke(uploaded(len(file)))
                assert len(aws.items()) > before, f"{name}: no campaign"
            assert not found_in(str(result), known), name
        assert not found_in(work.written(), known)
        assert "campaign" in work.written()


def uploaded(size: int) -> Any:
    (record,) = EVENTS["campaign_worker"]["Records"]
    notice = json.loads(record["body"])
    place = notice["Records"][0]["s3"]
    place["bucket"]["name"], place["object"]["size"] = ENVIRONMENT["CAMPAIGNS_BUCKET"], size
    return {"Records": [record | {"body": json.dumps(notice)}]}


# What is asked and changed at a vendor

VENDOR = "/vendors/server2sms"
ASKED = {
    "a sender": ("GET", f"{VENDOR}/originators/{ORIGINATOR}", None),
    "an unlock code": ("POST", f"{VENDOR}/originators/{ORIGINATOR}/unlock-code", None),
    "unlocking": ("POST", f"{VENDOR}/originators/{ORIGINATOR}/unlock", {"code": UNLOCK_CODE}),
    "vouchers": ("GET", f"{VENDOR}/vouchers", None),
    "new vouchers": ("POST", f"{VENDOR}/vouchers", {"count": 1, "credits_each": 5}),
    "redeeming": ("POST", f"{VENDOR}/vouchers/redeem", {"code": VOUCHER}),
    "the version": ("GET", f"{VENDOR}/version", None),
    "the codes": ("GET", f"{VENDOR}/status-codes", None),
}


@pytest.mark.parametrize("what", ASKED)
def test_what_is_done_at_a_vendor_shows_nothing(what: str, start: Start) -> None:
    with gateway() as (aws, hostile):
        function = start(FUNCTIONS / "vendor_account", AWS_ENDPOINT_URL=aws.base)
        event = allowed(api("vendor_account", *ASKED[what]), "balances:read", "account")
        known = secrets(aws, "server2sms") | {UNLOCK_CODE, VOUCHER}

        def done() -> Any:
            with aws.unchanged():
                return function.invoke(event)

        for kind in ANSWERS:
            result = asks(hostile, kind, done)
            assert not found_in(str(result), known), kind
        assert not found_in(function.written(), known | {ORIGINATOR[1:]})
