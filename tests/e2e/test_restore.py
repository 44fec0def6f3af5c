"""The table loses what it has; it comes back, and no handset gets anything twice."""

import hashlib
import time
from collections import Counter
from datetime import UTC, datetime, timedelta
from typing import Any

import urllib3

from testing.deployed import NUMBERS, Api

RESTORED = "restored"


def sent(api: Api, texts: list[str]) -> Counter[str]:
    """How often the vendors took each of these texts."""
    ledger = urllib3.request("GET", f"{api.stack.simulators}/_ledger", timeout=10).json()
    known = {hashlib.sha256(text.encode()).hexdigest(): text for text in texts}
    taken = [one for submission in ledger["submissions"] for one in submission["messages"]]
    return Counter(known[one["text_sha256"]] for one in taken if one["text_sha256"] in known)


def lose(table: Any, name: str, ids: list[str]) -> None:
    """Deletes the items of batches, as somebody by mistake."""
    for batch in {one[:26] for one in ids}:
        found = table.query(
            TableName=name,
            KeyConditionExpression="pk = :pk",
            ExpressionAttributeValues={":pk": {"S": batch}},
        )
        for item in found["Items"]:
            table.delete_item(TableName=name, Key={"pk": item["pk"], "sk": item["sk"]})


def test_what_the_table_lost_comes_back_and_is_sent_no_second_time(api: Api) -> None:
    stack, table = api.stack, api.stack.client("dynamodb")
    name = stack.facts["table"]
    soon = (datetime.now(UTC) + timedelta(seconds=20)).isoformat()
    texts = ["restored: taken", "restored: soon"]
    (taken,) = api.send({"to": NUMBERS["server2sms"], "text": texts[0]})
    (waits,) = api.send({"to": NUMBERS["rajasms"], "text": texts[1], "send_at": soon})
    ids = [taken["id"], waits["id"]]
    api.until(taken["id"], lambda one: one["status"] != "accepted", clock=False)
    table.restore_table_to_point_in_time(
        SourceTableName=name, TargetTableName=RESTORED, UseLatestRestorableTime=True
    )
    at = datetime.now(UTC).isoformat()
    try:
        # The time that is lost: what waits is sent.
        assert api.final(waits["id"])["status"] == "delivered"
        assert sent(api, texts) == dict.fromkeys(texts, 1)
        lose(table, name, ids)
        assert [api("GET", f"/messages/{one}").status for one in ids] == [404, 404]
        options = ("--table", RESTORED, "--at", at)
        assert "come back as unknown" in stack.run_smsgw("restore", "plan", *options)
        assert [api("GET", f"/messages/{one}").status for one in ids] == [404, 404]
        stack.run_smsgw("restore", "apply", "--yes", *options)
        assert api.final(waits["id"])["timeline"][-1]["source"] == "operator"
        assert api.final(waits["id"])["status"] == "unknown"
        assert api.final(taken["id"])["status"] in ("delivered", "unknown")
        for _ in range(3):
            stack.tick()
            time.sleep(1)
        assert sent(api, texts) == dict.fromkeys(texts, 1)
        assert "are there already" in stack.run_smsgw("restore", "apply", "--yes", *options)
    finally:
        table.delete_table(TableName=RESTORED)
