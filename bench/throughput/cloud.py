"""AWS as a dispatch worker sees it: the table, the queues, the accounts; over HTTP, in memory.

python -m bench.throughput.cloud <table's seconds> <queue's seconds>. Paths that begin with `/_` are
the benchmark's: they copy accepted batches, and give out queue messages as an event source does.

An update is one step: its conditions are looked at and its changes made before any other request is
read. It knows the expressions that the gateway writes, and fails at any other.
"""

import asyncio
import hashlib
import re
import sys
import time
from collections import deque
from collections.abc import Callable
from itertools import count
from typing import Any

import msgspec

from bench.throughput.serving import Asked, Said, serve

Item = dict[str, Any]

FAILED = {
    "__type": "com.amazonaws.dynamodb.v20120810#ConditionalCheckFailedException",
    "message": "The conditional request failed",
}
LOG = re.compile(r"(\S+) = list_append\(if_not_exists\(\1, (\S+)\), (\S+)\)")
SUM = re.compile(r"(\S+) = (\S+) \+ (\S+)")
PLAIN = re.compile(r"(\S+) = (:\w+)")
LISTED = re.compile(r"(\S+) IN \(([^()]+)\)")
COMPARED = re.compile(r"(\S+) (<=|>|=) (:\w+)")
PRESENT = re.compile(r"attribute_(not_)?exists\((\S+)\)")
APART = re.compile(r", (?![^(]*\))")


class Table:
    """Items by key, and the updates that the gateway makes."""

    def __init__(self) -> None:
        self.items: dict[str, dict[str, Item]] = {}

    def put(self, asked: Item) -> Item:
        """PutItem."""
        item = asked["Item"]
        old = self._at(item)
        if not self._holds(asked, old):
            raise ConditionError(old)
        self.items.setdefault(item["pk"]["S"], {})[item["sk"]["S"]] = item
        return {}

    def get(self, asked: Item) -> Item:
        """GetItem."""
        found = self._at(asked["Key"])
        return {"Item": found} if found else {}

    def query(self, asked: Item) -> Item:
        """Query of a range of one partition, by `pk = :pk AND sk BETWEEN :low AND :high`."""
        values = asked["ExpressionAttributeValues"]
        low, high = values[":low"]["S"], values[":high"]["S"]
        partition = self.items.get(values[":pk"]["S"], {})
        found = [partition[sort] for sort in sorted(partition) if low <= sort <= high]
        return {"Items": found, "Count": len(found), "ScannedCount": len(found)}

    def write_batch(self, asked: Item) -> Item:
        """BatchWriteItem."""
        for requests in asked["RequestItems"].values():
            for request in requests:
                self.put(request["PutRequest"])
        return {"UnprocessedItems": {}}

    def update(self, asked: Item) -> Item:
        """UpdateItem."""
        old = self._at(asked["Key"])
        if not self._holds(asked, old):
            raise ConditionError(old)
        new = {**asked["Key"], **old}
        names, values = (
            asked.get("ExpressionAttributeNames", {}),
            asked["ExpressionAttributeValues"],
        )
        changes, _, removed = asked["UpdateExpression"].partition("REMOVE ")
        for change in APART.split(changes.removeprefix("SET ").strip()):
            _set(new, change, names, values)
        for name in filter(None, removed.split(", ")):
            new.pop(names.get(name, name), None)
        self.items.setdefault(new["pk"]["S"], {})[new["sk"]["S"]] = new
        return {"Attributes": new} if asked.get("ReturnValues", "NONE") != "NONE" else {}

    def copy(self, batch: str, other: str) -> None:
        """Copies a whole batch under another id."""
        self.items[other] = {
            sort: {**item, "pk": {"S": other}} for sort, item in self.items[batch].items()
        }

    def statuses(self, prefix: str) -> dict[str, int]:
        """How many messages of submissions have each status."""
        found: dict[str, int] = {}
        for partition in self.items.values():
            for item in partition.values():
                if "vendor" in item and item["vendor"]["S"].startswith(prefix):
                    status = item["status"]["S"]
                    found[status] = found.get(status, 0) + int(item["count"]["N"])
        return found

    def _at(self, key: Item) -> Item:
        return self.items.get(key["pk"]["S"], {}).get(key["sk"]["S"], {})

    def _holds(self, asked: Item, item: Item) -> bool:
        condition = asked.get("ConditionExpression")
        if not condition:
            return True
        names = asked.get("ExpressionAttributeNames", {})
        values = asked.get("ExpressionAttributeValues", {})
        return all(
            any(_true(part, item, names, values) for part in _either(both))
            for both in condition.split(" AND ")
        )


