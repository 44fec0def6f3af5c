"""How a guard is taken away: a test runs with it on and with it off."""

from collections import defaultdict
from collections.abc import Callable

import pytest

GUARDS: dict[str, set[str]] = defaultdict(set)  # by the module whose tests take them away


def guards(name: str) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Enters a test of what a guard prevents; it runs with the guard on, and with it off."""

    def enter(test: Callable[..., None]) -> Callable[..., None]:
        GUARDS[test.__module__].add(name)
        marked: Callable[..., None] = pytest.mark.parametrize("guard", ["on", "off"])(test)
        return marked

    return enter


def off(
    guard: str, monkeypatch: pytest.MonkeyPatch, owner: object, name: str, instead: object
) -> None:
    """Takes a guard away when it is to be off."""
    if guard == "off":
        monkeypatch.setattr(owner, name, instead)
