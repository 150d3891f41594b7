"""`history`: what happened to what bore a name, and whether the record of it is whole."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice

import click
from click.shell_completion import CompletionItem

from liftlock.engine import Engine
from liftlock.model import CheckStep, HistoryEntry, Page
from liftlock_cli.completing import images, looked_up
from liftlock_cli.findings import Steps, print_findings
from liftlock_cli.names import Place, parse_place, parsed_by
from liftlock_cli.opening import Settings, reading
from liftlock_cli.output import Form, output_option, print_many
from liftlock_cli.paging import every
from liftlock_cli.views import HISTORY


class _ShowUnlessSaid(click.Group):
    """A group whose first word may be left out: `history dev` is `history show dev`."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        if args and args[0] not in self.commands and args[0] not in ctx.help_option_names:
            args = ["show", *args]
        return super().parse_args(ctx, args)

    def shell_complete(self, ctx: click.Context, incomplete: str) -> list[CompletionItem[str]]:
        """Complete a command, or what `show` takes."""
        return super().shell_complete(ctx, incomplete) + looked_up(ctx, images, incomplete)


@click.group(cls=_ShowUnlessSaid, subcommand_metavar="REFERENCE | COMMAND [ARGS]...")
def history() -> None:
    """Tell what happened to REFERENCE, newest first.

    `history REFERENCE` is `history show REFERENCE`, which also takes a registry that has a
    command's name.
    """


@history.command()
@click.argument("reference", callback=parsed_by(parse_place), metavar="REFERENCE")
@click.option("--limit", type=click.IntRange(min=1), help="Print at most so many.  [default: all]")
@output_option
@click.pass_obj
def show(settings: Settings, *, reference: Place, limit: int | None, form: Form) -> None:
    """Tell what happened to REFERENCE, newest first.

    REFERENCE is a registry, registry/repository, registry/repository:tag or
    registry/repository@digest. What bore the name earlier is part of it.
    """
    with reading(settings) as engine:
        print_many(form, HISTORY, islice(_entries(engine, reference, limit), limit))


@history.command()
@output_option
@click.pass_context
def verify(context: click.Context, *, form: Form) -> None:
    """Check the history alone: that nobody changed it, and that it explains the tags.

    Findings are printed as they are made, as `check` does. Exit code 7 if there was an error.
    """
    quiet = context.obj.quiet
    with reading(context.obj) as engine, Steps(quiet=quiet) as steps:
        steps(CheckStep("history"))
        code = print_findings(engine.verify_history(), form, steps, quiet=quiet)
    context.exit(code)


def _entries(engine: Engine, of: Place, limit: int | None) -> Iterator[HistoryEntry]:
    def fetch(before: int | None) -> Page[HistoryEntry]:
        return engine.history(of, before=before, limit=limit)

    return every(fetch, None, lambda entry: entry.event)
