"""`smsgw routes`, `sources`, `senders`, `campaign-defaults`: settings in the table."""

import json
from collections.abc import Callable, Iterator
from difflib import unified_diff
from functools import partial

import click
import msgspec

from sms_gateway.campaigns.settings import DEFAULT_CAMPAIGNS, check_campaign_defaults
from sms_gateway.config.routes import Routes, default_routes
from sms_gateway.config.senders import NO_SENDERS, parse_senders
from sms_gateway.config.stored_settings import (
    ACCOUNTS,
    check_size,
    read_setting,
    write_setting,
)
from sms_gateway.core.value_object import ValueObject
from sms_gateway.triggers.settings import NO_SOURCES, TriggerSources
from sms_gateway.vendors.registry import VENDORS
from smsgw.errors import CommandError
from smsgw.files import read_file, shown
from smsgw.line import Area, Command
from smsgw.terminal import flush, say, say_text


class Setting(ValueObject, frozen=True):
    """A setting: its title, its name in the table, its default, the functions' check, its guide."""

    title: str
    name: str
    default: str
    check: Callable[[str], object]
    guide: str


SETTINGS = {  # by command
    "routes": Setting(
        "Which vendors carry which numbers.",
        "routes",
        default_routes(),
        Routes.parse,
        "operate.md#routes",
    ),
    "sources": Setting(
        "Who sends without HTTP, and as which tenant.",
        "sources",
        NO_SOURCES,
        TriggerSources.parse,
        "triggers.md#who-sends-the-sources",
    ),
    "senders": Setting(
        "Which senders a tenant may name, beside the accounts' own.",
        "senders",
        NO_SENDERS,
        parse_senders,
        "operate.md#senders",
    ),
    "campaign-defaults": Setting(
        "What the rows of campaigns have in common, by tenant.",
        "campaigns",
        DEFAULT_CAMPAIGNS,
        check_campaign_defaults,
        "campaigns.md",
    ),
}


def show(area: str) -> None:
    """Print the setting as JSON, and on standard error whether it is the default."""
    setting = SETTINGS[area]
    stored = read_setting(setting.name)
    if stored is None:
        say(f"{area}: the default; nobody set them", error=True)
        say_text(_pretty(setting.default).rstrip("\n"))
    else:
        say(f"{area}: as set, version {stored.version}", error=True)
        say_text(stored.text.rstrip("\n"))


def diff(area: str, file: str) -> None:
    """Print what `set` would change."""
    setting = SETTINGS[area]
    written = _checked(setting, file)
    stored = read_setting(setting.name)
    say_text(_difference(stored.text if stored else setting.default, written) or "no difference")


def store(area: str, file: str) -> None:
    """Check a setting, print what it changes, and write it."""
    setting = SETTINGS[area]
    written = _checked(setting, file)
    stored = read_setting(setting.name)
    say_text(_difference(stored.text if stored else setting.default, written) or "no difference")
    flush()  # nobody who reads it has gone
    if not write_setting(setting.name, written, stored):
        raise CommandError(f"somebody else has just changed the {area}: run this again")
    say(f"The {area} are set; functions that are running see them within a minute.")


def _checked(setting: Setting, file: str) -> str:
    written = read_file(file)
    try:
        setting.check(written)
        check_size(written)
        _check_vendors(written)
    except ValueError as error:
        said = f"{shown(file)} is not valid: {error}; see docs/guides/{setting.guide}"
        raise CommandError(said) from None
    return written


def _check_vendors(written: str) -> None:
    """Raise ValueError for a vendor that is neither built in nor set: a misspelt name, perhaps."""
    stored = read_setting(ACCOUNTS)
    described = msgspec.json.decode(stored.text, type=dict[str, object]) if stored else {}
    known = dict.fromkeys((*VENDORS, *described))
    for name in _vendors_in(msgspec.json.decode(written)):
        if name not in known:
            raise ValueError(
                f"unknown vendor {name}; there are {', '.join(known)}, and a described one is set "
                "first by smsgw vendors set"
            )


def _vendors_in(value: object) -> Iterator[str]:
    """Yield the vendors that routes name, and those of the defaults of sources and campaigns."""
    if isinstance(value, list):
        for one in value:
            yield from _vendors_in(one)
    elif isinstance(value, dict):
        for key, one in value.items():
            if key == "vendor" and isinstance(one, str):
                yield one
            elif key == "vendors" and isinstance(one, list):
                yield from one
            elif key != "metadata":
                yield from _vendors_in(one)


def _difference(old: str, new: str) -> str:
    lines = unified_diff(
        _pretty(old).splitlines(), _pretty(new).splitlines(), "in use", "new", lineterm=""
    )
    return "\n".join(lines)


def _pretty(written: str) -> str:
    """Write JSON with a line for each part, or the text itself if it is none."""
    try:
        return json.dumps(json.loads(written), indent=2, ensure_ascii=False) + "\n"
    except ValueError:
        return written


def _area(name: str, setting: Setting) -> Area:
    """Make the commands of a setting."""
    area = Area(name, setting.title)
    file = click.Argument(["file"])

    def add(verb: str, text: str, run: Callable[..., None], reads: bool, lists: bool) -> None:
        examples = (f"smsgw {name} {verb} {name}.json",) if verb != "show" else ()
        area.add_command(
            Command(
                verb,
                callback=partial(run, name),
                help=text,
                params=[] if verb == "show" else [file],
                reads=reads,
                lists=lists,
                examples=examples,
            )
        )

    add("show", "Print them as JSON.", show, reads=True, lists=True)
    add("diff", "Show what a file would change; - reads standard input.", diff, True, False)
    add("set", "Check a file, show what it changes, and use it.", store, False, False)
    return area


AREAS = {name: _area(name, setting) for name, setting in SETTINGS.items()}
ROUTES, SOURCES, SENDERS, CAMPAIGN_DEFAULTS = AREAS.values()
