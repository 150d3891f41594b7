"""What a check of the store found: printed as it is found, then counted."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import AbstractContextManager, ExitStack, nullcontext
from typing import Final, Self

import click

from liftlock.model import CheckStep, Finding, Severity
from liftlock_cli.errors import CORRUPT
from liftlock_cli.output import (
    Column,
    Document,
    Form,
    View,
    count_text,
    print_line,
    print_many,
)
from liftlock_cli.progress import AFTER_SECONDS, Bar, bar


class Steps:
    """Bars for a check that takes long: one after the other, a part each."""

    def __init__(self, *, quiet: bool, after_seconds: float = AFTER_SECONDS) -> None:
        """Show nothing if `quiet`, and no part that is over within `after_seconds`."""
        self._quiet = quiet
        self._after_seconds = after_seconds
        self._shown = ExitStack()
        self._part = ""
        self._bar: Bar | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._shown.close()

    def __call__(self, step: CheckStep) -> None:
        """Show what the check is at now."""
        if step.part != self._part or self._bar is None:
            self._shown.close()
            shown = bar(
                f"Checking {step.part}",
                step.total,
                step.unit,
                quiet=self._quiet,
                after_seconds=self._after_seconds,
            )
            self._bar = self._shown.enter_context(shown)
            self._part = step.part
        self._bar(step.done - self._bar.done)

    def aside(self) -> AbstractContextManager[None]:
        """Take the bar off the terminal while something is printed."""
        return self._bar.aside() if self._bar else nullcontext()


def print_findings(
    findings: Iterable[Finding], form: Form, steps: Steps, *, quiet: bool = False
) -> int:
    """Print `findings` as they come and how many there were; return the exit code."""
    found: Counter[Severity] = Counter()
    counted = _counted(findings, found, steps)
    if form is Form.TABLE:
        for finding in counted:
            print_line(f"{finding.severity}: {finding.rule}: {finding.subject}: {finding.detail}")
    else:
        print_many(form, _FINDINGS, counted)
    errors, remarks = found[Severity.ERROR], found[Severity.REMARK]
    summary = f"checked: {count_text(errors, 'error')}, {count_text(remarks, 'remark')}"
    with steps.aside():
        if form is Form.TABLE:
            click.echo(summary)
        elif not quiet:
            click.echo(summary, err=True)
    return CORRUPT if errors else 0


def _document(finding: Finding) -> Document:
    return {
        "severity": finding.severity.value,
        "rule": finding.rule,
        "subject": finding.subject,
        "detail": finding.detail,
    }


_FINDINGS: Final[View[Finding]] = View(
    (Column("FINDING", lambda finding: finding.rule),),
    _document,
    lambda finding: finding.subject,
)


def _counted(
    findings: Iterable[Finding], found: Counter[Severity], steps: Steps
) -> Iterator[Finding]:
    for finding in findings:
        found[finding.severity] += 1
        with steps.aside():  # while it is printed by whoever asked for it
            yield finding
