"""AWS and the vendors as far as the functions call them, in this process.

The table is the AWS emulator's, the vendors are the simulators; all else is constant.
"""

import base64
import copy
import json
import os
import time
from collections import defaultdict, deque
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any
from urllib.parse import parse_qsl
from uuid import uuid4

import msgspec
from ministack.services import dynamodb  # type: ignore[import-untyped]  # no stubs

from local.simulators.registry import SIMULATORS, accounts, routes
from local.simulators.state import Message, State
from local.simulators.vendor import Request
from sms_gateway.config.account_publishing import write_public_accounts
from sms_gateway.config.secrets import CURRENT
from sms_gateway.config.stack_keys import derive_search_key
from sms_gateway.vendors.registry import VENDORS
from testing.server import Asked, Said, serving
from testing.template import table_definition

Item = dict[str, Any]

LATER = 86_400.0  # seconds until a vendor's outcome: none falls due by itself
MARKS_KEY = "456789abcdef0123456789abcdef0123456789abcdef0123"
CALLBACK_KEY = "0123456789abcdef0123456789abcdef0123456789abcdef"
WEBHOOK_KEY = "cdef0123456789abcdef0123456789abcdef0123456789ab"
MESSAGE_KEY = "89abcdef0123456789abcdef0123456789abcdef01234567"
QUEUES = {
    f"QUEUE_{vendor.upper()}": f"https://sqs.eu-central-1.amazonaws.com/123456789012/{vendor}"
    for vendor in (*VENDORS, "declared", "express")
}
ENVIRONMENT = QUEUES | {
    "AWS_ACCESS_KEY_ID": "testing",
    "AWS_SECRET_ACCESS_KEY": "example",
    "AWS_SESSION_TOKEN": "example",
    "AWS_DEFAULT_REGION": "eu-central-1",
    "AWS_REGION": "eu-central-1",
    "AWS_EC2_METADATA_DISABLED": "true",
    "BOTO_DISABLE_CRT": "true",  # the emulator brings awscrt here; the layer has none
    "STACK_NAME": "bench",
    "TABLE_NAME": "bench",
    "ACCOUNTS_SECRET": "bench/vendors",
    "KEYS_SECRET": "bench/keys",
    "OWN_ACCOUNT": "123456789012",
    "REQUEUE_AFTER": "60",
    "INTERRUPTED_AFTER": "150",
    "RECEIPT_DEADLINE": "259200",
    "RETENTION_DAYS": "90",
    "PUMPING_GUARD": "false",
    "CALLBACK_URL": "https://api.example.com/v1/callbacks",
    "DISPATCH_WORKERS": "2",
    "CAMPAIGNS_BUCKET": "bench",
    "CAMPAIGN_QUEUE": "https://sqs.eu-central-1.amazonaws.com/123456789012/campaigns",
    "COGNITO_KEY": "arn:aws:kms:eu-central-1:123456789012:key/bench",
    "DECLARED_VENDORS": "true",
    "EVENTS": "none",
    "EVENT_DETAIL": "masked",
    "WEBHOOK_LOOPBACK": "false",
    "WEBHOOK_PORTS": "443,8443",
    "WEBHOOK_RATE": "6000",
    "DASHBOARD": "false",
    "VERIFICATION_SENDS": "5",
    "VERIFICATION_WINDOW": "600",
    "POWERTOOLS_SERVICE_NAME": "sms-gateway",
    "POWERTOOLS_LOG_LEVEL": "ERROR",
}

SOURCES = {
    "bus": {"com.example.orders": {"tenant": "acme"}},
    "queue": {"default": {"tenant": "acme"}},
    "topic": {"alarms": {"tenant": "ops", "to": ["+447700900001"]}},
    "cognito": {"eu-central-1_example": {"tenant": "acme", "text": "Your code is {code}"}},
}


def setting(partition: str, name: str, data: str) -> Item:
    """Return the item of a setting."""
    return {"pk": {"S": partition}, "sk": {"S": name}, "data": {"S": data}, "version": {"N": "1"}}


SETTINGS = [
    setting("SETTINGS", "routes", json.dumps({"routes": routes()})),
    setting("SETTINGS", "sources", json.dumps(SOURCES)),
    setting("SETTINGS", "campaigns", "{}"),
]
RANGE, RANGED = "pk = :pk AND sk BETWEEN :low AND :high", (":pk", ":low", ":high")
MOST_IN_A_PAGE = 1_100  # items that surely are less than 1 MB
DATA_KEY = base64.b64encode(bytes(32)).decode()  # sealed and open: nothing is secret here


