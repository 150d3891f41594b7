"""Reading tables in batches, each in a snapshot of its own, and naming what cannot be read."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Final, TypeVar

from liftlock.errors import RecordCorrupt
from liftlock.metadata import keys
from liftlock.metadata.contract import MetadataStore, ReadTxn, Row, Table
from liftlock.metadata.records import decoded
from liftlock.model import CheckStep, Finding, Severity

T = TypeVar("T")
Tell = Callable[[CheckStep], None]
"""Is told what a check is at, outside of any transaction."""
BATCH_ROWS: Final = 1000
"""Rows judged in one snapshot."""


def nobody(step: CheckStep) -> None:
    """Listen to nothing."""
    del step


def error(rule: str, subject: str, detail: str) -> Finding:
    """Something is wrong."""
    return Finding(Severity.ERROR, rule, subject, detail)


def damaged(corrupt: RecordCorrupt) -> Finding:
    """A row cannot be read."""
    return error("row-readable", f"{corrupt.table} {corrupt.key.hex()}", str(corrupt))


def in_batches(
    store: MetadataStore,
    table: Table,
    judge: Callable[[ReadTxn, list[Row]], list[Finding]],
    *,
    most: int = BATCH_ROWS,
) -> Iterator[Finding]:
    """Judge all rows of a table, a batch of at most `most` at a time: so many are in memory."""
    after: bytes | None = None

    def batch(txn: ReadTxn) -> tuple[list[Finding], bytes | None]:
        rows = list(txn.scan(table, after=after, limit=most))
        return judge(txn, rows), rows[-1][0] if rows else None

    while True:
        findings, last = store.read(batch)
        yield from findings
        if last is None:
            return
        after = last


def readable(
    decode: Callable[[bytes], T], table: Table, row: Row, findings: list[Finding]
) -> T | None:
    """Return what a row says; if it cannot be read, add a finding and return None."""
    try:
        return decoded(decode, table, *row)
    except RecordCorrupt as corrupt:
        findings.append(damaged(corrupt))
        return None


def all_readable(
    _: ReadTxn, rows: list[Row], decode: Callable[[bytes], object], table: Table
) -> list[Finding]:
    """Return which rows cannot be read."""
    findings: list[Finding] = []
    for row in rows:
        readable(decode, table, row, findings)
    return findings


def naming_no_event(
    txn: ReadTxn,
    rows: list[Row],
    decode: Callable[[bytes], object],
    table: Table,
    said: str,
) -> list[Finding]:
    """Return what is wrong with rows whose keys end in the event that wrote them."""
    findings: list[Finding] = []
    for row in rows:
        readable(decode, table, row, findings)
        event = keys.last_id(row[0])
        if txn.get(Table.EVENTS, keys.id_key(event)) is None:
            findings.append(error("log-has-event", f"event {event}", said))
    return findings


def repository_ids(txn: ReadTxn) -> list[int]:
    """Return the ids of all repositories, dead ones included."""
    return [keys.first_id(key) for key, _ in txn.scan(Table.REPOSITORIES)]
