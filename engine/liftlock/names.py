"""Registries and repositories: which id a name stands for now.

An id never changes and is never used again. A name is a row that points to one, so that what
happens to a name (`naming.py`) is a few rows, whatever the size of what bears it.
"""

from __future__ import annotations

from collections.abc import Iterator

from liftlock import naming
from liftlock.errors import RegistryUnknown, RepositoryUnknown
from liftlock.metadata import keys
from liftlock.metadata.contract import Numbered, ReadTxn, Table, WriteTxn
from liftlock.metadata.counts import NO_COUNTS, ONE_REPOSITORY, Counts
from liftlock.metadata.draft import Draft
from liftlock.metadata.records import (
    FoundRepository,
    IdRecord,
    Naming,
    RegistryRecord,
    RepositoryRecord,
    decoded,
    required,
)
from liftlock.oci.reference import RepositoryName


def find_registry(txn: ReadTxn, name: str) -> int | None:
    """Return a registry's id, or None."""
    memo = txn.memo
    try:
        number: int | None = memo[name]
    except KeyError:
        number = memo[name] = _find(txn, keys.NO_REGISTRY, name)
    return number


def get_registry(txn: ReadTxn, name: str) -> int:
    """Return a registry's id.

    Raises:
        RegistryUnknown: no registry bears this name.
    """
    number = find_registry(txn, name)
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
    memo, key = txn.memo, (registry, name)
    try:
        found: FoundRepository | None = memo[key]
    except KeyError:
        number = _find(txn, registry, name)
        found = None
        if number is not None:
            found = FoundRepository(number, repository_record(txn, number))
        memo[key] = found
    return found


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
    return draft_repository(draft, get_registry(txn, name.registry), name.repository, number, event)


def draft_repository(
    draft: Draft,
    registry: int,
    name: str,
    number: int,
    event: int,
    counts: Counts = ONE_REPOSITORY,
) -> FoundRepository:
    """Draft a repository under a fresh id: empty, or with another's counts and rows to come."""
    record = RepositoryRecord(registry, 0, event, NO_COUNTS, name)
    naming.draft_name(draft, registry, name, number, event, Naming.CREATED)
    draft.touch(number, record, counts)
    return FoundRepository(number, record)


def iter_registries(txn: ReadTxn, after: str = "") -> Iterator[tuple[str, int]]:
    """Stream names and ids of the registries beyond `after`, by name."""
    return iter_repositories(txn, keys.NO_REGISTRY, after)


def iter_repositories(txn: ReadTxn, registry: int, after: str = "") -> Iterator[tuple[str, int]]:
    """Stream names and ids of a registry's repositories beyond `after`, by name."""
    start = keys.name_key(registry, after) if after else None
    for key, value in txn.scan(Table.NAMES, keys.id_key(registry), after=start):
        yield keys.behind_id(key).decode(), decoded(IdRecord.decode, Table.NAMES, key, value).id


def iter_below(txn: ReadTxn, registry: int, path: str) -> Iterator[str]:
    """Stream the names of a registry's repositories that begin with `path`, in byte order."""
    for key, _ in txn.scan(Table.NAMES, keys.name_key(registry, path)):
        yield keys.behind_id(key).decode()


def registry_record(txn: ReadTxn, number: int) -> RegistryRecord:
    """Return the row of a registry that some row names, also of a dead one.

    Raises:
        RecordCorrupt: it is damaged, or missing.
    """
    key = keys.id_key(number)
    value = txn.get(Table.REGISTRIES, key)
    return required(RegistryRecord.decode, Table.REGISTRIES, key, value)


def repository_record(txn: ReadTxn, number: int) -> RepositoryRecord:
    """Return the row of a repository that some row names, also of a dead one.

    Raises:
        RecordCorrupt: it is damaged, or missing.
    """
    key = keys.id_key(number)
    value = txn.get(Table.REPOSITORIES, key)
    return required(RepositoryRecord.decode, Table.REPOSITORIES, key, value)


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


def _find(txn: ReadTxn, registry: int, name: str) -> int | None:
    key = keys.name_key(registry, name)
    value = txn.get(Table.NAMES, key)
    return None if value is None else decoded(IdRecord.decode, Table.NAMES, key, value).id
