"""`promote`, `undo`, `history`: what the project is for."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice
from typing import Final

import click

from liftlock.engine import Engine
from liftlock.model import ANYTHING, Expected, HistoryEntry, Mode, Page, Promotion, Side
from liftlock.oci.reference import Reference, Target
from liftlock_cli.errors import UNAVAILABLE
from liftlock_cli.names import Place, parse_expected, parse_place, parsed_by
from liftlock_cli.opening import Settings, actor, reading, writing
from liftlock_cli.output import (
    Form,
    output_option,
    print_document,
    print_line,
    print_many,
)
from liftlock_cli.paging import every
from liftlock_cli.registries import comment_option
from liftlock_cli.views import HISTORY, promotion_document, promotion_lines

_WITHOUT_TAG: Final = "--all-tags, --tags GLOB, --repository"
dry_run_option = click.option(
    "--dry-run", is_flag=True, help="Tell what would happen, and change nothing."
)


def _refuse_later(context: click.Context, parameter: click.Parameter, value: object) -> None:
    """Say of an option that it is not there yet, rather than that nobody knows it."""
    if value:
        message = f"{parameter.opts[0]} is not there yet. Promote tag by tag: SOURCE:TAG."
        raise click.UsageError(message, context)


@click.command()
@click.argument("source", callback=parsed_by(Reference.parse), metavar="SOURCE")
@click.option(
    "--to",
    "target",
    callback=parsed_by(Target.parse),
    required=True,
    metavar="TARGET",
    help="registry[/repository][:tag]; what is left out is the source's.",
)
@comment_option
@click.option("--move", is_flag=True, help="Take the tag away from the source.")
@click.option(
    "--expect",
    "expect_source",
    callback=parsed_by(parse_expected),
    metavar="DIGEST|absent",
    help="Refuse unless the source tag is there.  [default: anywhere]",
)
@click.option(
    "--expect-target",
    callback=parsed_by(parse_expected),
    metavar="DIGEST|absent",
    help="Refuse unless the target tag is there.  [default: anywhere]",
)
@click.option(
    "--attachments",
    type=click.Choice([side.value for side in Side]),
    help="Which side's attachment tags count where both differ.  [default: refuse]",
)
@dry_run_option
@click.option("--all-tags", is_flag=True, hidden=True, expose_value=False, callback=_refuse_later)
@click.option("--tags", hidden=True, expose_value=False, callback=_refuse_later)
@click.option("--repository", is_flag=True, hidden=True, expose_value=False, callback=_refuse_later)
@output_option
@click.pass_obj
def promote(
    settings: Settings,
    *,
    source: Reference,
    target: Target,
    comment: str,
    move: bool,
    expect_source: Expected | None,
    expect_target: Expected | None,
    attachments: str | None,
    dry_run: bool,
    form: Form,
) -> None:
    """Make the target be what SOURCE is now, without moving a byte.

    SOURCE is registry/repository[:tag][@digest]; a tag and a digest must agree. All that the image
    reaches comes along: an index's images, their blobs, referrers, attachment tags. It happens
    wholly or not at all, and the same again is harmless. With -o name, prints the promotion's
    number, which `undo` takes.
    """
    if source.tag is None and source.digest is None:
        message = (
            f"{source} names no tag. Say which one, as {source}:TAG, or one of {_WITHOUT_TAG} "
            "(these three are not there yet)."
        )
        raise click.UsageError(message)
    with writing(settings) as engine:
        promotion = engine.promote(
            source,
            target,
            by=actor(),
            mode=Mode.MOVE if move else Mode.COPY,
            comment=comment,
            expect_source=ANYTHING if expect_source is None else expect_source,
            expect_target=ANYTHING if expect_target is None else expect_target,
            attachments=Side(attachments) if attachments else None,
            dry_run=dry_run,
        )
        _print_promotion(promotion, form, dry_run=dry_run)


@click.command()
@click.argument("number", type=click.IntRange(min=1))
@comment_option
@dry_run_option
@output_option
@click.pass_obj
def undo(settings: Settings, *, number: int, comment: str, dry_run: bool, form: Form) -> None:
    """Take back promotion NUMBER, if its target still is what it made.

    The undo is a promotion of its own, with a number and an entry in the history.
    """
    with writing(settings) as engine:
        promotion = engine.undo(number, by=actor(), comment=comment, dry_run=dry_run)
        _print_promotion(promotion, form, dry_run=dry_run)


@click.command()
@click.argument("reference", callback=parsed_by(parse_place), metavar="REFERENCE")
@click.option("--limit", type=click.IntRange(min=1), help="Print at most so many.  [default: all]")
@output_option
@click.pass_obj
def history(settings: Settings, *, reference: Place, limit: int | None, form: Form) -> None:
    """Tell what happened to REFERENCE, newest first.

    REFERENCE is a registry, registry/repository, registry/repository:tag or
    registry/repository@digest.
    """
    with reading(settings) as engine:
        print_many(form, HISTORY, islice(_entries(engine, reference, limit), limit))


def _entries(engine: Engine, of: Place, limit: int | None) -> Iterator[HistoryEntry]:
    def fetch(before: int | None) -> Page[HistoryEntry]:
        return engine.history(of, before=before, limit=limit)

    return every(fetch, None, lambda entry: entry.event)


class UntoldError(click.ClickException):
    """A promotion was made, and its line could not be printed."""

    exit_code = UNAVAILABLE


def _print_promotion(promotion: Promotion, form: Form, *, dry_run: bool) -> None:
    try:
        _print_in_form(promotion, form, dry_run=dry_run)
    except BrokenPipeError:
        raise
    except (OSError, AttributeError) as error:  # AttributeError: there is no stdout at all
        if dry_run or not promotion.changed:
            raise
        message = f"promotion {promotion.id} was made, but could not be printed ({error})."
        raise UntoldError(message) from error


def _print_in_form(promotion: Promotion, form: Form, *, dry_run: bool) -> None:
    match form:
        case Form.TABLE:
            for line in promotion_lines(promotion, dry_run=dry_run):
                print_line(line)
        case Form.JSON:
            print_document(promotion_document(promotion, dry_run=dry_run))
        case Form.NAME:
            if promotion.id is not None:
                print_line(str(promotion.id))
