"""Registries and repositories: which id a name stands for, now and in the past.

An id never changes and is never used again. A name is a row that points to one; the names log
tells which id bore a name, and from which event to which.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from liftlock import history
from liftlock.errors import NameTaken, RegistryNotEmpty, RegistryUnknown, RepositoryUnknown
from liftlock.history import Act
from liftlock.metadata import keys
from liftlock.metadata.contract import NO_COUNTS, Numbered, ReadTxn, Table, WriteTxn
from liftlock.metadata.draft import Draft
from liftlock.metadata.records import (
    DeadRecord,
    IdRecord,
    Kind,
    Naming,
    NamingRecord,
    OtherSide,
    RegistryRecord,
    RepositoryRecord,
    decoded,
)
from liftlock.oci.reference import RepositoryName


class FoundRepository(NamedTuple):
    """A repository's id and row."""

    id: int
    record: RepositoryRecord


class Interval(NamedTuple):
    """An id bore a name from one event to another, both included; None: to this day."""

    id: int
    start: int
    end: int | None


def get_registry(txn: ReadTxn, name: str) -> int:
    """Return a registry's id.

    Raises:
        RegistryUnknown: no registry bears this name.
    """
    number = _find(txn, keys.NO_REGISTRY, name)
    if number is None:
        raise RegistryUnknown(name)
    return number


def find_id(txn: ReadTxn, name: RepositoryName) -> int | None:
    """Return a repository's id, or None if the registry has none of this name.

    Raises:
        RegistryUnknown: there is no such registry.
    """
    return _find(txn, get_registry(txn, name.registry), name.repository)


def get_id(txn: ReadTxn, name: RepositoryName) -> int:
    """Return a repository's id.

    Raises:
        RegistryUnknown: there is no such registry.
        RepositoryUnknown: it has no repository of this name.
    """
    number = find_id(txn, name)
    if number is None:
        raise RepositoryUnknown(str(name))
    return number


def find_repository(txn: ReadTxn, name: RepositoryName) -> FoundRepository | None:
    """Return a repository, or None if the registry has none of this name.

    Raises:
        RegistryUnknown: there is no such registry.
    """
    return find_in(txn, get_registry(txn, name.registry), name.repository)


def find_in(txn: ReadTxn, registry: int, name: str) -> FoundRepository | None:
    """Return a repository of a registry that is known by its id, or None."""
    number = _find(txn, registry, name)
    return None if number is None else FoundRepository(number, repository_record(txn, number))


def get_repository(txn: ReadTxn, name: RepositoryName) -> FoundRepository:
    """Return a repository.

    Raises:
        RegistryUnknown: there is no such registry.
        RepositoryUnknown: it has no repository of this name.
    """
    found = find_repository(txn, name)
    if found is None:
        raise RepositoryUnknown(str(name))
    return found


def new_repository(
    txn: WriteTxn, draft: Draft, name: RepositoryName, event: int
) -> FoundRepository:
    """Draft a repository of a name that is free, as born with `event`.

    Raises:
        RegistryUnknown: there is no such registry.
    """
    number = txn.next_id(Numbered.OBJECT)
    return draft_repository(draft, get_registry(txn, name.registry), name, number, event)


def draft_repository(
    draft: Draft, registry: int, name: RepositoryName, number: int, event: int
) -> FoundRepository:
    """Draft a repository under a fresh id."""
    record = RepositoryRecord(registry, 0, event, NO_COUNTS, name.repository)
    _draft_name(draft, registry, name.repository, number, event)
    draft.touch(number, record)
    return FoundRepository(number, record)


def create_registry(txn: WriteTxn, name: str, act: Act) -> None:
    """Make a registry.

    Raises:
        NameTaken: there is one of this name.
    """
    if _find(txn, keys.NO_REGISTRY, name) is not None:
        raise NameTaken(name)
    draft, event = Draft(), history.next_event(txn)
    number = txn.next_id(Numbered.OBJECT)
    _draft_name(draft, keys.NO_REGISTRY, name, number, event)
    draft.put(Table.REGISTRIES, keys.id_key(number), RegistryRecord(event, name).encode())
    history.append(draft, event, Kind.CREATE, act, txn.at, (), concerns=(number,))
    draft.write(txn)


def delete_registry(txn: WriteTxn, name: str, act: Act, *, force: bool) -> None:
    """Take a registry's name away and put its id on the dead list; a sweeper does the rest.

    Raises:
        RegistryUnknown: there is none of this name.
        RegistryNotEmpty: it has repositories, and `force` is false.
    """
    number = get_registry(txn, name)
    if not force:
        repositories = sum(1 for _ in txn.scan(Table.NAMES, keys.name_key(number)))
        if repositories:
            raise RegistryNotEmpty(name, repositories)
    draft, event = Draft(), history.next_event(txn)
    draft.delete(Table.NAMES, keys.name_key(keys.NO_REGISTRY, name))
    draft.put(
        Table.NAMES_LOG,
        keys.names_log_key(keys.NO_REGISTRY, name, event),
        NamingRecord(number, Naming.DELETED).encode(),
    )
    draft.put(Table.DEAD, keys.id_key(number), DeadRecord(txn.at, event).encode())
    history.append(draft, event, Kind.DELETE, act, txn.at, (), concerns=(number,))
    draft.write(txn)


