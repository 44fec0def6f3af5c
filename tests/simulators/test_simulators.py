"""The simulated vendors: wire quirks, faults, ledger and callbacks, over real sockets."""

import contextlib
import hashlib
import http.client
import json
import re
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from urllib.parse import parse_qs, parse_qsl, urlencode, urlsplit

import pytest

from local.simulators import callbacks
from local.simulators.callbacks import reach
from local.simulators.registry import SIMULATORS, accounts, vendor_number
from local.simulators.server import Settings, Simulators
from local.simulators.server2sms_reports import deferred, plain, swiss
from sms_gateway.vendors.registry import build_adapter
from sms_gateway.vendors.types import OutgoingMessage

DELAY = 0.05
INDIA = "911000000001"
BANGLADESH = "8801000000001"
UK = "447700900001"
INDONESIA = "628000000001"
REPOSITORY = Path(__file__).parents[2]

JST_KEYS = {"username": "local-user", "password": "local-password", "sms_type": "2"}
DINISOFT_KEYS = {"apikey": "0123456789abcdef", "secretkey": "01234567"}
S2S_KEYS = {"UserName": "LOCALKEY", "Password": "local-password"}
VENDORS = tuple(SIMULATORS)
NO_ANSWER = (http.client.HTTPException, OSError)


class Reply:
    """An answer, read whole."""

    def __init__(self, answer: http.client.HTTPResponse) -> None:
        self.status = answer.status
        self.content_type = answer.getheader("Content-Type")
        self.body = answer.read()

    @property
    def json(self) -> Any:
        return json.loads(self.body)


class Client:
    """Calls the simulators as each vendor's callers do."""

    def __init__(self, server: Simulators) -> None:
        self.server = server

    def call(
        self, method: str, path: str, body: object = None, *, form: bool = False, wait: float = 5
    ) -> Reply:
        connection = http.client.HTTPConnection("127.0.0.1", self.server.server_port, timeout=wait)
        try:
            if form:
                assert isinstance(body, dict)
                kind = {"Content-Type": "application/x-www-form-urlencoded"}
                connection.request(method, path, urlencode(body), kind)
            else:
                payload = body if body is None or isinstance(body, bytes) else json.dumps(body)
                connection.request(method, path, payload)
            return Reply(connection.getresponse())
        finally:
            connection.close()

    def jst(self, operation: str, **fields: str) -> Reply:
        fields = JST_KEYS | fields
        return self.call("POST", f"/jst/index.php/api/{operation}", fields, form=True)

    def dinisoft(self, operation: str, wait: float = 5, **fields: str) -> Reply:
        query = urlencode(DINISOFT_KEYS | fields)
        return self.call("GET", f"/dinisoft/{operation}?{query}", wait=wait)

    def server2sms(self, operation: str, **data: object) -> Reply:
        return self.call("POST", f"/server2sms/{operation}", S2S_KEYS | data)

    def rajasms(self, call: str, product: str = "reguler", **data: object) -> Reply:
        body = {"apikey": "local-api-key"} | data
        return self.call("POST", f"/rajasms/sms/api_sms_{product}_{call}_json.php", body)

    def submit(self, vendor: str, number: str | None = None, url: str = "") -> Reply:
        """One plain message through any vendor."""
        if vendor == "jst":
            return self.jst("bulk-sms", **{"from": "LOCALS"}, to=number or INDIA, message="Hi")
        if vendor == "dinisoft":
            return self.dinisoft(
                "sendtext", callerID="LOCAL", toUser=number or BANGLADESH, messageContent="Hi"
            )
        if vendor == "server2sms":
            return self.server2sms(
                "SendTextSMS",
                Originator="Local",
                Recipients=[f"+{number or UK}:R1"],
                MessageText="Hi",
                URLBufferedMessageNotification=url,
                URLDeliveryNotification=url,
                URLNonDeliveryNotification=url,
            )
        if vendor == "rajasms":
            packets = [packet(number or INDONESIA, "Hi")]
            return self.rajasms("send", callbackurl=url, datapacket=packets)
        return self.by_adapter(vendor, number or vendor_number(vendor)[1:], url)

    def by_adapter(self, vendor: str, number: str, url: str) -> Reply:
        """A message as the vendor's adapter sends it, for vendors without a method here."""
        adapter = build_adapter(vendor, accounts(self.server.url)[vendor])
        message = OutgoingMessage("01J8Z3K4M5N6P7Q8R9S0T1V2W3001", f"+{number}", "Hi")
        (call,) = adapter.submit([message], url or None)
        path = call.request.url.removeprefix(self.server.url)
        form = "urlencoded" in call.request.headers.get("Content-Type", "")
        body = dict(parse_qsl(call.request.body.decode())) if form else call.request.body
        return self.call(call.request.method, path, body or None, form=form)

    def fault(self, vendor: str, fault: str, **more: object) -> None:
        reply = self.call("POST", "/_faults", {"vendor": vendor, "fault": fault} | more)
        assert reply.status == 201, reply.body

    def ledger(self, query: str = "") -> list[dict[str, Any]]:
        return list(self.call("GET", f"/_ledger{query}").json["submissions"])

    def counts(self, vendor: str) -> dict[str, int]:
        return dict(self.call("GET", "/_ledger/counts").json[vendor])

    def settle(self, count: int = 1) -> list[dict[str, Any]]:
        """Waits until so many messages are final; all messages of the ledger."""

        def final() -> list[dict[str, Any]]:
            found = [m for s in self.ledger() for m in s["messages"]]
            return found if sum(m["state"] != "pending" for m in found) >= count else []

        return eventually(final)


def eventually[T](look: Callable[[], T], seconds: float = 5) -> T:
    """The first true value of `look`."""
    end = time.monotonic() + seconds
    while not (seen := look()):
        assert time.monotonic() < end, "it did not happen"
        time.sleep(0.01)
    return seen


def packet(number: str, message: str, at: str = "") -> dict[str, str]:
    return {"number": number, "message": message, "sendingdatetime": at}


