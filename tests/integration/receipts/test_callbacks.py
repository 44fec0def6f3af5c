"""Callbacks: only with a token of ours, and one state machine whatever the order."""

import json
import re
import time
from collections import Counter
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import urlencode

import pytest

from sms_gateway.messages.cancel import cancel_message
from sms_gateway.receipts.callback_tokens import LATE_SECONDS, make_token, verify_token
from sms_gateway.receipts.callbacks import MAX_REPORTS
from sms_gateway.storage import dynamodb
from sms_gateway.storage.models import ItemKey, split_id
from sms_gateway.vendors.registry import VENDORS
from sms_gateway.vendors.types import Request
from testing.callbacks import call, call_url, rajasms, server2sms
from testing.gateway import Gateway
from testing.numbers import number
from testing.settings import CALLBACK_KEY, set_account, set_callback_keys
from testing.spellings import found_in
from testing.transport import SILENT
from testing.vendor_answers import SUBMIT, TAKES


@pytest.mark.parametrize("count", [0, 3])
@pytest.mark.parametrize("report", [rajasms, server2sms], ids=lambda one: one.__name__)
def test_a_report_settles_its_message_and_no_other(
    gateway: Gateway, report: Any, count: int
) -> None:
    ids = gateway.sent(report.__name__, count)
    assert report(gateway, ids[-1], "2" if report is server2sms else "4")["statusCode"] == 200
    assert gateway.statuses(ids) == ["submitted"] * (len(ids) - 1) + ["undelivered"]
    step = gateway.view(ids[-1])["timeline"][-1]
    assert (step["source"], step["vendor"]) == ("callback", report.__name__)


def test_the_address_that_a_vendor_was_given_leads_to_the_submission(gateway: Gateway) -> None:
    (identifier,) = gateway.sent("rajasms")
    url = json.loads(gateway.wire.sent[0].body)["callbackurl"]
    vendor, token = url.rsplit("/", 2)[1:]
    row = {"sendingid": 1000001, "number": "08000000001", "deliverystatus": "3"}
    call(vendor, token, body={"status_respon": [row]})
    assert gateway.status(identifier) == "delivered"


def test_the_functions_own_url_takes_reports(gateway: Gateway) -> None:
    """That is where vendors report; they use GET with a query, or POST with a body."""
    one, other = gateway.sent("server2sms")[0], gateway.sent("rajasms")[0]
    token = gateway.token("server2sms", gateway.submission(one).key)
    query = {"DST": "0", "RSN": "000", "ID": one}
    assert call_url("GET", f"/callbacks/server2sms/{token}", query)["statusCode"] == 200
    token = gateway.token("rajasms", gateway.submission(other).key)
    row = {"sendingid": gateway.view(other)["vendor_id"], "deliverystatus": "4"}
    body = json.dumps({"status_respon": [row]}).encode()
    assert call_url("POST", f"/callbacks/rajasms/{token}", body=body)["statusCode"] == 200
    assert gateway.statuses([one, other]) == ["delivered", "undelivered"]


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/"),
        ("GET", "/callbacks/server2sms/nobody"),
        ("GET", "/{vendor}/{token}"),
        ("GET", "/other/{vendor}/{token}"),
        ("PUT", "/callbacks/{vendor}/{token}"),
        ("OPTIONS", "/callbacks/{vendor}/{token}"),
    ],
)
def test_the_functions_own_url_has_no_other_door(gateway: Gateway, method: str, path: str) -> None:
    (identifier,) = gateway.sent("server2sms")
    token = gateway.token("server2sms", gateway.submission(identifier).key)
    place = path.format(vendor="server2sms", token=token)
    assert call_url(method, place, {"DST": "0", "ID": identifier})["statusCode"] == 404
    assert gateway.status(identifier) == "submitted"


