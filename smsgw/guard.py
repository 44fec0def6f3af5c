"""`smsgw guard`: the guard against pumped codes, by tenant: settings, counts, what is forgiven."""

import re
from collections.abc import Callable
from datetime import timedelta
from typing import Any, Literal, cast

import click
import msgspec

from sms_gateway.config.stored_settings import read_setting, write_setting
from sms_gateway.core.timestamps import from_ms, rfc3339, utc_now
from sms_gateway.pumping_guard import counters
from sms_gateway.pumping_guard.rules import BEST_OF_DAYS, COUNTRY, HOURS_OF_A_DAY, NUMBERS, Rules
from sms_gateway.pumping_guard.settings import EVERY, NAME, NOBODY, Guard, Guards, parse_guards
from sms_gateway.storage import code_counts, dynamodb
from sms_gateway.storage.code_counts import CountKey
from smsgw import arguments
from smsgw.errors import CommandError
from smsgw.line import Area, given
from smsgw.tables import Row, show
from smsgw.terminal import counted, say, say_json

AREA = Area("guard", "Codes that look pumped: count them, refuse them, let them go.")

ANY = "any"  # no country is left out
TRIES = 5  # when others change the setting at the same time
COLUMNS = {
    "country": "COUNTRY",
    "started": "ASKED FOR",
    "approved": "VERIFIED",
    "refused": "REFUSED",
    "suspected": "SUSPECTED",
    "unverified": "UNVERIFIED",
    "reasons": "LAST REASONS",
    "numbers": "LAST NUMBERS",
    "hour": "IN THE HOUR OF",
}


def tenant_or_every(text: str) -> str:
    """Return a tenant's name, or * for those that are not named. Raises BadParameter."""
    return text if text == EVERY else arguments.tenant(text)


def country(text: str) -> str:
    """Return a country, the code of numbers that are no country's, or `any`.

    Raises BadParameter.
    """
    advice = "write a country's two letters, such as BD, or +883, or any for all of them"
    return ANY if text == ANY else _checked("countries", text, advice)


def country_or_block(text: str) -> str:
    """Return a country, `elsewhere`, or a number without its last four digits.

    Raises BadParameter.
    """
    if text not in _countries() and not re.fullmatch(r"\+[0-9]{1,11}", text):
        raise click.BadParameter(
            "name a country, such as BD, `elsewhere` for all with few users, or a number without "
            "its last four digits, such as +880170000; `smsgw guard show` has them"
        )
    return text


def trust(text: str) -> str:
    """Return the beginning of numbers, or a network. Raises BadParameter."""
    return _checked(
        _list_of(text), text, "write how numbers begin, such as +88017, or 192.0.2.0/24, a network"
    )


def _list_of(trusted: str) -> Literal["safe", "safe_networks"]:
    return "safe" if trusted[:1] == "+" else "safe_networks"


def _checked(member: str, text: str, advice: str) -> str:
    """Return what a list of the setting may have. Raises BadParameter with the advice."""
    try:
        msgspec.convert({"mode": "monitor", member: [text]}, Guard)
    except ValueError:
        raise click.BadParameter(advice) from None
    return text


def rule(text: str) -> tuple[str, float | None]:
    """Return a rule's name and figure, None for the default. Raises BadParameter."""
    found = re.fullmatch(r"([a-z_]+)=([0-9]+(?:\.[0-9]+)?|default)", text)
    if not found:
        raise click.BadParameter("write it as country_day=40, or country_day=default")
    if found[1] not in Rules.__struct_fields__:
        raise click.BadParameter(
            f"there is no rule {found[1]}: {', '.join(Rules.__struct_fields__)}"
        )
    if found[2] == "default":
        return found[1], None
    return found[1], float(found[2]) if "." in found[2] else int(found[2])


