"""What the operator hands to a command."""

import sys
from pathlib import Path

from smsgw.errors import CommandError


def read_file(name: str) -> str:
    """Return a file's text, or standard input's for `-`, without a byte order mark.

    Raise CommandError. A text that is given instead of a file's name may hold a secret: it is not
    repeated.
    """
    try:
        text = sys.stdin.read() if name == "-" else Path(name).read_text(encoding="utf-8")
        return text.removeprefix("\ufeff")
    except OSError as error:
        if name.lstrip().startswith(("{", "[")):
            raise CommandError(
                "give a file's name, or - for standard input, and not its text: others on this "
                "machine see a command line"
            ) from None
        raise CommandError(f"{name} can't be read: {error.strerror}") from None
    except UnicodeDecodeError:
        raise CommandError(f"{shown(name)} is not UTF-8") from None


def shown(name: str) -> str:
    """Return what to call a file in a message."""
    return "standard input" if name == "-" else name
