"""What goes wrong in a command."""


class CommandError(Exception):
    """What went wrong, in one line that says what to do."""
