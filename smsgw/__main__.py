"""Run smsgw, the operator's command: it finds the gateway by its stack, with your credentials."""

import errno
import os
import sys
import traceback
from collections.abc import Sequence

import click

from smsgw import unused_packages
from smsgw.errors import explain
from smsgw.line import Root
from smsgw.running import run
from smsgw.terminal import flush, give_up, say, say_text

SECTIONS = {
    "Begin": {
        "init": ("smsgw.init:COMMAND", "First vendor account, first key, first message."),
        "doctor": ("smsgw.doctor:COMMAND", "What is wrong, and what to do about it."),
        "completion": ("smsgw.completion:COMMAND", "Completion for your shell."),
    },
    "Look": {
        "status": ("smsgw.status:COMMAND", "Vendors, queues, alarms and the scheduler at once."),
        "messages": (
            "smsgw.messages:AREA",
            "List, follow, show, send, cancel and settle messages.",
        ),
        "listen": ("smsgw.listen:COMMAND", "A tenant's events, to a program on this machine."),
        "campaigns": ("smsgw.campaigns:AREA", "List, show, pause, resume and cancel campaigns."),
        "reports": ("smsgw.reports:COMMAND", "What messages became, summed."),
        "audit": ("smsgw.audit:AREA", "Who changed what, and when."),
    },
    "Set up": {
        "vendors": ("smsgw.vendors:AREA", "Vendor accounts."),
        "keys": ("smsgw.keys:AREA", "API keys."),
        "routes": ("smsgw.settings:ROUTES", "Which vendors carry which numbers."),
        "senders": ("smsgw.settings:SENDERS", "Which senders a tenant may name."),
        "sources": ("smsgw.settings:SOURCES", "Who sends without HTTP, and as which tenant."),
        "campaign-defaults": (
            "smsgw.settings:CAMPAIGN_DEFAULTS",
            "What the rows of campaigns have in common.",
        ),
        "guard": ("smsgw.guard:AREA", "Codes that look pumped: count them, refuse them."),
        "callback-url": ("smsgw.stack_keys:show_callback_url", "A vendor's callback URL."),
        "callback-key": ("smsgw.stack_keys:AREA", "The key of callback URLs."),
        "message-key": (
            "smsgw.stack_keys:MESSAGES",
            "The key of codes' texts, digests and searches.",
        ),
    },
    "Mend": {
        "tenants": ("smsgw.tenants:AREA", "Narrow what a tenant may send; stop it in an incident."),
        "webhooks": ("smsgw.webhooks:AREA", "List and disable tenants' webhooks."),
        "dlq": ("smsgw.dead_letters:AREA", "Dead letters: what failed for good."),
        "restore": ("smsgw.restore:AREA", "Items of a restored table."),
    },
}
EXAMPLES = (
    "smsgw init                                 # after the first deployment",
    "smsgw status --stack sms-test --region eu-central-1",
    "smsgw vendors set jst account.json",
    "smsgw keys create --tenant acme --scope messages:send",
    "smsgw messages tail --tenant acme --json | jq .status",
)
NO_ROOM = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO)  # for what is printed
DONE = "what the command was to change may be changed: see `smsgw audit list`"
COMPLETION = "_SMSGW_COMPLETE"  # as the shell's script sets it

ROOT = Root("Operate an SMS gateway.", SECTIONS, EXAMPLES)


def main(words: Sequence[str] | None = None) -> int:
    """Run one command and return the exit status: 0, 1 for a failure, 2 for a wrong line."""
    if COMPLETION in os.environ:
        from click.shell_completion import shell_complete

        return shell_complete(ROOT, {}, "smsgw", COMPLETION, os.environ[COMPLETION])
    unused_packages.leave_out()
    try:
        with ROOT.make_context(
            "smsgw", list(sys.argv[1:] if words is None else words), obj=run
        ) as line:
            ROOT.invoke(line)
        flush()
    except click.exceptions.Exit as done:
        return done.exit_code
    except click.UsageError as error:
        say(f"smsgw: {_usage(error)}", error=True)
        return 2
    except BrokenPipeError:  # whoever reads the output has gone, as `| head` does
        give_up()
    except (KeyboardInterrupt, click.Abort):
        say("smsgw: stopped", error=True)
    except Exception as error:
        if isinstance(error, OSError) and error.errno in NO_ROOM:
            give_up()
            say(f"smsgw: the output can't be written: {error.strerror}; {DONE}", error=True)
        elif (said := explain(error)) is not None:
            say(f"smsgw: {said}", error=True)
        else:  # Python would print its words as they are
            say_text(traceback.format_exc().rstrip(), error=True)
    else:
        return 0
    return 1


def _usage(error: click.UsageError) -> str:
    said = error.format_message().rstrip(".")
    return f"{said}; see {error.ctx.command_path} --help" if error.ctx else said


if __name__ == "__main__":
    sys.exit(main())