class Vendors:
    """The simulated vendors, at `base`: they take everything, and tell nothing by themselves."""

    def __init__(self) -> None:
        self.state = State(LATER, "http://127.0.0.1", 0)
        self.vendors = {name: kind(self.state) for name, kind in SIMULATORS.items()}

    def answer(self, asked: Asked) -> Said:
        """Return a vendor's answer."""
        _, name, rest = asked.path.split("/", 2)
        fields = asked.fields
        if asked.headers.get("content-type", "").startswith("application/x-www-form-urlencoded"):
            fields |= parse_qsl(asked.body.decode(), keep_blank_values=True)
        said = self.vendors[name].answer(Request(asked.method, rest, fields, asked.body))
        return Said(said.body, said.status, said.content_type or "text/plain")

    def sent(self) -> list[Message]:
        """Every message that was taken, in order."""
        return [message for one in self.state._submissions for message in one.messages]

    def deliver(self) -> None:
        """Every message arrives."""
        for message in self.sent():
            message.state, message.final_at = "delivered", time.time()


class Aws:
    """The table, queues, settings, a bucket and a bus, and the vendors at `base`.

    The table is the emulator's, without its HTTP. Every file of the bucket reads `upload`; the bus
    keeps `events`; `accounts` are the vendors' settings.
    """

    def __init__(self, base: str = "http://127.0.0.1:1") -> None:
        self.vendors = Vendors()
        self.accounts: dict[str, Any] = accounts(base)
        self.queues: dict[str, deque[tuple[float, str]]] = defaultdict(deque)
        self.upload = b""
        self.events: list[Any] = []
        self.base = base

    def clear(self, name: str = ENVIRONMENT["TABLE_NAME"]) -> None:
        """Return a table with the settings only, empty queues, and vendors that took nothing."""
        self.queues.clear()
        self.vendors.state.clear()
        dynamodb._tables.pop(name, None)
        dynamodb._stream_records.pop(name, None)
        status, _, got = dynamodb._create_table(table_definition(name))
        if status != 200:
            raise RuntimeError(f"no table: {got!r}")
        self.put(SETTINGS, name)
        self.publish(name)

    def publish(self, name: str = ENVIRONMENT["TABLE_NAME"]) -> None:
        """Put into the table what is public of the accounts, as `smsgw vendors publish` does."""
        published = write_public_accounts(self.accounts, MARKS_KEY.encode())
        self.put([setting("ACCOUNTS", "accounts", published)], name)

    def items(self, name: str = ENVIRONMENT["TABLE_NAME"]) -> dict[str, dict[str, Item]]:
        """Return what the table has, by partition and sort key."""
        found: dict[str, dict[str, Item]] = dynamodb._tables[name]["items"]
        return found

    def put(self, items: Iterable[Item], name: str = ENVIRONMENT["TABLE_NAME"]) -> None:
        """Put items into the table, past its API."""
        table = dynamodb._tables[name]
        for item in items:
            dynamodb._set_item(table, item["pk"]["S"], item["sk"]["S"], item)

    def peek(self, key: Mapping[str, Any]) -> Item | None:
        """Return an item as it is stored."""
        return self.items(os.environ["TABLE_NAME"]).get(key["pk"]["S"], {}).get(key["sk"]["S"])

    def changes(self, name: str = ENVIRONMENT["TABLE_NAME"]) -> list[Item]:
        """Return the table's stream."""
        return [one | {"eventSourceARN": "arn"} for one in dynamodb.stream_live_records(name)]

    @contextmanager
    def unchanged(self) -> Iterator[None]:
        """Put the table and the queues back as they were."""
        name = ENVIRONMENT["TABLE_NAME"]
        kept = copy.deepcopy(dynamodb._tables[name]), copy.deepcopy(self.queues)
        try:
            yield
        finally:
            dynamodb._tables[name], self.queues = kept

    def receive(self, queue: str, most: int = 10) -> list[Item]:
        """Take the next messages from a queue, as an event source's records."""
        waiting, now = self.queues[queue], time.time()
        bodies: list[str] = []
        for _ in range(len(waiting)):
            due, body = waiting.popleft()
            if due <= now and len(bodies) < most:
                bodies.append(body)
            else:
                waiting.append((due, body))
        attributes = {"ApproximateReceiveCount": "1", "MessageGroupId": "acme"}
        return [
            {"messageId": f"{uuid4()}", "body": body, "attributes": attributes} for body in bodies
        ]

    def answer(self, asked: Asked) -> Said:
        """Return the answer to a request of AWS or of a vendor."""
        service, _, name = asked.target.rpartition(".")
        if service.startswith("DynamoDB"):
            status, body = self.table(name, asked.body)
            return Said(body, status, "application/x-amz-json-1.0")
        if service:
            got = getattr(self, f"_{name}")(msgspec.json.decode(asked.body))
            return Said(msgspec.json.encode(got), 200, "application/x-amz-json-1.0")
        if asked.path.startswith(f"/{ENVIRONMENT['CAMPAIGNS_BUCKET']}/"):
            return self._file(asked)
        return self.vendors.answer(asked)

    def table(self, operation: str, body: bytes) -> tuple[int, bytes]:
        """DynamoDB's answer, and its status."""
        if operation == "Query" and (found := self._range(msgspec.json.decode(body))):
            return 200, msgspec.json.encode(found)
        work = dynamodb.handle_request("POST", "/", {"x-amz-target": f".{operation}"}, body, {})
        try:
            work.send(None)
        except StopIteration as done:
            status, _, said = done.value
            return status, said
        raise RuntimeError("the emulator waits")

    def _range(self, asked: Any) -> Item | None:
        """Return a range of a partition; the emulator would parse its condition for every item."""
        if asked["KeyConditionExpression"] != RANGE or "ExclusiveStartKey" in asked:
            return None
        pk, low, high = (asked["ExpressionAttributeValues"][name]["S"] for name in RANGED)
        partition = self.items(asked["TableName"]).get(pk, {})
        if len(partition) > MOST_IN_A_PAGE:
            return None
        backwards = not asked.get("ScanIndexForward", True)
        keys = [one for one in sorted(partition, reverse=backwards) if low <= one <= high]
        found = [partition[one] for one in keys[: asked.get("Limit")]]
        return {"Items": found, "Count": len(found), "ScannedCount": len(found)}

    def _file(self, asked: Asked) -> Said:
        if asked.method == "HEAD":  # no results file yet
            return Said(b"", 404)
        if asked.method == "POST":
            start = "uploads" in asked.search
            name = "InitiateMultipartUpload" if start else "CompleteMultipartUpload"
            return Said(f"<{name}Result><UploadId>1</UploadId></{name}Result>".encode())
        return Said(self.upload if asked.method == "GET" else b"")

    def _GetSecretValue(self, asked: Any) -> Any:  # noqa: N802 - AWS's operation
        name, label = asked["SecretId"], asked["VersionStage"]
        secret = {
            (ENVIRONMENT["ACCOUNTS_SECRET"], CURRENT): json.dumps(self.accounts),
            (ENVIRONMENT["KEYS_SECRET"], "CALLBACK_KEY"): json.dumps(
                {"current": CALLBACK_KEY, "marks": MARKS_KEY}
            ),
            (ENVIRONMENT["KEYS_SECRET"], "MESSAGE_KEY"): MESSAGE_KEY,
            (ENVIRONMENT["KEYS_SECRET"], "SEARCH_KEY"): derive_search_key(MESSAGE_KEY.encode()),
            (ENVIRONMENT["KEYS_SECRET"], "WEBHOOK_KEY"): WEBHOOK_KEY,
        }[name, label]
        return {"Name": name, "SecretString": secret}

    def _GenerateDataKey(self, asked: Any) -> Any:  # noqa: N802 - AWS's operation
        return {"KeyId": asked["KeyId"], "Plaintext": DATA_KEY, "CiphertextBlob": DATA_KEY}

    def _Decrypt(self, asked: Any) -> Any:  # noqa: N802 - AWS's operation
        return {"KeyId": asked["KeyId"], "Plaintext": asked["CiphertextBlob"]}

    def _SendMessageBatch(self, asked: Any) -> Any:  # noqa: N802 - AWS's operation
        queue = self.queues[asked["QueueUrl"].rpartition("/")[2]]
        for one in asked["Entries"]:
            queue.append((time.time() + one.get("DelaySeconds", 0), one["MessageBody"]))
        done = [
            {"Id": one["Id"], "MessageId": one["Id"], "MD5OfMessageBody": "0" * 32}
            for one in asked["Entries"]
        ]
        return {"Successful": done, "Failed": []}

    def _PutEvents(self, asked: Any) -> Any:  # noqa: N802 - AWS's operation
        self.events += asked["Entries"]
        return {"FailedEntryCount": 0, "Entries": [{"EventId": "1"} for _ in asked["Entries"]]}


@contextmanager
def served() -> Iterator[Aws]:
    """Return the same behind HTTP, for functions that run in processes of their own; at `base`."""
    aws = Aws()
    with serving(aws.answer) as aws.base:
        aws.accounts |= accounts(aws.base)
        aws.clear()
        yield aws
