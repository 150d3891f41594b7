"""Deleting repositories and registries, and sweeping what they had.

Deleting takes a name away and puts an id on the dead list: a few rows, whatever the size. The
sweep removes the rows after the hold time, some at a time, so that nobody waits for it. It never
removes history, and leaves the row of the repository itself, which the history names.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from liftlock import history, names, naming, registries
from liftlock.config import Limits
from liftlock.errors import RegistryNotEmpty
from liftlock.history import Act
from liftlock.metadata import keys
from liftlock.metadata.contract import (
    OF_A_REPOSITORY,
    Instant,
    MetadataStore,
    ReadTxn,
    Table,
    WriteTxn,
)
from liftlock.metadata.counts import NO_COUNTS, ONE_REGISTRY, negated
from liftlock.metadata.draft import Draft
from liftlock.metadata.records import (
    DeadRecord,
    FoundRepository,
    Kind,
    Naming,
    NamingRecord,
    decoded,
    protect,
)
from liftlock.oci.reference import RepositoryName


def delete_repository(txn: WriteTxn, name: RepositoryName, act: Act) -> None:
    """Take a repository's name away; it is swept after the hold time.

    Raises:
        RegistryUnknown, RepositoryUnknown: it is not there.
        Unsupported: the registry does not allow deleting.
    """
    repository = judge_repository(txn, name)
    draft, event = Draft(), history.next_event(txn)
    naming.draft_death(draft, repository, event, txn.at, Naming.DELETED)
    history.append(draft, event, Kind.DELETE, act, txn.at, (), concerns=(repository.id,))
    draft.write(txn)


def judge_repository(txn: ReadTxn, name: RepositoryName) -> FoundRepository:
    """Return a repository, if it may be deleted; raises as `delete_repository`."""
    registries.require_deletes(txn, name.registry)
    return names.get_repository(txn, name)


def delete_registry(txn: WriteTxn, name: str, act: Act, *, force: bool) -> None:
    """Take a registry's name away; what it has is swept after the hold time.

    Raises:
        RegistryUnknown: there is none of this name.
        RegistryNotEmpty: it has repositories, and `force` is false.
        Unsupported: it has repositories, and does not allow deleting.
    """
    number = names.get_registry(txn, name)
    if not force:
        repositories = sum(1 for _ in names.iter_below(txn, number, ""))
        if repositories:
            raise RegistryNotEmpty(name, repositories)
    elif next(names.iter_below(txn, number, ""), None) is not None:
        registries.require_deletes(txn, name)
    draft, event = Draft(), history.next_event(txn)
    draft.delete(Table.NAMES, keys.name_key(keys.NO_REGISTRY, name))
    draft.put(
        Table.NAMES_LOG,
        keys.names_log_key(keys.NO_REGISTRY, name, event),
        NamingRecord(number, Naming.DELETED).encode(),
    )
    draft.put(Table.DEAD, keys.id_key(number), DeadRecord(txn.at, event).encode())
    # Its own counter is asked by nobody from now on, and with it go its repositories' counts.
    draft.add(keys.NO_REGISTRY, negated(ONE_REGISTRY))
    history.append(draft, event, Kind.DELETE, act, txn.at, (), concerns=(number,))
    draft.write(txn)


def sweep(store: MetadataStore, clock: Callable[[], Instant], limits: Limits) -> int:
    """Remove the rows of what was deleted longer ago than the hold time; return how many."""
    swept = 0
    # A registry that is swept leaves its repositories to be swept.
    while due := store.read(partial(_due, before=clock() - limits.hold_ms)):
        for number in due:
            while rows := store.write(partial(_sweep_some, number=number, limits=limits)):
                swept += rows
    return swept


def _due(txn: ReadTxn, before: Instant) -> list[int]:
    return [
        keys.first_id(key)
        for key, value in txn.scan(Table.DEAD)
        if decoded(DeadRecord.decode, Table.DEAD, key, value).since <= before
    ]


def _sweep_some(txn: WriteTxn, number: int, limits: Limits) -> int:
    """Remove some rows of a dead repository or registry; 0 when nothing is left of it."""
    key = keys.id_key(number)
    value = txn.get(Table.DEAD, key)
    if value is None:
        return 0  # named again, or swept by another process
    dead = decoded(DeadRecord.decode, Table.DEAD, key, value)
    if txn.get(Table.REPOSITORIES, key) is None:
        return _sweep_registry(txn, number, dead)
    if not dead.is_going:
        _begin(txn, number, dead)
    for table in OF_A_REPOSITORY:
        rows = [row for row, _ in txn.scan(table, key, limit=limits.sweep_rows_max)]
        if rows:
            txn.delete_many(table, rows)
            return len(rows)
    txn.delete_many(Table.DEAD, (key,))
    return 0


def _begin(txn: WriteTxn, number: int, dead: DeadRecord) -> None:
    """From the first row on nothing of it can come back, and nothing that it had counts."""
    key = keys.id_key(number)
    record = names.repository_record(txn, number)
    gone = record._replace(version=record.version + 1, counts=NO_COUNTS)
    txn.put_many(Table.DEAD, [protect(Table.DEAD, key, dead._replace(is_going=True).encode())])
    txn.put_many(Table.REPOSITORIES, [protect(Table.REPOSITORIES, key, gone.encode())])


def _sweep_registry(txn: WriteTxn, number: int, dead: DeadRecord) -> int:
    """Put a dead registry's repositories on the dead list one by one; then forget it."""
    for name in names.iter_below(txn, number, ""):
        repository = names.find_in(txn, number, name)
        assert repository is not None
        txn.delete_many(Table.NAMES, (keys.name_key(number, name),))
        row = keys.id_key(repository.id)
        put = protect(Table.DEAD, row, dead.encode())
        txn.put_many(Table.DEAD, [put])
        return 1
    txn.delete_many(Table.DEAD, (keys.id_key(number),))
    return 0
