"""What the integration tests stand on: a fake transport, and the core as a test drives it."""

import base64
import json
import os
import threading
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import cache
from importlib import util
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any
from urllib.parse import urlencode

import boto3
from aws_lambda_powertools.utilities.circuit_breaker import base as breaker
from moto.sqs.models import sqs_backends
from samcli.yamlhelper import yaml_parse

from sms_gateway.config import cached_setting, vendor_accounts
from sms_gateway.dispatch import circuit_breaker, worker
from sms_gateway.messages.send import send as accept_body
from sms_gateway.messages.views import message_view
from sms_gateway.receipts.callback_tokens import make_token
from sms_gateway.receipts.callbacks import handle_callback
from sms_gateway.scheduler import tick as scheduler_tick
from sms_gateway.scheduler import tick_run
from sms_gateway.storage import dynamodb, message_repository
from sms_gateway.storage.models import ItemKey, Submission, split_id
from sms_gateway.vendors.http_client import VendorConnectionFailedError, VendorOutcomeUnknownError
from sms_gateway.vendors.registry import VENDORS
from sms_gateway.vendors.types import Request, VendorResponse

ROOT = Path(__file__).parent.parent.parent
TEMPLATE: dict[str, Any] = yaml_parse((ROOT / "template.yaml").read_text())
CALLBACK_KEY = "0123456789abcdef0123456789abcdef0123456789abcdef"
WEBHOOK_KEY = "fedcba9876543210fedcba9876543210fedcba9876543210"
ACCOUNTS: dict[str, Any] = {
    "callback_key": CALLBACK_KEY,
    **{
        vendor: json.loads((ROOT / "tests" / "vendors" / vendor / "account.json").read_text())
        for vendor in VENDORS
    },
}
NUMBERS = {  # a first number that can't be anybody's, by vendor
    "jst": 911000000001,
    "dinisoft": 8801000000001,
    "rajasms": 628000000001,
    "server2sms": 447700900001,
}


DEAD_LETTERS = os.environ["DEAD_LETTERS"].rpartition("/")[2]
STREAM_DEAD = os.environ["STREAM_DEAD_LETTERS"].rpartition("/")[2]
SOURCES: dict[str, Any] = {
    "bus": {"com.example.orders": {"tenant": "acme", "defaults": {"from": "ACME"}}},
    "queue": {"default": {"tenant": "acme"}},
    "topic": {
        "alarms": {"tenant": "ops", "to": ["+447700900001"]},
        "messages": {"tenant": "acme"},
    },
    "cognito": {"eu-central-1_example": {"tenant": "shop"}},
    "direct": {"orders": {"tenant": "acme"}},
}

ACCOUNT_ID, REGION = "123456789012", "eu-central-1"
LANES = ("deliveries", "slow")  # the queues of deliveries to webhooks
WRITTEN: list[str] = []  # settings that a test changed


def queue_name(vendor: str) -> str:
    """A vendor's queue."""
    return os.environ[f"QUEUE_{vendor.upper()}"].rpartition("/")[2]


def drained(vendor: str) -> list[Any]:
    """Takes everything out of a vendor's queue, delayed or not."""
    return emptied(queue_name(vendor))


def emptied(name: str) -> list[Any]:
    """Takes everything out of a queue."""
    queue = sqs_backends[ACCOUNT_ID][REGION].queues[name]
    waiting = list(queue._messages)
    queue._messages.clear()
    queue._pending_messages.clear()
    return waiting


def number(vendor: str, nth: int = 0) -> str:
    """The nth number that routes to a vendor."""
    return f"+{NUMBERS[vendor] + nth}"


class Wire:
    """A transport in place of the network: answers by vendor and operation, and remembers.

    `answers[path ending]` is a Reply's body, an exception, or what makes one from a request.
    """

    def __init__(self) -> None:
        self.sent: list[Request] = []
        self.answers: dict[str, Any] = {}
        self._lock = threading.Lock()

    def __call__(self, request: Request, timeout: float) -> VendorResponse:
        assert timeout > 0
        with self._lock:
            self.sent.append(request)
        path = request.url.partition("?")[0]
        for ending, answer in self.answers.items():
            if path.endswith(ending):
                said = answer(request) if callable(answer) else answer
                if isinstance(said, Exception):
                    raise said
                return (
                    said if isinstance(said, VendorResponse) else VendorResponse(200, _bytes(said))
                )
        raise AssertionError(f"nobody answers {path}")

    def count(self, ending: str) -> int:
        """How many requests went to a path with this ending."""
        return sum(one.url.partition("?")[0].endswith(ending) for one in self.sent)


def _bytes(said: Any) -> bytes:
    if isinstance(said, bytes):
        return said
    return (said if isinstance(said, str) else json.dumps(said)).encode()


def rajasms_takes(request: Request) -> Any:
    """RajaSMS's answer that takes every packet; the sendingid is the number's last digits."""
    packets = json.loads(request.body)["datapacket"]
    return rajasms_answer(
        [(one["number"], 10, 1_000_000 + int(one["number"][-6:])) for one in packets]
    )


