"""Ask a vendor for its balance with an account that is not stored yet, from this machine."""

from collections.abc import Callable

from sms_gateway.vendors import http_client
from sms_gateway.vendors.adapter import Adapter
from sms_gateway.vendors.redaction import Redaction
from sms_gateway.vendors.types import BalanceRefusedError, Request, VendorResponse
from smsgw.errors import CommandError
from smsgw.terminal import say

TIMEOUT_SECONDS = 8.0
UNREADABLE = "unreadable answer"  # as the adapters say
Send = Callable[[Request, float], VendorResponse]


def refuse_what_does_not_work(adapter: Adapter, send: Send = http_client.send) -> None:
    """Print the vendor's balances. Raise CommandError when it refuses the account or is silent.

    A refusal of this machine's address says nothing about the account: it is told, no more.
    """
    for product, request in adapter.balance().items():
        try:
            response = send(request, min(adapter.timeout, TIMEOUT_SECONDS))
            balance = adapter.parse_balance(response, product)
        except BalanceRefusedError as refusal:
            _refused(adapter, refusal)
        except (http_client.VendorConnectionFailedError, http_client.VendorOutcomeUnknownError):
            raise CommandError(
                f"{adapter.title} does not answer at this address: see `base_url` in the file and "
                "your network, or set it unchecked by --no-check; nothing was changed"
            ) from None
        else:
            say(
                " ".join(filter(None, (adapter.title, product, "balance:")))
                + f" {balance.amount:f} {balance.unit}"
            )


def _refused(adapter: Adapter, refusal: BalanceRefusedError) -> None:
    if refusal.code is None and refusal.text == UNREADABLE:
        raise CommandError(
            f"what answers is not {adapter.title}, or changed: see `base_url` in the file, or set "
            "it unchecked by --no-check; nothing was changed"
        )
    redaction = Redaction(adapter)
    code = redaction.code(refusal.code)
    said = f"{adapter.title} says {redaction.words(refusal.text) or 'nothing'!r}"
    said += f" (code {code})" if code is not None else ""
    if code is not None and code == adapter.unregistered_address:
        say(
            f"warning: {said}: it may know the stack's address and not yours; "
            f"smsgw vendors check {adapter.name} asks from there"
        )
    elif refusal.retryable:
        say(f"warning: {said}: ask again in a minute by smsgw vendors check {adapter.name}")
    else:
        raise CommandError(
            f"{said}: see user and password in the file (docs/vendors/{adapter.name}.md); nothing "
            "was changed"
        )
