"""How a command runs: on a stack that was found, after a question if it harms, and recorded."""

from typing import Any

import click

from smsgw.errors import CommandError
from smsgw.line import Command, Work, given
from smsgw.stack import Stack, find_stack
from smsgw.terminal import ask, is_asked, note


def run(command: Command, context: click.Context, work: Work) -> Any:
    """Run a command; of one that changes something, leave a record."""
    if given("json") and not command.lists:
        raise click.UsageError("it prints nothing that could be JSON", context)
    acts = command.acts_with is not None and context.params.get(command.acts_with) is not None
    if command.offline and not acts:
        return work()
    context.obj = stack = find_stack()
    if command.harm:
        _confirm(stack, command.harm.format(**context.params))
    if command.reads and not acts:
        return work()
    return _recorded(stack, context, work)


def _confirm(stack: Stack, harm: str) -> None:
    if given("yes"):
        return
    if not is_asked():
        raise CommandError(f"this {harm}; say so by --yes, since nobody can be asked here")
    if not ask(f"In {stack.place}, this {harm}. Go on?"):
        raise CommandError("nothing was done")


def _recorded(stack: Stack, context: click.Context, work: Work) -> Any:
    from sms_gateway.core.timestamps import utc_now
    from smsgw import audit_log

    who = audit_log.caller()
    note(f"{stack.place}, account {who.split(':')[4]}")
    words = context.command_path.split()[1:]
    record, outcome = audit_log.begin(who, words, context.params, utc_now()), "failed"
    try:
        done = work()
        outcome = "done"
    finally:
        audit_log.end(record, outcome)
    return done
