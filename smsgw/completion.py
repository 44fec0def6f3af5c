"""`smsgw completion`: a script that completes commands and options in a shell."""

import click

from smsgw.line import Command
from smsgw.terminal import say_text


@click.command(
    "completion",
    cls=Command,
    help="Print a script for your shell, which completes commands and options.",
    offline=True,
    reads=True,
    examples=(
        'eval "$(smsgw completion bash)"           # bash 4.4 or newer; zsh the same',
        "smsgw completion fish | source",
    ),
)
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
@click.pass_context
def COMMAND(context: click.Context, shell: str) -> None:  # noqa: N802 - one name in each module
    """Print the script."""
    from click.shell_completion import get_completion_class

    kind = get_completion_class(shell)
    if kind is None:
        raise click.UsageError("there is none for this shell", context)
    say_text(kind(context.find_root().command, {}, "smsgw", "_SMSGW_COMPLETE").source())
