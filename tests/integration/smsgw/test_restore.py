"""A restored table: what is missing comes back, and none of it is sent a second time."""

import json
import math
import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import boto3
import pytest

from sms_gateway.campaigns import items
from sms_gateway.campaigns import model as campaign
from sms_gateway.config import api_keys
from sms_gateway.config.api_keys import Refusal
from sms_gateway.core.problems import InvalidRequestError
from sms_gateway.events.change_mapping import events_of
from sms_gateway.events.read_context import ReadContext
from sms_gateway.messages.sealed_text import SealBrokenError
from sms_gateway.messages.send import send
from sms_gateway.storage import dynamodb
from sms_gateway.storage.items import Item, key_of
from sms_gateway.storage.models import ItemKey, split_id
from sms_gateway.vendor_accounts.operations import Completed, begin_operation
from sms_gateway.verifications import start
from testing.callbacks import server2sms
from testing.gateway import Gateway
from testing.numbers import number
from testing.vendor_answers import POLL, SUBMIT, TAKES, arrived

from .conftest import Operator

RESTORED = "restored-table"
LATER = 4 * 86_400  # seconds: every validity and deadline is over


class Backup:
    """The table as of now, restored under another name."""

    def __init__(self) -> None:
        self.client: Any = boto3.client("dynamodb")
        self.at = datetime.now(UTC)

    def take(self) -> None:
        """Restores the table: moto and the emulator know no other moment than now."""
        table = self.client.restore_table_to_point_in_time(
            SourceTableName="test-table", TargetTableName=RESTORED, UseLatestRestorableTime=True
        )["TableDescription"]
        restored: datetime = table["RestoreSummary"]["RestoreDateTime"]
        self.at = restored - timedelta(milliseconds=900)

    def lose(self) -> None:
        """Everything in the stack's own table is gone, but for settings."""
        for item in self.client.scan(TableName="test-table")["Items"]:
            if item["pk"]["S"] not in ("SETTINGS", "ACCOUNTS"):
                key = {"pk": item["pk"], "sk": item["sk"]}
                self.client.delete_item(TableName="test-table", Key=key)


@pytest.fixture
def backup(operator: Operator) -> Iterator[Backup]:
    made = Backup()
    yield made
    if RESTORED in made.client.list_tables()["TableNames"]:
        made.client.delete_table(TableName=RESTORED)


def restored(operator: Operator, backup: Backup, what: str = "apply", *options: str) -> str:
    """Runs the command; what it printed."""
    at = backup.at.isoformat()
    status, out, error = operator("restore", what, "--table", RESTORED, "--at", at, *options)
    assert status == 0, error
    return out


def counted(out: str, word: str) -> int:
    """How many items a line of the output says that has a word."""
    found = re.search(rf"^ *(\d+)  .*{word}", out, re.MULTILINE)
    return int(found[1]) if found else 0


def shown(gateway: Gateway, identifier: str) -> tuple[str, str]:
    """A message's status, and who its last step is by."""
    view = gateway.view(identifier)
    return view["status"], view["timeline"][-1]["source"]


def indexed() -> list[ItemKey]:
    """What stands in the due index."""
    items = dynamodb.client().scan(TableName=dynamodb.table_name())["Items"]
    return [ItemKey(one["pk"]["S"], one["sk"]["S"]) for one in items if "due" in one]


@pytest.mark.parametrize("count", [0, 3])
def test_what_was_on_its_way_and_sent_since_is_unknown_and_sent_no_second_time(
    gateway: Gateway, operator: Operator, backup: Backup, count: int
) -> None:
    gateway.wire.answers[SUBMIT["rajasms"]] = TAKES["rajasms"]
    ids = gateway.many("rajasms", count) if count else [gateway.one("rajasms")]
    backup.take()
    tasks = gateway.queued("rajasms")
    gateway.work(tasks)  # the time that is lost
    assert gateway.wire.count(SUBMIT["rajasms"]) == 1
    backup.lose()
    plan = restored(operator, backup, "plan")
    assert gateway.messages_stored() == 0
    assert counted(restored(operator, backup), "unknown") == counted(plan, "unknown") == 1
    assert [shown(gateway, one) for one in ids] == [("unknown", "operator")] * len(ids)
    gateway.work(tasks)  # a queue may still hold them
    gateway.tick(60)
    gateway.tick(LATER)
    gateway.dispatch("rajasms")
    assert gateway.wire.count(SUBMIT["rajasms"]) == 1
    assert indexed() == []


@pytest.mark.parametrize("count", [1, 3])
def test_a_code_that_comes_back_unknown_has_no_text(
    gateway: Gateway, operator: Operator, backup: Backup, count: int
) -> None:
    numbers = [number("server2sms", nth) for nth in range(count)]
    ids = gateway.accept({"to": numbers, "text": "Your code is 482913", "category": "otp"})
    backup.take()
    backup.lose()
    restored(operator, backup)
    assert gateway.statuses(ids) == ["unknown"] * count
    with pytest.raises(SealBrokenError):
        gateway.text(ids[0])