@AREA.command(
    "set",
    help="Guard a tenant: tell only, refuse, or off.",
    examples=(
        "smsgw guard set acme --mode monitor",
        "smsgw guard set acme --mode block --country BD --country IR --rule country_day=40",
    ),
)
@click.argument("tenant", type=tenant_or_every)
@click.option("--mode", type=click.Choice(["monitor", "block", "off"]), required=True)
@click.option(
    "--country",
    "countries",
    type=country,
    multiple=True,
    help="Only these get codes, such as BD; `any` for all.",
)
@click.option("--rule", "rules", type=rule, multiple=True, help="Another figure, or `default`.")
def set_guard(
    tenant: str, mode: str, countries: tuple[str, ...], rules: tuple[tuple[str, float | None], ...]
) -> None:
    """Set how a tenant is guarded; its safe list stays, and so does what is not given."""

    def change(guards: Guards) -> dict[str, Any]:
        written = _plain(guards)
        if mode == "off" and (tenant == EVERY or EVERY not in written):
            written.pop(tenant, None)
            return written
        before = written.get(tenant, {})
        figures = {**before.get("rules", {}), **dict(rules)}
        written[tenant] = {
            **before,
            "mode": mode,
            "countries": () if ANY in countries else countries or before.get("countries", ()),
            "rules": {name: figure for name, figure in figures.items() if figure is not None},
        }
        return written

    _change(change)
    if mode == "off":
        say(f"{tenant} is not guarded any more.")
        return
    say(
        f"{tenant} is guarded ({mode}); functions that are running know it within a minute. The "
        "stack must be deployed with PumpingGuard=true: docs/guides/pumping.md."
    )


@AREA.command(
    "allow",
    help="Trust the beginning of a number, or a network.",
    examples=("smsgw guard allow acme +88017", "smsgw guard allow acme 192.0.2.0/24"),
)
@click.argument("tenant", type=tenant_or_every)
@click.argument("trusted", type=trust)
@click.option("--remove", is_flag=True, help="Trust it no more.")
def allow(tenant: str, trusted: str, remove: bool) -> None:
    """Put a beginning of numbers, or a network, on a tenant's safe list, or take it off."""
    kind = _list_of(trusted)

    def change(guards: Guards) -> dict[str, Any]:
        written = _plain(guards)
        if tenant not in written:
            raise CommandError(f"{tenant} is not guarded: smsgw guard set {tenant} --mode monitor")
        own = written[tenant]
        others = [one for one in own.get(kind, ()) if one != trusted]
        if remove and len(others) == len(own.get(kind, ())):
            raise CommandError(f"{trusted} is not trusted: `smsgw guard show --json` has what is")
        own[kind] = others if remove else [*others, trusted]
        return written

    _change(change)
    what = "are counted again" if remove else "go, and are not counted,"
    say(f"Codes of {tenant} that it covers {what} within a minute.")


@AREA.command(
    "unblock",
    help="Forgive unverified codes of a country, a block or elsewhere.",
    harm="lets codes to {what} go again",
    examples=(
        "smsgw guard unblock acme BD",
        "smsgw guard unblock acme +880170000",
        "smsgw guard unblock acme elsewhere",
    ),
)
@click.argument("tenant", type=arguments.tenant)
@click.argument("what", type=country_or_block)
def unblock(tenant: str, what: str) -> None:
    """Forgive the codes that nobody verified: a block's of today, a country's of a fortnight."""
    block = what not in _countries()
    now, name = utc_now(), f"{NUMBERS if block else COUNTRY}#{what}"
    suffixes = [""] if block else [f"{hour:02d}" for hour in range(HOURS_OF_A_DAY)]
    days = range(1 if block else BEST_OF_DAYS + 1)
    keys = [counters.key_at(tenant, name, now - timedelta(days=day)) for day in days]
    items = dynamodb.get_many([key.item for key in keys])
    forgiven = 0
    for key in keys:
        item = items.get(key.item)
        found = {f"forgiven{end}": counters.tally(item, end).unverified for end in suffixes}
        numbers = {counted: amount for counted, amount in found.items() if amount}
        if numbers:
            code_counts.add(code_counts.Addition(key, numbers))
            forgiven += sum(numbers.values())
    say(f"forgiven: {counted(forgiven, 'code')} to {what}; the next ones go.")


