"""Note when half, four fifths and all of a limit are used: one item each, once for its period.

Whose write reaches one sees it in the answer, so that a request which reaches none writes nothing
more. Of several that one write reaches only the highest counts.
"""

from collections.abc import Iterable, Sequence
from datetime import datetime

from sms_gateway.core.observability import increment, logger
from sms_gateway.core.problems import ServiceUnavailableError
from sms_gateway.core.timestamps import epoch_ms, epoch_seconds
from sms_gateway.core.value_object import ValueObject
from sms_gateway.policies.counters import KEPT
from sms_gateway.policies.limits import COUNTERS, Part, Usage
from sms_gateway.storage import quotas

PERCENTS = (100, 80, 50)
MAX_STORED = 1_000  # names that a process remembers

_stored: set[str] = set()


class Threshold(ValueObject, frozen=True):
    """A limit of which so much is used, in percent."""

    usage: Usage
    percent: int


def reached(
    state: Iterable[Usage], went: Sequence[Part], refused: Sequence[Part]
) -> list[Threshold]:
    """Return what a request reached: `state` is how the limits stand after it.

    `went` are the parts that were counted. A limit whose rest is less than a `refused` part takes
    is used up.
    """
    found = []
    for usage in state:
        if usage.quota not in COUNTERS:
            continue
        before = usage.used - sum(part.need(usage.quota, usage.of) for part in went)
        beyond = [
            percent
            for percent in PERCENTS
            if before * 100 < percent * usage.limit <= usage.used * 100
        ]
        full = any(part.need(usage.quota, usage.of) > usage.left for part in refused)
        if full or beyond:
            found.append(Threshold(usage, 100 if full else beyond[0]))
    return found


def note(tenant: str, key_id: str, thresholds: Iterable[Threshold], now: datetime) -> None:
    """Store what the event is made of, unless it is there; what can't be stored brings no event."""
    for one in thresholds:
        name = _name(one, key_id)
        if (tenant_name := f"{tenant}#{name}") in _stored:
            continue
        usage = one.usage
        details = {**usage.to_dict(), "percent": one.percent, "at": epoch_ms(now)}
        if usage.of == "key":
            details["key_id"] = key_id
        try:
            first = quotas.put_reached(tenant, name, details, epoch_seconds(usage.resets_at + KEPT))
        except ServiceUnavailableError as error:
            logger.warning("threshold of a quota not stored", extra={"why": error.detail})
            continue
        if len(_stored) >= MAX_STORED:
            _stored.clear()
        _stored.add(tenant_name)
        if first:
            increment("QuotaReached", 1, quota=usage.quota)


def _name(one: Threshold, key_id: str) -> str:
    usage = one.usage
    whose = f"key-{key_id}" if usage.of == "key" else "tenant"
    end = f"{usage.resets_at:%Y-%m-%d}"
    return f"{whose}-{usage.quota}-{usage.limit}-{end}-{one.percent}"
