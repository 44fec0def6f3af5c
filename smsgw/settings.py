"""`smsgw routes`, `sources`, `senders`, `campaign-defaults`: settings in the table."""

import argparse
import json
from collections.abc import Callable
from difflib import unified_diff

from sms_gateway.campaigns.settings import DEFAULT_CAMPAIGNS, check_campaign_defaults
from sms_gateway.config.routes import Routes, default_routes
from sms_gateway.config.senders import NO_SENDERS, parse_senders
from sms_gateway.config.stored_settings import check_size, read_setting, write_setting
from sms_gateway.core.value_object import ValueObject
from sms_gateway.triggers.settings import NO_SOURCES, TriggerSources
from smsgw.errors import CommandError
from smsgw.files import read_file, shown
from smsgw.terminal import flush, say, say_text


class Setting(ValueObject, frozen=True):
    """A setting: its name in the table, its default, the functions' own check, and its guide."""

    name: str
    default: str
    check: Callable[[str], object]
    guide: str


SETTINGS = {  # by command
    "routes": Setting("routes", default_routes(), Routes.parse, "operate.md#routes"),
    "sources": Setting(
        "sources", NO_SOURCES, TriggerSources.parse, "triggers.md#who-sends-the-sources"
    ),
    "senders": Setting("senders", NO_SENDERS, parse_senders, "operate.md#senders"),
    "campaign-defaults": Setting(
        "campaigns", DEFAULT_CAMPAIGNS, check_campaign_defaults, "campaigns.md"
    ),
}


def show(options: argparse.Namespace) -> None:
    """Print the setting as JSON, and on standard error whether it is the default."""
    setting = SETTINGS[options.area]
    stored = read_setting(setting.name)
    if stored is None:
        say(f"{options.area}: the default; nobody set them", error=True)
        say_text(_pretty(setting.default).rstrip("\n"))
    else:
        say(f"{options.area}: as set, version {stored.version}", error=True)
        say_text(stored.text.rstrip("\n"))


def diff(options: argparse.Namespace) -> None:
    """Print what `set` would change."""
    setting = SETTINGS[options.area]
    written = _checked(setting, options.file)
    stored = read_setting(setting.name)
    say_text(_difference(stored.text if stored else setting.default, written) or "no difference")


def store(options: argparse.Namespace) -> None:
    """Check a setting, print what it changes, and write it."""
    setting = SETTINGS[options.area]
    written = _checked(setting, options.file)
    stored = read_setting(setting.name)
    say_text(_difference(stored.text if stored else setting.default, written) or "no difference")
    flush()  # nobody who reads it has gone
    if not write_setting(setting.name, written, stored):
        raise CommandError(f"somebody else has just changed the {options.area}: run this again")
    say(f"The {options.area} are set; functions that are running see them within a minute.")


def _checked(setting: Setting, file: str) -> str:
    written = read_file(file)
    try:
        setting.check(written)
        check_size(written)
    except ValueError as error:
        said = f"{shown(file)} is not valid: {error}; see docs/guides/{setting.guide}"
        raise CommandError(said) from None
    return written


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
