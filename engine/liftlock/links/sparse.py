"""Manifests that an index names and its repository lacks: named there, and no more than that.

Of each such pair there are two rows: the holder row that only names, as of a foreign layer, and one
in `sparse`, where what a repository lacks is one short range, however much it has.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence

from liftlock.links.holders import put_holder
from liftlock.metadata import keys
from liftlock.metadata.contract import ReadTxn, Table
from liftlock.metadata.draft import Draft


def name_absent(draft: Draft, repository: int, children: Collection[bytes], parent: bytes) -> None:
    """Draft that an index names children that its repository lacks."""
    holder = keys.BY_PARENT + parent
    rows = keys.holder_keys(repository, keys.MANIFEST, children, keys.NAMES_ONLY, holder)
    draft.put_bare(Table.HOLDERS, rows)
    listed = [keys.sparse_key(repository, child, parent) for child in children]
    draft.put_bare(Table.SPARSE, listed)


def forget_absent(draft: Draft, repository: int, child: bytes, parent: bytes) -> None:
    """Draft that an index names an absent child no more: the index goes, or the child came."""
    holder = keys.BY_PARENT + parent
    row = keys.holder_key(repository, keys.MANIFEST, child, keys.NAMES_ONLY, holder)
    draft.delete(Table.HOLDERS, row)
    draft.delete(Table.SPARSE, keys.sparse_key(repository, child, parent))


def awaited(
    txn: ReadTxn, repository: int, manifests: Sequence[bytes]
) -> dict[bytes, tuple[bytes, ...]]:
    """Return those of some manifests that are named there while absent, and the indexes that do."""
    if txn.first_many(Table.SPARSE, (keys.sparse_prefix(repository),))[0] is None:
        return {}  # nearly everywhere
    prefixes = [keys.sparse_prefix(repository, manifest) for manifest in manifests]
    found = zip(manifests, txn.scan_many(Table.SPARSE, prefixes), strict=True)
    return {
        manifest: tuple(keys.split_sparse(key)[1] for key, _ in rows)
        for manifest, rows in found
        if rows
    }


def fill_in(draft: Draft, repository: int, parents: Mapping[bytes, Collection[bytes]]) -> None:
    """Make the rows that name manifests grant, now that these come in.

    Args:
        draft: gets the rows.
        repository: where.
        parents: of each manifest, the indexes that named it while it was absent.
    """
    for child, naming in parents.items():
        for parent in naming:
            forget_absent(draft, repository, child, parent)
            put_holder(draft, repository, keys.MANIFEST, child, keys.BY_PARENT + parent)


def iter_absent(txn: ReadTxn, repository: int) -> Iterator[bytes]:
    """Stream the manifests that a repository's indexes name and it lacks; each once."""
    before = b""
    for key, _ in txn.scan(Table.SPARSE, keys.sparse_prefix(repository)):
        child, _ = keys.split_sparse(key)
        if child != before:
            yield child
        before = child