def test_a_late_receipt_settles_what_came_back_unknown(
    gateway: Gateway, operator: Operator, backup: Backup
) -> None:
    identifier = gateway.one("server2sms")
    backup.take()
    backup.lose()
    restored(operator, backup)
    server2sms(gateway, identifier, "0")
    assert gateway.status(identifier) == "delivered"


def test_what_a_vendor_took_whole_is_polled_on(
    gateway: Gateway, operator: Operator, backup: Backup
) -> None:
    (identifier,) = gateway.sent("server2sms")
    backup.take()
    backup.lose()
    restored(operator, backup)
    assert gateway.status(identifier) == "submitted"
    gateway.wire.answers[POLL["server2sms"]] = arrived
    gateway.tick(200)
    assert gateway.status(identifier) == "delivered"
    assert gateway.wire.count(SUBMIT["server2sms"]) == 1


@pytest.mark.parametrize(
    ("ahead", "options", "status"),
    [
        (timedelta(hours=2), (), "cancelled"),
        (timedelta(hours=2), ("--keep-scheduled",), "scheduled"),
        (timedelta(minutes=5), ("--keep-scheduled",), "unknown"),
    ],
)
def test_what_is_scheduled_comes_back_cancelled_or_as_the_operator_wants(
    gateway: Gateway,
    operator: Operator,
    backup: Backup,
    ahead: timedelta,
    options: tuple[str, ...],
    status: str,
) -> None:
    when = (datetime.now(UTC) + ahead).isoformat()
    ids = [gateway.one("jst", send_at=when), *gateway.many("jst", 2, send_at=when)]
    backup.take()
    backup.lose()
    restored(operator, backup, "apply", *options)
    assert gateway.statuses(ids) == [status] * 3
    gateway.tick(ahead.total_seconds() + 60)
    assert len(gateway.queued("jst")) == (2 if status == "scheduled" else 0)


def test_what_is_there_stays_and_a_repeat_changes_nothing(
    gateway: Gateway, operator: Operator, backup: Backup
) -> None:
    kept, lost = gateway.one("rajasms"), gateway.one("jst")
    backup.take()
    gateway.wire.answers[SUBMIT["rajasms"]] = TAKES["rajasms"]
    gateway.dispatch("rajasms")
    key: Any = split_id(lost)
    backup.client.delete_item(TableName="test-table", Key=key_of(key))
    out = restored(operator, backup)
    assert (counted(out, "unknown"), counted(out, "there already")) == (1, 5)
    assert gateway.statuses([kept, lost]) == ["submitted", "unknown"]
    before = stored()
    assert counted(restored(operator, backup), "there already") == 6
    assert stored() == before


def stored() -> list[Any]:
    """All items but the records of the operator's commands."""
    found = dynamodb.client().scan(TableName="test-table")["Items"]
    return [item for item in found if item["pk"]["S"] != "AUDIT"]


def test_one_of_several_whose_submission_is_there_is_not_sent_with_it(
    gateway: Gateway, operator: Operator, backup: Backup
) -> None:
    """It may have left since, by a submission of its own."""
    gateway.wire.answers[SUBMIT["rajasms"]] = TAKES["rajasms"]
    ids = gateway.many("rajasms", 3)
    backup.take()
    key: Any = split_id(ids[1])
    backup.client.delete_item(TableName="test-table", Key=key_of(key))
    assert counted(restored(operator, backup), "unknown") == 1
    gateway.dispatch("rajasms")
    assert gateway.statuses(ids) == ["submitted", "unknown", "submitted"]


def body(vendor: str) -> bytes:
    return json.dumps({"to": number(vendor), "text": "Hello"}).encode()


def test_an_idempotency_key_gives_its_answer_or_none_and_never_sends_again(
    gateway: Gateway, operator: Operator, backup: Backup
) -> None:
    now = datetime.now(UTC)
    answer = send("acme", body("jst"), now, "done")
    send("acme", body("jst"), now, "at work")
    batches = [one for one in dynamodb.client().scan(TableName="test-table")["Items"]]
    heads = [one for one in batches if "tenant" in one and one["pk"]["S"] != answer["batch_id"]]
    for one in heads:  # its batch is not written yet
        backup.client.delete_item(TableName="test-table", Key={"pk": one["pk"], "sk": one["sk"]})
    backup.take()
    backup.lose()
    out = restored(operator, backup)
    assert counted(out, "idempotency keys") == 1
    assert send("acme", body("jst"), now, "done") == answer
    with pytest.raises(InvalidRequestError) as refused:
        send("acme", body("jst"), now + timedelta(minutes=5), "at work")
    assert refused.value.slug == "outcome-unknown"
    gateway.queued("jst")
    assert gateway.messages_stored() == 3


