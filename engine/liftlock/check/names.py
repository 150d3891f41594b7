"""Do names lead to what bears them, and does the log agree?"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from functools import partial
from typing import Final

from liftlock.check.scan import all_readable, error, in_batches, naming_no_event, readable
from liftlock.metadata import keys
from liftlock.metadata.contract import MetadataStore, ReadTxn, Row, Table
from liftlock.metadata.counts import NO_COUNTS, Counts, added
from liftlock.metadata.records import (
    BEGINS,
    AnswerRecord,
    BareRecord,
    CountsRecord,
    DeadRecord,
    IdRecord,
    Naming,
    NamingRecord,
    RegistryRecord,
    RepositoryLogRecord,
    RepositoryRecord,
    SecretRecord,
)
from liftlock.model import Finding

_READABLE: Final[Mapping[Table, Callable[[bytes], object]]] = {
    Table.DEAD: DeadRecord.decode,
    Table.IDEMPOTENCY: AnswerRecord.decode,
    Table.ENDED: BareRecord.decode,
    Table.SECRETS: SecretRecord.decode,
}
"""Tables of which no more is asked here than that their rows can be read."""
_NAME_STAYS: Final = frozenset({Naming.MERGED, Naming.COPIED})


def check_names(store: MetadataStore) -> Iterator[Finding]:
    """Check `names` against `registries`, `repositories` and `names_log`, and registries' sums."""
    yield from in_batches(store, Table.NAMES, _names)
    yield from in_batches(store, Table.NAMES_LOG, _log)
    yield from in_batches(store, Table.REPOSITORY_LOG, _repository_log)
    for table, decode in _READABLE.items():
        yield from in_batches(store, table, partial(all_readable, decode=decode, table=table))
    yield from store.read(_sums)


def _names(txn: ReadTxn, rows: list[Row]) -> list[Finding]:
    findings: list[Finding] = []
    for row in rows:
        record = readable(IdRecord.decode, Table.NAMES, row, findings)
        if record is None:
            continue
        registry, name = keys.first_id(row[0]), keys.behind_id(row[0]).decode()
        if _bearer(txn, registry, record.id, findings) != (registry, name):
            findings.append(
                error("name-leads-home", name, f"id {record.id} does not know itself by this name")
            )
        latest = next(
            txn.scan(Table.NAMES_LOG, keys.names_log_prefix(registry, name), reverse=True, limit=1),
            None,
        )
        logged = latest and readable(NamingRecord.decode, Table.NAMES_LOG, latest, findings)
        if not logged or logged.id != record.id or logged.naming not in BEGINS:
            findings.append(
                error("name-is-logged", name, f"the log does not say that id {record.id} bears it")
            )
    return findings


def _bearer(
    txn: ReadTxn, registry: int, number: int, findings: list[Finding]
) -> tuple[int, str] | None:
    """Return where an id says that it is, and under which name."""
    key = keys.id_key(number)
    if registry == keys.NO_REGISTRY:
        value = txn.get(Table.REGISTRIES, key)
        found = value and readable(RegistryRecord.decode, Table.REGISTRIES, (key, value), findings)
        return (keys.NO_REGISTRY, found.name) if found else None
    value = txn.get(Table.REPOSITORIES, key)
    known = value and readable(RepositoryRecord.decode, Table.REPOSITORIES, (key, value), findings)
    return (known.registry, known.name) if known else None


def _log(txn: ReadTxn, rows: list[Row]) -> list[Finding]:
    findings: list[Finding] = []
    for row in rows:
        record = readable(NamingRecord.decode, Table.NAMES_LOG, row, findings)
        event = keys.last_id(row[0])
        if txn.get(Table.EVENTS, keys.id_key(event)) is None:
            findings.append(error("log-has-event", f"event {event}", "the names log names it"))
            continue
        if record is None:
            continue
        role_row = keys.repository_history_key(record.id, event)
        if txn.get(Table.REPOSITORY_HISTORY, role_row) is None:
            findings.append(error("item-is-found", f"event {event}", f"not under id {record.id}"))
        registry, name = keys.split_name(row[0])
        bearers = Table.REGISTRIES if registry == keys.NO_REGISTRY else Table.REPOSITORIES
        if txn.get(bearers, keys.id_key(record.id)) is None:
            findings.append(error("log-has-bearer", name, f"id {record.id} has no row"))
        own_row = keys.repository_log_key(record.id, event)
        if registry != keys.NO_REGISTRY and txn.get(Table.REPOSITORY_LOG, own_row) is None:
            findings.append(
                error("logs-agree", name, f"id {record.id} does not know of event {event}")
            )
        if registry != keys.NO_REGISTRY and _is_dead(txn, registry):
            continue
        if record.naming in BEGINS and _is_last(txn, row[0]):
            value = txn.get(Table.NAMES, keys.name_key(registry, name))
            if value is None:
                findings.append(error("name-is-there", name, f"id {record.id} bears it no more"))
    return findings


