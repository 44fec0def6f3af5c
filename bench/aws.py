"""AWS and the vendors as far as the benchmarks call them, answered from memory.

No conditions are looked at: the benchmarks measure our code, the tests watch over its conditions.
"""

import base64
import copy
import json
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import msgspec

CALLBACK_KEY = "0123456789abcdef0123456789abcdef0123456789abcdef"
QUEUES = {
    f"QUEUE_{vendor.upper()}": f"https://sqs.eu-central-1.amazonaws.com/123456789012/{vendor}"
    for vendor in ("jst", "dinisoft", "server2sms", "rajasms")
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
    "WEBHOOK_SECRET": "bench/webhooks",
    "ROUTES_PARAMETER": "/bench/routes",
    "SOURCES_PARAMETER": "/bench/sources",
    "OWN_ACCOUNT": "123456789012",
    "REQUEUE_AFTER": "60",
    "INTERRUPTED_AFTER": "150",
    "RECEIPT_DEADLINE": "259200",
    "RETENTION_DAYS": "90",
    "CALLBACK_URL": "https://api.example.com/v1/callbacks",
    "DISPATCH_WORKERS": "2",
    "CAMPAIGNS_BUCKET": "bench",
    "CAMPAIGNS_PARAMETER": "/bench/campaigns",
    "CAMPAIGN_QUEUE": "https://sqs.eu-central-1.amazonaws.com/123456789012/campaigns",
    "COGNITO_KEY": "arn:aws:kms:eu-central-1:123456789012:key/bench",
    "EVENTS": "none",
    "EVENT_DETAIL": "masked",
    "WEBHOOK_LOOPBACK": "false",
    "VERIFICATION_SENDS": "5",
    "VERIFICATION_WINDOW": "600",
    "POWERTOOLS_SERVICE_NAME": "sms-gateway",
    "POWERTOOLS_LOG_LEVEL": "ERROR",
}
ROUTES = {
    "routes": [
        {"prefix": "+91", "vendors": ["jst"], "region": "IN"},
        {"prefix": "+880", "vendors": ["dinisoft"], "region": "BD"},
        {"prefix": "+62", "vendors": ["rajasms"], "region": "ID"},
        {"prefix": "+", "vendors": ["server2sms"]},
    ]
}

SOURCES = {
    "bus": {"com.example.orders": {"tenant": "acme"}},
    "queue": {"default": {"tenant": "acme"}},
    "topic": {"alarms": {"tenant": "ops", "to": ["+447700900001"]}},
    "cognito": {"eu-central-1_example": {"tenant": "acme", "text": "Your code is {code}"}},
}

PARAMETERS = {"/bench/routes": ROUTES, "/bench/sources": SOURCES, "/bench/campaigns": {}}
DATA_KEY = base64.b64encode(bytes(32)).decode()  # sealed and open: nothing is secret here

_SET = re.compile(r"(#?\w+) = ((?:[^,(]|\([^()]*(?:\([^()]*\)[^()]*)*\))+)")
_APPEND = re.compile(r"list_append\(if_not_exists\(#?\w+, :\w+\), (:\w+)\)")
_PLUS = re.compile(r"#?\w+ \+ (:\w+)")

Item = dict[str, Any]


