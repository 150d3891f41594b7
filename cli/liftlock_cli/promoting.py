"""Carrying out a promotion: held to its plan, with a sign of life, and told once it is made."""

from __future__ import annotations

from collections.abc import Iterable
from functools import partial
from uuid import uuid4

import click

from liftlock.documents import Asked
from liftlock.engine import Engine
from liftlock.errors import Conflict, LiftlockError, PlanOutdated
from liftlock.model import Promotion
from liftlock_cli import errors
from liftlock_cli.manner import Manner
from liftlock_cli.opening import actor
from liftlock_cli.output import Form, print_line
from liftlock_cli.plans import ExpectedPlan, FileEdited, differences, require_unedited
from liftlock_cli.progress import progress
from liftlock_cli.promotionviews import print_promotion


class UntoldError(click.ClickException):
    """A promotion was made, and its line could not be printed."""

    exit_code = errors.UNAVAILABLE


def carry_out(engine: Engine, asked: Asked, manner: Manner) -> None:
    """Promote, and print what was done; what `manner` says goes before what `asked` does.

    Raises:
        LiftlockError: as `Engine.promote_all`; a plan that is outdated, or not what its file says,
            has been told together with what is different.
    """
    dry_run = manner.dry_run or asked.dry_run
    purging = asked.request.purge
    try:
        with progress("promoting", quiet=manner.quiet):
            promotion = _promoted(engine, asked, manner, dry_run=dry_run)
    except FileEdited as edited:
        code = errors.tell(Conflict(str(edited)))
        print_line("What it says, and what its plan does:", err=True)
        _print_indented(edited.lines)
    except LiftlockError as error:
        outdated = next((one for one in error.violations if isinstance(one, PlanOutdated)), None)
        if outdated is None:
            raise
        code = errors.tell(error)
        _tell_new_plan(outdated, manner, purging=purging)
    else:
        print_made(promotion, manner.form, dry_run=dry_run, purging=purging)
        return
    click.get_current_context().exit(code)


def print_made(promotion: Promotion, form: Form, *, dry_run: bool, purging: bool = False) -> None:
    """Print a promotion or an undo that was just made.

    Raises:
        UntoldError: it could not be printed; the promotion was made all the same.
    """
    try:
        print_promotion(promotion, form, dry_run=dry_run, purging=purging)
    except BrokenPipeError:
        raise
    except (OSError, AttributeError) as error:  # AttributeError: there is no stdout at all
        if dry_run or not promotion.changed:
            raise
        message = f"promotion {promotion.id} was made, but could not be printed ({error})."
        raise UntoldError(message) from error
    for warning in promotion.warnings:
        print_line(f"Warning: {warning}", err=True)


def _promoted(engine: Engine, asked: Asked, manner: Manner, *, dry_run: bool) -> Promotion:
    promote = partial(
        engine.promote_all, asked.request, by=actor(), comment=manner.comment or asked.comment
    )
    plan = manner.plan.hash if manner.plan else asked.plan
    if manner.plan and manner.plan.document:
        _hold_to_file(promote, manner.plan, has_key=manner.key is not None)
    # A key for each call, so that whatever repeats it on the way cannot promote twice.
    key = None if dry_run else manner.key or str(uuid4())
    return promote(dry_run=dry_run, plan=plan, key=key)


def _hold_to_file(promote: partial[Promotion], plan: ExpectedPlan, *, has_key: bool) -> None:
    """Require that a file says what its plan does; the hash then lets nothing come between.

    Where the plan is another by now, the call is over; but one with a key may have been made
    already, and then has its answer.

    Raises:
        FileEdited, PlanOutdated, LiftlockError: it cannot be carried out.
    """
    try:
        now = promote(dry_run=True, plan=plan.hash)
    except LiftlockError:
        if not has_key:
            raise
        return
    require_unedited(plan, now)


def _tell_new_plan(outdated: PlanOutdated, manner: Manner, *, purging: bool) -> None:
    """Print what is different from the plan's file, or else the new plan; as JSON, always this."""
    now, plan = outdated.promotion, manner.plan
    assert isinstance(now, Promotion)
    if plan and plan.document:
        print_line(f"What is different from {plan.file}:", err=True)
        _print_indented(differences(plan.document, now))
    elif manner.form is not Form.JSON:
        print_line("The new plan:", err=True)
        print_promotion(now, Form.TABLE, dry_run=True, purging=purging, err=True)
    if manner.form is Form.JSON:
        print_promotion(now, Form.JSON, dry_run=True)


def _print_indented(lines: Iterable[str]) -> None:
    for line in lines:
        print_line(f"  {line}", err=True)
