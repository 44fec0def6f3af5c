"""Count the codes of guarded tenants, and refuse those that look pumped.

A code is counted before it is judged, by one write a counter, whose answer has the whole day: of
many at once no two see the same count. What is refused is counted as such, and no longer as
unverified. What is refused for its country alone goes if the number's owner typed in a code lately.
Where a counter does not answer, the code goes.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from copy import replace
from datetime import UTC, datetime

from sms_gateway.core.derived_keys import Secret
from sms_gateway.core.observability import count, increment, logger
from sms_gateway.core.problems import ServiceUnavailableError, TooManyRequestsError
from sms_gateway.core.timestamps import HOUR_SECONDS
from sms_gateway.pumping_guard import counters
from sms_gateway.pumping_guard.client import Client, hashes
from sms_gateway.pumping_guard.known_numbers import known_among, known_name
from sms_gateway.pumping_guard.rules import (
    COUNTRY,
    OF_COUNTRIES,
    CountrySeen,
    KeySeen,
    Reason,
    Rules,
    has_few_users,
    judge,
    judge_elsewhere,
)
from sms_gateway.pumping_guard.settings import Guard, guard_of
from sms_gateway.sms.phone_numbers import country_of
from sms_gateway.storage import code_counts


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
    ((names, problem),) = _admit(guard, tenant, [number], now, secret, hashed)
    if problem is not None:
        raise problem
    return (*names, known_name(tenant, number, secret))


def admit_codes(
    tenant: str, numbers: Sequence[str], now: datetime, secret: Secret
) -> list[VerificationBlockedError | None]:
    """Count codes that a caller made; return for each the problem that refuses it."""
    guard = active_guard(tenant)
    if guard is None:
        return [None] * len(numbers)
    watched = [number for number in numbers if not guard.is_safe(number, None)]
    problems = (problem for _, problem in _admit(guard, tenant, watched, now, secret, {}))
    return [None if guard.is_safe(number, None) else next(problems) for number in numbers]


def approve_number(tenant: str, number: str, started: datetime, secret: Secret) -> None:
    """Count that a code which a caller made was used, if the tenant is guarded."""
    guard = active_guard(tenant)
    if guard is None or guard.is_safe(number, None):
        return
    names = [*counters.names_of(number), known_name(tenant, number, secret)]
    try:
        if has_few_users(counters.read_day(tenant, number, started), guard.rules):
            names.append(counters.ELSEWHERE)
    except ServiceUnavailableError as error:
        _failed_open(tenant, error)
    approve(tenant, names, started)


def approve(tenant: str, names: Sequence[str], started: datetime) -> None:
    """Count the approval of a code that was counted when it started; never raise for a counter."""
    known = [name for name in names if counters.kind_of(name) == counters.KNOWN]
    counted = [name for name in names if name not in known]
    try:
        code_counts.add_all(
            [counters.addition(tenant, name, "approved", started) for name in counted]
        )
        for name in known:
            code_counts.remember(counters.key_at(tenant, name, started))
    except ServiceUnavailableError as error:
        _failed_open(tenant, error)


def _admit(
    guard: Guard,
    tenant: str,
    numbers: Sequence[str],
    now: datetime,
    secret: Secret,
    hashed: Mapping[str, str],
) -> list[tuple[tuple[str, ...], VerificationBlockedError | None]]:
    """Count and judge codes: what each was counted by, and the problem that refuses it.

    Nothing is refused where a counter does not answer.
    """
    inside = [number for number in numbers if not _is_outside(guard, number)]
    try:
        judged = iter(_count_and_judge(guard, tenant, inside, now, secret, hashed))
    except ServiceUnavailableError as error:
        _failed_open(tenant, error)
        judged = iter([(counters.names_of(number, hashed), []) for number in inside])
    answers: list[tuple[tuple[str, ...], VerificationBlockedError | None]] = []
    for number in numbers:
        outside = _is_outside(guard, number)
        names, reasons = ((), [Reason.COUNTRY_NOT_ALLOWED]) if outside else next(judged)
        if reasons and guard.mode == "block":
            count("VerificationBlocked", reasons[0])
            answers.append((names, _problem(reasons, now)))
            continue
        if reasons:
            increment("VerificationSuspected", reason=reasons[0])
        answers.append((names, None))
    return answers


def _count_and_judge(
    guard: Guard,
    tenant: str,
    numbers: Sequence[str],
    now: datetime,
    secret: Secret,
    hashed: Mapping[str, str],
) -> list[tuple[tuple[str, ...], list[Reason]]]:
    """Return what each code was counted by, and the reasons against it. All are counted."""
    if not numbers:
        return []
    names = [counters.names_of(number, hashed) for number in numbers]
    country = country_of(numbers[0])  # a client asks for one code at a time
    wanted = Counter(name for own in names for name in own)
    seen = _count(tenant, wanted, now, hashed, country)
    few = {
        name
        for name, one in seen.items()
        if isinstance(one, CountrySeen) and has_few_users(one, guard.rules)
    }
    if few:
        names = [(*own, counters.ELSEWHERE) if own[0] in few else own for own in names]
        elsewhere = Counter({counters.ELSEWHERE: sum(own[0] in few for own in names)})
        seen |= _count(tenant, elsewhere, now, {}, country)
        wanted += elsewhere
    left = wanted.copy()
    found = []
    for own in names:
        left.subtract(own)  # behind this one, which therefore do not count against it
        found.append(_reasons({name: _before(seen[name], left[name]) for name in own}, guard.rules))
    doubted = [
        number
        for number, reasons in zip(numbers, found, strict=True)
        if reasons and OF_COUNTRIES.issuperset(reasons)
    ]
    known = known_among(tenant, doubted, now, secret)
    found = [
        [] if number in known else reasons for number, reasons in zip(numbers, found, strict=True)
    ]
    _count_refused(guard, tenant, names, found, now)
    return [*zip(names, found, strict=True)]


def _count(
    tenant: str, wanted: Mapping[str, int], now: datetime, hashed: Mapping[str, str], country: str
) -> dict[str, CountrySeen | KeySeen]:
    """Count codes as started under each name, so many; return what is seen of each then."""
    additions = [
        replace(
            counters.addition(tenant, name, "started", now, amount),
            country=country if counters.kind_of(name) in hashed else None,
        )
        for name, amount in wanted.items()
    ]
    items = dict(zip(wanted, code_counts.add_all(additions), strict=True))
    return {
        name: (
            counters.read_country(counters.key_at(tenant, name, now), item, now)
            if counters.kind_of(name) == COUNTRY
            else counters.read_key(item)
        )
        for name, item in items.items()
    }


def _before(seen: CountrySeen | KeySeen, others: int) -> CountrySeen | KeySeen:
    """Return what was seen without the last so many codes."""
    if isinstance(seen, CountrySeen):
        return replace(
            seen,
            hour=seen.hour - others,
            day=seen.day - others,
            fortnight=seen.fortnight - others,
        )
    return replace(seen, unverified=seen.unverified - others)


def _reasons(seen: Mapping[str, CountrySeen | KeySeen], rules: Rules) -> list[Reason]:
    """Return why a code is refused; its country comes first in what was seen."""
    country, *_ = seen.values()
    reasons: list[Reason] = []
    for name, one in seen.items():
        if name != counters.ELSEWHERE:
            reasons += judge(counters.kind_of(name), one, rules)
        elif isinstance(one, CountrySeen) and isinstance(country, CountrySeen):
            reasons += judge_elsewhere(country, one, rules)
    return reasons


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