class Memory:
    """The table, the queues' tasks, the secret, the parameters, one key and one bucket. `base` is
    the vendors' address, `answers` what each vendor path's ending is answered with, `upload` every
    file that is read."""

    def __init__(self, base: str) -> None:
        self.base = base
        self.partitions: dict[str, dict[str, Item]] = {}
        self.queued: list[str] = []
        self.answers: dict[str, Any] = {}
        self.upload = b""

    def secret(self) -> str:
        """The vendors' accounts, each under a path of its own at `base`."""
        jst, dinisoft, server2sms, rajasms = (
            f"{self.base}/{name}" for name in ("jst", "dinisoft", "server2sms", "rajasms")
        )
        plain = {"allow_http": True}
        return json.dumps(
            {
                "callback_key": CALLBACK_KEY,
                "jst": plain
                | {"base_url": jst, "username": "u", "password": "p", "sender": "ACMESH"},
                "dinisoft": plain
                | {
                    "base_url": dinisoft,
                    "balance_url": f"{dinisoft}/balance",
                    "api_key": "k",
                    "secret_key": "s",
                    "client": "C",
                    "sender": "ACME",
                },
                "server2sms": plain
                | {"base_url": server2sms, "user_key": "k", "password": "p", "sender": "ACME"},
                "rajasms": plain | {"base_url": rajasms, "api_key": "k"},
            }
        )

    def aws(self, target: str, asked: Any) -> Any:
        """The answer to a call of AWS's JSON protocol, by its X-Amz-Target."""
        return getattr(self, f"_{target.rpartition('.')[2]}")(asked)

    def _GetSecretValue(self, _asked: Any) -> Any:
        return {"Name": "bench/vendors", "SecretString": self.secret()}

    def _GetParameter(self, asked: Any) -> Any:
        value = json.dumps(PARAMETERS[asked["Name"]])
        return {"Parameter": {"Name": asked["Name"], "Type": "String", "Value": value}}

    def _GenerateDataKey(self, asked: Any) -> Any:
        return {"KeyId": asked["KeyId"], "Plaintext": DATA_KEY, "CiphertextBlob": DATA_KEY}

    def _Decrypt(self, asked: Any) -> Any:
        return {"KeyId": asked["KeyId"], "Plaintext": asked["CiphertextBlob"]}

    def _SendMessageBatch(self, asked: Any) -> Any:
        self.queued += [entry["MessageBody"] for entry in asked["Entries"]]
        done = [
            {"Id": entry["Id"], "MessageId": entry["Id"], "MD5OfMessageBody": "0" * 32}
            for entry in asked["Entries"]
        ]
        return {"Successful": done, "Failed": []}

    def _PutEvents(self, asked: Any) -> Any:
        return {"FailedEntryCount": 0, "Entries": [{"EventId": "1"} for _ in asked["Entries"]]}

    def _put(self, item: Item) -> None:
        self.partitions.setdefault(item["pk"]["S"], {})[item["sk"]["S"]] = item

    def _get(self, key: Item) -> Item | None:
        return self.partitions.get(key["pk"]["S"], {}).get(key["sk"]["S"])

    def _PutItem(self, asked: Any) -> Any:
        self._put(asked["Item"])
        return {}

    def _BatchWriteItem(self, asked: Any) -> Any:
        for requests in asked["RequestItems"].values():
            for request in requests:
                self._put(request["PutRequest"]["Item"])
        return {"UnprocessedItems": {}}

    def _GetItem(self, asked: Any) -> Any:
        found = self._get(asked["Key"])
        return {"Item": found} if found else {}

    def _BatchGetItem(self, asked: Any) -> Any:
        found = {
            table: [item for key in wanted["Keys"] if (item := self._get(key))]
            for table, wanted in asked["RequestItems"].items()
        }
        return {"Responses": found, "UnprocessedKeys": {}}

    def _Query(self, asked: Any) -> Any:
        values = {name: next(iter(v.values())) for name, v in asked[_VALUES].items()}
        if asked.get("IndexName") == "due":
            shard, now = values[":shard"], int(values[":now"])
            found = [
                {"pk": one["pk"], "sk": one["sk"]}
                for items in self.partitions.values()
                for one in items.values()
                if one.get("shard", {}).get("S") == shard and int(one["due"]["N"]) <= now
            ]
        else:
            items = self.partitions.get(values.get(":pk", ""), {})
            low, high = values.get(":low", ""), values.get(":high", "~")
            found = [items[sort] for sort in sorted(items) if low <= sort <= high]
        if asked.get("ScanIndexForward") is False:
            found.reverse()
        found = found[: asked.get("Limit")]
        return {"Items": found, "Count": len(found), "ScannedCount": len(found)}

    def _UpdateItem(self, asked: Any) -> Any:
        key, names, values = asked["Key"], asked.get(_NAMES, {}), asked.get(_VALUES, {})
        item = dict(self._get(key) or key)
        sets, _, removes = asked["UpdateExpression"].partition("REMOVE ")
        for name, term in _SET.findall(sets.removeprefix("SET ")):
            item[names.get(name, name)] = _value(item.get(names.get(name, name)), term, values)
        for name in filter(None, removes.split(", ")):
            item.pop(names.get(name, name), None)
        self._put(item)
        return {"Attributes": item} if asked.get("ReturnValues") == "ALL_NEW" else {}

    def _TransactWriteItems(self, asked: Any) -> Any:
        for one in asked["TransactItems"]:
            if "Update" in one:
                self._UpdateItem(one["Update"])
            if "Put" in one:
                self._PutItem(one["Put"])
        return {}

    def vendor(self, path: str, body: bytes) -> bytes:
        """The answer to a vendor's call."""
        for ending, answer in self.answers.items():
            if path.partition("?")[0].endswith(ending):
                said = answer(path, body) if callable(answer) else answer
                return said if isinstance(said, bytes) else json.dumps(said).encode()
        raise LookupError(f"nobody answers {path}")

    def file(self, method: str, path: str) -> tuple[int, bytes]:
        """S3's status and answer: the upload to whoever reads, and no results file yet."""
        if method == "HEAD":
            return 404, b""
        if method == "POST":
            name = "InitiateMultipartUpload" if "?uploads" in path else "CompleteMultipartUpload"
            return 200, f"<{name}Result><UploadId>1</UploadId></{name}Result>".encode()
        return 200, self.upload if method == "GET" else b""

    def answer(self, target: str, path: str, body: bytes) -> bytes:
        """The body of any answer; `target` is empty for a vendor's call."""
        if not target:
            return self.vendor(path, body)
        return msgspec.json.encode(self.aws(target, msgspec.json.decode(body)))