def _repository_log(txn: ReadTxn, rows: list[Row]) -> list[Finding]:
    said = "a repository's log names it"
    findings = naming_no_event(txn, rows, RepositoryLogRecord.decode, Table.REPOSITORY_LOG, said)
    for row in rows:
        record = readable(RepositoryLogRecord.decode, Table.REPOSITORY_LOG, row, [])
        if record is None or record.naming in _NAME_STAYS:
            continue
        number, event = keys.first_id(row[0]), keys.last_id(row[0])
        names_row = keys.names_log_key(record.registry, record.name, event)
        value = txn.get(Table.NAMES_LOG, names_row)
        named = value and readable(NamingRecord.decode, Table.NAMES_LOG, (names_row, value), [])
        # Where one took the name from another in the same event, only that is logged.
        if value is None or (record.naming in BEGINS and named and named.id != number):
            findings.append(
                error("logs-agree", record.name, f"its log does not say what event {event} was")
            )
    return findings


def _is_dead(txn: ReadTxn, number: int) -> bool:
    """Tell whether a repository or registry was deleted."""
    key = keys.id_key(number)
    if txn.get(Table.DEAD, key) is not None:
        return True
    value = txn.get(Table.REGISTRIES, key)
    if value is None:
        return False
    # What is damaged is found where its own table is checked.
    record = readable(RegistryRecord.decode, Table.REGISTRIES, (key, value), [])
    return record is not None and not _is_named(txn, keys.NO_REGISTRY, record.name, number)


def _is_named(txn: ReadTxn, registry: int, name: str, number: int) -> bool:
    """Tell whether a name leads to what bears it, and not to what came later."""
    key = keys.name_key(registry, name)
    value = txn.get(Table.NAMES, key)
    record = readable(IdRecord.decode, Table.NAMES, (key, value), []) if value else None
    return record is not None and record.id == number


def _has_left(txn: ReadTxn, number: int, record: RepositoryRecord) -> bool:
    """Tell whether a repository lost its name for good, by what its log says."""
    if _is_named(txn, record.registry, record.name, number):
        return False
    for row in txn.scan(Table.REPOSITORY_LOG, keys.id_key(number), reverse=True, limit=1):
        last = readable(RepositoryLogRecord.decode, Table.REPOSITORY_LOG, row, [])
        return last is not None and last.naming in {Naming.DELETED, Naming.MOVED_OUT}
    return False


def _is_last(txn: ReadTxn, key: bytes) -> bool:
    """Tell whether nothing has happened to a name since."""
    prefix = key[: -keys.ID_BYTES]
    return next(txn.scan(Table.NAMES_LOG, prefix, after=key, limit=1), None) is None


def _sums(txn: ReadTxn) -> list[Finding]:
    """Compare each registry's counters with the sum over its repositories, without the dead.

    A repository that is gone, and has content, is on the dead list.
    """
    findings: list[Finding] = []
    sums: dict[int, Counts] = {}
    for row in txn.scan(Table.REPOSITORIES):
        record = readable(RepositoryRecord.decode, Table.REPOSITORIES, row, findings)
        number = keys.first_id(row[0])
        if record is None or _is_dead(txn, number):
            continue
        if any(record.counts) and _has_left(txn, number, record):
            findings.append(error("dead-is-listed", record.name, "it is gone, and has content"))
            continue
        so_far = sums.get(record.registry, NO_COUNTS)
        sums[record.registry] = added(so_far, record.counts)
    unreadable = {
        row[0]
        for row in txn.scan(Table.COUNTERS)
        if readable(CountsRecord.decode, Table.COUNTERS, row, findings) is None
    }
    for row in txn.scan(Table.REGISTRIES):
        registry = readable(RegistryRecord.decode, Table.REGISTRIES, row, findings)
        if row[0] in unreadable:
            continue
        number = keys.first_id(row[0])
        counted, summed = txn.count(row[0]), sums.get(number, NO_COUNTS)
        # A dead registry's repositories are swept one by one, and nobody counts any more.
        is_live = registry is not None and _is_named(txn, keys.NO_REGISTRY, registry.name, number)
        if registry is not None and counted != summed and is_live:
            findings.append(
                error("counts-add-up", registry.name, f"it says {counted}, its parts {summed}")
            )
    return findings
