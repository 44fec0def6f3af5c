"""The control routes: what the vendors took, what shall go wrong, and when."""

import json
from collections.abc import Mapping
from typing import Any

from local.simulators.faults import CALLBACK, FAULTS
from local.simulators.registry import SIMULATORS
from local.simulators.state import State
from local.simulators.vendor import Answer, as_json
from sms_gateway.vendors.registry import VENDORS

MAX_SECONDS = 3600
OPERATIONS = ("submit", "poll", "balance", "inquiry", "change", "verify")


class ControlError(Exception):
    """A control request that can't be done; its text says why."""

    def __init__(self, text: str, status: int = 400) -> None:
        super().__init__(text)
        self.status = status


def control(state: State, method: str, path: str, query: Mapping[str, str], body: bytes) -> Answer:
    """Answers a control route; `path` begins with `/_`."""
    try:
        return _route(state, method, path, query, body)
    except ControlError as error:
        return as_json({"error": str(error)}, status=error.status)


def _route(state: State, method: str, path: str, query: Mapping[str, str], body: bytes) -> Answer:
    match method, path:
        case "GET", "/_health":
            return as_json({"status": "ok", "vendors": list(VENDORS)})
        case "GET", "/_ledger":
            vendor = _vendor(query) if query.get("vendor") else None
            since = query.get("since") or "0"
            if not (since.isascii() and since.isdigit()):
                raise ControlError("since must be the seq of a submission")
            return as_json({"submissions": state.ledger(vendor, int(since))})
        case "GET", "/_ledger/counts":
            return as_json(state.counts())
        case "GET", "/_handset":
            number = query.get("number", "").strip().removeprefix("+")
            return as_json({"texts": state.handset(number)})
        case "DELETE", "/_ledger":
            state.clear()
            return Answer(status=204)
        case "GET", "/_account":
            return as_json({"server2sms": state.account.view()})
        case "GET", "/_faults":
            return as_json({"faults": state.faults.listed()})
        case "POST", "/_faults":
            return _add_fault(state, _object(body))
        case "DELETE", "/_faults":
            state.faults.clear()
            return Answer(status=204)
        case "POST", "/_seed":
            data = _object(body, "seed")
            if type(data.get("seed")) is not int:
                raise ControlError("seed must be an integer")
            state.faults.seed(data["seed"])
            return as_json({"seed": data["seed"]})
        case "POST", "/_delay":
            data = _object(body, "vendor", "seconds")
            seconds = _number(data, "seconds", MAX_SECONDS)
            if seconds is None:
                raise ControlError("seconds is missing")
            vendors = tuple(VENDORS) if data.get("vendor") is None else (_vendor(data),)
            state.set_delay(seconds, vendors)
            return as_json(state.delays())
        case "POST", "/_deliver":
            return _deliver(state, _object(body, "vendor", "number", "state"))
        case (
            _,
            "/_health" | "/_ledger" | "/_ledger/counts" | "/_handset" | "/_faults" | "/_account",
        ):
            raise ControlError(f"{method} is not for {path}", 405)
        case _, "/_seed" | "/_delay" | "/_deliver":
            raise ControlError(f"{method} is not for {path}", 405)
    raise ControlError(f"no such control route: {path}", 404)


def _add_fault(state: State, data: Mapping[str, Any]) -> Answer:
    known = ("vendor", "fault", "count", "probability", "operation", "seconds")
    if unknown := set(data) - set(known):
        raise ControlError(f"unknown: {', '.join(sorted(unknown))}; known: {', '.join(known)}")
    vendor = _vendor(data)
    fault = data.get("fault")
    if not isinstance(fault, str) or fault not in FAULTS:
        raise ControlError(f"fault must be one of {', '.join(sorted(FAULTS))}")
    if fault in CALLBACK and not SIMULATORS[vendor].sends_callbacks:
        raise ControlError(f"{vendor} sends no callbacks")
    operation = data.get("operation", "submit")
    if operation not in OPERATIONS:
        raise ControlError(f"operation must be one of {', '.join(OPERATIONS)}")
    if operation in ("inquiry", "change") and vendor != "server2sms":
        raise ControlError(f"{vendor} has no {operation}")
    if operation == "poll" and vendor == "rajasms":
        raise ControlError("rajasms can't be polled")
    if operation == "verify" and vendor != "server2sms":
        raise ControlError("only server2sms judges codes")
    count = data.get("count")
    if count is not None and (type(count) is not int or count < 1):
        raise ControlError("count must be an integer from 1, or null for no end")
    probability = _number(data, "probability", 1)
    made = state.faults.add(
        vendor,
        fault,
        operation,
        count,
        1.0 if probability is None else probability,
        _number(data, "seconds", MAX_SECONDS),
    )
    return as_json(made.view(), status=201)


def _deliver(state: State, data: Mapping[str, Any]) -> Answer:
    vendor = _vendor(data)
    wanted = data.get("state")
    if wanted != "delivered" and wanted != "undelivered":
        raise ControlError("state must be delivered or undelivered")
    number = data.get("number")
    if not isinstance(number, str) or not number:
        raise ControlError("number must be a text of digits with the country code")
    message = state.force(vendor, number.removeprefix("+"), wanted)
    if message is None:
        raise ControlError(f"{vendor} accepted no message to that number", 404)
    return as_json(message.view())


def _object(body: bytes, *known: str) -> dict[str, Any]:
    try:
        data = json.loads(body)
    except ValueError:
        data = None
    if not isinstance(data, dict):
        raise ControlError("the body must be a JSON object")
    if known and (unknown := set(data) - set(known)):
        raise ControlError(f"unknown: {', '.join(sorted(unknown))}; known: {', '.join(known)}")
    return data


def _vendor(data: Mapping[str, Any]) -> str:
    vendor = data.get("vendor")
    if not isinstance(vendor, str) or vendor not in VENDORS:
        raise ControlError(f"vendor must be one of {', '.join(VENDORS)}")
    return vendor


def _number(data: Mapping[str, Any], name: str, most: float) -> float | None:
    value = data.get(name)
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= most:
        raise ControlError(f"{name} must be a number from 0 to {most}")
    return float(value)
