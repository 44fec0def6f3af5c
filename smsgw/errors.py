"""The error of a command."""


class CommandError(Exception):
    """A problem, in one line that says what to do."""