def test_an_address_expires_a_week_after_its_messages_deadline(
    gateway: Gateway, capsys: pytest.CaptureFixture[str]
) -> None:
    """Refused without a read, by a reason of its own, and counted."""
    (identifier,) = gateway.sent("server2sms")
    key, long_ago = gateway.submission(identifier).key, int(time.time()) - LATE_SECONDS - 3600
    token = make_token("server2sms", key, long_ago, CALLBACK_KEY.encode())
    answer = call("server2sms", token, {"DST": "0", "ID": identifier})
    assert answer["statusCode"] == 404
    assert json.loads(answer["body"])["type"] == "/problems/callback-expired"
    assert gateway.status(identifier) == "submitted"
    got = capsys.readouterr().out
    assert "ExpiredCallback" in got
    assert "ForgedCallback" not in got


def test_a_report_within_a_week_of_the_deadline_settles_what_ended_unknown(
    gateway: Gateway,
) -> None:
    (identifier,) = gateway.sent("server2sms")
    key = gateway.submission(identifier).key
    gateway.tick(4 * 86_400)
    assert gateway.status(identifier) == "unknown"
    late = int(time.time()) - LATE_SECONDS + 60
    token = make_token("server2sms", key, late, CALLBACK_KEY.encode())
    call("server2sms", token, {"DST": "0", "ID": identifier})
    assert gateway.status(identifier) == "delivered"


@pytest.mark.parametrize("days", [0, 20])
def test_an_address_outlasts_the_receipts_deadline_of_its_messages(
    gateway: Gateway, days: int
) -> None:
    """Which counts from `send_at` where the vendor holds the message."""
    set_account("rajasms", schedule_at_vendor=True)
    when = datetime.now(UTC) + timedelta(days=days)
    gateway.sent("rajasms", send_at=when.isoformat() if days else None)
    token = json.loads(gateway.wire.sent[0].body)["callbackurl"].rsplit("/", 1)[1]
    good_until = int(time.time()) + days * 86_400 + 259_200 + LATE_SECONDS
    key = CALLBACK_KEY.encode()
    assert verify_token("rajasms", token, key, good_until - 10)
    with pytest.raises(ValueError, match="expired"):
        verify_token("rajasms", token, key, good_until + 3700)


@pytest.mark.parametrize("vendor", [*VENDORS, "nobody", ""])
@pytest.mark.parametrize("token", ["", "x", "ACCOUNT", "A" * 26, "é" * 60, "M" * 5000])
def test_a_wrong_token_is_not_found(gateway: Gateway, vendor: str, token: str) -> None:
    answer = call(vendor, token, {"DST": "0", "ID": "x"})
    assert answer["statusCode"] == 404
    assert json.loads(answer["body"])["type"] == "/problems/not-found"


@pytest.mark.parametrize("place", [0, 5, 26, 29, 30, -1])
def test_a_token_with_one_letter_changed_is_not_found(gateway: Gateway, place: int) -> None:
    (identifier,) = gateway.sent("server2sms")
    token = gateway.token("server2sms", gateway.submission(identifier).key)
    letters = list(token)
    letters[place] = "A" if letters[place] != "A" else "B"
    answer = call("server2sms", "".join(letters), {"DST": "0", "ID": identifier})
    assert answer["statusCode"] == 404
    assert gateway.status(identifier) == "submitted"


def test_an_address_is_answered_until_its_key_was_rotated_twice(gateway: Gateway) -> None:
    (identifier,) = gateway.sent("server2sms")
    token = gateway.token("server2sms", gateway.submission(identifier).key)
    pending = {"DST": "2", "ID": identifier}
    second, third = "second-key-of-this-stack-" * 2, "third-key-of-this-stack-" * 2
    set_callback_keys(second, CALLBACK_KEY)
    assert call("server2sms", token, pending)["statusCode"] == 200
    set_callback_keys(third, second)
    assert call("server2sms", token, pending)["statusCode"] == 404


