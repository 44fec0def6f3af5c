"""The control routes: what the vendors accepted, which faults to inject, and when."""

import json
from collections.abc import Callable, Mapping
from typing import Any

from local.simulators.faults import CALLBACK, FAULTS
from local.simulators.registry import SIMULATORS
from local.simulators.state import State
from local.simulators.vendor import Answer, as_json

MAX_SECONDS = 3600
OPERATIONS = ("submit", "poll", "balance", "inquiry", "change", "verify")


class ControlError(Exception):
    """A control request that can't be done; its text says why."""

    def __init__(self, text: str, status: int = 400) -> None:
        super().__init__(text)
        self.status = status


def control(state: State, method: str, path: str, query: Mapping[str, str], body: bytes) -> Answer:
    """Answer a control route; `path` begins with `/_`."""
    try:
        return _route(state, method, path, query, body)
    except ControlError as error:
        return as_json({"error": str(error)}, status=error.status)


def _route(state: State, method: str, path: str, query: Mapping[str, str], body: bytes) -> Answer:
    route = ROUTES.get((method, path))
    if route is not None:
        return route(state, query, body)
    if any(path == known for _, known in ROUTES):
        raise ControlError(f"{method} is not for {path}", 405)
    raise ControlError(f"no such control route: {path}", 404)


def _health(state: State, _query: Mapping[str, str], _body: bytes) -> Answer:
    return as_json({"status": "ok", "vendors": state.vendors})


def _ledger(state: State, query: Mapping[str, str], _body: bytes) -> Answer:
    vendor = _vendor(state, query) if query.get("vendor") else None
    since = query.get("since") or "0"
    if not (since.isascii() and since.isdigit()):
        raise ControlError("since must be the seq of a submission")
    return as_json({"submissions": state.ledger(vendor, int(since))})


def _counts(state: State, _query: Mapping[str, str], _body: bytes) -> Answer:
    return as_json(state.counts())


def _handset(state: State, query: Mapping[str, str], _body: bytes) -> Answer:
    number = query.get("number", "").strip().removeprefix("+")
    return as_json({"texts": state.handset(number)})


def _clear_ledger(state: State, _query: Mapping[str, str], _body: bytes) -> Answer:
    state.clear()
    return Answer(status=204)


def _account(state: State, _query: Mapping[str, str], _body: bytes) -> Answer:
    return as_json({"server2sms": state.account.view()})


def _list_faults(state: State, _query: Mapping[str, str], _body: bytes) -> Answer:
    return as_json({"faults": state.faults.listed()})


def _clear_faults(state: State, _query: Mapping[str, str], _body: bytes) -> Answer:
    state.faults.clear()
    return Answer(status=204)


def _seed(state: State, _query: Mapping[str, str], body: bytes) -> Answer:
    data = _object(body, "seed")
    if type(data.get("seed")) is not int:
        raise ControlError("seed must be an integer")
    state.faults.seed(data["seed"])
    return as_json({"seed": data["seed"]})


def _delay(state: State, _query: Mapping[str, str], body: bytes) -> Answer:
    data = _object(body, "vendor", "seconds")
    seconds = _number(data, "seconds", MAX_SECONDS)
    if seconds is None:
        raise ControlError("seconds is missing")
    vendors = tuple(state.vendors) if data.get("vendor") is None else (_vendor(state, data),)
    state.set_delay(seconds, vendors)
    return as_json(state.delays())


def _add_fault(state: State, _query: Mapping[str, str], body: bytes) -> Answer:
    data = _object(body)
    known = ("vendor", "fault", "count", "probability", "operation", "seconds")
    if unknown := set(data) - set(known):
        raise ControlError(f"unknown: {', '.join(sorted(unknown))}; known: {', '.join(known)}")
    vendor = _vendor(state, data)
    fault = data.get("fault")
    if not isinstance(fault, str) or fault not in FAULTS:
        raise ControlError(f"fault must be one of {', '.join(sorted(FAULTS))}")
    operation = data.get("operation", "submit")
    _check_possible(state, vendor, fault, operation)
    count = data.get("count")
    if count is not None and (type(count) is not int or count < 1):
        raise ControlError("count must be an integer from 1, or null for no end")
    probability = _number(data, "probability", 1)
    entry = state.faults.add(
        vendor,
        fault,
        operation,
        count,
        1.0 if probability is None else probability,
        _number(data, "seconds", MAX_SECONDS),
    )
    return as_json(entry.view(), status=201)


def _check_possible(state: State, vendor: str, fault: str, operation: object) -> None:
    calls = SIMULATORS[vendor].sends_callbacks if vendor in SIMULATORS else vendor in state.notices
    if fault in CALLBACK and not calls:
        raise ControlError(f"{vendor} sends no callbacks")
    if operation not in OPERATIONS:
        raise ControlError(f"operation must be one of {', '.join(OPERATIONS)}")
    if operation in ("inquiry", "change") and vendor != "server2sms":
        raise ControlError(f"{vendor} has no {operation}")
    if operation == "poll" and vendor == "rajasms":
        raise ControlError("rajasms can't be polled")
    if operation == "verify" and vendor != "server2sms":
        raise ControlError("only server2sms judges codes")


def _deliver(state: State, _query: Mapping[str, str], body: bytes) -> Answer:
    data = _object(body, "vendor", "number", "state")
    vendor = _vendor(state, data)
    outcome = data.get("state")
    if outcome != "delivered" and outcome != "undelivered":
        raise ControlError("state must be delivered or undelivered")
    number = data.get("number")
    if not isinstance(number, str) or not number:
        raise ControlError("number must be a text of digits with the country code")
    message = state.force(vendor, number.removeprefix("+"), outcome)
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


def _describe(state: State, _query: Mapping[str, str], body: bytes) -> Answer:
    if state.describe is None:
        raise ControlError("nothing here plays descriptions", 404)
    try:
        return as_json(state.describe(body))
    except ValueError as error:
        raise ControlError(str(error)) from None


def _vendor(state: State, data: Mapping[str, Any]) -> str:
    vendor = data.get("vendor")
    if not isinstance(vendor, str) or vendor not in state.vendors:
        raise ControlError(f"vendor must be one of {', '.join(state.vendors)}")
    return vendor


def _number(data: Mapping[str, Any], name: str, maximum: float) -> float | None:
    value = data.get(name)
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= maximum:
        raise ControlError(f"{name} must be a number from 0 to {maximum}")
    return float(value)


ROUTES: Mapping[tuple[str, str], Callable[[State, Mapping[str, str], bytes], Answer]] = {
    ("GET", "/_health"): _health,
    ("GET", "/_ledger"): _ledger,
    ("DELETE", "/_ledger"): _clear_ledger,
    ("GET", "/_ledger/counts"): _counts,
    ("GET", "/_handset"): _handset,
    ("GET", "/_account"): _account,
    ("GET", "/_faults"): _list_faults,
    ("POST", "/_faults"): _add_fault,
    ("DELETE", "/_faults"): _clear_faults,
    ("POST", "/_seed"): _seed,
    ("POST", "/_delay"): _delay,
    ("POST", "/_deliver"): _deliver,
    ("POST", "/_describe"): _describe,
}
