"""Carrying out a promotion: held to its plan, with a sign of life, and told once it is made."""

from __future__ import annotations

from pathlib import Path

import click

from liftlock.documents import Asked
from liftlock.engine import Engine
from liftlock.errors import LiftlockError, PlanOutdated
from liftlock.model import Promotion
from liftlock_cli import errors
from liftlock_cli.manner import Manner
from liftlock_cli.opening import actor
from liftlock_cli.output import Form, visible
from liftlock_cli.plans import PlanDocument, differences
from liftlock_cli.progress import progress
from liftlock_cli.promotionviews import print_promotion


class UntoldError(click.ClickException):
    """A promotion was made, and its line could not be printed."""

    exit_code = errors.UNAVAILABLE


def carry_out(engine: Engine, asked: Asked, manner: Manner) -> None:
    """Promote, and print what was done; what `manner` says goes before what `asked` does.

    Raises:
        LiftlockError: as `Engine.promote_all`; a plan that is outdated, and was read from a file,
            has been told together with what is different now.
    """
    dry_run = manner.dry_run or asked.dry_run
    plan = manner.plan.hash if manner.plan else asked.plan
    try:
        with progress("promoting", quiet=manner.quiet):
            promotion = engine.promote_all(
                asked.request,
                by=actor(),
                comment=manner.comment or asked.comment,
                dry_run=dry_run,
                plan=plan,
                key=None if dry_run else manner.key,
            )
    except LiftlockError as error:
        outdated = next((one for one in error.violations if isinstance(one, PlanOutdated)), None)
        if outdated is None or manner.plan is None or manner.plan.document is None:
            raise
        code = errors.tell(error)
        _tell_differences(manner.plan.file, manner.plan.document, outdated)
        click.get_current_context().exit(code)
    print_made(promotion, manner.form, dry_run=dry_run)


def print_made(promotion: Promotion, form: Form, *, dry_run: bool) -> None:
    """Print a promotion or an undo that was just made.

    Raises:
        UntoldError: it could not be printed; the promotion was made all the same.
    """
    try:
        print_promotion(promotion, form, dry_run=dry_run)
    except BrokenPipeError:
        raise
    except (OSError, AttributeError) as error:  # AttributeError: there is no stdout at all
        if dry_run or not promotion.changed:
            raise
        message = f"promotion {promotion.id} was made, but could not be printed ({error})."
        raise UntoldError(message) from error


def _tell_differences(file: Path | None, before: PlanDocument, outdated: PlanOutdated) -> None:
    assert isinstance(outdated.promotion, Promotion)
    click.echo(visible(f"What is different from {file}:"), err=True)
    for line in differences(before, outdated.promotion):
        click.echo(f"  {visible(line)}", err=True)
