"""Rows that a transaction has put, and that its store gets later: sorted, each key once.

Operations that share a commit write to the same few places: next to each other, or the very same
row. So what they put is kept back until the commit, or until somebody asks for an order, which
only the store knows. Whoever reads a key must look here first (docs/decisions/0010).

Invariants: a row is kept until the store has it, so what failed is tried again, and fails again,
at the latest at the commit; and at most `rows_max` rows are kept back.
"""

from __future__ import annotations

from collections.abc import Callable
from operator import itemgetter
from typing import Final

from liftlock.metadata.contract import Row, Table

_KEY: Final = itemgetter(0)  # to compare pairs takes twice as long
ROWS_MAX: Final = 10_000
"""Some megabytes, and more than most batches put."""
SEARCHED: Final = frozenset({Table.TAGS, Table.HOLDERS, Table.REFERRERS})
"""Tables where every promotion asks what comes first: to keep their rows back is a detour."""


class Pending:
    """The rows of one transaction that its store has not been given yet."""

    def __init__(self, give: Callable[[Table, list[Row]], None], rows_max: int = ROWS_MAX) -> None:
        """Keep nothing back so far.

        Args:
            give: gives the store rows of one table, in the order of their keys.
            rows_max: how many rows are kept back.
        """
        self.tables: dict[Table, dict[bytes, bytes]] = {}
        """What is kept back: for looking, not for changing."""
        self._give = give
        self._rows_max = rows_max
        self._room = rows_max

    def put(self, table: Table, rows: dict[bytes, bytes]) -> None:
        """Take rows, to be given later if that is worth it and there is room."""
        if table in SEARCHED or len(rows) > self._rows_max:
            self.settle(table)
            self._give(table, sorted(rows.items(), key=_KEY))
            return
        if len(rows) > self._room:
            self.settle_all()
        self._room -= len(rows)
        kept = self.tables.get(table)
        if kept is None:
            # A copy: the caller may go on with its own.
            self.tables[table] = rows.copy()
        else:
            kept.update(rows)

    def drop(self, table: Table, key: bytes) -> None:
        """Forget a row, if it is kept back."""
        kept = self.tables.get(table)
        if kept:
            kept.pop(key, None)

    def settle(self, table: Table) -> None:
        """Give the store what it lacks of a table."""
        kept = self.tables.get(table)
        if kept:
            self._give(table, sorted(kept.items(), key=_KEY))
            self._room += len(kept)
            kept.clear()

    def settle_all(self) -> None:
        """Give the store all that it lacks."""
        for table in self.tables:
            self.settle(table)
        self._room = self._rows_max
