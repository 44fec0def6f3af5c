"""Vendors' calls of the callback route."""

import json
from typing import Any

from sms_gateway.receipts.callbacks import handle_callback
from testing.function_url import url_event
from testing.gateway import Gateway
from testing.rights import acting_as


def call(vendor: str, token: str, query: Any = None, body: Any = None) -> dict[str, Any]:
    """Return a vendor's call: GET with a query, or POST with a body."""
    return _handled(
        {
            "httpMethod": "GET" if body is None else "POST",
            "pathParameters": {"vendor": vendor, "token": token},
            "queryStringParameters": query,
            "headers": {"Content-Type": "application/json"},
            "body": body if body is None or isinstance(body, str) else json.dumps(body),
        }
    )


def call_url(
    method: str, path: str, query: Any = None, body: bytes | None = None
) -> dict[str, Any]:
    """Return the answer to a vendor's call to the function URL."""
    return _handled(url_event(method, path, query, body))


def _handled(event: dict[str, Any]) -> dict[str, Any]:
    with acting_as("CallbackFunction"):
        return handle_callback(event)


def rajasms(gateway: Gateway, identifier: str, status: str, **row: Any) -> dict[str, Any]:
    """RajaSMS reports on a message, to the submission's address."""
    view, key = gateway.view(identifier), gateway.submission(identifier).key
    row = {"sendingid": view["vendor_id"], "number": view["to"][1:], "deliverystatus": status} | row
    return call("rajasms", gateway.token("rajasms", key), body={"status_respon": [row]})


def server2sms(gateway: Gateway, identifier: str, status: str, **query: str) -> dict[str, Any]:
    """server2sms reports on a message, to the submission's address."""
    key = gateway.submission(identifier).key
    query = {"DST": status, "RSN": "000", "ID": identifier} | query
    return call("server2sms", gateway.token("server2sms", key), query)
