"""A table that keeps campaigns and chunks, and makes messages up when they are read."""

import json
from typing import Any

import msgspec

from testing.aws import Aws
from testing.campaign_file import CAMPAIGN, CHUNK, File

Item = dict[str, Any]


class Killed(BaseException):
    """The end of a worker: nothing catches it."""


class CampaignAws(Aws):
    """AWS with a campaign whose file was uploaded.

    `rows` are its messages' references by batch, `receipt` is what each message has beside
    what was accepted.
    """

    def __init__(self, file: File) -> None:
        from sms_gateway.campaigns import model

        super().__init__()
        self.clear()
        self.put(
            [model.campaign_item(CAMPAIGN, "acme", "campaigns/acme/a.csv", "e", file.size, 1, 1)]
        )
        self.pattern: dict[str, Item] = {}
        self.rows: dict[str, list[str]] = {}
        self.accepted: set[str] = set()
        self.receipt: Item = {}
        self.calls_left = -1

    def table(self, operation: str, body: bytes) -> tuple[int, bytes]:
        """DynamoDB's answer, or the end of who asks when its calls are over."""
        self.calls_left -= 1
        if self.calls_left == 0:
            raise Killed
        got = self._made_up(operation, msgspec.json.decode(body))
        return super().table(operation, body) if got is None else (200, msgspec.json.encode(got))

    def _made_up(self, operation: str, asked: Any) -> Item | None:
        match operation:
            case "BatchWriteItem":
                for requests in asked["RequestItems"].values():
                    for one in requests:
                        self._keep(one["PutRequest"]["Item"])
                return {"UnprocessedItems": {}}
            case "PutItem" if asked["Item"]["sk"]["S"] == "B":
                self._keep(asked["Item"])
                return {}
            case "GetItem" if asked["Key"]["sk"]["S"] == "B":
                key = asked["Key"]
                there = key["pk"]["S"] in self.accepted
                return {"Item": self.pattern["B"] | key} if there else {}
            case "Query":
                return self._query(asked["ExpressionAttributeValues"].get(":pk", {}).get("S", ""))
        return None

    def _keep(self, item: Item) -> None:
        batch, sort = item["pk"]["S"], item["sk"]["S"]
        if sort == "B":
            self.accepted.add(batch)
        elif sort[0] == "M":
            reference = json.loads(item["data"]["S"])["reference"]
            self.rows.setdefault(batch, []).append(reference)
        if len(self.pattern) < CHUNK + 20:
            self.pattern[sort] = item

    def _query(self, batch: str) -> Item:
        if batch == "KEYS":
            key = {"tenant": "acme", "scopes": "messages:send", "label": "", "sk": "0" * 64}
            items = [{name: {"S": value} for name, value in key.items()} | {"created": {"N": "0"}}]
        else:
            items = [
                one | {"pk": {"S": batch}} | (self.receipt if sort[0] == "M" else {})
                for sort, one in sorted(self.pattern.items())
            ]
        return {"Items": items, "Count": len(items), "ScannedCount": len(items)}
