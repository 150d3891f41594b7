"""A metadata store in memory: for tests, and for embedding where nothing must last.

A version of a table is never changed once it is committed: a writer works on copies of the
tables that it touches, and a reader keeps the versions that were current when it began.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future
from itertools import islice
from typing import Any, TypeVar

from liftlock.config import Limits
from liftlock.metadata.contract import REMEMBERED, Instant, Numbered, ReadTxn, Row, Table, WriteTxn
from liftlock.metadata.counts import NO_COUNTS, Counts, added
from liftlock.metadata.groupcommit import GroupCommit
from liftlock.metadata.queued import seal_nothing
from liftlock.points import Reach, nowhere

T = TypeVar("T")


class MemoryMetadataStore:
    """Tables as dictionaries, replaced at commit."""

    def __init__(
        self,
        clock: Callable[[], Instant],
        before_commit: Callable[[WriteTxn], None] = seal_nothing,
        limits: Limits = Limits(),
        reach: Reach = nowhere,
    ) -> None:
        self._clock = clock
        # One reference, replaced at once: a reader never sees tables and counts of two commits.
        self.committed: _Committed = ({table: _Version({}) for table in Table}, {})
        self.numbers = dict.fromkeys(Numbered, 0)
        self.last_at: Instant = 0
        self._group = GroupCommit(self._begin, before_commit, limits, reach)

    def read(self, operation: Callable[[ReadTxn], T]) -> T:
        """Run `operation` on a snapshot; see `MetadataStore.read`."""
        tables, counts = self.committed
        return operation(_MemoryReadTxn(tables, counts))

    def write(self, operation: Callable[[WriteTxn], T]) -> T:
        """Run `operation` and wait for its commit; see `MetadataStore.write`."""
        return self._group.write(operation)

    def write_all(self, operations: Sequence[Callable[[WriteTxn], T]]) -> list[T | Exception]:
        """Run `operations` and wait for their commit; see `MetadataStore.write_all`."""
        return self._group.write_all(operations)

    def submit(self, operation: Callable[[WriteTxn], T]) -> Future[T]:
        """Queue `operation`; see `MetadataStore.submit`."""
        return self._group.submit(operation)

    def give_way(self, seconds: float) -> None:
        """Wait for what is being computed; see `MetadataStore.give_way`."""
        self._group.give_way(seconds)

    def close(self) -> None:
        """Finish what is queued, then let go."""
        self._group.close()

    def _begin(self) -> _MemoryWriteTxn:
        return _MemoryWriteTxn(self, max(self._clock(), self.last_at))


class _Version:
    """One state of a table; its keys are sorted when somebody first asks for an order."""

    __slots__ = ("_keys", "rows")

    def __init__(self, rows: dict[bytes, bytes]) -> None:
        self.rows = rows
        self._keys: list[bytes] | None = None

    def keys(self) -> list[bytes]:
        if self._keys is None:
            self._keys = sorted(self.rows)
        return self._keys

    def forget_order(self) -> None:
        self._keys = None


_Committed = tuple[dict[Table, _Version], dict[bytes, Counts]]


class _MemoryReadTxn:
    def __init__(self, tables: dict[Table, _Version], counts: dict[bytes, Counts]) -> None:
        self._tables = tables
        self._counts = counts
        self.memo: dict[Hashable, Any] = {}

    def get(self, table: Table, key: bytes) -> bytes | None:
        return self._tables[table].rows.get(key)

    def get_many(self, table: Table, keys: Sequence[bytes]) -> list[bytes | None]:
        return [self._tables[table].rows.get(key) for key in keys]

    def first_many(self, table: Table, prefixes: Sequence[bytes]) -> list[Row | None]:
        return [next(self.scan(table, prefix), None) for prefix in prefixes]

    def scan_many(
        self, table: Table, prefixes: Sequence[bytes], *, limit: int | None = None
    ) -> list[list[Row]]:
        return [list(self.scan(table, prefix, limit=limit)) for prefix in prefixes]

    def scan(
        self,
        table: Table,
        prefix: bytes = b"",
        *,
        after: bytes | None = None,
        reverse: bool = False,
        limit: int | None = None,
    ) -> Iterator[Row]:
        version = self._tables[table]
        keys, rows = version.keys(), version.rows
        start = bisect_left(keys, prefix)
        end = bisect_right(keys, prefix, lo=start, key=lambda key: key[: len(prefix)])
        if after is not None and reverse:
            end = min(end, bisect_left(keys, after))
        elif after is not None:
            start = max(start, bisect_right(keys, after))
        order = range(end - 1, start - 1, -1) if reverse else range(start, end)
        for index in islice(order, limit):
            key = keys[index]
            yield key, rows[key]

    def count_rows(self, table: Table, prefix: bytes) -> int:
        return sum(1 for _ in self.scan(table, prefix))

    def count(self, counter: bytes) -> Counts:
        return self._counts.get(counter, NO_COUNTS)


class _MemoryWriteTxn(_MemoryReadTxn):
    def __init__(self, store: MemoryMetadataStore, at: Instant) -> None:
        tables, counts = store.committed
        super().__init__(dict(tables), dict(counts))
        self._store = store
        self._numbers = dict(store.numbers)
        self._own: set[Table] = set()
        self.at = at
        self.writes = 0

    def put_many(self, table: Table, rows: Iterable[Row]) -> None:
        if table in REMEMBERED:
            self.memo.clear()
        self._put(table, rows)

    def _put(self, table: Table, rows: Iterable[Row]) -> None:
        own = self._writable(table)
        for key, value in rows:
            self.writes += 1
            own.rows[key] = value

    def put_all(self, rows: Mapping[Table, dict[bytes, bytes]]) -> None:
        for table, some in rows.items():
            self._put(table, some.items())

    def delete_many(self, table: Table, keys: Iterable[bytes]) -> None:
        if table in REMEMBERED:
            self.memo.clear()
        own = self._writable(table)
        for key in keys:
            self.writes += 1
            own.rows.pop(key, None)

    def copy_range(self, table: Table, source: bytes, target: bytes) -> int:
        assert len(source) == len(target)
        rows = [(target + key[len(source) :], value) for key, value in self.scan(table, source)]
        self.put_many(table, rows)
        return len(rows)

    def add(self, counter: bytes, delta: Counts) -> None:
        self.writes += 1
        self._counts[counter] = added(self._counts.get(counter, NO_COUNTS), delta)

    def next_id(self, sequence: Numbered) -> int:
        self.writes += 1
        self._numbers[sequence] += 1
        return self._numbers[sequence]

    def has_numbered(self, sequence: Numbered) -> bool:
        return self._numbers[sequence] != self._store.numbers[sequence]

    @property
    def is_committed(self) -> bool:
        return self._store.committed[0] is self._tables

    def commit(self) -> None:
        store = self._store
        store.numbers, store.last_at = self._numbers, self.at
        store.committed = (self._tables, self._counts)

    def abort(self) -> None:
        """Nothing was shared, so there is nothing to undo."""

    def _writable(self, table: Table) -> _Version:
        if table not in self._own:
            self._tables[table] = _Version(dict(self._tables[table].rows))
            self._own.add(table)
        own = self._tables[table]
        own.forget_order()
        return own
