"""Operator settings: fetched from AWS, validated, cached for a minute.

A setting that is not valid is logged and counted (`SettingsRefused`, which has an alarm), and this
process continues with the last valid one.
"""

import os
import time
from collections.abc import Callable
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from sms_gateway.aws import clients
from sms_gateway.core.observability import increment, logger
from sms_gateway.core.problems import ServiceUnavailableError

MAX_AGE_SECONDS = 60

_settings: list["CachedSetting[Any]"] = []


class CachedSetting[T]:
    """One setting.

    `kind` is its name in logs and problems; `variable` is the environment variable with the name
    that `fetch` reads from AWS; `parse` raises ValueError with what is wrong.
    """

    def __init__(
        self,
        kind: str,
        variable: str,
        fetch: Callable[[str], str],
        parse: Callable[[str], T],
    ) -> None:
        self._kind = kind
        self._variable = variable
        self._fetch = fetch
        self._parse = parse
        self._until = 0.0  # monotonic seconds
        self._text: str | None = None
        self._value: T | None = None
        _settings.append(self)

    def get(self) -> T:
        """Return the value, or the last valid one. Raises ServiceUnavailableError without one."""
        name = os.environ[self._variable]
        if time.monotonic() >= self._until:
            try:
                text = self._fetch(name)
            except (ClientError, BotoCoreError):
                return self._last_valid(f"{name} can't be read")
            # Other threads compare the text first: set the value before it.
            if text != self._text:
                try:
                    self._value = self._parse(text)
                except ValueError as error:
                    self._text, self._until = text, time.monotonic() + MAX_AGE_SECONDS
                    return self._last_valid(f"{name} is not valid: {error}")
                self._text = text
            self._until = time.monotonic() + MAX_AGE_SECONDS
        return self._value if self._value is not None else self._last_valid(f"{name} is not valid")

    def _last_valid(self, fault: str) -> T:
        logger.error("settings refused", extra={"settings": self._kind, "fault": fault})
        increment("SettingsRefused")
        if self._value is None:
            raise ServiceUnavailableError(
                f"The gateway's {self._kind} are not usable; its operator must mend them.",
                slug=f"{self._kind}-unavailable",
            )
        return self._value

    def reset(self) -> None:
        """Forget the cached value."""
        self._until, self._text, self._value = 0.0, None, None


def reset_all() -> None:
    """Forget every cached value, so that the next `get` asks AWS."""
    for setting in _settings:
        setting.reset()


def fetch_secret(name: str) -> str:
    """Fetch a secret from Secrets Manager. Raises botocore's errors."""
    secret = clients.client("secretsmanager").get_secret_value(SecretId=name)
    return str(secret.get("SecretString"))


def fetch_parameter(name: str) -> str:
    """Fetch a parameter from SSM. Raises botocore's errors."""
    return str(clients.client("ssm").get_parameter(Name=name)["Parameter"]["Value"])
