"""Answers of the vendors, for the fake transport."""

import json
from collections.abc import Sequence
from typing import Any

from local.simulators.registry import submit_ending
from sms_gateway.vendors.registry import VENDORS
from sms_gateway.vendors.types import Request
from testing.paths import ROOT
from testing.vendor_cases import adapter


def rajasms_takes(request: Request) -> Any:
    """RajaSMS's answer that takes every packet; the sendingid is the number's last digits."""
    packets = json.loads(request.body)["datapacket"]
    return rajasms_answer(
        [(one["number"], 10, 1_000_000 + int(one["number"][-6:])) for one in packets]
    )


def rajasms_answer(packets: Sequence[tuple[str, int, int]]) -> Any:
    """Return an answer from (number, sendingstatus, sendingid)."""
    return {
        "sending_respon": [
            {
                "globalstatus": 10,
                "globalstatustext": "Success",
                "datapacket": [
                    {
                        "packet": {
                            "number": to,
                            "sendingid": identifier,
                            "sendingstatus": status,
                            "sendingstatustext": f"word {status}",
                            "price": 320,
                        }
                    }
                    for to, status, identifier in packets
                ],
            }
        ]
    }


def captured(vendor: str, case: str) -> bytes:
    """Return a captured answer of a vendor."""
    folder = ROOT / "tests" / "vendors" / vendor
    return next(path for path in folder.glob(f"{case}.*") if path.stem == case).read_bytes()


def dinisoft_takes(request: Request) -> Any:
    """Dinisoft's answer with an id made of the number."""
    to = request.url.partition("toUser=")[2].partition("&")[0]
    return {"Status": "0", "Text": "ACCEPTD", "Message_ID": f"9{to[-6:]}"}


def balances() -> dict[str, bytes]:
    """Return every vendor's captured balance, by the endings of the paths that are asked for it."""
    return {
        request.url.partition("?")[0].rpartition("/")[2]: captured(vendor, "credit-ok")
        for vendor in VENDORS
        for request in adapter(vendor).balance().values()
    }


SUBMIT = {vendor: submit_ending(vendor) for vendor in VENDORS} | {"server2sms": "SendTextSMS"}
TAKES: dict[str, Any] = {
    **{vendor: captured(vendor, "submitted-accepted") for vendor in VENDORS},
    "jst": {"job_id": 4711},
    "dinisoft": dinisoft_takes,
    "server2sms": {"StatusCode": "1", "StatusInfo": "OK"},
    "rajasms": rajasms_takes,
}
POLL = {"jst": "get-dlr-report", "dinisoft": "/getstatus", "server2sms": "DeliveryNotifications"}


def arrived(request: Request) -> Any:
    """server2sms's answer that all references were delivered."""
    references = json.loads(request.body)["TransactionReferenceNumbers"].split(";")
    return notifications(*[(one, "0") for one in references])


def notifications(*rows: tuple[str, str]) -> Any:
    """Return server2sms's answer from (reference, delivery status)."""
    return {
        "StatusCode": "1",
        "DeliveryNotifications": [
            {"TransactionReferenceNumber": reference, "DeliveryStatus": status}
            for reference, status in rows
        ],
    }