def iter_registries(txn: ReadTxn, after: str = "") -> Iterator[tuple[str, int]]:
    """Stream names and ids of the registries beyond `after`, by name."""
    return iter_repositories(txn, keys.NO_REGISTRY, after)


def iter_repositories(txn: ReadTxn, registry: int, after: str = "") -> Iterator[tuple[str, int]]:
    """Stream names and ids of a registry's repositories beyond `after`, by name."""
    start = keys.name_key(registry, after) if after else None
    for key, value in txn.scan(Table.NAMES, keys.id_key(registry), after=start):
        yield key[8:].decode(), decoded(IdRecord.decode, Table.NAMES, key, value).id


def registry_record(txn: ReadTxn, number: int) -> RegistryRecord:
    """Return the row of a registry, also of a dead one."""
    key = keys.id_key(number)
    value = txn.get(Table.REGISTRIES, key)
    assert value is not None, f"registry {number} is named, but is not there"
    return decoded(RegistryRecord.decode, Table.REGISTRIES, key, value)


def repository_record(txn: ReadTxn, number: int) -> RepositoryRecord:
    """Return the row of a repository, also of a dead one."""
    key = keys.id_key(number)
    value = txn.get(Table.REPOSITORIES, key)
    assert value is not None, f"repository {number} is named, but is not there"
    return decoded(RepositoryRecord.decode, Table.REPOSITORIES, key, value)


def is_reachable(txn: ReadTxn, number: int, record: RepositoryRecord) -> bool:
    """Tell whether a repository's name leads to it: neither it nor its registry was deleted."""
    registry = registry_record(txn, record.registry)
    return (
        _find(txn, keys.NO_REGISTRY, registry.name) == record.registry
        and _find(txn, record.registry, record.name) == number
    )


def full_name(txn: ReadTxn, number: int) -> str:
    """Return `registry/repository` of a repository, or the name of a registry, dead or alive."""
    key = keys.id_key(number)
    value = txn.get(Table.REPOSITORIES, key)
    if value is None:
        return registry_record(txn, number).name
    record = decoded(RepositoryRecord.decode, Table.REPOSITORIES, key, value)
    return f"{registry_record(txn, record.registry).name}/{record.name}"


def side_name(txn: ReadTxn, side: OtherSide) -> str:
    """Return `registry/repository[:tag]` of one side of a promotion."""
    name = full_name(txn, side.repository)
    return f"{name}:{side.tag}" if side.tag else name


def bearers(txn: ReadTxn, registry: int, name: str) -> list[Interval]:
    """Return which ids bore a name in a registry (id 0: which registries bore it), oldest first."""
    intervals: list[Interval] = []
    for key, value in txn.scan(Table.NAMES_LOG, keys.names_log_prefix(registry, name)):
        event = keys.last_id(key)
        record = decoded(NamingRecord.decode, Table.NAMES_LOG, key, value)
        if record.naming is Naming.CREATED:
            intervals.append(Interval(record.id, event, None))
        elif intervals:
            intervals[-1] = intervals[-1]._replace(end=event)
    return intervals


def repository_bearers(txn: ReadTxn, name: RepositoryName) -> list[Interval]:
    """Return which repositories bore `registry/repository`, each clipped to when it did.

    Raises:
        RegistryUnknown, RepositoryUnknown: none ever did.
    """
    registries = bearers(txn, keys.NO_REGISTRY, name.registry)
    if not registries:
        raise RegistryUnknown(name.registry)
    intervals = [
        _clipped(inner, outer)
        for outer in registries
        for inner in bearers(txn, outer.id, name.repository)
    ]
    if not intervals:
        raise RepositoryUnknown(str(name))
    return intervals


def _clipped(inner: Interval, outer: Interval) -> Interval:
    ends = [end for end in (inner.end, outer.end) if end is not None]
    return Interval(inner.id, max(inner.start, outer.start), min(ends) if ends else None)


def _find(txn: ReadTxn, registry: int, name: str) -> int | None:
    key = keys.name_key(registry, name)
    value = txn.get(Table.NAMES, key)
    return None if value is None else decoded(IdRecord.decode, Table.NAMES, key, value).id


def _draft_name(draft: Draft, registry: int, name: str, number: int, event: int) -> None:
    draft.put(Table.NAMES, keys.name_key(registry, name), IdRecord(number).encode())
    draft.put(
        Table.NAMES_LOG,
        keys.names_log_key(registry, name, event),
        NamingRecord(number, Naming.CREATED).encode(),
    )
