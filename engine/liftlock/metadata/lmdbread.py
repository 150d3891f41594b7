"""Reading in a transaction of LMDB, be it a snapshot or a writer's: look-ups and ranges."""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Iterator, Sequence
from itertools import takewhile
from typing import Any

from liftlock.metadata.contract import Row, Table
from liftlock.metadata.counts import NO_COUNTS, Counts
from liftlock.metadata.records import CountsRecord, decoded

# Any: the stubs say `bytes | memoryview` everywhere, after a `buffers=` that we never set (L26).
Txn = Any
Handle = Any
_Cursor = Any


class LmdbReadTxn:
    """A view of one LMDB transaction."""

    def __init__(self, txn: Txn, tables: dict[Table, Handle], memo: dict[Hashable, Any]) -> None:
        self._txn = txn
        self._tables = tables
        self._cursors: dict[Table, _Cursor] = {}
        self.memo = memo

    def _settle(self, table: Table) -> None:
        """See to it that LMDB has every row of a table: a snapshot has, a writer may not."""

    def _cursor(self, table: Table) -> _Cursor:
        """Return the transaction's own cursor of a table; for look-ups, not for streams."""
        cursor = self._cursors.get(table)
        if cursor is None:
            self._cursors[table] = cursor = self._txn.cursor(self._tables[table])
        return cursor

    def get(self, table: Table, key: bytes) -> bytes | None:
        """Return a value, or None: see `ReadTxn.get`."""
        value: bytes | None = self._txn.get(key, db=self._tables[table])
        return value

    def get_many(self, table: Table, keys: Sequence[bytes]) -> list[bytes | None]:
        """Return values in the order of `keys`: see `ReadTxn.get_many`."""
        get, handle = self._txn.get, self._tables[table]
        return [get(key, None, handle) for key in keys]

    def first_many(self, table: Table, prefixes: Sequence[bytes]) -> list[Row | None]:
        """Return the first row of each prefix: see `ReadTxn.first_many`."""
        self._settle(table)
        cursor = self._cursor(table)
        seek, item = cursor.set_range, cursor.item
        rows: list[Row | None] = []
        for prefix in prefixes:
            row: Row | None = item() if seek(prefix) else None
            rows.append(row if row is not None and row[0].startswith(prefix) else None)
        return rows

    def scan_many(
        self, table: Table, prefixes: Sequence[bytes], *, limit: int | None = None
    ) -> list[list[Row]]:
        """Return the rows of each prefix: see `ReadTxn.scan_many`."""
        self._settle(table)
        lists: list[list[Row]] = []
        cursor = self._cursor(table)
        for prefix in prefixes:
            rows: list[Row] = []
            found = cursor.set_range(prefix)
            while found and len(rows) != limit:
                row = cursor.item()
                if not row[0].startswith(prefix):
                    break
                rows.append(row)
                found = cursor.next()
            lists.append(rows)
        return lists

    def scan(
        self,
        table: Table,
        prefix: bytes = b"",
        *,
        after: bytes | None = None,
        reverse: bool = False,
        limit: int | None = None,
    ) -> Iterator[Row]:
        """Stream the rows of a prefix: see `ReadTxn.scan`."""
        if limit == 0:
            return
        self._settle(table)
        with self._txn.cursor(self._tables[table]) as cursor:
            place = _place_before if reverse else _place_after
            if not place(cursor, prefix, after):
                return
            step = cursor.iterprev if reverse else cursor.iternext
            left = limit
            for key, value in step(keys=True, values=True):
                if not key.startswith(prefix):
                    return
                yield key, value
                if left is not None:
                    left -= 1
                    if left == 0:
                        return

    def count_rows(self, table: Table, prefix: bytes) -> int:
        """Count the rows of a prefix: see `ReadTxn.count_rows`."""
        self._settle(table)
        with self._txn.cursor(self._tables[table]) as cursor:
            if not cursor.set_range(prefix):
                return 0
            keys = cursor.iternext(keys=True, values=False)
            return sum(1 for _ in takewhile(lambda key: key.startswith(prefix), keys))

    def count(self, counter: bytes) -> Counts:
        """Return a counter: see `ReadTxn.count`."""
        value = self.get(Table.COUNTERS, counter)
        if value is None:
            return NO_COUNTS
        return decoded(CountsRecord.decode, Table.COUNTERS, counter, value).counts


def _place_after(cursor: _Cursor, prefix: bytes, after: bytes | None) -> bool:
    """Put the cursor on the first row from `prefix` on that is beyond `after`."""
    if after is None or after < prefix:
        return bool(cursor.set_range(prefix) if prefix else cursor.first())
    return bool(cursor.set_range(after) and (cursor.key() != after or cursor.next()))


def _place_before(cursor: _Cursor, prefix: bytes, after: bytes | None) -> bool:
    """Put the cursor on the last row of `prefix` that is before `after`."""
    beyond = _successor(prefix)
    if after is not None and (beyond is None or after < beyond):
        beyond = after
    if beyond is None or not cursor.set_range(beyond):
        return bool(cursor.last())
    return bool(cursor.prev())


def _successor(prefix: bytes) -> bytes | None:
    """Return the first key after all that begin with `prefix`; None if there is none."""
    stripped = prefix.rstrip(b"\xff")
    return stripped[:-1] + bytes((stripped[-1] + 1,)) if stripped else None


def moved(rows: Iterable[Row], source: bytes, target: bytes) -> Iterator[Row]:
    """Stream rows under another prefix, up to the first that does not begin with `source`."""
    cut = len(source)
    for key, value in rows:
        if not key.startswith(source):
            return
        yield target + key[cut:], value
