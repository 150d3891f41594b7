"""The past of names: which id bore a name and when, and what an id was called then.

A repository keeps its id when it is renamed, so its history goes along; asked for by name, the
history is that of every id that bore the name, each for the time in which it did.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import NamedTuple

from liftlock import history
from liftlock.errors import RecordCorrupt, RegistryUnknown, RepositoryUnknown
from liftlock.metadata import keys
from liftlock.metadata.contract import ReadTxn, Table
from liftlock.metadata.records import (
    BEGINS,
    Action,
    NamingRecord,
    OtherSide,
    RepositoryLogRecord,
    decoded,
)
from liftlock.names import full_name, registry_record, repository_record
from liftlock.oci.reference import RepositoryName


class Interval(NamedTuple):
    """An id bore a name from one event to another, both included; None: to this day."""

    id: int
    start: int
    end: int | None


class Logged(NamedTuple):
    """What happened to a repository as a whole, and by which event."""

    event: int
    record: RepositoryLogRecord


def bearers(txn: ReadTxn, registry: int, name: str) -> list[Interval]:
    """Return which ids bore a name in a registry (id 0: which registries bore it), oldest first."""
    rows = txn.scan(Table.NAMES_LOG, keys.names_log_prefix(registry, name))
    return _intervals(
        (keys.last_id(key), decoded(NamingRecord.decode, Table.NAMES_LOG, key, value))
        for key, value in rows
    )


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


def registry_bearers(txn: ReadTxn, name: str) -> list[Interval]:
    """Return which registries bore a name, and which repositories were in them, and when.

    Raises:
        RegistryUnknown: none ever did.
    """
    registries = bearers(txn, keys.NO_REGISTRY, name)
    if not registries:
        raise RegistryUnknown(name)
    inside = []
    for registry in registries:
        logs: dict[str, list[tuple[int, NamingRecord]]] = {}
        for key, value in txn.scan(Table.NAMES_LOG, keys.id_key(registry.id)):
            record = decoded(NamingRecord.decode, Table.NAMES_LOG, key, value)
            logs.setdefault(keys.split_name(key)[1], []).append((keys.last_id(key), record))
        inside += [_clipped(one, registry) for log in logs.values() for one in _intervals(log)]
    return [*registries, *inside]


def iter_names(txn: ReadTxn, registry: int, path: str) -> Iterator[str]:
    """Stream the names beginning with `path` that some repository of a registry ever bore."""
    known = None
    for key, _ in txn.scan(Table.NAMES_LOG, keys.name_key(registry, path)):
        name = keys.split_name(key)[1]
        if name != known:
            known = name
            yield name


def iter_log(txn: ReadTxn, repository: int, *, before: int | None = None) -> Iterator[Logged]:
    """Stream what happened to a repository as a whole, newest first."""
    prefix = keys.id_key(repository)
    after = None if before is None else prefix + keys.id_key(before)
    for key, value in txn.scan(Table.REPOSITORY_LOG, prefix, after=after, reverse=True):
        record = decoded(RepositoryLogRecord.decode, Table.REPOSITORY_LOG, key, value)
        yield Logged(keys.last_id(key), record)


def get_log(txn: ReadTxn, repository: int, *, before: int) -> Logged:
    """Return what happened last to a repository as a whole before an event that it outlived.

    Raises:
        RecordCorrupt: the row is damaged, or missing.
    """
    for logged in iter_log(txn, repository, before=before):
        return logged
    key = keys.repository_log_key(repository, before)
    raise RecordCorrupt(Table.REPOSITORY_LOG, key, "the rows before it are missing")


def name_at(txn: ReadTxn, number: int, event: int) -> str:
    """Return what a repository was called when `event` had happened (a registry: is called)."""
    for logged in iter_log(txn, number, before=event + 1):
        registry = registry_record(txn, logged.record.registry)
        return f"{registry.name}/{logged.record.name}"
    return full_name(txn, number)


def side_at(txn: ReadTxn, side: OtherSide, event: int) -> str:
    """Return `registry/repository[:tag]` of one side of a promotion, as it was called then."""
    name = name_at(txn, side.repository, event)
    return f"{name}:{side.tag}" if side.tag else name


def digest_at(txn: ReadTxn, repository: int, tag: str, event: int) -> bytes | None:
    """Return where a tag was once `event` had happened, from the history alone."""
    while True:
        for number in history.iter_tag_events(txn, repository, tag, before=event + 1):
            return history.get_item(txn, repository, tag, number).record.new
        # It may have begun as a copy of another, as that was before.
        born = repository_record(txn, repository).born
        items = history.iter_whole_items(txn, repository, born)
        origin = next((i.record.other for i in items if i.record.action is Action.COPIED), None)
        if origin is None or born > event:
            return None
        repository, event = origin.repository, born - 1


def last_naming(txn: ReadTxn, registry: int, name: str) -> tuple[int, NamingRecord] | None:
    """Return what happened to a name last, and by which event."""
    prefix = keys.names_log_prefix(registry, name)
    for key, value in txn.scan(Table.NAMES_LOG, prefix, reverse=True, limit=1):
        return keys.last_id(key), decoded(NamingRecord.decode, Table.NAMES_LOG, key, value)
    return None


def _intervals(log: Iterable[tuple[int, NamingRecord]]) -> list[Interval]:
    intervals: list[Interval] = []
    for event, record in log:
        # Where one took the name from another in the same event, only that is logged.
        if intervals and intervals[-1].end is None:
            intervals[-1] = intervals[-1]._replace(end=event)
        if record.naming in BEGINS:
            intervals.append(Interval(record.id, event, None))
    return intervals


def _clipped(inner: Interval, outer: Interval) -> Interval:
    ends = [end for end in (inner.end, outer.end) if end is not None]
    return Interval(inner.id, max(inner.start, outer.start), min(ends) if ends else None)