class ConditionError(Exception):
    """A condition that did not hold; `item` is what stands there."""

    def __init__(self, item: Item) -> None:
        super().__init__()
        self.item = item


def _either(condition: str) -> list[str]:
    if " OR " in condition and condition.startswith("("):
        condition = condition[1:-1]
    return condition.split(" OR ")


def _true(condition: str, item: Item, names: Item, values: Item) -> bool:
    if found := PRESENT.fullmatch(condition):
        missing, name = found.groups()
        return (_plain(name, names) in item) is not bool(missing)
    if found := LISTED.fullmatch(condition):
        name, listed = found.groups()
        return item.get(_plain(name, names)) in [values[one] for one in listed.split(", ")]
    if found := COMPARED.fullmatch(condition):
        name, sign, other = found.groups()
        mine, wanted = item.get(_plain(name, names), {}), values[str(other)]
        if not mine or sign == "=":
            return bool(mine == wanted)
        first, second = int(mine["N"]), int(wanted["N"])
        return first <= second if sign == "<=" else first > second
    raise ValueError(f"not a known condition: {condition}")


def _set(item: Item, change: str, names: Item, values: Item) -> None:
    if found := LOG.fullmatch(change):
        name, empty, more = found.groups()
        place = _plain(name, names)
        before = item[place] if place in item else values[empty]
        item[place] = {"L": [*before["L"], *values[more]["L"]]}
    elif found := SUM.fullmatch(change):
        name, other, added = found.groups()
        total = int(item[_plain(other, names)]["N"]) + int(values[added]["N"])
        item[_plain(name, names)] = {"N": str(total)}
    elif found := PLAIN.fullmatch(change):
        name, value = found.groups()
        item[_plain(name, names)] = values[value]
    else:
        raise ValueError(f"not a known change: {change}")


def _plain(name: str, names: Item) -> str:
    return str(names.get(name, name))


class Queues:
    """The vendors' queues and their event source."""

    def __init__(self) -> None:
        self._waiting: dict[str, deque[tuple[float, Item]]] = {}
        self._given: dict[str, tuple[str, Item]] = {}
        self._number = count(1)

    def send(self, asked: Item) -> Item:
        """SendMessageBatch."""
        queue = asked["QueueUrl"].rpartition("/")[2]
        sent = []
        for entry in asked["Entries"]:
            identifier = self.add(queue, entry["MessageBody"], entry.get("DelaySeconds", 0))
            digest = hashlib.md5(entry["MessageBody"].encode(), usedforsecurity=False).hexdigest()
            sent.append({"Id": entry["Id"], "MessageId": identifier, "MD5OfMessageBody": digest})
        return {"Successful": sent, "Failed": []}

    def add(self, queue: str, body: str, delay: float = 0) -> str:
        """Puts a message into a queue; its id."""
        identifier = f"{next(self._number):08d}-0000-4000-8000-000000000000"
        record = {
            "messageId": identifier,
            "receiptHandle": f"handle-{identifier}",
            "body": body,
            "attributes": {
                "ApproximateReceiveCount": "1",
                "SentTimestamp": str(int(time.time() * 1000)),
                "SenderId": "AROAEXAMPLE:send",
                "MessageGroupId": "bench",
            },
            "messageAttributes": {},
            "md5OfBody": hashlib.md5(body.encode(), usedforsecurity=False).hexdigest(),
            "eventSource": "aws:sqs",
            "eventSourceARN": f"arn:aws:sqs:eu-central-1:123456789012:{queue}",
            "awsRegion": "eu-central-1",
        }
        self._waiting.setdefault(queue, deque()).append((time.time() + delay, record))
        return identifier

    def receive(self, queue: str, most: int) -> Item:
        """What a worker gets next; `left` counts what waits for its time or for other workers."""
        waiting = self._waiting.setdefault(queue, deque())
        now = time.time()
        given: list[Item] = []
        for _ in range(len(waiting)):
            at, record = waiting.popleft()
            if at <= now and len(given) < most:
                self._given[record["messageId"]] = (queue, record)
                given.append(record)
            else:
                waiting.append((at, record))
        others = sum(name == queue for name, _ in self._given.values())
        return {"Records": given, "left": len(waiting) + others - len(given)}

    def done(self, identifiers: list[str]) -> Item:
        """Takes messages out of the queue for good."""
        for identifier in identifiers:
            del self._given[identifier]
        return {}

    def clear(self) -> None:
        """Forgets every message."""
        self._waiting.clear()
        self._given.clear()

    def again(self) -> Item:
        """Gives back what dead workers held."""
        for queue, record in self._given.values():
            self._waiting[queue].append((0.0, record))
        given = len(self._given)
        self._given.clear()
        return {"given": given}

    def copy(self, queue: str, batch: str, other: str) -> None:
        """Enqueues a copied batch as its model was."""
        for body in [record["body"] for _, record in self._waiting[queue]]:
            if batch in body:
                self.add(queue, body.replace(batch, other))


