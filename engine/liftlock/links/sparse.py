"""What a sparse manifest names and its repository lacks: named there, and no more than that.

Such are an index's children, and an image's config and layers. Of each such pair there are two
rows: the holder row that only names, as of a foreign layer, and one in `sparse`, where what a
repository lacks is one short range, however much it has. A foreign layer is never listed there.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence

from liftlock.errors import RecordCorrupt
from liftlock.links.holders import put_holder
from liftlock.links.reading import among
from liftlock.links.stored import find_blobs
from liftlock.metadata import keys
from liftlock.metadata.contract import ReadTxn, Table
from liftlock.metadata.draft import Draft


def name_absent(
    draft: Draft, repository: int, kind: bytes, digests: Collection[bytes], holder: bytes
) -> None:
    """Draft that a manifest, the holder, names content that its repository lacks, and list that."""
    name_only(draft, repository, kind, digests, holder)
    _, parent = keys.split_parent(holder)
    listed = [keys.sparse_key(repository, kind, digest, parent) for digest in digests]
    draft.put_bare(Table.SPARSE, listed)


def name_only(
    draft: Draft, repository: int, kind: bytes, digests: Collection[bytes], holder: bytes
) -> None:
    """Draft that a manifest names content without listing it, as of foreign layers."""
    rows = [keys.naming_key(repository, kind, digest, holder) for digest in digests]
    draft.put_bare(Table.HOLDERS, rows)


def bring_in(txn: ReadTxn, draft: Draft, repository: int, waiting: Collection[bytes]) -> None:
    """Make the rows grant that name content, now that it comes in.

    Args:
        txn: the snapshot.
        draft: gets the rows.
        repository: where.
        waiting: the content, as rows say that grant it.
    """
    if not waiting:
        return
    # Bounded: as many rows as there are manifests in the repository that name what is absent.
    # Whether they do as of a foreign layer, and so do not list it, their row does not say.
    ordered = sorted(waiting)
    prefixes = [
        keys.naming_prefix(repository, keys.held_kind(held), keys.held_digest(held))
        for held in ordered
    ]
    for held, rows in zip(ordered, txn.scan_many(Table.HOLDERS, prefixes), strict=True):
        for key, _ in rows:
            complete(draft, repository, held, keys.split_holder(key).holder)


def complete(draft: Draft, repository: int, held: bytes, holder: bytes) -> None:
    """Make the row grant by which a manifest has named content that was absent then.

    The row may be written, or in this draft, for content that it took for absent.
    """
    forget_absent(draft, repository, keys.held_kind(held), keys.held_digest(held), holder)
    put_holder(draft, repository, held, holder)


def forget_absent(draft: Draft, repository: int, kind: bytes, digest: bytes, holder: bytes) -> None:
    """Draft that a manifest names something absent no more: the manifest goes, or that came."""
    draft.delete(Table.HOLDERS, keys.naming_key(repository, kind, digest, holder))
    _, parent = keys.split_parent(holder)
    draft.delete(Table.SPARSE, keys.sparse_key(repository, kind, digest, parent))


def sparse_among(txn: ReadTxn, repositories: Sequence[int]) -> set[int]:
    """Return those of some repositories that lack anything listed: nearly everywhere, none."""
    prefixes = [keys.sparse_prefix(repository) for repository in repositories]
    rows = zip(repositories, txn.first_many(Table.SPARSE, prefixes), strict=True)
    return {repository for repository, row in rows if row is not None}


def awaited(
    txn: ReadTxn, repository: int, manifests: Sequence[bytes]
) -> dict[bytes, tuple[bytes, ...]]:
    """Return those of some manifests that are named there while absent, and the indexes that do."""
    if repository not in sparse_among(txn, (repository,)):
        return {}
    prefixes = [keys.sparse_prefix(repository, keys.MANIFEST, manifest) for manifest in manifests]
    found = zip(manifests, txn.scan_many(Table.SPARSE, prefixes), strict=True)
    return {
        manifest: tuple(keys.split_sparse(key)[2] for key, _ in rows)
        for manifest, rows in found
        if rows
    }


def iter_absent(txn: ReadTxn, repository: int) -> Iterator[tuple[bytes, bytes]]:
    """Stream kind and digest of what a repository's manifests name and it lacks; each once."""
    before: tuple[bytes, bytes] | None = None
    for key, _ in txn.scan(Table.SPARSE, keys.sparse_prefix(repository)):
        kind, digest, _ = keys.split_sparse(key)
        if (kind, digest) != before:
            yield kind, digest
        before = kind, digest


def absent_at(
    txn: ReadTxn, source: int, blobs: Sequence[bytes], held: Mapping[bytes, bytes]
) -> frozenset[bytes]:
    """Return those of some blobs that a repository, whose manifests name them all, lacks.

    Raises:
        RecordCorrupt: one is neither there nor named as absent: its record is damaged, or lost. It
            would be named as absent for good.
    """
    there = {blob: held[blob] for blob in blobs if blob in held}
    granted, named = among(txn, source, blobs, there)
    absent = frozenset(blobs).difference(granted)
    if lost := sorted(absent - named):
        find_blobs(txn, lost)
        raise RecordCorrupt(Table.BLOBS, lost[0], "it is lost")
    return absent
