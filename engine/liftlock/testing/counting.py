"""A metadata store that counts what is asked of it, and what is written."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future
from functools import partial
from typing import Any, TypeVar, cast

from liftlock.metadata.contract import (
    Instant,
    MetadataStore,
    Numbered,
    ReadTxn,
    Row,
    Table,
    WriteTxn,
)
from liftlock.metadata.counts import Counts

T = TypeVar("T")


class CountingStore:
    """Another store, with a count of each kind of call on its transactions."""

    def __init__(self, store: MetadataStore) -> None:
        """Count on `store`."""
        self._store = store
        self.calls: Counter[str] = Counter()
        """How often each method of a transaction was called."""
        self.written = 0
        """Rows put and deleted, and counters added to."""

    def reset(self) -> None:
        """Begin to count anew."""
        self.calls.clear()
        self.written = 0

    def read(self, operation: Callable[[ReadTxn], T]) -> T:
        return self._store.read(lambda txn: operation(self._counting(txn)))

    def write(self, operation: Callable[[WriteTxn], T]) -> T:
        return self._store.write(lambda txn: operation(self._counting(txn)))

    def write_all(self, operations: Sequence[Callable[[WriteTxn], T]]) -> list[T | Exception]:
        def counted(operation: Callable[[WriteTxn], T], txn: WriteTxn) -> T:
            return operation(self._counting(txn))

        return self._store.write_all([partial(counted, each) for each in operations])

    def submit(self, operation: Callable[[WriteTxn], T]) -> Future[T]:
        return self._store.submit(lambda txn: operation(self._counting(txn)))

    def give_way(self, seconds: float) -> None:
        self._store.give_way(seconds)

    def close(self) -> None:
        self._store.close()

    def _counting(self, txn: ReadTxn) -> _CountingTxn:
        return _CountingTxn(self, cast(WriteTxn, txn))  # a reader is never asked to write


class _CountingTxn:
    def __init__(self, counts: CountingStore, txn: WriteTxn) -> None:
        self._counts = counts
        self._txn = txn

    @property
    def at(self) -> Instant:
        return self._txn.at

    @property
    def writes(self) -> int:
        return self._txn.writes

    @property
    def memo(self) -> dict[Hashable, Any]:
        return self._txn.memo

    def get(self, table: Table, key: bytes) -> bytes | None:
        self._counts.calls["get"] += 1
        return self._txn.get(table, key)

    def get_many(self, table: Table, keys: Sequence[bytes]) -> list[bytes | None]:
        self._counts.calls["get_many"] += 1
        return self._txn.get_many(table, keys)

    def first_many(self, table: Table, prefixes: Sequence[bytes]) -> list[Row | None]:
        self._counts.calls["first_many"] += 1
        return self._txn.first_many(table, prefixes)

    def scan_many(
        self, table: Table, prefixes: Sequence[bytes], *, limit: int | None = None
    ) -> list[list[Row]]:
        self._counts.calls["scan_many"] += 1
        return self._txn.scan_many(table, prefixes, limit=limit)

    def scan(
        self,
        table: Table,
        prefix: bytes = b"",
        *,
        after: bytes | None = None,
        reverse: bool = False,
        limit: int | None = None,
    ) -> Iterator[Row]:
        self._counts.calls["scan"] += 1
        return self._txn.scan(table, prefix, after=after, reverse=reverse, limit=limit)

    def count_rows(self, table: Table, prefix: bytes) -> int:
        self._counts.calls["count_rows"] += 1
        return self._txn.count_rows(table, prefix)

    def count(self, counter: bytes) -> Counts:
        self._counts.calls["count"] += 1
        return self._txn.count(counter)

    def put_many(self, table: Table, rows: Iterable[Row]) -> None:
        self._counts.calls["put_many"] += 1
        listed = list(rows)
        self._counts.written += len(listed)
        self._txn.put_many(table, listed)

    def put_all(self, rows: Mapping[Table, dict[bytes, bytes]]) -> None:
        self._counts.calls["put_all"] += 1
        self._counts.written += sum(map(len, rows.values()))
        self._txn.put_all(rows)

    def delete_many(self, table: Table, keys: Iterable[bytes]) -> None:
        self._counts.calls["delete_many"] += 1
        listed = list(keys)
        self._counts.written += len(listed)
        self._txn.delete_many(table, listed)

    def copy_range(self, table: Table, source: bytes, target: bytes) -> int:
        self._counts.calls["copy_range"] += 1
        copied = self._txn.copy_range(table, source, target)
        self._counts.written += copied
        return copied

    def add(self, counter: bytes, delta: Counts) -> None:
        self._counts.calls["add"] += 1
        self._counts.written += 1
        self._txn.add(counter, delta)

    def next_id(self, sequence: Numbered) -> int:
        self._counts.calls["next_id"] += 1
        return self._txn.next_id(sequence)

    def has_numbered(self, sequence: Numbered) -> bool:
        return self._txn.has_numbered(sequence)