def test_an_operation_at_a_vendor_that_was_done_keeps_its_answer(
    gateway: Gateway, operator: Operator, backup: Backup
) -> None:
    now = datetime.now(UTC)
    asked = ("acme", "voucher-1", "vouchers", b"{}", lambda: b"secret", now)
    begun, outcome = begin_operation(*asked)
    assert outcome is None
    begun.complete({"vouchers": 2})
    backup.take()
    backup.lose()
    restored(operator, backup)
    assert begin_operation(*asked)[1] == Completed({"vouchers": 2})


def test_keys_and_webhooks_come_back_only_where_the_operator_says_so(
    gateway: Gateway, operator: Operator, backup: Backup
) -> None:
    key, _ = api_keys.create_key("acme", ("messages:send",), "", datetime.now(UTC))
    backup.take()
    backup.lose()
    assert counted(restored(operator, backup), "--keep-access") == 1
    assert api_keys.find_key(key, datetime.now(UTC))[1] is Refusal.UNKNOWN
    restored(operator, backup, "apply", "--keep-access")
    assert api_keys.find_key(key, datetime.now(UTC))[1] is None


def test_a_key_that_was_revoked_since_stays_revoked(
    gateway: Gateway, operator: Operator, backup: Backup
) -> None:
    key, made = api_keys.create_key("acme", ("messages:send",), "", datetime.now(UTC))
    backup.take()
    api_keys.revoke_key(made.id, datetime.now(UTC))
    restored(operator, backup, "apply", "--keep-access")
    assert api_keys.find_key(key, datetime.now(UTC))[1] is Refusal.REVOKED


def test_a_campaign_that_was_not_over_reads_no_more_rows(
    gateway: Gateway, operator: Operator, backup: Backup
) -> None:
    identifier = "01J00000000000000000000000"
    item = items.campaign_item(identifier, "acme", "campaigns/acme/a.csv", "e", 9, 1, 2**31)
    dynamodb.put_new(item)
    backup.take()
    backup.lose()
    assert counted(restored(operator, backup), "campaigns") == 1
    found = items.read_campaign(dynamodb.get(campaign.campaign_key(identifier)) or {})
    assert (found.state, found.rows_left_to_cancel) == (campaign.CampaignState.CANCELLED, 0)
    assert indexed() == []
    status, _, error = operator("campaigns", "resume", identifier)
    assert (status, "cancelled" in error) == (1, True)


def test_a_verification_that_may_have_been_approved_since_has_no_checks_left(
    gateway: Gateway, operator: Operator, backup: Backup
) -> None:
    now = datetime.now(UTC)
    asked = json.dumps({"to": number("dinisoft"), "text": "Code {code}"}).encode()
    identifier = str(start.start_verification("acme", asked, now)["id"])
    backup.take()
    backup.lose()
    restored(operator, backup)
    shown = start.show_verification("acme", identifier, now)
    assert (shown["status"], shown["checks_left"]) == ("exhausted", 0)


def events(items: list[Item]) -> list[tuple[str, str | None]]:
    """The events of items that have just come, and whose they are."""
    context = ReadContext(full=False, operator=True, until=math.inf)
    records = [
        {"dynamodb": {"NewImage": one, "SequenceNumber": "1", "ApproximateCreationDateTime": 1}}
        for one in items
    ]
    return [(str(event.type), event.tenant) for one in records for event in events_of(one, context)]


def test_only_what_was_settled_is_told(
    gateway: Gateway, operator: Operator, backup: Backup
) -> None:
    gateway.wire.answers |= {SUBMIT["server2sms"]: TAKES["server2sms"]}
    (done,) = gateway.sent("server2sms")
    server2sms(gateway, done, "0")
    several = gateway.sent("server2sms", 2)
    for one in several:
        server2sms(gateway, one, "0")
    gateway.one("jst")
    gateway.many("jst", 2)
    backup.take()
    backup.lose()
    restored(operator, backup)
    items = dynamodb.client().scan(TableName="test-table")["Items"]
    got = [kind for kind, _ in events(items)]
    assert sorted(got) == ["BatchCompleted"] * 2 + ["MessageUnknown"] * 3


@pytest.mark.parametrize(
    ("table", "at"),
    [
        ("no-such-table", "2026-11-01T00:00:00Z"),
        ("test-table", "2026-11-01T00:00:00Z"),
        (RESTORED, "2026-11-01T00:00:00"),
        (RESTORED, "yesterday"),
        (RESTORED, "2999-01-01T00:00:00Z"),
    ],
)
@pytest.mark.parametrize("what", ["plan", "apply"])
def test_what_can_not_be_restored_is_said_in_one_line(
    operator: Operator, backup: Backup, what: str, table: str, at: str
) -> None:
    backup.take()
    status, out, error = operator("restore", what, "--table", table, "--at", at)
    assert (status, out) == (1, "")
    assert re.fullmatch(r"smsgw: [^\n]{10,200}\n", error)
