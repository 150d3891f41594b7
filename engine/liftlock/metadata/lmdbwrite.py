"""A write transaction on LMDB: what is put waits until it is looked for, or for the commit."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from typing import Any, Final

import lmdb

from liftlock.metadata.contract import REMEMBERED, Instant, Numbered, Row, Table
from liftlock.metadata.counts import NO_COUNTS, Counts, added
from liftlock.metadata.lmdbread import Handle, LmdbReadTxn, Txn, moved
from liftlock.metadata.numbering import STATE_KEY, read_state, state_row
from liftlock.metadata.pending import Pending
from liftlock.metadata.records import CountsRecord, protect

_FEW_ROWS: Final = 3
"""Up to so many rows are put one by one: a cursor costs more than it saves."""


class LmdbWriteTxn(LmdbReadTxn):
    """A view of one LMDB write transaction, which gets most rows, counters and numbers at its end.

    A row that is kept back has not been judged by LMDB: what is wrong with it (no room, above all)
    comes out later, in another operation's read or at the commit. Either way the commit fails,
    and each operation is run alone.
    """

    def __init__(
        self,
        txn: Txn,
        tables: dict[Table, Handle],
        memo: dict[Hashable, Any],
        now: Instant,
        remember: Callable[[dict[Hashable, Any]], None],
        ended: Callable[[], None],
    ) -> None:
        """Begin with a memo of the state before; `remember` gets that of the state after it."""
        super().__init__(txn, tables, memo)
        self._remember = remember
        self._ended = ended
        self.writes = 0
        self._pending = Pending(self._give)
        self._kept = self._pending.tables
        self._deltas: dict[bytes, Counts] = {}
        self._is_committing = False
        last_at, self._numbers = read_state(txn.get(STATE_KEY, db=tables[Table.META]))
        self._numbers_before = self._numbers.copy()
        self.at = max(now, last_at)

    def get(self, table: Table, key: bytes) -> bytes | None:
        kept = self._kept.get(table)
        if kept and key in kept:
            return kept[key]
        value: bytes | None = self._txn.get(key, None, self._tables[table])
        return value

    def get_many(self, table: Table, keys: Sequence[bytes]) -> list[bytes | None]:
        get, handle, kept = self._txn.get, self._tables[table], self._kept.get(table)
        if kept:
            return [kept[key] if key in kept else get(key, None, handle) for key in keys]
        return [get(key, None, handle) for key in keys]

    def put_many(self, table: Table, rows: Iterable[Row]) -> None:
        if table in REMEMBERED:
            self.memo.clear()
        some = dict(rows)
        self.writes += len(some)
        self._pending.put(table, some)

    def put_all(self, rows: Mapping[Table, dict[bytes, bytes]]) -> None:
        put = self._pending.put
        for table, some in rows.items():
            self.writes += len(some)
            put(table, some)

    def _settle(self, table: Table) -> None:
        self._pending.settle(table)

    def _give(self, table: Table, rows: list[Row]) -> None:
        if len(rows) > _FEW_ROWS:
            self._cursor(table).putmulti(rows)
            return
        put, handle = self._txn.put, self._tables[table]
        for key, value in rows:
            put(key, value, db=handle)

    def delete_many(self, table: Table, keys: Iterable[bytes]) -> None:
        if table in REMEMBERED:
            self.memo.clear()
        delete, handle = self._txn.delete, self._tables[table]
        for key in keys:
            self.writes += 1
            self._pending.drop(table, key)
            delete(key, db=handle)

    def copy_range(self, table: Table, source: bytes, target: bytes) -> int:
        assert len(source) == len(target)
        self.writes += 1  # before: what fails half-way has written, and must not be committed
        # Not left to the scan: nothing else shall write to the table while the cursor appends.
        self._settle(table)
        handle = self._tables[table]
        with self._txn.cursor(handle) as reader, self._txn.cursor(handle) as cursor:
            there = reader.iternext(keys=True, values=True) if reader.set_range(source) else ()
            given, written = cursor.putmulti(moved(there, source, target), append=True)
        self.writes += int(written)
        # With append, LMDB skips a key that is not beyond the last one, and says nothing.
        assert given == written, f"copy_range lost {given - written} rows of {table}"
        return int(written)

    def add(self, counter: bytes, delta: Counts) -> None:
        self.writes += 1
        self._deltas[counter] = added(self._deltas.get(counter, NO_COUNTS), delta)

    def count(self, counter: bytes) -> Counts:
        return added(super().count(counter), self._deltas.get(counter, NO_COUNTS))

    def next_id(self, sequence: Numbered) -> int:
        self.writes += 1
        self._numbers[sequence] += 1
        return self._numbers[sequence]

    def has_numbered(self, sequence: Numbered) -> bool:
        return self._numbers[sequence] != self._numbers_before[sequence]

    @property
    def is_committed(self) -> bool:
        # An interrupt may have come between LMDB's commit and our next step: then the
        # transaction has ended, and not by an error.
        if not self._is_committing:
            return False
        try:
            self._txn.id()
        except lmdb.Error:
            return True
        return False

    def commit(self) -> None:
        counters = [
            protect(Table.COUNTERS, counter, CountsRecord(self.count(counter)).encode())
            for counter in sorted(self._deltas)
        ]
        self.put_many(Table.COUNTERS, counters)
        self.put_many(Table.META, [state_row(self.at, self._numbers)])
        self._pending.settle_all()
        self._is_committing = True
        try:
            self._txn.commit()
        except lmdb.Error:
            self._is_committing = False
            raise
        self._remember(self.memo)
        self._ended()

    def abort(self) -> None:
        try:
            self._txn.abort()
        finally:
            self._ended()