class Inbox(ThreadingHTTPServer):
    """Receives callbacks; `refuse` of them are answered 500 first."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Receiver)
        self.calls: list[tuple[str, str, bytes]] = []
        self.refuse = 0
        self.url = f"http://127.0.0.1:{self.server_port}"

    def wait(self, count: int) -> list[tuple[str, str, bytes]]:
        eventually(lambda: len(self.calls) >= count)
        return self.calls

    def news(self, count: int) -> list[list[dict[str, Any]]]:
        """The RajaSMS callbacks, each as its list of messages."""
        return [json.loads(body)["status_respon"] for _, _, body in self.wait(count)]


class Receiver(BaseHTTPRequestHandler):
    server: Inbox

    def do_POST(self) -> None:
        length = int(self.headers.get("Content-Length") or 0)
        self.server.calls.append((self.command, self.path, self.rfile.read(length)))
        refused = self.server.refuse > 0
        self.server.refuse -= 1
        self.send_response(500 if refused else 200)
        self.send_header("Content-Length", "0")
        self.end_headers()

    do_GET = do_POST

    def log_message(self, *_: object) -> None:
        return


@pytest.fixture(scope="module")
def inbox_server() -> Iterator[Inbox]:
    with Inbox() as server:
        threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
        yield server
        server.shutdown()


@pytest.fixture(scope="module")
def shared(inbox_server: Inbox) -> Iterator[Simulators]:
    settings = Settings(delay=DELAY, balance_interval=0.2, aws_endpoint=inbox_server.url)
    with Simulators(settings) as server:
        yield server


@pytest.fixture
def client(shared: Simulators) -> Client:
    made = Client(shared)
    for path in ("/_ledger", "/_faults"):
        assert made.call("DELETE", path).status == 204
    made.call("POST", "/_delay", {"seconds": DELAY})
    return made


@pytest.fixture
def inbox(inbox_server: Inbox) -> Inbox:
    inbox_server.calls = []
    inbox_server.refuse = 0
    return inbox_server


# The ledger and the accounts


def test_the_accounts_lead_to_the_simulators_routes() -> None:
    made = accounts("http://127.0.0.1:9/")
    assert made["jst"]["base_url"] == "http://127.0.0.1:9/jst/index.php/api"
    assert made["dinisoft"]["balance_url"] == (
        "http://127.0.0.1:9/dinisoft/login/sms/smsConfiguration/smsClientBalance.jsp"
    )
    assert set(made) == set(VENDORS)


@pytest.mark.parametrize("vendor", VENDORS)
def test_an_accepted_message_is_in_the_ledger_without_its_text(client: Client, vendor: str) -> None:
    client.submit(vendor)
    [message] = client.settle()
    [submission] = client.ledger()
    assert submission["vendor"] == vendor
    assert submission["answered"] == "ok"
    assert message["text_sha256"] == hashlib.sha256(b"Hi").hexdigest()
    assert message["state"] == "delivered"
    assert message["final_at"] > submission["at"]
    assert "Hi" not in json.dumps(submission)


@pytest.mark.parametrize("vendor", VENDORS)
@pytest.mark.parametrize(("ending", "state"), [("98", "undelivered"), ("97", "pending")])
def test_a_numbers_last_digits_decide(client: Client, vendor: str, ending: str, state: str) -> None:
    first = vendor_number(vendor)[1:]
    client.submit(vendor, first[:-2] + ending)
    client.submit(vendor, first)
    client.settle(1 if state == "pending" else 2)
    outcomes = {m["number"][-2:]: m["state"] for s in client.ledger() for m in s["messages"]}
    assert outcomes == {ending: state, "01": "delivered"}


def test_the_ledger_is_asked_by_vendor_and_from_a_number_on(client: Client) -> None:
    for vendor in VENDORS:
        client.submit(vendor)
    everything = client.ledger()
    assert [s["vendor"] for s in everything] == list(VENDORS)
    assert [s["vendor"] for s in client.ledger("?vendor=rajasms")] == ["rajasms"]
    later = client.ledger(f"?since={everything[1]['seq']}")
    assert [s["vendor"] for s in later] == list(VENDORS)[2:]
    assert client.call("DELETE", "/_ledger").status == 204
    assert client.ledger() == []


def test_calls_are_counted_by_kind(client: Client) -> None:
    client.submit("jst")
    client.jst("get-dlr-report", job_id="1")
    client.jst("get-balance")
    client.jst("get-balance", password="wrong")
    counts = client.counts("jst")
    assert (counts["calls"], counts["submissions"], counts["messages"]) == (4, 1, 1)
    assert (counts["polls"], counts["balances"]) == (1, 2)


# JST


def test_jst_takes_get_as_well_as_a_form(client: Client) -> None:
    query = urlencode(JST_KEYS | {"from": "LOCALS", "to": INDIA[2:], "message": "Hi there"})
    reply = client.call("GET", f"/jst/index.php/api/bulk-sms?{query}")
    assert reply.json["status"] == "success"
    assert client.ledger()[0]["messages"][0]["number"] == INDIA


def test_jst_has_one_job_for_all_numbers_and_reports_ten_digits(client: Client) -> None:
    numbers = [INDIA, INDIA[:-2] + "98", INDIA[:-2] + "97"]
    sent = client.jst("bulk-sms", **{"from": "LOCALS"}, to=",".join(numbers), message="Hi").json
    assert isinstance(sent["job_id"], str)
    waiting = client.jst("get-dlr-report", job_id=sent["job_id"]).json["report"]
    assert {line["status"] for line in waiting} == {"Submitted"}
    client.settle(2)
    report = client.jst("get-dlr-report", job_id=sent["job_id"]).json["report"]
    assert [line["mobile"] for line in report] == [number[2:] for number in numbers]
    assert [line["status"] for line in report] == ["DELIVRD", "UNDELIV", "Submitted"]


def test_jst_customized_sends_different_texts_and_cuts_at_its_separators(client: Client) -> None:
    pairs = f"{INDIA}^one~{INDIA[:-1]}2^two^2"
    sent = client.jst("customized-sms", **{"from": "LOCALS"}, mobile_msg=pairs).json
    assert sent["NoOfSMS"] == 2
    assert isinstance(sent["job_id"], int)
    shas = [m["text_sha256"] for m in client.ledger()[0]["messages"]]
    assert shas == [hashlib.sha256(text).hexdigest() for text in (b"one", b"two^2")]
    cut = client.jst("customized-sms", **{"from": "LOCALS"}, mobile_msg=f"{INDIA}^one~two").json
    assert "error" in cut


@pytest.mark.parametrize(
    "wrong",
    [
        {"password": "wrong"},
        {"from": "LOCAL"},
        {"to": f"+{INDIA}"},
        {"to": f"{INDIA},12"},
        {"message": ""},
        {"sms_type": "3"},
        {"scheduled_sms": "1"},
        {"scheduled_sms": "1", "scheduled_datetime": "2030-01-01T00:00"},
    ],
)
def test_jst_refuses_inside_a_200(client: Client, wrong: dict[str, str]) -> None:
    fields = {"from": "LOCALS", "to": INDIA, "message": "Hi"} | wrong
    reply = client.jst("bulk-sms", **fields)
    assert (reply.status, reply.json["status"]) == (200, "error")
    assert client.ledger() == []


def test_jst_holds_a_scheduled_message_until_its_india_time(client: Client) -> None:
    fields = {"from": "LOCALS", "to": INDIA, "message": "Hi", "scheduled_sms": "1"}
    client.jst("bulk-sms", **fields, scheduled_datetime="2099-01-01 09:30")
    client.jst("bulk-sms", **fields, scheduled_datetime="2001-01-01 09:30")
    client.settle(1)
    states = [submission["messages"][0]["state"] for submission in client.ledger()]
    assert states == ["pending", "delivered"]


@pytest.mark.parametrize(
    ("template", "text", "word"),
    [
        ({}, "Anything at all", "DELIVRD"),
        ({"template_id": "1107100000000000001"}, "Your code is 1234", "DELIVRD"),
        (
            {"template_id": "1107100000000000001"},
            "Your code: 1234",
            "FAILED: TEMPLATE NOT MATCHED",
        ),
        (
            {"template_id": "1107100000000000001"},
            "Your code is " + "x" * 31,
            "FAILED: TEMPLATE NOT MATCHED",
        ),
        ({"template_id": "1"}, "Your code is 1234", "FAILED: TEMPLATE NOT MATCHED"),
    ],
)
def test_jst_takes_what_operators_then_drop(
    client: Client, template: dict[str, str], text: str, word: str
) -> None:
    sent = client.jst("bulk-sms", **{"from": "LOCALS"}, to=INDIA, message=text, **template).json
    assert sent["status"] == "success"
    client.settle()
    report = client.jst("get-dlr-report", job_id=sent["job_id"]).json["report"]
    assert [row["status"] for row in report] == [word]


def test_jst_balance_is_two_fields_by_type(client: Client) -> None:
    one, two = (client.jst("get-balance", sms_type=kind).json for kind in "12")
    assert len(one) == len(two) == 2
    assert one["balance"] != two["balance"]


# Dinisoft


def test_dinisoft_answers_strings_without_a_content_type(client: Client) -> None:
    reply = client.submit("dinisoft")
    assert reply.content_type is None
    assert reply.json["Status"] == "0"
    assert reply.json["Text"] in ("ACCEPTD", "Acceptd")
    assert all(isinstance(value, str) for value in reply.json.values())


def test_dinisoft_gives_a_final_answer_once(client: Client) -> None:
    key = client.submit("dinisoft").json["Message_ID"]
    before = time.time()
    client.settle()
    first = client.dinisoft("getstatus", messageid=key)
    assert first.content_type is None
    assert first.json["Text"] == "DELIVRD"
    assert abs(int(first.json["Delivery Time"]) / 1000 - before) < 5
    gone = {"Status": "114", "Text": "REJECTD", "Message_ID": "", "Delivery Time": "0"}
    assert client.dinisoft("getstatus", messageid=key).json == gone
    assert client.dinisoft("getstatus", messageid="1").json == gone
    assert client.dinisoft("getstatus").json == gone


def test_dinisoft_reports_a_failure_under_status_0(client: Client) -> None:
    key = client.submit("dinisoft", BANGLADESH[:-2] + "98").json["Message_ID"]
    client.settle()
    answer = client.dinisoft("getstatus", messageid=key).json
    assert (answer["Status"], answer["Text"], answer["Delivery Time"]) == ("0", "UNDELIV", "0")


def test_dinisoft_says_no_news_by_an_empty_body_or_pending(client: Client) -> None:
    client.call("POST", "/_delay", {"vendor": "dinisoft", "seconds": 60})
    keys = [client.submit("dinisoft").json["Message_ID"] for _ in range(2)]
    for key in sorted(keys, key=lambda key: int(key) % 2):
        body = client.dinisoft("getstatus", messageid=key).body
        if int(key) % 2:
            assert json.loads(body) == {"Status": "2", "Text": "PENDING"}
        else:
            assert body == b""


@pytest.mark.parametrize(
    ("wrong", "code"),
    [
        ({"apikey": "x"}, "109"),
        ({"secretkey": "x"}, "108"),
        ({"messageContent": ""}, "114"),
        ({"toUser": f"+{BANGLADESH}"}, "1"),
    ],
)
def test_dinisoft_refuses_by_code(client: Client, wrong: dict[str, Any], code: str) -> None:
    fields = {"callerID": "LOCAL", "toUser": BANGLADESH, "messageContent": "Hi"} | wrong
    assert client.dinisoft("sendtext", **fields).json["Status"] == code
    assert client.ledger() == []


def test_dinisoft_tells_bad_keys_on_a_status_too(client: Client) -> None:
    unknown = client.dinisoft("getstatus", messageid="1", apikey="x").json
    wrong = client.dinisoft("getstatus", messageid="1", secretkey="x").json
    assert unknown == {"Status": "109", "Text": "REJECTD"}
    assert wrong == {"Status": "108", "Text": "REJECTD"}


def test_dinisoft_takes_gets_only(client: Client) -> None:
    assert client.call("POST", "/dinisoft/sendtext", DINISOFT_KEYS, form=True).status == 405


def test_dinisoft_balance_is_a_bare_number_for_the_clients_name(client: Client) -> None:
    path = "/dinisoft/login/sms/smsConfiguration/smsClientBalance.jsp?client="
    reply = client.call("GET", path + "local-client")
    assert re.fullmatch(rb"\d+\.\d{6}", reply.body)
    assert reply.content_type is None
    assert not re.search(rb"\d", client.call("GET", path + "other").body)


# server2sms


def test_server2sms_answers_a_string_code_and_no_id(client: Client) -> None:
    assert client.submit("server2sms").json == {"StatusCode": "1", "StatusInfo": "OK"}
    message = client.ledger()[0]["messages"][0]
    assert (message["reference"], message["vendor_id"], message["number"]) == ("R1", None, UK)


@pytest.mark.parametrize(
    ("wrong", "code"),
    [
        ({"UserName": "x"}, "8"),
        ({"Password": "x"}, "9"),
        ({"UserName": "x", "Password": "x"}, "3"),
        ({"Originator": "TwelveLetter"}, "10"),
        ({"Originator": ""}, "10"),
        ({"MessageText": ""}, "11"),
        ({"FlashingSMS": 1}, "11"),
        ({"URLBufferedMessageNotification": "http://localhost/" + "x" * 200}, "17"),
        ({"URLDeliveryNotification": "http://localhost/" + "x" * 184}, "18"),
        ({"URLNonDeliveryNotification": "localhost"}, "19"),
        ({"Recipients": []}, "20"),
        ({"DeferredDeliveryTime": "2030-01-01"}, "22"),
        ({"Recipients": [f"+{UK}"]}, "23"),
        ({"Recipients": [f"+{UK}:a-b"]}, "11"),
    ],
)
def test_server2sms_refuses_by_code(client: Client, wrong: dict[str, object], code: str) -> None:
    data = {"Originator": "Local", "Recipients": [f"+{UK}:R1"], "MessageText": "Hi"} | wrong
    reply = client.server2sms("SendTextSMS", **data)
    assert (reply.status, reply.json["StatusCode"]) == (200, code)
    assert client.ledger() == []


def test_server2sms_takes_a_url_of_200_characters(client: Client, inbox: Inbox) -> None:
    url = inbox.url + "/?ID="
    url = url.replace("/?", "/" + "x" * (200 - len(url)) + "?")
    assert len(url) == 200
    assert client.submit("server2sms", url=url).json["StatusCode"] == "1"
    assert inbox.wait(1)[0][1].endswith("?ID=R1")


def test_server2sms_simple_takes_one_string(client: Client) -> None:
    for recipients in (f"+{UK}:A1", [f"+{UK}:A2"]):
        reply = client.server2sms(
            "SendSimpleTextSMS", Originator="Local", Recipients=recipients, MessageText="Hi"
        )
        assert reply.json["StatusCode"] == "1"
    assert [s["messages"][0]["reference"] for s in client.ledger()] == ["A1", "A2"]


def token(client: Client, reference: str, **data: object) -> str:
    """Sends a code; the StatusCode."""
    fields = {
        "Originator": "Local",
        "Recipients": f"+{UK}:{reference}",
        "MessageData": "Code <VERIFICATIONCODE>.",
        "TokenReference": reference,
    }
    return str(client.server2sms("SendTokenSMS", **fields | data).json["StatusCode"])


def verify(client: Client, reference: str, code: str) -> str:
    """Has a code judged; the StatusCode."""
    fields = {"PhoneNumber": f"+{UK}", "TokenReference": reference, "VerificationCode": code}
    return str(client.server2sms("VerifyToken", **fields).json["StatusCode"])


def handset(client: Client, number: str) -> list[str]:
    """The texts on a handset."""
    return list(client.call("GET", f"/_handset?number={number}").json["texts"])


def test_server2sms_makes_a_code_by_its_mask_and_judges_it(client: Client) -> None:
    assert token(client, "T1", TokenMask="## A-N", TokenValidity="2") == "1"
    found = re.fullmatch(r"Code (\d\d [A-Za-z]-[A-Za-z0-9])\.", handset(client, UK)[-1])
    assert found
    assert verify(client, "T1", "wrong") in ("36", "37")
    assert verify(client, "T2", found[1]) == "38"
    assert verify(client, "T1", found[1].swapcase()) == "1"
    assert verify(client, "T1", "wrong") == "1"  # as seen at the vendor, any code from then on
    assert token(client, "T1") == "39"
    message = client.ledger("?vendor=server2sms")[-1]["messages"][0]
    assert (message["number"], message["reference"]) == (UK, "T1")
    assert message["text_sha256"] == hashlib.sha256(f"Code {found[1]}.".encode()).hexdigest()


def test_server2sms_takes_a_given_code_and_its_case(client: Client) -> None:
    assert token(client, "T3", VerificationCode="qL1x", TokenCaseSensitive="1") == "1"
    assert handset(client, UK)[-1] == "Code qL1x."
    assert verify(client, "T3", "QL1X") in ("36", "37")
    assert verify(client, "T3", "qL1x") == "1"


def test_server2sms_sends_the_bare_code_without_a_placeholder(client: Client) -> None:
    assert token(client, "T4", MessageData="", VerificationCode="0815") == "1"
    assert handset(client, UK)[-1] == "0815"


def test_server2sms_forgets_a_code_when_its_time_is_over(
    client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert token(client, "T5", VerificationCode="0815", TokenValidity="1") == "1"
    soon = time.time() + 61
    monkeypatch.setattr("local.simulators.server2sms.time", SimpleNamespace(time=lambda: soon))
    assert verify(client, "T5", "0815") == "38"


@pytest.mark.parametrize(
    ("wrong", "code"),
    [
        ({"Originator": ""}, "10"),
        ({"Recipients": ["+447700900001:T6"]}, "20"),
        ({"Recipients": ""}, "20"),
        ({"Recipients": "0:T6"}, "11"),
        ({"Recipients": f"+{UK}:T 6"}, "11"),
        ({"TokenValidity": "0"}, "11"),
        ({"TokenCaseSensitive": "yes"}, "11"),
        ({"TokenMask": 4}, "11"),
        ({"URLDeliveryNotification": "x"}, "18"),
        ({"Password": "x"}, "9"),
    ],
)
def test_server2sms_refuses_a_token_by_code(
    client: Client, wrong: dict[str, object], code: str
) -> None:
    assert token(client, "T6", **wrong) == code
    assert client.server2sms("VerifyToken", PhoneNumber="x").json["StatusCode"] == "11"


def test_server2sms_can_be_made_to_fail_a_check(client: Client) -> None:
    assert token(client, "T7", VerificationCode="0815") == "1"
    client.fault("server2sms", "refuse-temporary", operation="verify", count=1)
    assert verify(client, "T7", "0815") == "24"
    client.fault("server2sms", "unknown-code", operation="verify", count=1)
    assert verify(client, "T7", "0815") == "742"
    assert verify(client, "T7", "0815") == "1"
    fault = {"vendor": "jst", "fault": "refuse", "operation": "verify"}
    assert client.call("POST", "/_faults", fault).status == 400


@pytest.mark.parametrize("vendor", VENDORS)
def test_a_handset_shows_the_last_texts_to_its_number(client: Client, vendor: str) -> None:
    number = vendor_number(vendor)[1:]
    client.submit(vendor)
    client.submit(vendor, number[:-1] + "2")
    assert handset(client, f"%2B{number}") == handset(client, number) == ["Hi"]
    assert handset(client, "10000") == []


def test_server2sms_is_asked_by_joined_references_and_the_last_row_counts(client: Client) -> None:
    numbers = {"A": UK, "B": UK[:-2] + "98", "C": UK[:-2] + "97"}
    client.server2sms(
        "SendTextSMS",
        Originator="Local",
        Recipients=[f"+{number}:{reference}" for reference, number in numbers.items()],
        MessageText="Hi",
    )
    asked = {"TransactionReferenceNumbers": "A;B;C;D"}
    rows = client.server2sms("InquireDeliveryNotifications", **asked).json["DeliveryNotifications"]
    assert [row["DeliveryStatus"] for row in rows] == ["-1", "-1", "-1"]
    client.settle(2)
    rows = client.server2sms("InquireDeliveryNotifications", **asked).json["DeliveryNotifications"]
    last = {row["TransactionReferenceNumber"]: row["DeliveryStatus"] for row in rows}
    assert last == {"A": "0", "B": "2", "C": "1"}
    assert len(rows) == 4  # B was buffered before it failed
    assert re.fullmatch(r"\d{14}", rows[0]["NotificationDate"])


def test_server2sms_without_rows_is_null_or_missing(client: Client) -> None:
    asked = {"TransactionReferenceNumbers": "unknown"}
    answers = [client.server2sms("InquireDeliveryNotifications", **asked).json for _ in range(2)]
    assert sorted("DeliveryNotifications" in answer for answer in answers) == [False, True]
    assert all(answer.get("DeliveryNotifications") is None for answer in answers)
    missing = client.server2sms("InquireDeliveryNotifications", TransactionReferenceNumbers="")
    assert missing.json["StatusCode"] == "23"


def test_server2sms_credits_are_a_fractional_string(client: Client) -> None:
    answer = client.server2sms("CheckCredits").json
    assert answer["StatusCode"] == "1"
    assert re.fullmatch(r"\d+\.\d+", answer["Credits"])


def account(client: Client) -> dict[str, Any]:
    """What the control route shows of server2sms beside its messages."""
    return dict(client.call("GET", "/_account").json["server2sms"])


def status_of(reply: Reply) -> str:
    return str(reply.json["StatusCode"])


def test_server2sms_vouchers_move_credit(client: Client) -> None:
    made = {"NumberOfVouchers": "3", "AmountCreditsPerVoucher": "100", "Remarks": "spring R1"}
    assert client.server2sms("CreateVoucher", **made).json == {
        "StatusCode": "1",
        "StatusInfo": "OK",
    }
    assert client.server2sms("CheckCredits").json["Credits"] == "2180.5"
    rows = client.server2sms("GetVoucherTransactions").json["vouchers"]
    assert [(row["Credits"], row["Remarks"]) for row in rows] == [("100", "spring R1")] * 3
    code = rows[1]["VoucherCode"]
    assert status_of(client.server2sms("RedeemVoucher", RedeemCode=code)) == "1"
    assert client.server2sms("CheckCredits").json["Credits"] == "2280.5"
    assert status_of(client.server2sms("RedeemVoucher", RedeemCode=code)) == "11"
    assert status_of(client.server2sms("RedeemVoucher", RedeemCode="none")) == "11"
    assert account(client)["credits"] == "2280.5"
    assert [bool(row["RedeemDate"]) for row in account(client)["vouchers"]] == [False, True, False]


@pytest.mark.parametrize(
    ("number", "each", "code"),
    [("1", "2481", "5"), ("0", "1", "11"), ("1001", "1", "11"), ("1", "0", "11"), ("x", "1", "11")],
)
def test_server2sms_refuses_a_creation_by_code(
    client: Client, number: str, each: str, code: str
) -> None:
    asked = {"NumberOfVouchers": number, "AmountCreditsPerVoucher": each}
    assert status_of(client.server2sms("CreateVoucher", **asked)) == code
    assert account(client) == {"credits": "2480.5", "vouchers": [], "originators": {}}


def test_server2sms_unlocks_an_originator_with_the_code_that_it_sent(client: Client) -> None:
    one = {"Originator": f"+{UK}"}
    assert status_of(client.server2sms("CheckOriginatorAuthorization", **one)) == "30"
    assert status_of(client.server2sms("UnlockOriginator", **one, UnlockCode="")) == "30"
    assert status_of(client.server2sms("SendOriginatorUnlockCode", **one)) == "1"
    assert status_of(client.server2sms("CheckOriginatorAuthorization", **one)) == "29"
    assert status_of(client.server2sms("UnlockOriginator", **one, UnlockCode="wrong")) == "30"
    code = account(client)["originators"][one["Originator"]]["unlock_code"]
    assert status_of(client.server2sms("UnlockOriginator", **one, UnlockCode=code)) == "1"
    for operation in ("CheckOriginatorAuthorization", "SendOriginatorUnlockCode"):
        assert status_of(client.server2sms(operation, **one)) == "31"
    assert status_of(client.server2sms("UnlockOriginator", **one, UnlockCode="x")) == "31"


def test_server2sms_has_no_restrictions_for_names(client: Client) -> None:
    assert status_of(client.server2sms("CheckOriginatorAuthorization", Originator="Acme")) == "28"
    for operation in (
        "CheckOriginatorAuthorization",
        "SendOriginatorUnlockCode",
        "UnlockOriginator",
    ):
        assert status_of(client.server2sms(operation, Originator="much too long")) == "10"


def test_server2sms_tells_version_and_codes_without_credentials(client: Client) -> None:
    assert client.call("POST", "/server2sms/VersionInfo", {}).json["Version"]
    rows = client.call("POST", "/server2sms/ListAllStatusCodes", {}).json
    assert {"StatusCode": "1", "StatusInfo": "OK"} in rows


@pytest.mark.parametrize(
    ("fault", "made"), [("error-after-accept", 1), ("accept-then-reset", 1), ("refuse", 0)]
)
def test_server2sms_vouchers_fail_on_command(client: Client, fault: str, made: int) -> None:
    client.fault("server2sms", fault, operation="change", count=1)
    asked = {"NumberOfVouchers": "1", "AmountCreditsPerVoucher": "1"}
    with contextlib.suppress(*NO_ANSWER):
        assert client.server2sms("CreateVoucher", **asked).body != b""
    assert len(account(client)["vouchers"]) == made
    assert client.counts("server2sms")["changes"] == 1


def test_only_server2sms_has_changes_and_inquiries(client: Client) -> None:
    for operation in ("change", "inquiry"):
        order = {"vendor": "jst", "fault": "hang", "operation": operation}
        assert client.call("POST", "/_faults", order).status == 400
    assert client.call("POST", "/_account", {}).status == 405


def test_server2sms_replaces_every_tag_percent_encoded(client: Client, inbox: Inbox) -> None:
    tags = "&".join(
        f"{tag}=<{tag}>"
        for tag in ("DST", "RSN", "TRN", "RCPNT", "SCTS", "DSCTS", "SCTSUTC", "DSCTSCET")
    )
    client.submit("server2sms", url=f"{inbox.url}/cb?{tags}")
    method, path, _ = inbox.wait(1)[0]
    assert method == "GET"
    assert "RCPNT=%2B" in path
    values = {name: value for name, [value] in parse_qs(urlsplit(path).query).items()}
    assert (values["DST"], values["RSN"], values["TRN"]) == ("0", "000", "R1")
    assert values["RCPNT"] == f"+{UK}"
    assert re.fullmatch(r"\d{14}", values["SCTS"])
    assert values["SCTSUTC"].endswith("+00:00")
    assert re.search(r"\+0[12]:00$", values["DSCTSCET"])


@pytest.mark.parametrize(("ending", "status"), [("98", "2"), ("97", "1")])
def test_server2sms_tells_other_states_at_their_own_urls(
    client: Client, inbox: Inbox, ending: str, status: str
) -> None:
    client.submit("server2sms", UK[:-2] + ending, f"{inbox.url}/?D=<DST>")
    assert inbox.wait(1)[0][1] == f"/?D={status}"


def test_swiss_time_follows_the_european_rule() -> None:
    winter, summer = 1704110400, 1719835200  # 2024-01-01 and 2024-07-01, 12:00 UTC
    assert plain(swiss(winter)) == "01012024130000"
    assert plain(swiss(summer)) == "01072024140000"
    assert deferred("01072024140000") == summer
    assert deferred("01012024130000") == winter


# RajaSMS


def test_rajasms_answers_each_packet_with_an_id_over_32_bits(client: Client) -> None:
    reply = client.rajasms("send", datapacket=[packet("0" + INDONESIA[2:], "Hi")])
    assert reply.content_type == "text/html; charset=UTF-8"
    [answer] = reply.json["sending_respon"]
    inner = answer["datapacket"][0]["packet"]
    assert (answer["globalstatus"], inner["sendingstatus"], inner["price"]) == (10, 10, 320)
    assert inner["number"] == INDONESIA
    assert inner["sendingid"] > 2**32


def test_rajasms_refuses_a_packet_under_a_global_success(client: Client) -> None:
    packets = [packet("12", "Hi"), packet(f"+{INDONESIA}", "x" * 481), packet(INDONESIA, "x" * 480)]
    [answer] = client.rajasms("send", datapacket=packets).json["sending_respon"]
    inner = [each["packet"] for each in answer["datapacket"]]
    assert answer["globalstatus"] == 10
    assert [each["sendingstatus"] for each in inner] == [60, 70, 10]
    assert [each["sendingid"] == 0 for each in inner] == [True, True, False]
    assert [len(submission["messages"]) for submission in client.ledger()] == [1]


@pytest.mark.parametrize(
    ("data", "code"),
    [
        ({"apikey": "x", "datapacket": [packet(INDONESIA, "Hi")]}, 30),
        ({"datapacket": []}, 20),
        ({"datapacket": [packet(INDONESIA, "Hi", "2030-01-01 10-00-00")]}, 20),
        ({"datapacket": [packet(INDONESIA, "Hi")] * 1001}, 55),
    ],
)
def test_rajasms_refuses_globally(client: Client, data: dict[str, Any], code: int) -> None:
    [answer] = client.rajasms("send", **data).json["sending_respon"]
    assert (answer["globalstatus"], answer["datapacket"]) == (code, [])
    assert client.ledger() == []


def test_rajasms_takes_a_thousand_packets(client: Client) -> None:
    packets = [packet(f"6280000{n:05}", "Hi") for n in range(1000)]
    [answer] = client.rajasms("send", "bulk", datapacket=packets).json["sending_respon"]
    assert len(answer["datapacket"]) == 1000
    assert client.counts("rajasms")["messages"] == 1000


def test_rajasms_balance_is_35_when_asked_again_too_soon(client: Client) -> None:
    time.sleep(0.2)
    first, again, other = (
        client.rajasms("balance", product).json["balance_respon"][0]
        for product in ("otp", "otp", "masking")
    )
    assert (first["globalstatus"], again["globalstatus"], other["globalstatus"]) == (10, 35, 10)
    assert isinstance(first["Balance"], int)
    assert re.fullmatch(r"\d{4}-\d\d-\d\d", first["Expired"])
    assert "Balance" not in again
    time.sleep(0.25)
    assert client.rajasms("balance", "otp").json["balance_respon"][0]["globalstatus"] == 10


def test_rajasms_posts_one_or_several_receipts_a_callback(client: Client, inbox: Inbox) -> None:
    numbers = [INDONESIA, INDONESIA[:-2] + "98", INDONESIA[:-2] + "97"]
    packets = [packet(number, "Hi") for number in numbers]
    [answer] = client.rajasms("send", callbackurl=f"{inbox.url}/cb", datapacket=packets).json[
        "sending_respon"
    ]
    news = inbox.news(2)
    assert inbox.calls[0][:2] == ("POST", "/cb")
    assert sorted(len(group) for group in news) == [1, 2]
    got = {row["number"]: row for group in news for row in group}
    assert got[numbers[0]]["deliverystatus"] in ("3", "10")
    assert [got[number]["deliverystatus"] for number in numbers[1:]] == ["4", "2"]
    ids = [each["packet"]["sendingid"] for each in answer["datapacket"]]
    assert [got[number]["sendingid"] for number in numbers] == ids
    eventually(lambda: client.counts("rajasms")["callbacks_sent"] == 2)


# Callbacks


def test_only_this_machine_is_called() -> None:
    endpoint = "http://127.0.0.1:4566"
    api = "abc123.execute-api.eu-west-1.amazonaws.com"
    assert reach(f"https://{api}/v1/callbacks/x?ID=<TRN>", endpoint) == (
        "http://127.0.0.1:4566/_aws/execute-api/abc123/v1/callbacks/x?ID=<TRN>"
    )
    url = "abcdefghijklmnopqrstuvwxyz012345.lambda-url.eu-west-1.on.aws"
    assert reach(f"https://{url}/callbacks/x", endpoint) == (
        "http://127.0.0.1:4566/_aws/lambda-url/abcdefghijklmnopqrstuvwxyz012345/callbacks/x"
    )
    assert reach("http://localhost:4566/x", endpoint) == "http://localhost:4566/x"
    assert reach("http://[::1]/x", endpoint) == "http://[::1]/x"
    refused = (
        "https://example.com/v1/x",
        "http://10.0.0.1/x",
        "http://127.0.0.1.example.com/x",
        "http://127.0.0.1@example.com/x",
        "file:///x",
        "http://[",
    )
    assert [reach(url, endpoint) for url in refused] == [None] * len(refused)
    assert reach(f"https://{api}/v1/x", "http://example.com") is None


def test_a_callback_to_api_gateway_goes_to_the_emulator(client: Client, inbox: Inbox) -> None:
    client.submit("rajasms", url="https://abc.execute-api.us-east-1.example.com/v1/callbacks/t")
    assert inbox.wait(1)[0][1] == "/_aws/execute-api/abc/v1/callbacks/t"


def test_a_callback_to_another_host_is_refused(client: Client) -> None:
    client.submit("rajasms", url="http://192.0.2.1/")
    eventually(lambda: client.counts("rajasms")["callbacks_failed"] == 1)


def test_a_failed_callback_is_tried_again(
    client: Client, inbox: Inbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(callbacks, "PAUSE_SECONDS", 0.002)
    inbox.refuse = callbacks.MAX_RETRIES
    client.submit("rajasms", url=inbox.url)
    inbox.wait(callbacks.MAX_RETRIES + 1)
    eventually(lambda: client.counts("rajasms")["callbacks_sent"] == 1)
    inbox.refuse = callbacks.MAX_RETRIES + 1
    client.submit("rajasms", url=inbox.url)
    eventually(lambda: client.counts("rajasms")["callbacks_failed"] == 1)
    assert len(inbox.calls) == 2 * (callbacks.MAX_RETRIES + 1)


def test_duplicate_and_dropped_callbacks(client: Client, inbox: Inbox) -> None:
    client.fault("rajasms", "duplicate-callbacks", count=1)
    client.submit("rajasms", url=inbox.url)
    first, second = inbox.wait(2)
    assert first == second
    client.fault("rajasms", "drop-callbacks", count=1)
    client.submit("rajasms", url=inbox.url)
    client.settle(2)
    time.sleep(0.1)
    assert len(inbox.calls) == 2


def test_late_callbacks_come_after_the_outcome(client: Client, inbox: Inbox) -> None:
    client.fault("server2sms", "late-callbacks", seconds=0.3, count=1)
    client.submit("server2sms", url=inbox.url + "/?ID=")
    client.settle()
    assert inbox.calls == []
    inbox.wait(1)


def test_reversed_callbacks_tell_stale_news_last(client: Client, inbox: Inbox) -> None:
    client.fault("rajasms", "reversed-callbacks")
    packets = [packet(INDONESIA, "Hi"), packet(INDONESIA[:-1] + "2", "Hi")]
    client.rajasms("send", callbackurl=inbox.url, datapacket=packets)
    news = [(row["number"][-1], row["deliverystatus"]) for [row] in inbox.news(4)]
    assert [number for number, _ in news] == ["2", "1", "1", "2"]
    assert [status in ("3", "10") for _, status in news] == [True, True, False, False]


def test_a_state_is_forced_at_once(client: Client, inbox: Inbox) -> None:
    client.call("POST", "/_delay", {"seconds": 60})
    client.submit("rajasms", url=inbox.url)
    order = {"vendor": "rajasms", "number": f"+{INDONESIA}", "state": "undelivered"}
    assert client.call("POST", "/_deliver", order).json["state"] == "undelivered"
    assert inbox.news(1)[0][0]["deliverystatus"] == "4"
    assert client.call("POST", "/_deliver", order | {"vendor": "jst"}).status == 404


# Faults

TAKEN = {
    "error-after-accept": "error",
    "garbage": "garbage",
    "html": "html",
    "empty": "empty",
    "truncated": "truncated",
    "wrong-type": "wrong-type",
    "unknown-code": "unknown-code",
    "slow": "slow",
}


@pytest.mark.parametrize("vendor", VENDORS)
@pytest.mark.parametrize("fault", sorted(TAKEN))
def test_a_fault_after_accepting_is_in_the_ledger(client: Client, vendor: str, fault: str) -> None:
    plain_reply = client.submit(vendor)
    client.fault(vendor, fault, count=1, seconds=0.05)
    reply = client.submit(vendor)
    assert [s["answered"] for s in client.ledger()] == ["ok", TAKEN[fault]]
    assert reply.status == (502 if fault == "error-after-accept" else 200)
    if fault != "slow":
        assert reply.body != plain_reply.body
    client.submit(vendor)
    assert client.ledger()[-1]["answered"] == "ok"


@pytest.mark.parametrize("vendor", VENDORS)
@pytest.mark.parametrize(
    ("fault", "status"),
    [("refuse", 200), ("refuse-temporary", 200), ("error", 500), ("rate-limit", 429)],
)
def test_a_fault_before_accepting_is_not_in_the_ledger(
    client: Client, vendor: str, fault: str, status: int
) -> None:
    client.fault(vendor, fault)
    assert client.submit(vendor).status == status
    assert client.ledger() == []
    assert client.counts(vendor)["calls"] == 1


@pytest.mark.parametrize("vendor", VENDORS)
@pytest.mark.parametrize(
    ("fault", "answered"),
    [
        ("hang", []),
        ("reset", []),
        ("accept-then-hang", ["hang"]),
        ("accept-then-reset", ["reset"]),
    ],
)
def test_a_call_without_an_answer(
    client: Client, vendor: str, fault: str, answered: list[str]
) -> None:
    client.fault(vendor, fault, seconds=0.05)
    with pytest.raises(ConnectionResetError if "reset" in fault else NO_ANSWER):
        client.submit(vendor)
    assert [s["answered"] for s in client.ledger()] == answered


def test_a_hang_lasts_until_the_caller_leaves(client: Client) -> None:
    client.fault("dinisoft", "accept-then-hang")
    fields = {"callerID": "LOCAL", "toUser": BANGLADESH, "messageContent": "Hi"}
    with pytest.raises(TimeoutError):
        client.dinisoft("sendtext", wait=0.3, **fields)
    assert [s["answered"] for s in client.ledger()] == ["hang"]
    eventually(lambda: client.server.connections == 0)


@pytest.mark.parametrize("vendor", ["jst", "dinisoft", "server2sms"])
@pytest.mark.parametrize(
    "fault", ["refuse", "refuse-temporary", "html", "wrong-type", "unknown-code"]
)
def test_polls_and_balances_fail_on_their_own(client: Client, vendor: str, fault: str) -> None:
    client.fault(vendor, fault, operation="poll")
    client.fault(vendor, fault, operation="balance")
    client.submit(vendor)
    if vendor == "jst":
        replies = [client.jst("get-dlr-report", job_id="1"), client.jst("get-balance")]
    elif vendor == "dinisoft":
        path = "login/sms/smsConfiguration/smsClientBalance.jsp"
        replies = [
            client.dinisoft("getstatus", messageid="1"),
            client.dinisoft(path, client="local-client"),
        ]
    else:
        replies = [
            client.server2sms("InquireDeliveryNotifications", TransactionReferenceNumbers="R1"),
            client.server2sms("CheckCredits"),
        ]
    assert [reply.status for reply in replies] == [200, 200]
    assert [s["answered"] for s in client.ledger()] == ["ok"]
    assert b"2480.5" not in replies[1].body
    assert b"1500.000000" not in replies[1].body
    assert b"12500" not in replies[1].body


def test_a_lost_answer_is_used_up_but_a_spoiled_one_is_not(client: Client) -> None:
    keys = [client.submit("dinisoft").json["Message_ID"] for _ in range(2)]
    client.settle(2)
    client.fault("dinisoft", "html", operation="poll", count=1)
    assert b"Proxy" in client.dinisoft("getstatus", messageid=keys[0]).body
    assert client.dinisoft("getstatus", messageid=keys[0]).json["Text"] == "DELIVRD"
    client.fault("dinisoft", "error-after-accept", operation="poll", count=1)
    assert client.dinisoft("getstatus", messageid=keys[1]).status == 502
    assert client.dinisoft("getstatus", messageid=keys[1]).json["Status"] == "114"


def test_a_seed_makes_chance_repeatable(client: Client) -> None:
    client.fault("jst", "error", probability=0.5)

    def draws() -> list[int]:
        assert client.call("POST", "/_seed", {"seed": 7}).status == 200
        return [client.submit("jst").status for _ in range(20)]

    first = draws()
    assert set(first) == {200, 500}
    assert draws() == first


def test_faults_are_listed_until_used_up_or_cleared(client: Client) -> None:
    client.fault("jst", "error", count=2)
    client.fault("rajasms", "slow")
    client.submit("jst")
    listed = client.call("GET", "/_faults").json["faults"]
    assert [(f["vendor"], f["fault"], f["count"], f["fired"]) for f in listed] == [
        ("jst", "error", 1, 1),
        ("rajasms", "slow", None, 0),
    ]
    client.submit("jst")
    assert len(client.call("GET", "/_faults").json["faults"]) == 1
    client.call("DELETE", "/_faults")
    assert client.call("GET", "/_faults").json["faults"] == []


@pytest.mark.parametrize(
    ("method", "path", "body", "status"),
    [
        ("POST", "/_faults", b"{", 400),
        ("POST", "/_faults", {"vendor": "other", "fault": "error"}, 400),
        ("POST", "/_faults", {"vendor": "jst", "fault": "other"}, 400),
        ("POST", "/_faults", {"vendor": "jst", "fault": ["error"]}, 400),
        ("POST", "/_faults", {"vendor": "jst", "fault": "error", "count": 0}, 400),
        ("POST", "/_faults", {"vendor": "jst", "fault": "error", "count": True}, 400),
        ("POST", "/_faults", {"vendor": "jst", "fault": "error", "probability": 2}, 400),
        ("POST", "/_faults", {"vendor": "jst", "fault": "error", "operation": "x"}, 400),
        ("POST", "/_faults", {"vendor": "jst", "fault": "error", "seconds": "1"}, 400),
        ("POST", "/_faults", {"vendor": "jst", "fault": "error", "times": 1}, 400),
        ("POST", "/_faults", {"vendor": "jst", "fault": "drop-callbacks"}, 400),
        ("POST", "/_faults", {"vendor": "rajasms", "fault": "error", "operation": "poll"}, 400),
        ("POST", "/_seed", {"seed": "x"}, 400),
        ("POST", "/_delay", {}, 400),
        ("POST", "/_delay", {"vendor": "other", "seconds": 1}, 400),
        ("POST", "/_deliver", {"vendor": "jst", "number": INDIA, "state": "pending"}, 400),
        ("POST", "/_deliver", {"vendor": "jst", "number": 1, "state": "delivered"}, 400),
        ("GET", "/_ledger?since=x", None, 400),
        ("GET", "/_ledger?vendor=x", None, 400),
        ("PUT", "/_faults", None, 405),
        ("GET", "/_other", None, 404),
    ],
)
def test_a_bad_control_request_is_told_why(
    client: Client, method: str, path: str, body: object, status: int
) -> None:
    reply = client.call(method, path, body)
    assert reply.status == status
    assert len(reply.json["error"]) > 10


# The server


def test_it_is_healthy(client: Client) -> None:
    assert client.call("GET", "/_health").json["status"] == "ok"


def test_a_connection_is_kept_for_many_requests(client: Client) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", client.server.server_port, timeout=5)
    connection.connect()
    kept = connection.sock
    for _ in range(3):
        connection.request("GET", "/_health")
        assert connection.getresponse().read()
    assert connection.sock is kept
    connection.close()


@pytest.mark.parametrize(
    ("sent", "status"),
    [
        (b"hello\r\n\r\n", b"400"),
        (b"GET / HTTP/1.1\r\nno colon\r\n\r\n", b"400"),
        (b"GET /other HTTP/1.1\r\nConnection: close\r\n\r\n", b"404"),
        (b"POST /_seed HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n", b"411"),
        (b"POST /_seed HTTP/1.1\r\nContent-Length: 99999999999\r\n\r\n", b"413"),
    ],
)
def test_what_is_no_request_is_answered_and_closed(
    client: Client, sent: bytes, status: bytes
) -> None:
    with socket.create_connection(("127.0.0.1", client.server.server_port), 5) as connection:
        connection.sendall(sent)
        answer = b""
        while part := connection.recv(4096):
            answer += part
    assert answer.split()[1] == status


def start(*arguments: str) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "local.simulators", *arguments]
    return subprocess.Popen(
        command, cwd=REPOSITORY, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_the_process_even_while_a_call_hangs(number: signal.Signals) -> None:
    with start("--port", "0") as process:
        assert process.stdout is not None
        line = process.stdout.readline()
        port = int(line.rpartition(":")[2])
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
        connection.request("POST", "/_faults", '{"vendor": "jst", "fault": "hang"}')
        assert connection.getresponse().read()
        connection.request("GET", "/jst/index.php/api/bulk-sms")
        time.sleep(0.1)
        began = time.monotonic()
        process.send_signal(number)
        assert process.wait(5) == 0
        assert time.monotonic() - began < 1
        connection.close()
        with socket.socket() as again:
            again.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            again.bind(("127.0.0.1", port))


def test_a_port_in_use_is_one_line_and_status_1() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with start("--port", str(port)) as process:
            output, errors = process.communicate(timeout=5)
    assert process.returncode == 1
    assert output == ""
    assert errors == f"simulators: port {port} is in use\n"
