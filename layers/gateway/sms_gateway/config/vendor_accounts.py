"""The operator's settings: vendor accounts (one secret), routes and sources (a parameter each); and
the key of the webhooks' secrets, which the stack makes (another secret).

All are cached for at most a minute and validated on reading. A bad one is logged and counted
(`SettingsRefused`, which has an alarm), and the last good one of this process stays in use.
"""

import os
import time
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

import msgspec
from botocore.exceptions import BotoCoreError, ClientError

from sms_gateway.aws import clients
from sms_gateway.config.routes import Routes
from sms_gateway.core.observability import count, log
from sms_gateway.core.problems import Unavailable
from sms_gateway.core.value_object import Value
from sms_gateway.vendors.adapter import Adapter
from sms_gateway.vendors.registry import VENDORS, build

if TYPE_CHECKING:
    from sms_gateway.triggers.settings import Sources

MAX_AGE = 60  # seconds
CALLBACK_KEY = "callback_key"  # the secret's entry that is no vendor


class Accounts(Value, frozen=True):
    """The vendors' accounts as far as they are good; `faults` names what is wrong with the rest."""

    adapters: Mapping[str, Adapter]
    faults: Mapping[str, str]
    callback_key: bytes

    def __repr__(self) -> str:
        return f"Accounts({', '.join(self.adapters)})"


class _Setting[T]:
    """Something written by the operator; `fetch` asks AWS for it, `read` understands it."""

    def __init__(
        self,
        kind: str,
        variable: str,
        fetch: Callable[[str], str],
        read: Callable[[str], T],
    ) -> None:
        self._kind = kind
        self._variable = variable
        self._fetch = fetch
        self._read = read
        self._until = 0.0  # what was read may be used until then, in monotonic seconds
        self._written: str | None = None
        self._good: T | None = None

    def now(self) -> T:
        """The value as it stands, or the last good one. Raises Unavailable when there is none."""
        name = os.environ[self._variable]
        if time.monotonic() >= self._until:
            try:
                written = self._fetch(name)
            except (ClientError, BotoCoreError):
                return self._last(f"{name} can't be read")
            # Threads may read at once: what was read stands before it counts as read.
            if written != self._written:
                try:
                    self._good = self._read(written)
                except ValueError as error:
                    self._written, self._until = written, time.monotonic() + MAX_AGE
                    return self._last(f"{name} is not valid: {error}")
                self._written = written
            self._until = time.monotonic() + MAX_AGE
        return self._good if self._good is not None else self._last(f"{name} is not valid")

    def _last(self, fault: str) -> T:
        log.error("settings refused", extra={"settings": self._kind, "fault": fault})
        count("SettingsRefused")
        if self._good is None:
            raise Unavailable(
                f"The gateway's {self._kind} are not usable; its operator must mend them.",
                slug=f"{self._kind}-unavailable",
            )
        return self._good

    def forget(self) -> None:
        """Forgets what was read, so that the next reading asks AWS."""
        self._until, self._written, self._good = 0.0, None, None


def accounts() -> Accounts:
    """The accounts of the secret. Raises Unavailable when it is missing, or no JSON object."""
    return _accounts.now()


def campaign_defaults() -> Mapping[str, Mapping[str, Any]]:
    """By tenant, or `*` for all, what the rows of uploaded campaigns have in common. Raises
    Unavailable when the parameter is missing or not valid."""
    return _campaigns.now()


def routes() -> Routes:
    """The routes of the parameter. Raises Unavailable when it is missing or not valid."""
    return _routes.now()


def sources() -> "Sources":
    """The sources of the parameter. Raises Unavailable when it is missing or not valid."""
    return _sources.now()


def webhook_key() -> bytes:
    """The key from which the webhooks' secrets follow. Raises Unavailable when there is none."""
    return _webhook_key.now()


def forget() -> None:
    """Forgets every setting that was read."""
    _accounts.forget()
    _routes.forget()
    _campaigns.forget()
    _sources.forget()
    _webhook_key.forget()


def read_accounts(written: str) -> Accounts:
    """The accounts of a secret's text. One vendor's bad settings don't put out the others. Raises
    ValueError when the whole can't be used; messages name settings, never their values."""
    try:
        every = msgspec.json.decode(written, type=dict[str, Any])
    except msgspec.DecodeError:
        raise ValueError("it must be a JSON object of vendors") from None
    key = every.pop(CALLBACK_KEY, None)
    if not isinstance(key, str) or len(key) < 32:
        raise ValueError(f"{CALLBACK_KEY} must be a text of at least 32 characters")
    adapters: dict[str, Adapter] = {}
    faults: dict[str, str] = {}
    for vendor, account in every.items():
        if vendor not in VENDORS:
            faults[vendor] = f"unknown vendor; there are {', '.join(VENDORS)}"
        elif not isinstance(account, dict):
            faults[vendor] = "its settings must be an object"
        else:
            try:
                adapters[vendor] = build(vendor, account)
            except ValueError as error:
                faults[vendor] = str(error)
    for vendor, fault in faults.items():
        log.error("account refused", extra={"vendor": vendor, "fault": fault})
        count("SettingsRefused")
    for vendor, adapter in adapters.items():
        for warning in adapter.warnings:
            log.warning("account warning", extra={"vendor": vendor, "warning": warning})
    return Accounts(adapters, faults, key.encode())


def read_campaigns(written: str) -> Mapping[str, Mapping[str, Any]]:
    """The defaults of campaigns. Raises ValueError, naming what is at fault."""
    try:
        return msgspec.json.decode(written, type=dict[str, dict[str, Any]])
    except (msgspec.DecodeError, msgspec.ValidationError):
        raise ValueError("it must be a JSON object of tenants, each an object") from None


def read_webhook_key(written: str) -> bytes:
    """The key that a secret's text is. Raises ValueError."""
    if len(written) < 32:
        raise ValueError("it must be a text of at least 32 characters")
    return written.encode()


def _secret(name: str) -> str:
    found = clients.client("secretsmanager").get_secret_value(SecretId=name)
    return str(found.get("SecretString"))


def _parameter(name: str) -> str:
    return str(clients.client("ssm").get_parameter(Name=name)["Parameter"]["Value"])


def _read_sources(written: str) -> "Sources":
    from sms_gateway.triggers.settings import Sources  # most functions have none

    return Sources.read(written)


_accounts = _Setting("accounts", "ACCOUNTS_SECRET", _secret, read_accounts)
_routes = _Setting("routes", "ROUTES_PARAMETER", _parameter, Routes.read)
_campaigns = _Setting("campaigns", "CAMPAIGNS_PARAMETER", _parameter, read_campaigns)
_sources = _Setting("sources", "SOURCES_PARAMETER", _parameter, _read_sources)
_webhook_key = _Setting("webhook-key", "WEBHOOK_SECRET", _secret, read_webhook_key)
