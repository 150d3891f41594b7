"""What happens to names: they are given, left, lost with a deletion, had again.

An id stays, and its name is a row: so renaming a repository, moving it to another registry, and
deleting it are a few rows, whatever its size. Two logs remember: which id a name stood for, and
what happened to an id (`bearers.py` reads them).
"""

from __future__ import annotations

from liftlock.metadata import keys
from liftlock.metadata.contract import Table
from liftlock.metadata.counts import negated
from liftlock.metadata.draft import Draft
from liftlock.metadata.records import (
    DeadRecord,
    FoundRepository,
    IdRecord,
    Naming,
    NamingRecord,
    RepositoryLogRecord,
    RepositoryRecord,
)


def draft_name(
    draft: Draft, registry: int, name: str, number: int, event: int, naming: Naming
) -> None:
    """Draft that a name of a registry (or a registry's own) stands for an id from now on."""
    draft.put(Table.NAMES, keys.name_key(registry, name), IdRecord(number).encode())
    draft.put(
        Table.NAMES_LOG,
        keys.names_log_key(registry, name, event),
        NamingRecord(number, naming).encode(),
    )
    if registry != keys.NO_REGISTRY:
        log = RepositoryLogRecord(naming, registry, name)
        draft.put(Table.REPOSITORY_LOG, keys.repository_log_key(number, event), log.encode())


def draft_leaving(
    draft: Draft, record: RepositoryRecord, number: int, event: int, naming: Naming
) -> None:
    """Draft that a repository has its name no more."""
    key = keys.name_key(record.registry, record.name)
    if draft.is_put(Table.NAMES, key):
        return  # another takes it in the same event (a swap), which says that this one left
    draft.delete(Table.NAMES, key)
    draft.put(
        Table.NAMES_LOG,
        keys.names_log_key(record.registry, record.name, event),
        NamingRecord(number, naming).encode(),
    )


def draft_renaming(
    draft: Draft, repository: FoundRepository, registry: int, name: str, event: int
) -> None:
    """Draft that a repository bears another name, perhaps in another registry."""
    record = repository.record
    draft_leaving(draft, record, repository.id, event, Naming.MOVED_OUT)
    draft_name(draft, registry, name, repository.id, event, Naming.MOVED_IN)
    draft.touch(repository.id, record._replace(registry=registry, name=name))
    if registry != record.registry:
        draft.add(record.registry, negated(record.counts))
        draft.add(registry, record.counts)


def draft_death(
    draft: Draft, repository: FoundRepository, event: int, since: int, naming: Naming
) -> None:
    """Draft that a repository has no name any more, and is swept some time after `since`.

    Args:
        draft: gets the rows.
        repository: which.
        event: by which event.
        since: milliseconds since 1970.
        naming: why: deleted, or moved out into another repository.
    """
    draft_leaving(draft, repository.record, repository.id, event, naming)
    log = RepositoryLogRecord(naming, repository.record.registry, repository.record.name)
    draft.put(Table.REPOSITORY_LOG, keys.repository_log_key(repository.id, event), log.encode())
    draft.put(Table.DEAD, keys.id_key(repository.id), DeadRecord(since, event).encode())
    draft.add(repository.record.registry, negated(repository.record.counts))
    draft.touch(repository.id, repository.record)


def draft_revival(draft: Draft, repository: FoundRepository, event: int) -> None:
    """Draft that a dead repository, of which nothing was swept, has its name again."""
    record = repository.record
    draft_name(draft, record.registry, record.name, repository.id, event, Naming.MOVED_IN)
    draft.delete(Table.DEAD, keys.id_key(repository.id))
    draft.add(record.registry, record.counts)
    draft.touch(repository.id, record)


def log_whole(draft: Draft, repository: FoundRepository, event: int, naming: Naming) -> None:
    """Draft that something happened to a whole repository that left its name alone."""
    record = RepositoryLogRecord(naming, repository.record.registry, repository.record.name)
    key = keys.repository_log_key(repository.id, event)
    draft.put(Table.REPOSITORY_LOG, key, record.encode())
