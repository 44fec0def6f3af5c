"""Operator settings: fetched, validated, cached for a minute or less.

A setting that is not valid is logged and counted (`SettingsRefused`, which has an alarm), and this
process continues with the last valid one. One that nobody set has a default; a secret that nobody
made has none, and is no fault: the problem says which command makes it.
"""

import time
from collections.abc import Callable
from typing import Any

from sms_gateway.core.observability import increment, logger
from sms_gateway.core.problems import ServiceUnavailableError

MAX_AGE_SECONDS = 60

_settings: list["CachedSetting[Any]"] = []


class SettingUnreadableError(Exception):
    """The setting can't be read now; or `denied`, as one that nobody made may be."""

    def __init__(self, detail: str, *, denied: bool = False) -> None:
        super().__init__(detail)
        self.denied = denied


class CachedSetting[T]:
    """One setting.

    `kind` is its name in logs and problems; `fetch` returns its text, or None when nobody set it,
    and raises SettingUnreadableError; `parse` raises ValueError with what is wrong. `default` is
    the text in place of None; without one `advice` says how to set it. `max_age` is seconds.
    """

    def __init__(
        self,
        kind: str,
        fetch: Callable[[], str | None],
        parse: Callable[[str], T],
        *,
        default: str | None = None,
        advice: str = "",
        max_age: int = MAX_AGE_SECONDS,
    ) -> None:
        self._kind = kind
        self._fetch = fetch
        self._parse = parse
        self._default = default
        self._advice = advice
        self._max_age = max_age
        self._until = 0.0  # monotonic seconds
        self._absent = False
        self._text: str | None = None
        self._value: T | None = None
        _settings.append(self)

    def get(self) -> T:
        """Return the value, or the last valid one. Raises ServiceUnavailableError without one."""
        if time.monotonic() >= self._until:
            self._refresh()
        elif self._value is None and not self._absent:
            self._refuse("it is not valid")
        if self._value is None:
            raise self._problem()
        return self._value

    def _refresh(self) -> None:
        try:
            text = self._fetch()
        except SettingUnreadableError as error:
            if not error.denied or self._value is not None:
                self._refuse(str(error))
                return
            logger.warning("settings denied", extra={"settings": self._kind, "fault": str(error)})
            text = None
        text = self._default if text is None else text
        self._absent = text is None
        if text is None:
            if self._value is not None:
                self._refuse("it is gone")
        # Other threads compare the text first: set the value before it.
        elif text != self._text:
            try:
                self._value = self._parse(text)
            except ValueError as error:
                self._refuse(f"it is not valid: {error}")
            self._text = text
        self._until = time.monotonic() + self._max_age

    def _refuse(self, fault: str) -> None:
        self._absent = False
        logger.error("settings refused", extra={"settings": self._kind, "fault": fault})
        increment("SettingsRefused")

    def _problem(self) -> ServiceUnavailableError:
        return ServiceUnavailableError(
            self._advice
            if self._absent
            else f"The gateway's {self._kind} are not usable; its operator must mend them.",
            slug=f"{self._kind.replace(' ', '-')}-unavailable",
        )

    def reset(self) -> None:
        """Forget the cached value."""
        self._until, self._absent, self._text, self._value = 0.0, False, None, None


def reset_all() -> None:
    """Forget every cached value, so that the next `get` asks AWS."""
    for setting in _settings:
        setting.reset()
