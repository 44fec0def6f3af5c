"""Writes the matrix of docs/vendors.md from what adapters declare, and the tables that tick off the
vendors' documents from `ticks`: `python -m local.matrix`."""

from collections.abc import Mapping
from dataclasses import MISSING, fields
from pathlib import Path

from local.ticks import ticked
from sms_gateway.vendors.adapter import Adapter, Capabilities
from sms_gateway.vendors.registry import VENDORS, adapter_class

ROOT = Path(__file__).parent.parent
PAGE = ROOT / "docs" / "vendors.md"
BEGIN = "<!-- matrix: written by python -m local.matrix -->"
END = "<!-- end of matrix -->"
TICKS_BEGIN = "<!-- ticks: written by python -m local.matrix -->"
TICKS_END = "<!-- end of ticks -->"

CAPABILITIES: Mapping[str, str] = {
    "bulk": "one text to many numbers in one call",
    "personalised": "different texts in one call",
    "flash": "can express `flash`",
    "schedule": "the vendor itself can hold a message until `send_at`",
    "unicode": "carries texts outside the GSM alphabet",
    "filter_dnd": "can express `filter_dnd`",
    "template_id": "can express `template_id`",
    "receipts_poll": "can be asked for receipts",
    "receipts_callback": "reports receipts by itself",
    "own_reference": "carries our message id, so that an unanswered send can be settled",
    "tokens": "makes and checks one-time codes itself",
    "senders": "tells and unlocks the senders that an account may use",
    "vouchers": "makes, lists and redeems vouchers",
}
DEFAULTS: Mapping[str, str] = {
    "submission_size": "most messages in one submission",
    "concurrency": "calls at once, over all workers",
    "timeout": "seconds to wait for an answer",
    "poll_after": "seconds until receipts are first asked for",
}


def matrix() -> str:
    """The table: a row for each capability and default, a column for each vendor."""
    vendors = [adapter_class(name) for name in VENDORS]
    rows = [
        ["", *(vendor.title for vendor in vendors), "meaning"],
        ["---"] * (len(vendors) + 2),
    ]
    for name in Capabilities.__struct_fields__:
        told = ("yes" if getattr(vendor.capabilities, name) else "no" for vendor in vendors)
        rows.append([f"`{name}`", *told, CAPABILITIES[name]])
    for name, meaning in DEFAULTS.items():
        rows.append([f"`{name}`", *(_default(vendor, name) for vendor in vendors), meaning])
    return "\n".join(f"| {' | '.join(row)} |" for row in rows)


def _default(vendor: type[Adapter], name: str) -> str:
    default = next(field.default for field in fields(vendor) if field.name == name)
    if default is MISSING:
        raise ValueError(f"{vendor.name}: {name} has no default")
    return f"{default:g}"


def written(page: str) -> str:
    """The page with the matrix and the ticks between their marks. Raises ValueError for a page
    without."""
    return _between(_between(page, BEGIN, matrix(), END), TICKS_BEGIN, ticked(), TICKS_END)


def _between(page: str, begin: str, made: str, end: str) -> str:
    before, found, rest = page.partition(begin)
    _, closed, after = rest.partition(end)
    if not found or not closed:
        raise ValueError(f"the page must hold {begin} and {end}")
    return f"{before}{begin}\n{made}\n{end}{after}"


if __name__ == "__main__":
    PAGE.write_text(written(PAGE.read_text(encoding="utf-8")), encoding="utf-8")
