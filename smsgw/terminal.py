"""The one way from `smsgw` to a terminal.

What tenants, vendors and senders wrote may hold escapes that move the cursor, rename the window or
turn the reading direction. They are shown as JSON writes them, so that a printed setting can be
read back.
"""

import json
import os
import re
import sys
from unicodedata import category

import click

_API_KEY = re.compile(r"sms_[\w-]{20,}")  # also one of which an end is missing


def say(line: str, *, error: bool = False) -> None:
    """Print one line; a line break within it is shown, not made."""
    say_text(line.replace("\n", "\\n"), error=error)


def say_text(text: str, *, error: bool = False) -> None:
    """Print a text of several lines; an error repeats no API key that somebody pasted."""
    text = harmless(text.replace("\r\n", "\n"))
    print(without_keys(text) if error else text, file=sys.stderr if error else sys.stdout)


def without_keys(text: str) -> str:
    """Return a text that repeats no API key that somebody pasted."""
    return _API_KEY.sub("[key]", text)


def say_json(value: object) -> None:
    """Print a value as JSON."""
    say_text(json.dumps(value, indent=2, ensure_ascii=False))


def say_styled(text: str) -> None:
    """Print what has colours; whoever made it has taken each part through `harmless`."""
    print(text)


def counted(count: int, noun: str, plural: str = "") -> str:
    """Return a count with its noun: `1 dead letter`, `2 batches`."""
    return f"{count} {noun if count == 1 else plural or f'{noun}s'}"


def heading(line: str) -> None:
    """Print a heading behind an empty line."""
    print()
    print(click.style(harmless(line), bold=True) if has_colours() else harmless(line))


def note(line: str) -> None:
    """Say where something is done, to a person who looks; not to a script."""
    if sys.stderr.isatty():
        print(click.style(harmless(line), dim=_colours()), file=sys.stderr)


def harmless(text: str) -> str:
    """Return a text whose escapes are shown and not made."""
    return "".join(one if _is_harmless(one) else json.dumps(one)[1:-1] for one in text)


def is_asked() -> bool:
    """Return whether somebody is there who can answer."""
    return sys.stdin.isatty() and sys.stderr.isatty()


def ask(question: str) -> bool:
    """Ask whether to go on; an answer of Enter is no."""
    return click.confirm(harmless(question), err=True)


def prompt(question: str, *, hidden: bool = False, default: str | None = None) -> str:
    """Ask for a word; a hidden one is not shown while it is typed."""
    given: str = click.prompt(harmless(question), err=True, hide_input=hidden, default=default)
    return given


def width() -> int | None:
    """Return how many columns the terminal has; None when the output is none."""
    return os.get_terminal_size(sys.stdout.fileno()).columns if sys.stdout.isatty() else None


def has_colours() -> bool:
    """Return whether the output may have colours (no-color.org)."""
    return sys.stdout.isatty() and _colours()


def flush() -> None:
    """Write what was said. Raises BrokenPipeError when nobody reads it any more."""
    sys.stdout.flush()


def give_up() -> None:
    """Let what was not read go nowhere, so that Python does not try again at the end."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _colours() -> bool:
    return not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"


def _is_harmless(character: str) -> bool:
    return character.isprintable() or character in "\n\t" or category(character) == "Zs"