def rajasms_answer(packets: Sequence[tuple[str, int, int]]) -> Any:
    """An answer from (number, sendingstatus, sendingid)."""
    return {
        "sending_respon": [
            {
                "globalstatus": 10,
                "globalstatustext": "Success",
                "datapacket": [
                    {
                        "packet": {
                            "number": to,
                            "sendingid": identifier,
                            "sendingstatus": status,
                            "sendingstatustext": f"word {status}",
                            "price": 320,
                        }
                    }
                    for to, status, identifier in packets
                ],
            }
        ]
    }


def dinisoft_takes(request: Request) -> Any:
    """Dinisoft's answer with an id made of the number."""
    to = request.url.partition("toUser=")[2].partition("&")[0]
    return {"Status": "0", "Text": "ACCEPTD", "Message_ID": f"9{to[-6:]}"}


SUBMIT = {
    "jst": "-sms",
    "dinisoft": "/sendtext",
    "server2sms": "SendTextSMS",
    "rajasms": "send_json.php",
}
TAKES: dict[str, Any] = {
    "jst": {"job_id": 4711},
    "dinisoft": dinisoft_takes,
    "server2sms": {"StatusCode": "1", "StatusInfo": "OK"},
    "rajasms": rajasms_takes,
}
UNREACHABLE = VendorConnectionFailedError("NewConnectionError")
SILENT = VendorOutcomeUnknownError("ReadTimeoutError")


@dataclass
class Gateway:
    """What a test does with the core: accept, dispatch, tick, look."""

    wire: Wire
    context: Any = field(
        default_factory=lambda: SimpleNamespace(get_remaining_time_in_millis=lambda: 120_000)
    )

    def accept(self, body: dict[str, Any], tenant: str = "acme") -> list[str]:
        """Accepts a send; the ids of its messages."""
        answer = accept_body(tenant, json.dumps(body).encode(), datetime.now(UTC))
        return [one["id"] for one in answer["messages"]]

    def one(self, vendor: str, **fields: Any) -> str:
        """Accepts a message for a vendor; its id."""
        return self.accept({"to": number(vendor), "text": "Hello", **fields})[0]

    def many(self, vendor: str, count: int, **fields: Any) -> list[str]:
        """Accepts a batch of one text for a vendor; the ids."""
        numbers = [number(vendor, nth) for nth in range(count)]
        return self.accept({"to": numbers, "text": "Hello", **fields})

    def queued(self, vendor: str) -> list[dict[str, Any]]:
        """Takes what is in a vendor's queue, delayed or not, as Lambda's records."""
        waiting = drained(vendor)
        return [{"messageId": one.id, "body": one.body, "attributes": {}} for one in waiting]

    def dispatch(self, vendor: str, remaining: float = 120, **accounts: Any) -> list[str]:
        """Works on all that is queued for a vendor; the ids of the records that failed."""
        records = self.queued(vendor)
        return self.work(records, remaining)

    def work(self, records: Sequence[dict[str, Any]], remaining: float = 120) -> list[str]:
        """Works on records of the queue."""
        answer = worker.handle_records(records, remaining, self.wire)
        return [one["itemIdentifier"] for one in answer["batchItemFailures"]]

    def tick(self, after: float = 0, **options: Any) -> int:
        """Runs the clock `after` seconds from now."""
        adapters = options.pop("adapters", None)
        with ThreadPoolExecutor(scheduler_tick.THREADS) as pool:
            return scheduler_tick.process_all_due(
                tick_run.TickRun(
                    adapters=vendor_accounts.accounts().adapters if adapters is None else adapters,
                    pool=pool,
                    now=datetime.now(UTC) + timedelta(seconds=after),
                    until=time.time() + options.pop("remaining", 60),
                    send=self.wire,
                    **options,
                )
            )

    def sent(self, vendor: str, count: int = 0, **fields: Any) -> list[str]:
        """Accepts and submits a message, or `count` in a batch; the ids."""
        self.wire.answers.setdefault(SUBMIT[vendor], TAKES[vendor])
        ids = self.many(vendor, count, **fields) if count else [self.one(vendor, **fields)]
        assert self.dispatch(vendor) == []
        return ids

    def view(self, identifier: str) -> dict[str, Any]:
        """A message as the API shows it."""
        key = split_id(identifier)
        assert key
        found = message_repository.find_message(key)
        assert found
        return message_view(*found)

    def status(self, identifier: str) -> str:
        """A message's status."""
        return str(self.view(identifier)["status"])

    def statuses(self, ids: Sequence[str]) -> list[str]:
        """Messages' statuses."""
        return [self.status(one) for one in ids]

    def submission(self, identifier: str) -> Submission:
        """The submission that a message stands in."""
        key = split_id(identifier)
        assert key
        found = message_repository.find_message(key)
        assert found
        return found[2]

    def token(self, vendor: str, key: ItemKey | None) -> str:
        """The callback token of a submission, or of an account."""
        return make_token(vendor, key, CALLBACK_KEY.encode())

    def item(self, key: ItemKey) -> dict[str, Any]:
        """An item as it is stored; empty when it is not there."""
        return dynamodb.get(key) or {}

    def messages_stored(self) -> int:
        """How many items the table has."""
        return dynamodb.client().scan(TableName=dynamodb.table_name(), Select="COUNT")["Count"]


