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

_API_KEY = re.compile(r"sms_[\w-]{20,}")  # also one of which an end is missing


def say(line: str, *, error: bool = False) -> None:
    """Print one line; a line break within it is shown, not made."""
    say_text(line.replace("\n", "\\n"), error=error)


def say_text(text: str, *, error: bool = False) -> None:
    """Print a text of several lines; an error repeats no API key that somebody pasted."""
    text = text.replace("\r\n", "\n")
    if error:
        text = _API_KEY.sub("[key]", text)
    shown = "".join(one if _is_harmless(one) else json.dumps(one)[1:-1] for one in text)
    print(shown, file=sys.stderr if error else sys.stdout)


def flush() -> None:
    """Write what was said. Raises BrokenPipeError when nobody reads it any more."""
    sys.stdout.flush()


def give_up() -> None:
    """Let what was not read go nowhere, so that Python does not try again at the end."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _is_harmless(character: str) -> bool:
    return character.isprintable() or character in "\n\t" or category(character) == "Zs"
