"""Blobs that the store or a repository gains or loses."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from liftlock import history, names
from liftlock.history import Act
from liftlock.links.holders import put_hold
from liftlock.links.reading import among
from liftlock.links.sparse import bring_in
from liftlock.metadata import keys
from liftlock.metadata.contract import Table, WriteTxn
from liftlock.metadata.counts import Counts
from liftlock.metadata.draft import Draft
from liftlock.metadata.records import AS_A_ROW, BlobRecord, FoundRepository, Kind, SmallRecord
from liftlock.oci.digest import Digest
from liftlock.oci.reference import RepositoryName


def put_blob(
    draft: Draft,
    digest: bytes,
    record: BlobRecord,
    known: BlobRecord | None,
    small: bytes | None = None,
) -> None:
    """Draft a blob's record, in place of the one that is known, which is of the same size.

    It has the same number, which rows know the blob by. With it goes `small`, the bytes of a blob
    that has no file.
    """
    assert known is None or known.number == record.number
    draft.put(Table.BLOBS, digest, record.encode())
    if known is not None and known.encoding == AS_A_ROW:
        draft.delete(Table.SMALL, keys.small_key(known.put_at, digest))
    if small is not None:
        draft.put(Table.SMALL, keys.small_key(record.put_at, digest), SmallRecord(small).encode())
    if known is None:
        draft.add(keys.NO_REGISTRY, Counts(blobs=1, size=record.size))


def gain_blob(
    txn: WriteTxn,
    draft: Draft,
    name: RepositoryName,
    digest: Digest,
    record: BlobRecord,
    act: Act,
) -> None:
    """Draft that a repository has a blob from now on, held; the repository may come to be by it.

    Raises:
        RegistryUnknown: there is no such registry.
    """
    repository = names.find_repository(txn, name)
    if repository is None:
        event = history.next_event(txn)
        repository = names.new_repository(txn, draft, name, event)
        history.append(draft, event, Kind.CREATE, act, txn.at, (), concerns=(repository.id,))
    gain_blobs(txn, draft, repository, {digest.key: record})


def gain_blobs(
    txn: WriteTxn, draft: Draft, repository: FoundRepository, records: Mapping[bytes, BlobRecord]
) -> None:
    """Draft that a repository has some blobs from now on, held. Their records may be drafts."""
    held = {blob: keys.held_blob(keys.id_key(rec.number), blob) for blob, rec in records.items()}
    found = among(txn, repository.id, [*records], held)
    bring_in(txn, draft, repository.id, [held[blob] for blob in found.waiting])
    new = [record.size for blob, record in records.items() if blob not in found.granted]
    count_blobs(draft, repository, new)
    for each in held.values():
        put_hold(draft, repository.id, each, txn.at)


def count_blobs(draft: Draft, repository: FoundRepository, sizes: Sequence[int]) -> None:
    """Add blobs of these sizes, which the repository gains, to its counts."""
    if sizes:
        draft.touch(repository.id, repository.record, Counts(blobs=len(sizes), size=sum(sizes)))


def discount_blobs(draft: Draft, repository: FoundRepository, sizes: Sequence[int]) -> None:
    """Subtract blobs of these sizes, which the repository no longer has, from its counts."""
    if sizes:
        draft.touch(repository.id, repository.record, Counts(blobs=-len(sizes), size=-sum(sizes)))
