"""Count the codes of guarded tenants, and refuse those that look pumped.

A code is counted before it is judged, by one write a counter, whose answer has the whole day: of
many at once no two see the same count. What is refused is counted as such, and no longer as
unverified. Where a counter does not answer, the code goes.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from copy import replace
from datetime import UTC, datetime

from sms_gateway.core.derived_keys import Secret
from sms_gateway.core.observability import count, increment, logger
from sms_gateway.core.problems import ServiceUnavailableError, TooManyRequestsError
from sms_gateway.pumping_guard import counters
from sms_gateway.pumping_guard.client import Client, hashes
from sms_gateway.pumping_guard.rules import COUNTRY, CountrySeen, KeySeen, Reason, judge
from sms_gateway.pumping_guard.settings import Guard, guard_of
from sms_gateway.sms.phone_numbers import country_of
from sms_gateway.storage import code_counts

HOUR_SECONDS = 3600


class VerificationBlockedError(TooManyRequestsError):
    """The guard refuses a code; `reasons` say why."""

    slug = "verification-blocked"
    title = "The code looks pumped"


def active_guard(tenant: str) -> Guard | None:
    """Return how a tenant is guarded; None where it is not, or the setting can't be read."""
    try:
        return guard_of(tenant)
    except ServiceUnavailableError as error:
        _failed_open(tenant, error)
        return None


def admit_code(
    tenant: str, number: str, client: Client | None, now: datetime, secret: Secret
) -> tuple[str, ...]:
    """Count a verification's code; return what it was counted by, nothing for an unguarded one.

    Raises VerificationBlockedError for one that is refused.
    """
    guard = active_guard(tenant)
    ip = client.ip if client else None
    if guard is None or guard.is_safe(number, ip):
        return ()
    hashed = hashes(client, tenant, secret()) if client else {}
    (problem,) = _admit(guard, tenant, [number], now, hashed)
    if problem is not None:
        raise problem
    return counters.names_of(number, hashed)


def admit_codes(
    tenant: str, numbers: Sequence[str], now: datetime
) -> list[VerificationBlockedError | None]:
    """Count codes that a caller made; return for each the problem that refuses it."""
    guard = active_guard(tenant)
    if guard is None:
        return [None] * len(numbers)
    watched = [number for number in numbers if not guard.is_safe(number, None)]
    problems = iter(_admit(guard, tenant, watched, now, {}))
    return [None if guard.is_safe(number, None) else next(problems) for number in numbers]


def approve_number(tenant: str, number: str, started: datetime) -> None:
    """Count that a code which a caller made was used, if the tenant is guarded."""
    guard = active_guard(tenant)
    if guard is not None and not guard.is_safe(number, None):
        approve(tenant, counters.names_of(number), started)


def approve(tenant: str, names: Sequence[str], started: datetime) -> None:
    """Count the approval of a code that was counted when it started; never raise for a counter."""
    try:
        code_counts.add_all(
            [counters.addition(tenant, name, "approved", started) for name in names]
        )
    except ServiceUnavailableError as error:
        _failed_open(tenant, error)


def _admit(
    guard: Guard,
    tenant: str,
    numbers: Sequence[str],
    now: datetime,
    hashed: Mapping[str, str],
) -> list[VerificationBlockedError | None]:
    """Count and judge codes; nothing is refused where a counter does not answer."""
    outside = [_is_outside(guard, number) for number in numbers]
    inside = [number for number, out in zip(numbers, outside, strict=True) if not out]
    try:
        judged = iter(_count_and_judge(guard, tenant, inside, now, hashed))
    except ServiceUnavailableError as error:
        _failed_open(tenant, error)
        judged = iter([[]] * len(inside))
    found = [[Reason.COUNTRY_NOT_ALLOWED] if out else next(judged) for out in outside]
    for reasons in filter(None, found):
        if guard.mode == "block":
            count("VerificationBlocked", reasons[0])
        else:
            increment("VerificationSuspected", reason=reasons[0])
    return [_problem(one, now) if one and guard.mode == "block" else None for one in found]


