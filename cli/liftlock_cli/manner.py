"""The options that every promoting command has: how it is done and told, not what is promoted."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import wraps
from typing import Final

import click

from liftlock.documents import read_key
from liftlock_cli.names import parsed_by
from liftlock_cli.output import Form, output_option
from liftlock_cli.plans import ExpectedPlan, parse_plan
from liftlock_cli.registries import comment_option

dry_run_option = click.option(
    "--dry-run", is_flag=True, help="Tell what would happen, and change nothing."
)
quiet_option = click.option(
    "-q",
    "--quiet",
    is_flag=True,
    callback=lambda context, _, value: value or context.obj.quiet,
    help="Print only results and errors: no progress, no notes.",
)
"""For commands that take long; all of them heed the same option before the command."""
_OPTIONS: Final = (
    comment_option,
    dry_run_option,
    click.option(
        "--plan",
        callback=parsed_by(parse_plan),
        metavar="HASH|FILE",
        help="Refuse unless this very plan would be carried out: its hash, or the file that "
        "--dry-run -o json was written to.",
    ),
    click.option(
        "--key",
        callback=parsed_by(read_key),
        metavar="TEXT",
        help="An idempotency key: for a day, the same call with it answers what the first did.  "
        "[default: a new one]",
    ),
    quiet_option,
    output_option,
)


@dataclass(frozen=True, slots=True)
class Manner:
    """How a promotion is done and told."""

    comment: str
    dry_run: bool
    plan: ExpectedPlan | None
    key: str | None
    """The caller's; without one, the call makes its own."""
    quiet: bool
    form: Form


def in_manner(command: Callable[..., None]) -> Callable[..., None]:
    """Give a command these options, as one parameter `manner`."""

    @wraps(command)
    def gathered(
        *args: object,
        comment: str,
        dry_run: bool,
        plan: ExpectedPlan | None,
        key: str | None,
        quiet: bool,
        form: Form,
        **rest: object,
    ) -> None:
        manner = Manner(comment, dry_run, plan, key, quiet, form)
        command(*args, manner=manner, **rest)

    for option in reversed(_OPTIONS):
        gathered = option(gathered)
    return gathered