def test_another_vendors_token_is_not_found(gateway: Gateway) -> None:
    (identifier,) = gateway.sent("server2sms")
    token = gateway.token("rajasms", gateway.submission(identifier).key)
    assert call("server2sms", token, {"DST": "0", "ID": identifier})["statusCode"] == 404
    assert gateway.status(identifier) == "submitted"


def test_a_vendor_can_not_report_on_another_vendors_message(gateway: Gateway) -> None:
    (identifier,) = gateway.sent("rajasms")
    key = gateway.submission(identifier).key
    call("server2sms", gateway.token("server2sms", key), {"DST": "0", "ID": identifier})
    assert gateway.status(identifier) == "submitted"


@pytest.mark.parametrize("same_batch", [True, False])
def test_a_token_does_not_speak_for_another_submissions_message(
    gateway: Gateway, same_batch: bool
) -> None:
    set_account("server2sms", submission_size=2)
    first, second = (
        (gateway.sent("server2sms", 4)[n] for n in (0, 2))
        if same_batch
        else (gateway.sent("server2sms", 2)[0] for _ in range(2))
    )
    token = gateway.token("server2sms", gateway.submission(first).key)
    answer = call("server2sms", token, {"DST": "0", "ID": second})
    assert answer["statusCode"] == 200
    assert [gateway.status(second), gateway.status(first)] == ["submitted", "submitted"]


def test_a_message_that_got_a_submission_of_its_own_is_still_its_first_ones(
    gateway: Gateway,
) -> None:
    def answer(request: Request) -> Any:
        packets = json.loads(request.body)["datapacket"]
        some = TAKES["rajasms"](request)
        if len(packets) > 1:
            some["sending_respon"][0]["datapacket"].pop()
        return some

    gateway.wire.answers[SUBMIT["rajasms"]] = answer
    ids = gateway.sent("rajasms", 3)
    assert gateway.status(ids[2]) == "submitting"
    row = {"sendingid": 99, "number": number("rajasms", 2)[1:], "deliverystatus": "3"}
    token = gateway.token("rajasms", ItemKey(ids[0][:26], "S#000"))
    call("rajasms", token, body={"status_respon": [row]})
    assert gateway.statuses(ids) == ["submitted", "submitted", "delivered"]


@pytest.mark.parametrize("count", [0, 3])
def test_a_report_before_the_answer_is_stored_is_not_lost(gateway: Gateway, count: int) -> None:
    def answer(request: Request) -> Any:
        url = json.loads(request.body)["callbackurl"]
        row = {"sendingid": 1000001, "number": "628000000001", "deliverystatus": "3"}
        call("rajasms", url.rsplit("/", 1)[1], body={"status_respon": [row]})
        return TAKES["rajasms"](request)

    gateway.wire.answers[SUBMIT["rajasms"]] = answer
    ids = gateway.sent("rajasms", count)
    assert gateway.statuses(ids) == ["delivered"] + ["submitted"] * (len(ids) - 1)
    assert gateway.view(ids[0])["vendor_id"] == "1000001"


def test_a_report_on_an_unanswered_call_settles_it(gateway: Gateway) -> None:
    gateway.wire.answers[SUBMIT["rajasms"]] = SILENT
    (identifier,) = gateway.sent("rajasms")
    rajasms(gateway, identifier, "3", sendingid=5)
    assert gateway.status(identifier) == "delivered"


@pytest.mark.parametrize("count", [0, 3])
@pytest.mark.parametrize(
    ("words", "end"),
    [
        (("3", "3"), "delivered"),  # told twice
        (("3", "2", "1"), "delivered"),  # told in the reverse order
        (("4", "3"), "undelivered"),  # the first final word stands
        (("3", "4"), "delivered"),
        (("99", "3"), "delivered"),  # a word that nobody knows
    ],
)
def test_the_first_final_word_stands(
    gateway: Gateway, words: tuple[str, ...], end: str, count: int
) -> None:
    (identifier, *others) = gateway.sent("rajasms", count)
    for word in words:
        assert rajasms(gateway, identifier, word)["statusCode"] == 200
    assert gateway.status(identifier) == end
    finals = [one for one in gateway.view(identifier)["timeline"] if one["status"] == end]
    assert len(finals) == 1
    assert set(gateway.statuses(others)) <= {"submitted"}


