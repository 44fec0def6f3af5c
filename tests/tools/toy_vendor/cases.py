"""Acme's captured cases: `write` puts them into a folder, as the guide wants them."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

URL = "https://acme.example.com"
ID, TO = "01J8Z3K4M5N6P7Q8R9S0T1V2W3001", "+12025550101"
TEXT = "Your code is 1234"
MEMBER = {"id": ID, "to": TO, "text": TEXT}
PENDING = {"id": ID, "to": TO, "vendor_id": "194234"}
UNREADABLE: Mapping[str, object] = {
    "empty": b"",
    "html": b"<html><body>Bad gateway</body></html>\n",
    "truncated": b'{"code": 20',
    "wrong-type": {"code": {"a": 1}, "id": [], "state": [1], "credit": [1]},
}
SUBMITTED: Mapping[str, dict[str, Any]] = {
    "201": {"verdict": "accepted", "vendor_id": "194234", "text": "accepted"},
    "401": {"verdict": "refused", "text": "token unknown", "account_fault": True},
    "402": {"verdict": "refused", "text": "no credit", "account_fault": True},
    "422": {"verdict": "refused", "text": "number or text not valid"},
    "503": {"verdict": "retry", "text": "nothing taken, try later"},
}
NAMES = {"201": "accepted", "401": "account", "422": "refused"}
STATES = {
    "QUEUED": ("pending", None),
    "DELIVERED": ("delivered",) * 2,
    "FAILED": ("undelivered",) * 2,
}


def write(folder: Path) -> None:
    """Write the account, the requests and the answers."""
    account = {"base_url": URL, "token": "test-token", "sender": "ACME"}
    _write(folder / "account.json", account)
    for name, sender in (("submit-single", "ACME"), ("submit-sender", "SHOP")):
        member = MEMBER | ({"sender": sender} if sender == "SHOP" else {})
        sent = _request("send", **{"from": sender, "to": TO[1:], "text": TEXT})
        _write(
            folder / f"{name}.request.json",
            {"operation": "submit", "members": [member], "expect": [sent]},
        )
    _write(
        folder / "balance.request.json", {"operation": "balance", "expect": [_request("balance")]}
    )
    polled = {"operation": "poll", "pending": [PENDING], "expect": [_request("state", id="194234")]}
    _write(folder / "poll.request.json", polled)
    for name, (body, spec) in _answers().items():
        _write(folder / f"{name}.expected.json", spec)
        if isinstance(body, bytes):
            (folder / f"{name}.txt").write_bytes(body)
        else:
            _write(folder / f"{name}.json", body)


def _answers() -> dict[str, tuple[object, object]]:
    """Return each answer and what it means, by case."""
    found: dict[str, tuple[object, object]] = {}

    def submitted(name: str, body: object, **outcome: object) -> None:
        spec = {"operation": "submitted", "members": [MEMBER], "expect": [outcome]}
        found[f"submitted-{name}"] = body, spec

    def credit(name: str, body: object, **expect: object) -> None:
        found[f"credit-{name}"] = body, {"operation": "parse_balance", "expect": expect}

    def reports(name: str, body: object, *expect: object) -> None:
        spec = {"operation": "reports", "pending": [PENDING], "expect": [*expect]}
        found[f"reports-{name}"] = body, spec

    for code, outcome in SUBMITTED.items():
        body = {"code": int(code)} | ({"id": "194234"} if code == "201" else {})
        for name in filter(None, (f"code-{code}", NAMES.get(code))):
            submitted(name, body, **outcome, code=code)
    submitted("unknown-code", {"code": 742}, verdict="unknown", code="742")
    credit("ok", {"credit": "12.50"}, amount="12.50", unit="EUR")
    credit("refused", {"code": 401}, refused={"code": "401", "retryable": False})
    for word, (name, status) in STATES.items():
        report = {"message_id": ID, "code": word} | ({"status": status} if status else {})
        for one in (name, f"state-{word.lower()}"):
            reports(one, {"state": word}, report)
    lost = {"message_id": ID, "code": "LOST", "unknown_status": True}
    reports("unknown-code", {"state": "LOST"}, lost)
    for name, unreadable in UNREADABLE.items():
        submitted(name, unreadable, verdict="unknown")
        credit(name, unreadable, refused={"code": None, "retryable": False})
        reports(name, unreadable)
    return found


def _request(path: str, **fields: str) -> dict[str, Any]:
    return {"method": "POST", "url": f"{URL}/{path}", "json": {"token": "test-token"} | fields}


def _write(path: Path, value: object) -> None:
    path.write_text(json.dumps(value, indent=2) + "\n")
