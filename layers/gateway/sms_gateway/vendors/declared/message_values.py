"""What placeholders stand for: a message's or a receipt's fields, or a setting of the account."""

from typing import TYPE_CHECKING

from sms_gateway.vendors.declared.description import Numbers
from sms_gateway.vendors.declared.times import written_time
from sms_gateway.vendors.types import OutgoingMessage, PendingReceipt

if TYPE_CHECKING:
    from sms_gateway.vendors.declared.adapter import Declared

NUMBERS = frozenset({"to", "to_digits", "to_national"})
MESSAGE = NUMBERS | {
    *("text", "sender", "reference", "callback_url", "send_at", "template_id", "category"),
    *("encoding", "flash", "filter_dnd"),
}
RECEIPT = NUMBERS | {"vendor_id", "reference"}


def message_value(
    account: "Declared", message: OutgoingMessage, callback_url: str | None, name: str
) -> object:
    """Return what a placeholder of a send stands for."""
    if name in NUMBERS:
        return written_number(message.to, name, account.description.numbers)
    match name:
        case "sender":
            return message.sender or getattr(account, "sender", None)
        case "reference":
            return message.id
        case "callback_url":
            return callback_url
        case "send_at":
            return written_time(message.send_at, account.description.send.schedule)
        case "text" | "template_id" | "category" | "encoding" | "flash" | "filter_dnd":
            return getattr(message, name)
    own = getattr(account, name)
    return own[message.category] if account.by_category(name) else own


def receipt_value(account: "Declared", receipt: PendingReceipt, name: str) -> object:
    """Return what a placeholder of a poll stands for."""
    if name in NUMBERS:
        return written_number(receipt.to, name, account.description.numbers)
    if name == "vendor_id":
        return receipt.vendor_id
    if name == "reference":
        return receipt.id
    own = getattr(account, name)
    return own[receipt.category] if account.by_category(name) else own


def written_number(number: str, form: str, numbers: Numbers) -> str:
    """Return an E.164 number as `to` (with +), `to_digits` or `to_national`."""
    if form == "to":
        return number
    if form == "to_digits":
        return number.removeprefix("+")
    return (numbers.trunk_prefix or "") + number.removeprefix(f"+{numbers.country_code}")