def test_a_word_that_nobody_knows_is_kept(gateway: Gateway) -> None:
    (identifier,) = gateway.sent("rajasms")
    rajasms(gateway, identifier, "99", deliverystatustext="Parked with 628000000001")
    key = split_id(identifier)
    assert key
    assert gateway.item(key)["raw"]["S"] == "99 Parked with [number]"
    assert gateway.status(identifier) == "submitted"


@pytest.mark.parametrize("word", ["628000000001", "+62 800-000-0001", "99 628000000001"])
def test_an_odd_word_is_redacted_before_it_is_logged(
    gateway: Gateway, caplog: pytest.LogCaptureFixture, word: str
) -> None:
    (identifier,) = gateway.sent("rajasms")
    assert gateway.view(identifier)["to"] == "+628000000001"
    rajasms(gateway, identifier, word)
    (line,) = (one for one in caplog.records if one.message == "unknown vendor status")
    assert "[number]" in vars(line)["code"]
    assert not found_in(str(vars(line)), ["628000000001", "8000000001"])


def test_of_a_callbacks_odd_words_a_hundred_are_logged_and_all_are_counted(
    gateway: Gateway, capsys: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    (identifier,) = gateway.sent("rajasms")
    view, key = gateway.view(identifier), gateway.submission(identifier).key
    rows = [
        {"sendingid": view["vendor_id"], "deliverystatus": str(1000 + nth)} for nth in range(250)
    ]
    token = gateway.token("rajasms", key)
    capsys.readouterr()
    caplog.clear()
    assert call("rajasms", token, body={"status_respon": rows})["statusCode"] == 200
    got = Counter(caplog.messages)
    assert (got["unknown vendor status"], got["more odd reports"]) == (100, 1)
    counted = re.findall(
        r'"UnknownVendorStatus":\[([0-9.,]+)\]', capsys.readouterr().out.replace(" ", "")
    )
    assert sum(float(one) for found in counted for one in found.split(",")) == 250
    item = split_id(identifier)
    assert item
    assert gateway.item(item)["raw"]["S"] == "1000 "


def test_a_cancelled_message_stays_cancelled(gateway: Gateway) -> None:
    identifier = gateway.one("rajasms")
    cancel_message("acme", identifier, datetime.now(UTC))
    rajasms(gateway, identifier, "3")
    assert gateway.status(identifier) == "cancelled"


@pytest.mark.parametrize("count", [0, 3])
def test_a_refused_submission_stays_rejected(gateway: Gateway, count: int) -> None:
    gateway.wire.answers[SUBMIT["server2sms"]] = {"StatusCode": "10"}
    ids = gateway.sent("server2sms", count)
    server2sms(gateway, ids[0], "0")
    assert set(gateway.statuses(ids)) == {"rejected"}


@pytest.mark.parametrize(
    "body",
    [
        "",
        "\x00\xff",
        "[]",
        "null",
        '{"status_respon": 7}',
        '{"status_respon": [{"sendingid": 404, "number": "1", "deliverystatus": "3"}]}',
        '{"status_respon": [{"sendingid": 0, "number": "0", "deliverystatus": "3"}]}',
        '{"status_respon": [{"deliverystatus": "3"}]}',
        "x" * 100_000,
    ],
    ids=lambda body: body[:20],
)
@pytest.mark.parametrize("count", [0, 3])
def test_garbage_is_answered_and_changes_nothing(gateway: Gateway, body: str, count: int) -> None:
    ids = gateway.sent("rajasms", count)
    token = gateway.token("rajasms", gateway.submission(ids[0]).key)
    assert call("rajasms", token, body=body)["statusCode"] == 200
    assert set(gateway.statuses(ids)) == {"submitted"}


def test_a_callback_that_nobody_understands_is_kept_on_its_submission(gateway: Gateway) -> None:
    ids = gateway.sent("rajasms", 2)
    key = gateway.submission(ids[0]).key
    call("rajasms", gateway.token("rajasms", key), body="mysterious 628000000001")
    assert gateway.item(key)["raw"]["S"] == "mysterious [digits]"


def test_many_reports_in_one_call_are_all_taken(gateway: Gateway) -> None:
    ids = gateway.sent("rajasms", 3)
    rows = [
        {"sendingid": gateway.view(one)["vendor_id"], "number": "", "deliverystatus": "3"}
        for one in ids
    ]
    token = gateway.token("rajasms", gateway.submission(ids[0]).key)
    answer = call("rajasms", token, body={"status_respon": rows})
    assert json.loads(answer["body"]) == {"received": 3}
    assert set(gateway.statuses(ids)) == {"delivered"}


@pytest.mark.parametrize("words", ["34", "43"])
def test_of_two_words_on_a_message_in_one_call_the_first_stands(
    gateway: Gateway, words: str
) -> None:
    ids = gateway.sent("rajasms", 2)
    sending = [gateway.view(one)["vendor_id"] for one in ids]
    rows = [{"sendingid": one, "deliverystatus": word} for word in words for one in sending]
    token = gateway.token("rajasms", gateway.submission(ids[0]).key)
    call("rajasms", token, body={"status_respon": rows})
    assert set(gateway.statuses(ids)) == {"delivered" if words[0] == "3" else "undelivered"}


def test_a_thousand_reports_on_one_message_are_one_line_and_one_change(
    gateway: Gateway, capsys: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    ids = gateway.sent("rajasms", 2)
    sending = [gateway.view(one)["vendor_id"] for one in ids]
    nobody = ({"number": str(10**9 + nth), "deliverystatus": "3"} for nth in range(300))
    rows: list[dict[str, Any]] = [*nobody]
    rows += [{"sendingid": sending[0], "deliverystatus": "99"} for _ in range(300)]
    rows += [{"sendingid": sending[0], "deliverystatus": str(nth % 2 + 3)} for nth in range(300)]
    capsys.readouterr()
    token = gateway.token("rajasms", gateway.submission(ids[0]).key)
    answer = call("rajasms", token, body={"status_respon": rows})
    assert json.loads(answer["body"]) == {"received": 900}
    assert gateway.statuses(ids) == ["delivered", "submitted"]
    assert caplog.messages == ["unknown vendor status", "unmatched receipts"]
    assert '"UnmatchedReceipt":[300.0]' in capsys.readouterr().out.replace(" ", "")


def test_what_is_beyond_the_bound_is_refused_counted_and_never_silent(
    gateway: Gateway, capsys: pytest.CaptureFixture[str]
) -> None:
    """The first ones are taken all the same."""
    ids = gateway.sent("rajasms", 2)
    first = {"sendingid": gateway.view(ids[0])["vendor_id"], "deliverystatus": "3"}
    rows = [{"number": str(10**9 + nth), "deliverystatus": "3"} for nth in range(MAX_REPORTS + 4)]
    token = gateway.token("rajasms", gateway.submission(ids[0]).key)
    answer = call("rajasms", token, body={"status_respon": [first, *rows]})
    problem = json.loads(answer["body"])
    assert (answer["statusCode"], problem["type"]) == (413, "/problems/too-many-reports")
    assert gateway.statuses(ids) == ["delivered", "submitted"]
    assert '"ReportsBeyondBound":[5.0]' in capsys.readouterr().out.replace(" ", "")


def test_reports_that_say_the_same_count_as_one(gateway: Gateway) -> None:
    (identifier,) = gateway.sent("rajasms")
    row = {"sendingid": gateway.view(identifier)["vendor_id"], "deliverystatus": "3"}
    token = gateway.token("rajasms", gateway.submission(identifier).key)
    answer = call("rajasms", token, body={"status_respon": [row] * (MAX_REPORTS * 2)})
    assert answer["statusCode"] == 200
    assert gateway.status(identifier) == "delivered"


def test_reports_of_every_kind_in_one_call_are_told_apart(gateway: Gateway) -> None:
    """By id, by number, of nobody, no news, and a word that nobody knows."""
    ids = gateway.sent("rajasms", 5)
    views = [gateway.view(one) for one in ids]
    rows = [
        {"sendingid": views[0]["vendor_id"], "deliverystatus": "3"},
        {"number": views[1]["to"][1:], "deliverystatus": "4"},
        {"sendingid": 404, "number": "628999999999", "deliverystatus": "3"},
        {"sendingid": views[2]["vendor_id"], "deliverystatus": "1"},
        {"sendingid": views[3]["vendor_id"], "deliverystatus": "99"},
    ]
    token = gateway.token("rajasms", gateway.submission(ids[0]).key)
    answer = call("rajasms", token, body={"status_respon": rows})
    assert json.loads(answer["body"]) == {"received": 5}
    assert gateway.statuses(ids) == ["delivered", "undelivered"] + ["submitted"] * 3
    key = split_id(ids[3])
    assert key
    assert gateway.item(key)["raw"]["S"].startswith("99")


def push(gateway: Gateway, vendor_id: str, text: str = "DELIVRD", **fields: str) -> dict[str, Any]:
    """Dinisoft's status push to the account's one address."""
    query = {"messageid": vendor_id, "text": text} | fields
    return call("dinisoft", gateway.token("dinisoft", None), body=urlencode(query))


@pytest.mark.parametrize("count", [0, 3])
def test_a_push_to_the_accounts_address_finds_its_message(gateway: Gateway, count: int) -> None:
    set_account("dinisoft", status_push=True)
    ids = gateway.sent("dinisoft", count)
    assert push(gateway, gateway.view(ids[-1])["vendor_id"])["statusCode"] == 200
    assert gateway.statuses(ids) == ["submitted"] * (len(ids) - 1) + ["delivered"]


@pytest.mark.parametrize("fields", [{"vendor_id": "404"}, {"apikey": "wrong"}])
def test_a_push_that_fits_nothing_changes_nothing(gateway: Gateway, fields: dict[str, str]) -> None:
    set_account("dinisoft", status_push=True)
    (identifier,) = gateway.sent("dinisoft")
    sent = {"vendor_id": gateway.view(identifier)["vendor_id"]} | fields
    assert push(gateway, **sent)["statusCode"] == 200
    assert gateway.status(identifier) == "submitted"


@pytest.mark.parametrize("vendor", VENDORS)
def test_the_accounts_address_is_closed_unless_the_account_opens_it(
    gateway: Gateway, vendor: str
) -> None:
    answer = call(vendor, gateway.token(vendor, None), {"messageid": "1", "text": "DELIVRD"})
    assert answer["statusCode"] == 404


def test_a_push_that_is_as_fast_as_the_answer_finds_its_message(gateway: Gateway) -> None:
    """Between the writing of the answer and of anything after it."""
    set_account("dinisoft", status_push=True)
    heard = []

    def vendor_pushes(params: dict[str, Any], **_: Any) -> None:
        if ":v0" in params.get("ExpressionAttributeValues", {}) and "#result" in str(params):
            heard.append(push(gateway, "9000001"))

    events = dynamodb.client().meta.events
    events.register("provide-client-params.dynamodb.UpdateItem", vendor_pushes)
    (identifier,) = gateway.sent("dinisoft")
    events.unregister("provide-client-params.dynamodb.UpdateItem", vendor_pushes)
    assert heard
    assert gateway.status(identifier) == "delivered"
