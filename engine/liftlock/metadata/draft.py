"""A draft: what one operation will write, collected while it decides, written at its end.

That is what keeps deciding and writing apart: an operation that refuses has written nothing, a dry
run is a draft that nobody writes, and what is written goes out as one ordered batch a table.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable

from liftlock.metadata import keys
from liftlock.metadata.contract import NO_COUNTS, Counts, Table, WriteTxn, added
from liftlock.metadata.records import RepositoryRecord, protect_all


class Draft:
    """Rows to put and to delete, and what changes in the counts of repositories."""

    def __init__(self) -> None:
        self._puts: defaultdict[Table, dict[bytes, bytes]] = defaultdict(dict)
        self._deletes: defaultdict[Table, dict[bytes, None]] = defaultdict(dict)
        self._repositories: dict[int, tuple[RepositoryRecord, Counts]] = {}
        self._counters: dict[int, Counts] = {}

    def put(self, table: Table, key: bytes, body: bytes = b"") -> None:
        """Set a row; a delete of it that was drafted before is forgotten."""
        self._puts[table][key] = body
        if table in self._deletes:
            self._deletes[table].pop(key, None)

    def is_put(self, table: Table, key: bytes) -> bool:
        """Tell whether a row is drafted."""
        return table in self._puts and key in self._puts[table]

    def put_bare(self, table: Table, row_keys: Iterable[bytes]) -> None:
        """Set rows that say all with their keys."""
        for key in row_keys:
            self.put(table, key)

    def delete(self, table: Table, key: bytes) -> None:
        """Remove a row, absent or not; a put of it that was drafted before is forgotten."""
        self._deletes[table][key] = None
        if table in self._puts:
            self._puts[table].pop(key, None)

    def touch(self, number: int, record: RepositoryRecord, delta: Counts = NO_COUNTS) -> None:
        """Raise a repository's version and add `delta` to its counts and its registry's."""
        known = self._repositories.get(number)
        self._repositories[number] = record, added(known[1], delta) if known else delta

    def add(self, registry: int, delta: Counts) -> None:
        """Add to what a registry has, beside what `touch` adds."""
        self._counters[registry] = added(self._counters.get(registry, NO_COUNTS), delta)

    @property
    def records(self) -> int:
        """How many rows this writes or deletes, a registry's counters among them."""
        changed = {record.registry for record, delta in self._repositories.values() if any(delta)}
        changed |= self._counters.keys()
        records = len(self._repositories) + len(changed)
        for rows in self._puts.values():
            records += len(rows)
        for gone in self._deletes.values():
            records += len(gone)
        return records

    def write(self, txn: WriteTxn) -> None:
        """Write it all: the rows of each table in the order of their keys."""
        for table, gone in self._deletes.items():
            txn.delete_many(table, sorted(gone))
        for table, rows in self._puts.items():
            ordered = sorted(rows.items()) if len(rows) > 1 else rows.items()
            txn.put_many(table, protect_all(table, ordered))
        changed = []
        counters = dict(self._counters)
        for number, (record, delta) in sorted(self._repositories.items()):
            counts = added(record.counts, delta)
            now = record._replace(version=record.version + 1, counts=counts)
            changed.append((keys.id_key(number), now.encode()))
            if any(delta):
                known = counters.get(record.registry, NO_COUNTS)
                counters[record.registry] = added(known, delta)
        txn.put_many(Table.REPOSITORIES, protect_all(Table.REPOSITORIES, changed))
        for registry, delta in counters.items():
            txn.add(keys.id_key(registry), delta)
