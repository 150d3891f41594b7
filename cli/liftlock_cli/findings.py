"""What a check of the store found: printed as it is found, then counted."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from typing import Final

import click

from liftlock.model import Finding, Severity
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


def print_findings(findings: Iterable[Finding], form: Form) -> int:
    """Print `findings` as they come and how many there were; return the exit code."""
    found: Counter[Severity] = Counter()
    counted = _counted(findings, found)
    if form is Form.TABLE:
        for finding in counted:
            print_line(f"{finding.severity}: {finding.rule}: {finding.subject}: {finding.detail}")
    else:
        print_many(form, _FINDINGS, counted)
    errors, remarks = found[Severity.ERROR], found[Severity.REMARK]
    click.echo(
        f"checked: {count_text(errors, 'error')}, {count_text(remarks, 'remark')}",
        err=form is not Form.TABLE,
    )
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


def _counted(findings: Iterable[Finding], found: Counter[Severity]) -> Iterator[Finding]:
    for finding in findings:
        found[finding.severity] += 1
        yield finding