@AREA.command(
    "show", help="Show who is guarded, or a tenant's counts of today.", reads=True, lists=True
)
@click.argument("tenant", type=tenant_or_every, required=False)
def show_counts(tenant: str | None) -> None:
    """Print the setting, or what is counted of a tenant today (UTC)."""
    guards = _stored()
    if tenant is None:
        if given("json"):
            say_json(_plain(guards))
            return
        rows: list[Row] = [
            {"tenant": name, "mode": one.mode, "countries": ",".join(one.countries) or "all"}
            for name, one in sorted(guards.items())
        ]
        show(
            rows,
            {"tenant": "TENANT", "mode": "MODE", "countries": "COUNTRIES"},
            "Nobody is guarded.",
        )
        return
    if not given("json"):
        guard = guards.get(tenant) or guards.get(EVERY)
        say(f"{tenant}: {guard.mode if guard else 'not guarded'}")
    show(_rows(tenant), COLUMNS, "Nothing was counted today.")


def _rows(tenant: str) -> list[Row]:
    """Return a row for each country that something was counted of today."""
    today = utc_now()
    keys = {name: counters.key_at(tenant, f"{COUNTRY}#{name}", today) for name in _countries()}
    blocked = {name: code_counts.blocked_key(key) for name, key in keys.items()}
    items = dynamodb.get_many([one for key in keys.values() for one in _pair(key)])
    return [
        _row(name, items[key.item], items.get(blocked[name]))
        for name, key in sorted(keys.items())
        if key.item in items
    ]


def _pair(key: CountKey) -> tuple[Any, Any]:
    return key.item, code_counts.blocked_key(key)


def _row(country: str, item: dict[str, Any], blocked: dict[str, Any] | None) -> Row:
    hours = counters.hours_of(item)
    suspected = sum(int(item[n]["N"]) for n in item if n.startswith("suspected"))
    last = msgspec.json.decode(blocked["data"]["S"]) if blocked else None
    return {
        "country": country,
        "started": sum(one.started for one in hours),
        "approved": sum(one.approved for one in hours),
        "refused": sum(one.refused for one in hours),
        "suspected": suspected,
        "unverified": sum(one.unverified for one in hours),
        "reasons": last["reasons"] if last else None,
        "numbers": last["prefix"] if last else None,
        "hour": rfc3339(from_ms(last["hour"] * 1000)) if last else None,
    }


def _countries() -> list[str]:
    """Return all that is counted like a country: what `country_of` may answer, and `elsewhere`."""
    from phonenumbers import (  # takes a tenth of a second
        COUNTRY_CODES_FOR_NON_GEO_REGIONS,
        SUPPORTED_REGIONS,
    )

    codes = (f"+{code}" for code in COUNTRY_CODES_FOR_NON_GEO_REGIONS)
    return sorted([*SUPPORTED_REGIONS, *codes, counters.ELSEWHERE.partition("#")[2]])


def _stored() -> Guards:
    stored = read_setting(NAME)
    return parse_guards(stored.text if stored else NOBODY)


def _plain(guards: Guards) -> dict[str, Any]:
    return cast("dict[str, Any]", msgspec.to_builtins(guards))


def _change(change: Callable[[Guards], dict[str, Any]]) -> None:
    """Change the setting; what others write at the same time is kept."""
    for _ in range(TRIES):
        stored = read_setting(NAME)
        written = msgspec.json.encode(change(parse_guards(stored.text if stored else NOBODY)))
        try:
            guards = parse_guards(written.decode())
        except ValueError as error:
            raise CommandError(f"that is not valid: {error}; see docs/guides/pumping.md") from None
        if write_setting(NAME, msgspec.json.encode(guards).decode(), stored):
            return
    raise CommandError("others are changing the guard: run this again")
