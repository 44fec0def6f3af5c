"""A setting that the operator writes: read from AWS, validated, cached for at most a minute.

A bad one is logged and counted (`SettingsRefused`, which has an alarm), and the last good one of
this process stays in use.
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
    """One setting. `kind` is its name in logs and problems, `variable` the environment variable
    that says where it is stored, `fetch` asks AWS for its text, `parse` reads that and raises
    ValueError with what is wrong."""

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
        self._until = 0.0  # monotonic seconds until which the value is used
        self._text: str | None = None
        self._value: T | None = None
        _settings.append(self)

    def get(self) -> T:
        """The value, or the last good one. Raises Unavailable when there is none."""
        name = os.environ[self._variable]
        if time.monotonic() >= self._until:
            try:
                text = self._fetch(name)
            except (ClientError, BotoCoreError):
                return self._last_good(f"{name} can't be read")
            # Threads may read at once: the value is set before the text that it was read from.
            if text != self._text:
                try:
                    self._value = self._parse(text)
                except ValueError as error:
                    self._text, self._until = text, time.monotonic() + MAX_AGE_SECONDS
                    return self._last_good(f"{name} is not valid: {error}")
                self._text = text
            self._until = time.monotonic() + MAX_AGE_SECONDS
        return self._value if self._value is not None else self._last_good(f"{name} is not valid")

    def _last_good(self, fault: str) -> T:
        logger.error("settings refused", extra={"settings": self._kind, "fault": fault})
        increment("SettingsRefused")
        if self._value is None:
            raise ServiceUnavailableError(
                f"The gateway's {self._kind} are not usable; its operator must mend them.",
                slug=f"{self._kind}-unavailable",
            )
        return self._value

    def reset(self) -> None:
        """Forget what was read."""
        self._until, self._text, self._value = 0.0, None, None


def reset_all() -> None:
    """Forget every setting that was read, so that the next reading asks AWS."""
    for setting in _settings:
        setting.reset()


def fetch_secret(name: str) -> str:
    """The text of a secret in Secrets Manager. Raises botocore's errors."""
    found = clients.client("secretsmanager").get_secret_value(SecretId=name)
    return str(found.get("SecretString"))


def fetch_parameter(name: str) -> str:
    """The text of a parameter in SSM. Raises botocore's errors."""
    return str(clients.client("ssm").get_parameter(Name=name)["Parameter"]["Value"])
