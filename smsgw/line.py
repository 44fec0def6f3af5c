"""The command line: areas of commands, options that may stand anywhere on it, spelling help.

An area's module is imported when one of its commands is named. Nothing here imports AWS's clients.
"""

import os
import re
from collections.abc import Callable, Mapping, Sequence
from difflib import get_close_matches
from importlib import import_module
from typing import Any

import click

STACK_NAME = "sms-gateway"  # as samconfig.toml deploys it

REGION = re.compile(r"[a-z]{2,3}(-[a-z]+)+-[0-9]+")
Work = Callable[[], Any]
Sections = Mapping[
    str, Mapping[str, tuple[str, str]]
]  # by title and name: where it is, what it does


def given(name: str) -> Any:
    """Return an option that may stand anywhere on the line; None when it was not given."""
    context = click.get_current_context(silent=True)
    return context.meta.get(name) if context else None


def _keep(context: click.Context, option: click.Parameter, value: Any) -> None:
    if value:
        context.meta[option.name or ""] = value


def _everywhere(*shown: str) -> list[click.Parameter]:
    """Make the options that each command, each area and `smsgw` itself take."""
    flag = {"is_flag": True}
    options: dict[str, dict[str, Any]] = {
        "stack": {
            **{"metavar": "NAME", "type": _name},
            "help": f"The CloudFormation stack, else {STACK_NAME}.",
        },
        "region": {
            **{"metavar": "NAME", "type": _region},
            "help": "Its AWS region, else that of AWS_DEFAULT_REGION.",
        },
        "profile": {
            **{"metavar": "NAME", "type": _name},
            "help": "Your AWS profile, else that of AWS_PROFILE.",
        },
        "local": {**flag, "help": "The local stack, which `make run` starts."},
        "json": {**flag, "help": "Print what is listed or shown as JSON."},
        "yes": {**flag, "help": "Do it without a question."},
    }
    return [
        click.Option(
            [f"--{name}"], expose_value=False, callback=_keep, hidden=name not in shown, **option
        )
        for name, option in options.items()
    ]


def _name(text: str) -> str:
    """Return a name. Raises BadParameter for none, as of a variable that is not set."""
    if not text.strip():
        raise click.BadParameter("it is empty: give a name, or leave the option out")
    return text


def _region(text: str) -> str:
    """Return an AWS region. Raises BadParameter."""
    if not REGION.fullmatch(text):
        raise click.BadParameter("write an AWS region, such as eu-central-1")
    return text


def _show_version(context: click.Context, _option: click.Parameter, wanted: bool) -> None:
    if wanted:
        from importlib.metadata import version  # takes as long as all else that help imports

        click.echo(f"smsgw {version('sms-gateway')}")
        context.exit()


class HelpFormatter(click.HelpFormatter):
    """Help whose headings are bold on a terminal."""

    def write_heading(self, heading: str) -> None:
        """Write a heading."""
        super().write_heading(click.style(heading, bold=True))


class Context(click.Context):
    """A context without colours where nobody wants them (no-color.org)."""

    formatter_class = HelpFormatter

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        if os.environ.get("NO_COLOR"):
            self.color = False


class Command(click.Command):
    """A command. One that does not say that it `reads` changes something, and is recorded.

    `harm` says what it does that can't be taken back, with its own parameters in braces: it is
    asked for. `lists` has something to print as JSON, `offline` needs no stack. One that looks does
    more with the parameter `acts_with`: then it needs a stack, and is recorded there.
    """

    context_class = Context

    def __init__(
        self,
        *arguments: Any,
        reads: bool = False,
        lists: bool = False,
        offline: bool = False,
        acts_with: str | None = None,
        harm: str | None = None,
        examples: Sequence[str] = (),
        **options: Any,
    ) -> None:
        super().__init__(*arguments, **options)
        self.reads, self.lists, self.offline = reads, lists, offline
        self.acts_with, self.harm, self.examples = acts_with, harm, examples
        self.params += _everywhere(*(["json"] if lists else []), *(["yes"] if harm else []))

    def invoke(self, context: click.Context) -> Any:
        """Run it by the runner that the root was given."""
        run: Callable[[Command, click.Context, Work], Any] = context.find_root().obj
        return run(self, context, lambda: super(Command, self).invoke(context))

    def format_epilog(self, _context: click.Context, formatter: click.HelpFormatter) -> None:
        """Show examples."""
        write_examples(formatter, self.examples)


class Area(click.Group):
    """Commands about one thing; called bare it lists them."""

    command_class = Command
    context_class = Context

    def __init__(self, name: str, title: str) -> None:
        super().__init__(
            name, help=title, no_args_is_help=True, params=_everywhere(), options_metavar=""
        )

    def resolve_command(
        self, context: click.Context, words: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Find the command; of one that there is not say which it may have been."""
        known = self.list_commands(context)
        if not context.resilient_parsing and words[0] not in known:
            close = get_close_matches(words[0], known, 3, 0.5)
            hint = f"did you mean {' or '.join(close)}" if close else f"there is {', '.join(known)}"
            raise click.UsageError(f"there is no command {words[0]!r}; {hint}", context)
        return super().resolve_command(context, words)


class Root(Area):
    """`smsgw` itself: areas in sections, each imported when it is named."""

    def __init__(self, title: str, sections: Sections, examples: Sequence[str]) -> None:
        super().__init__("smsgw", title)
        self.params = [
            *_everywhere("stack", "region", "profile", "local", "json", "yes"),
            click.Option(
                ["--version"],
                is_flag=True,
                is_eager=True,
                expose_value=False,
                callback=_show_version,
                help="Show the version.",
            ),
        ]
        self._sections, self._examples = sections, examples
        self._places = {name: one[0] for area in sections.values() for name, one in area.items()}

    def list_commands(self, _context: click.Context) -> list[str]:
        """Return the names of all areas."""
        return list(self._places)

    def get_command(self, _context: click.Context, name: str) -> click.Command | None:
        """Import an area; None for one that there is not."""
        if name not in self._places:
            return None
        module, _, attribute = self._places[name].partition(":")
        found: click.Command = getattr(import_module(module), attribute)
        return found

    def format_commands(self, _context: click.Context, formatter: click.HelpFormatter) -> None:
        """List the areas by section."""
        for title, areas in self._sections.items():
            with formatter.section(title):
                formatter.write_dl([(name, text) for name, (_, text) in areas.items()])

    def format_epilog(self, _context: click.Context, formatter: click.HelpFormatter) -> None:
        """Show examples."""
        write_examples(formatter, self._examples)


def write_examples(formatter: click.HelpFormatter, examples: Sequence[str]) -> None:
    """Write examples, a line each."""
    if examples:
        with formatter.section("Examples"):
            for one in examples:
                formatter.write(f"{'':{formatter.current_indent}}{one}\n")