class Cloud:
    """Everything behind one address. `settings` holds the accounts and the routes."""

    def __init__(self, table_wait: float, queue_wait: float) -> None:
        self.table, self.queues = Table(), Queues()
        self.settings: Item = {}
        self.calls: dict[str, int] = {}
        self.touched: dict[str, int] = {}  # times that each key was written or read
        table, queues = self.table, self.queues
        self._actions: dict[str, tuple[float, Callable[[Item], Item]]] = {
            "DynamoDB_20120810.PutItem": (table_wait, table.put),
            "DynamoDB_20120810.GetItem": (table_wait, table.get),
            "DynamoDB_20120810.Query": (table_wait, table.query),
            "DynamoDB_20120810.UpdateItem": (table_wait, table.update),
            "DynamoDB_20120810.BatchWriteItem": (table_wait, table.write_batch),
            "AmazonSQS.SendMessageBatch": (queue_wait, queues.send),
            "secretsmanager.GetSecretValue": (0, lambda _: self._setting("accounts")),
            "AmazonSSM.GetParameter": (0, lambda _: {"Parameter": self._setting("routes")}),
        }

    def answer(self, asked: Asked) -> Said:
        """AWS's answer to a request."""
        if asked.path.startswith("/_"):
            return Said(msgspec.json.encode(self.control(asked)))
        target = asked.headers[b"x-amz-target"].decode()
        wait, action = self._actions[target]
        name = target.partition(".")[2]
        self.calls[name] = self.calls.get(name, 0) + 1
        wanted = msgspec.json.decode(asked.body)
        if name == "UpdateItem":
            key = f"{wanted['Key']['pk']['S']}/{wanted['Key']['sk']['S']}"
            self.touched[key] = self.touched.get(key, 0) + 1
        kind = "application/x-amz-json-1.0"
        try:
            return Said(msgspec.json.encode(action(wanted)), wait, 200, kind)
        except ConditionError as failed:
            told = {**FAILED, "Item": failed.item} if failed.item else FAILED
            return Said(msgspec.json.encode(told), wait, 400, kind)

    def control(self, asked: Asked) -> Item:
        """The benchmark's own routes."""
        fields = asked.fields
        match asked.path:
            case "/_set":
                self.settings = msgspec.json.decode(asked.body)
                return {}
            case "/_copy":
                self.table.copy(fields["batch"], fields["to"])
                self.queues.copy(fields["queue"], fields["batch"], fields["to"])
                return {}
            case "/_receive":
                return self.queues.receive(fields["queue"], int(fields["most"]))
            case "/_done":
                return self.queues.done(msgspec.json.decode(asked.body))
            case "/_again":
                return self.queues.again()
            case "/_forget":
                self.table.items.clear()
                self.queues.clear()
                self.calls.clear()
                self.touched.clear()
                return {}
            case "/_told":
                return {
                    "calls": self.calls,
                    "statuses": self.table.statuses(fields["vendor"]),
                    "updated": self.touched,
                    "cpu": time.process_time(),
                }
        raise ValueError(f"no such route: {asked.path}")

    def _setting(self, name: str) -> Item:
        written = msgspec.json.encode(self.settings[name]).decode()
        return {"SecretString": written, "Value": written}


if __name__ == "__main__":
    cloud = Cloud(float(sys.argv[1]), float(sys.argv[2]))
    asyncio.run(serve(cloud.answer))
