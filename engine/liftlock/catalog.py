"""Registries and repositories as people ask for them: what there is, since when, how much."""

from __future__ import annotations

from itertools import islice

from liftlock import history, names
from liftlock.metadata import keys
from liftlock.metadata.contract import ReadTxn
from liftlock.metadata.counts import NO_COUNTS, Counts, added
from liftlock.model import Page, Registry, Repository, Stats, Usage
from liftlock.oci.reference import RepositoryName


def stats(txn: ReadTxn) -> Stats:
    """Return what the store has: the counters of its registries, and the one of all content.

    Tags and logical bytes are summed over the registries: a counter of all of them would cost
    each promotion another row.
    """
    used = NO_COUNTS
    for _, number in names.iter_registries(txn):
        used = added(used, txn.count(keys.id_key(number)))
    stored = txn.count(keys.id_key(keys.NO_REGISTRY))
    return Stats(
        registries=stored.repositories,
        repositories=used.repositories,
        tags=used.tags,
        manifests=stored.manifests,
        blobs=stored.blobs,
        bytes_logical=used.size,
        bytes_stored=stored.size,
    )


def get_registry(txn: ReadTxn, name: str) -> Registry:
    """Return a registry, or raise RegistryUnknown."""
    return _registry(txn, names.get_registry(txn, name))


def list_registries(txn: ReadTxn, after: str, limit: int) -> Page[Registry]:
    """Return registries beyond `after`, by name."""
    found = list(islice(names.iter_registries(txn, after), limit + 1))
    entries = tuple(_registry(txn, number) for _, number in found[:limit])
    return Page(entries, more=len(found) > limit)


def get_repository(txn: ReadTxn, name: RepositoryName) -> Repository:
    """Return a repository, or raise RegistryUnknown or RepositoryUnknown."""
    return _repository(txn, name, names.get_id(txn, name))


def list_repositories(txn: ReadTxn, registry: str, after: str, limit: int) -> Page[Repository]:
    """Return a registry's repositories beyond `after`, by name, or raise RegistryUnknown."""
    number = names.get_registry(txn, registry)
    found = list(islice(names.iter_repositories(txn, number, after), limit + 1))
    entries = tuple(
        _repository(txn, RepositoryName(registry, name), repository)
        for name, repository in found[:limit]
    )
    return Page(entries, more=len(found) > limit)


def _registry(txn: ReadTxn, number: int) -> Registry:
    record = names.registry_record(txn, number)
    born = history.get_event(txn, record.born).record
    has = txn.count(keys.id_key(number))
    return Registry(record.name, born.at, born.by, has.repositories, _usage(has), record.settings)


def _repository(txn: ReadTxn, name: RepositoryName, number: int) -> Repository:
    record = names.repository_record(txn, number)
    born = history.get_event(txn, record.born).record
    return Repository(name, record.version, born.at, _usage(record.counts))


def _usage(counts: Counts) -> Usage:
    return Usage(counts.tags, counts.manifests, counts.blobs, counts.size)
