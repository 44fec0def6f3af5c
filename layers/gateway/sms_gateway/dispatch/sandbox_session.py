"""The worker's sessions with the sandbox: the one door through which test messages go."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import ClassVar, cast

from sms_gateway.core.timestamps import utc_now
from sms_gateway.dispatch.circuit_breaker import VendorFailureError
from sms_gateway.dispatch.vendor_session import CallResult, VendorSession
from sms_gateway.storage.message_updates import MessageUpdate
from sms_gateway.storage.models import ItemKey
from sms_gateway.vendors.http_client import VendorOutcomeUnknownError
from sms_gateway.vendors.sandbox.adapter import ADAPTERS
from sms_gateway.vendors.sandbox.answers import SilenceError, answer
from sms_gateway.vendors.types import OutgoingMessage, Request, SubmitCall, VendorResponse


class SandboxSession(VendorSession):
    """A session that opens no connection, has no circuit and gives no callback address."""

    for_tests: ClassVar[bool] = True

    def callback_url(
        self, key: ItemKey, messages: Sequence[OutgoingMessage], now: datetime
    ) -> str | None:
        """Return None: the sandbox is polled."""
        del key, messages, now
        return None

    def of_its_kind(self, change: MessageUpdate) -> MessageUpdate:
        """Require that a submission is a test."""
        return change.if_present("test")

    def _through_circuit(self, call: SubmitCall) -> CallResult:
        try:
            return self._send_call(call)
        except VendorFailureError as failure:
            return cast(CallResult, failure.result)


def sandbox_sessions(until: float) -> Mapping[str, VendorSession]:
    """Return a session for each vendor of the sandbox; `until` as in VendorSession.

    They need no account and no secret.
    """
    return {
        name: SandboxSession(adapter, "", b"", until, send=_answer, usable=ADAPTERS)
        for name, adapter in ADAPTERS.items()
    }


def _answer(request: Request, timeout: float) -> VendorResponse:
    """Stand in the place of the HTTP client."""
    del timeout
    try:
        return answer(request, utc_now().timestamp())
    except SilenceError as silence:
        raise VendorOutcomeUnknownError(str(silence)) from None