def _count_and_judge(
    guard: Guard,
    tenant: str,
    numbers: Sequence[str],
    now: datetime,
    hashed: Mapping[str, str],
) -> list[list[Reason]]:
    """Return the reasons against each number, all of which are counted."""
    if not numbers:
        return []
    names = [counters.names_of(number, hashed) for number in numbers]
    wanted = Counter(name for own in names for name in own)
    additions = [
        replace(
            counters.addition(tenant, name, "started", now, amount),
            country=country_of(numbers[0]) if counters.kind_of(name) in hashed else None,
        )
        for name, amount in wanted.items()
    ]
    items = dict(zip(wanted, code_counts.add_all(additions), strict=True))
    seen = {
        name: (
            counters.read_country(counters.key_at(tenant, name, now), item, now)
            if counters.kind_of(name) == COUNTRY
            else counters.read_key(item)
        )
        for name, item in items.items()
    }
    left = wanted.copy()
    found = []
    for own in names:
        left.subtract(own)  # behind this one, which therefore do not count against it
        found.append(
            [
                reason
                for name in own
                for reason in judge(
                    counters.kind_of(name), _before(seen[name], left[name]), guard.rules
                )
            ]
        )
    _count_refused(guard, tenant, names, found, now)
    return found


def _before(seen: CountrySeen | KeySeen, others: int) -> CountrySeen | KeySeen:
    """Return what was seen without the last so many codes."""
    if isinstance(seen, CountrySeen):
        return replace(seen, hour=seen.hour - others, day=seen.day - others)
    return replace(seen, unverified=seen.unverified - others)


def _count_refused(
    guard: Guard,
    tenant: str,
    names: Sequence[Sequence[str]],
    found: Sequence[Sequence[Reason]],
    now: datetime,
) -> None:
    """Count what is refused; in `monitor` only for its country, as suspected: it is sent.

    The first of an hour to a country is told: of many at once, one write finds itself the first.
    """
    refused: Counter[str] = Counter()
    first: dict[str, tuple[Sequence[Reason], str]] = {}  # by country
    for own, reasons in zip(names, found, strict=True):
        if reasons:
            refused.update(own if guard.mode == "block" else own[:1])
            first.setdefault(own[0], (reasons, own[1]))
    counted = "refused" if guard.mode == "block" else "suspected"
    additions = [
        counters.addition(tenant, name, counted, now, amount) for name, amount in refused.items()
    ]
    for addition, item in zip(additions, code_counts.add_all(additions), strict=True):
        ((attribute, amount),) = addition.numbers.items()
        if addition.key.name in first and item[attribute]["N"] == str(amount):
            reasons, block = first[addition.key.name]
            details = {
                "hour": int(now.timestamp()) // HOUR_SECONDS * HOUR_SECONDS,
                "mode": guard.mode,
                "reasons": reasons,
                "prefix": block.partition("#")[2],
            }
            code_counts.put_blocked(addition.key, details)


def _is_outside(guard: Guard, number: str) -> bool:
    return bool(guard.countries) and country_of(number) not in guard.countries


def _problem(reasons: Sequence[Reason], now: datetime) -> VerificationBlockedError:
    if Reason.COUNTRY_NOT_ALLOWED in reasons:
        return VerificationBlockedError(
            "The operator lets this tenant send no codes to the number's country: ask them.",
            reasons=list(reasons),
            retryable=False,
        )
    wait = HOUR_SECONDS - int(now.astimezone(UTC).timestamp()) % HOUR_SECONDS
    return VerificationBlockedError(
        "Too many codes were sent that nobody typed in; `reasons` say by what they were counted. "
        "Nothing was sent. Ask the operator if your users are real.",
        reasons=list(reasons),
        headers={"Retry-After": str(wait)},
    )


def _failed_open(tenant: str, error: ServiceUnavailableError) -> None:
    logger.warning("guard not asked", extra={"tenant": tenant, "why": error.detail})
    increment("GuardFailedOpen")