_NAMES, _VALUES = "ExpressionAttributeNames", "ExpressionAttributeValues"


def _value(old: Any, term: str, values: Any) -> Any:
    """What a SET's right side comes to."""
    term = term.strip()
    if found := _APPEND.fullmatch(term):
        return {"L": [*(old or {"L": []})["L"], *values[found[1]]["L"]]}
    if found := _PLUS.fullmatch(term):
        return {"N": str(int((old or {"N": "0"})["N"]) + int(values[found[1]]["N"]))}
    return values[term]


@contextmanager
def served(port: int = 0) -> Iterator[Memory]:
    """The same behind HTTP, for functions that run in processes of their own."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            if self.path.startswith(f"/{ENVIRONMENT['CAMPAIGNS_BUCKET']}/"):
                status, answer = memory.file(self.command, self.path)
            else:
                target = self.headers.get("X-Amz-Target", "")
                status, answer = 200, memory.answer(target, self.path, body)
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("ETag", '"1"')
            self.send_header("Content-Length", str(len(answer)))
            self.end_headers()
            self.wfile.write(answer)

        do_GET = do_PUT = do_HEAD = do_POST

        def log_message(self, *_: Any) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", port), Handler) as server:
        server.daemon_threads = True
        memory = Memory(f"http://127.0.0.1:{server.server_port}")
        threading.Thread(target=server.serve_forever, daemon=True).start()
        try:
            yield memory
        finally:
            server.shutdown()


@contextmanager
def unchanged(memory: Memory) -> Iterator[None]:
    """Puts the table and the queues back as they were."""
    kept = copy.deepcopy((memory.partitions, memory.queued))
    try:
        yield
    finally:
        memory.partitions, memory.queued = kept