POLL = {"jst": "get-dlr-report", "dinisoft": "/getstatus", "server2sms": "DeliveryNotifications"}


def arrived(request: Request) -> Any:
    """server2sms's answer that all references were delivered."""
    references = json.loads(request.body)["TransactionReferenceNumbers"].split(";")
    return notifications(*[(one, "0") for one in references])


def notifications(*rows: tuple[str, str]) -> Any:
    return {
        "StatusCode": "1",
        "DeliveryNotifications": [
            {"TransactionReferenceNumber": reference, "DeliveryStatus": status}
            for reference, status in rows
        ],
    }


def call(vendor: str, token: str, query: Any = None, body: Any = None) -> dict[str, Any]:
    """A vendor's call: GET with a query, or POST with a body."""
    return handle_callback(
        {
            "httpMethod": "GET" if body is None else "POST",
            "pathParameters": {"vendor": vendor, "token": token},
            "queryStringParameters": query,
            "headers": {"Content-Type": "application/json"},
            "body": body if body is None or isinstance(body, str) else json.dumps(body),
        }
    )


def call_url(
    method: str, path: str, query: Any = None, body: bytes | None = None
) -> dict[str, Any]:
    """A vendor's call to the function's own URL: payload format 2.0, a body always as base64."""
    event: dict[str, Any] = {
        "version": "2.0",
        "routeKey": "$default",
        "rawPath": path,
        "rawQueryString": urlencode(query or {}),
        "headers": {"content-type": "application/json"},
        "requestContext": {"http": {"method": method, "path": path}},
        "isBase64Encoded": body is not None,
    }
    if query:
        event["queryStringParameters"] = query
    if body is not None:
        event["body"] = base64.b64encode(body).decode()
    return handle_callback(event)


def rajasms(gateway: Gateway, identifier: str, status: str, **row: Any) -> dict[str, Any]:
    """RajaSMS reports on a message, to the submission's address."""
    view, key = gateway.view(identifier), gateway.submission(identifier).key
    row = {"sendingid": view["vendor_id"], "number": view["to"][1:], "deliverystatus": status} | row
    return call("rajasms", gateway.token("rajasms", key), body={"status_respon": [row]})


def server2sms(gateway: Gateway, identifier: str, status: str, **query: str) -> dict[str, Any]:
    """server2sms reports on a message, to the submission's address."""
    key = gateway.submission(identifier).key
    query = {"DST": status, "RSN": "000", "ID": identifier} | query
    return call("server2sms", gateway.token("server2sms", key), query)


@cache
def _client(service: Any) -> Any:
    """A client of AWS as the operator has: making one takes longer than most tests."""
    return boto3.client(service)


def set_accounts(accounts: object) -> None:
    """Writes the accounts' secret, which this process then reads anew."""
    written = accounts if isinstance(accounts, str) else json.dumps(accounts)
    _set_secret(os.environ["ACCOUNTS_SECRET"], written)


def set_webhook_key(written: str) -> None:
    """Writes the secret of the webhooks' key, which this process then reads anew."""
    _set_secret(os.environ["WEBHOOK_SECRET"], written)


def _set_secret(name: str, written: str) -> None:
    client = _client("secretsmanager")
    try:
        client.create_secret(Name=name, SecretString=written)
    except client.exceptions.ResourceExistsException:
        client.put_secret_value(SecretId=name, SecretString=written)
    forget_settings()


def set_account(vendor: str, **settings: object) -> None:
    """Changes settings of one vendor's account."""
    set_accounts({**ACCOUNTS, vendor: ACCOUNTS[vendor] | settings})


def new_worker() -> None:
    """As a new process begins: it has counted no failure, and reads the circuits anew."""
    for counted in (
        breaker._LOCAL_FAILURES,
        breaker._LOCAL_SUCCESSES,
        breaker._LAST_OBSERVED_STATE,
    ):
        counted.clear()
    circuit_breaker._store.cache_clear()


def set_routes(written: str) -> None:
    """Writes the routes parameter, which this process then reads anew."""
    _client("ssm").put_parameter(
        Name=os.environ["ROUTES_PARAMETER"], Value=written, Type="String", Overwrite=True
    )
    forget_settings()


def set_sources(written: object) -> None:
    """Writes the sources parameter, which this process then reads anew."""
    _client("ssm").put_parameter(
        Name=os.environ["SOURCES_PARAMETER"],
        Value=written if isinstance(written, str) else json.dumps(written),
        Type="String",
        Overwrite=True,
    )
    forget_settings()


def forget_settings() -> None:
    """As a new process begins; the next test gets the old settings back."""
    cached_setting.reset_all()
    WRITTEN.append("settings")


def function(name: str) -> ModuleType:
    """A function's module: several files are called app.py."""
    spec = util.spec_from_file_location(f"{name}_app", ROOT / "functions" / name / "app.py")
    assert spec
    assert spec.loader
    module = util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module
