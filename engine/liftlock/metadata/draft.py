"""A draft: what one operation will write, collected while it decides, written at its end.

That is what keeps deciding and writing apart: an operation that refuses has written nothing, a dry
run is a draft that nobody writes.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Hashable, Iterable
from typing import Any

from liftlock.metadata import keys
from liftlock.metadata.checksum import protected_all
from liftlock.metadata.contract import Table, WriteTxn
from liftlock.metadata.counts import NO_COUNTS, Counts, added, total
from liftlock.metadata.records import FoundRepository, RepositoryRecord


class Draft:
    """Rows to put and to delete, and what changes in the counts of repositories."""

    def __init__(self) -> None:
        self._puts: defaultdict[Table, dict[bytes, bytes]] = defaultdict(dict)
        self._deletes: defaultdict[Table, dict[bytes, None]] = defaultdict(dict)
        self._repositories: dict[int, RepositoryRecord] = {}
        self._deltas: defaultdict[int, list[Counts]] = defaultdict(list)
        self._counters: dict[int, Counts] = {}
        self.drafted = 0
        """Rows put or deleted so far, each as often as it was: of one operation, mostly once."""

    def put(self, table: Table, key: bytes, body: bytes = b"") -> None:
        """Set a row; a delete of it that was drafted before is forgotten."""
        self.drafted += 1
        self._puts[table][key] = body
        if table in self._deletes:
            self._deletes[table].pop(key, None)

    def is_put(self, table: Table, key: bytes) -> bool:
        """Tell whether a row is drafted."""
        return table in self._puts and key in self._puts[table]

    def put_bare(self, table: Table, row_keys: Collection[bytes]) -> None:
        """Set rows that say all with their keys."""
        self.drafted += len(row_keys)
        puts = self._puts[table]
        for key in row_keys:
            puts[key] = b""
        if table in self._deletes:
            for key in row_keys:
                self._deletes[table].pop(key, None)

    def delete(self, table: Table, key: bytes) -> None:
        """Remove a row, absent or not; a put of it that was drafted before is forgotten."""
        self.drafted += 1
        self._deletes[table][key] = None
        if table in self._puts:
            self._puts[table].pop(key, None)

    def touch(self, number: int, record: RepositoryRecord, delta: Counts = NO_COUNTS) -> None:
        """Raise a repository's version and add `delta` to its counts and its registry's."""
        self._repositories[number] = record
        self._deltas[number].append(delta)

    def add(self, registry: int, delta: Counts) -> None:
        """Add to what a registry (or NO_REGISTRY) has, beside what `touch` adds."""
        self._counters[registry] = added(self._counters.get(registry, NO_COUNTS), delta)

    @property
    def records(self) -> int:
        """How many rows this writes or deletes, counters among them."""
        touched = self._repositories.items()
        changed = {rec.registry for number, rec in touched if any(total(self._deltas[number]))}
        changed |= self._counters.keys()
        rows = sum(map(len, self._puts.values())) + sum(map(len, self._deletes.values()))
        return rows + len(self._repositories) + len(changed)

    def write(self, txn: WriteTxn) -> None:
        """Write it all, once."""
        for table, gone in self._deletes.items():
            txn.delete_many(table, sorted(gone))
        touched: list[FoundRepository] = []
        counters = dict(self._counters)
        for number, record in self._repositories.items():
            delta = total(self._deltas[number])
            now = record.touched(delta)
            self.put(Table.REPOSITORIES, keys.id_key(number), now.encode())
            touched.append(FoundRepository(number, now))
            if any(delta):
                known = counters.get(record.registry, NO_COUNTS)
                counters[record.registry] = added(known, delta)
        for registry, delta in counters.items():
            txn.add(keys.id_key(registry), delta)
        txn.put_all({table: protected_all(table, rows) for table, rows in self._puts.items()})
        self._remember(txn.memo, touched)

    def _remember(self, memo: dict[Hashable, Any], touched: Iterable[FoundRepository]) -> None:
        """Bring up to date what is remembered: last, for what raises before may not be written."""
        if Table.NAMES in self._puts:
            memo.clear()
        for found in touched:
            place = found.record.registry, found.record.name
            remembered = memo.get(place)
            if remembered is not None and remembered.id == found.id:
                memo[place] = found
