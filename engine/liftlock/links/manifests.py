"""Manifests: linked with what they name, and unlinked again."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from typing import Final, NamedTuple

from blake3 import blake3

from liftlock.links.holders import drop_holder, put_hold, put_holder
from liftlock.links.sparse import forget_absent, name_absent
from liftlock.metadata import codec, keys
from liftlock.metadata.contract import ReadTxn, Row, Table
from liftlock.metadata.counts import Counts
from liftlock.metadata.draft import Draft
from liftlock.metadata.records import FoundRepository, LinkRecord, ManifestRecord
from liftlock.oci.manifest import Edges

ONE_MANIFEST: Final = Counts(manifests=1)
TYPE_BYTES: Final = 16
"""Of what stands for an artifact type."""
_NO_TYPE: Final = bytes(TYPE_BYTES)


class Absent(NamedTuple):
    """What a repository lacks of that which manifests name, and does not get either."""

    blobs: Collection[bytes] = ()
    """Configs and layers, foreign ones among them."""
    children: Collection[bytes] = ()
    """Of indexes."""


NOTHING_ABSENT: Final = Absent()


def type_hash(artifact_type: str | None) -> bytes:
    """Return what stands for an artifact type in the keys of `referrers`."""
    return blake3(artifact_type.encode()).digest(TYPE_BYTES) if artifact_type else _NO_TYPE


def link_manifest(
    draft: Draft,
    repository: FoundRepository,
    digest: bytes,
    edges: Edges,
    link: LinkRecord,
    absent: Absent,
) -> None:
    """Link a manifest that is new to the repository, and make it hold what it names.

    Args:
        draft: gets the rows.
        repository: where.
        digest: which manifest.
        edges: whom it names.
        link: media type and event.
        absent: what is absent, of those it names among others.
    """
    number, holder = repository.id, keys.by_parent(link.event, digest)
    draft.put(Table.LINKS, keys.link_key(number, digest), link.encode())
    if edges.children:
        _hold(draft, number, keys.MANIFEST, edges.children, absent.children, holder)
    if edges.blobs:
        _hold(draft, number, keys.BLOB, edges.blobs, absent.blobs, holder)
    if edges.foreign:
        _hold(draft, number, keys.BLOB, edges.foreign, absent.blobs, holder, is_foreign=True)
    if edges.subject is not None:
        draft.put(Table.REFERRERS, _referrer_key(repository.id, digest, edges))
    draft.touch(repository.id, repository.record, ONE_MANIFEST)


def retype(
    draft: Draft,
    repository: FoundRepository,
    digest: bytes,
    link: LinkRecord,
    media_type: str,
    at: int,
) -> None:
    """Change the media type of a manifest that is linked and was pushed as another one.

    The event of its link stays, since rows that it holds others by have it. That somebody pushed
    it after that event, an undo is told by a hold.
    """
    changed = LinkRecord(link.event, media_type)
    draft.put(Table.LINKS, keys.link_key(repository.id, digest), changed.encode())
    put_hold(draft, repository.id, keys.MANIFEST, digest, at)
    draft.touch(repository.id, repository.record)


def join_subject(draft: Draft, repository: int, subject: bytes, referrer: bytes) -> None:
    """Make a linked subject hold a linked referrer; whichever of them comes second calls this."""
    put_holder(draft, repository, keys.MANIFEST, referrer, keys.BY_SUBJECT + subject)


def put_body(txn: ReadTxn, draft: Draft, digest: bytes, body: bytes, *, is_linked: bool) -> None:
    """Store a manifest's bytes. Harmless when repeated, and mends a damaged row.

    Args:
        txn: the snapshot.
        draft: gets the row.
        digest: of the bytes.
        body: the bytes.
        is_linked: whether some repository is known to have it: then it is stored, and counted.
    """
    if not is_linked and txn.get(Table.MANIFESTS, digest) is None:
        draft.add(keys.NO_REGISTRY, ONE_MANIFEST)
    encoding, packed = codec.pack(body)
    draft.put(Table.MANIFESTS, digest, ManifestRecord(encoding, 0, len(body), packed).encode())


def unlink_manifest(
    draft: Draft,
    repository: FoundRepository,
    digest: bytes,
    edges: Edges,
    present: Iterable[Row],
    referrers: Iterable[bytes],
) -> list[tuple[bytes, bytes]]:
    """Remove a manifest's link and the holder rows that are its own.

    Args:
        draft: gets the rows.
        repository: where.
        digest: which manifest.
        edges: whom it names.
        present: its rows as a parent, as `parent_rows` found them.
        referrers: the linked manifests whose subject it is.

    Returns:
        Kind and digest of all that lost a granting holder by it. What becomes of that (a hold,
        or nothing) is for the caller to draft.
    """
    lost: list[tuple[bytes, bytes]] = []
    for key, _ in present:
        draft.delete(Table.HOLDERS, key)
        _, kind, named, grant, holder = keys.split_holder(key)
        if grant == keys.GRANTS:
            lost.append((kind, named))
            continue
        if named not in edges.foreign:
            forget_absent(draft, repository.id, kind, named, holder)
        # An undo may bring in what was absent, and so has made this row grant in the same draft.
        granting = keys.holder_key(repository.id, kind, named, keys.GRANTS, holder)
        if draft.is_put(Table.HOLDERS, granting):
            draft.delete(Table.HOLDERS, granting)
    for referrer in referrers:
        drop_holder(draft, repository.id, keys.MANIFEST, referrer, keys.BY_SUBJECT + digest)
        lost.append((keys.MANIFEST, referrer))
    draft.delete(Table.LINKS, keys.link_key(repository.id, digest))
    drop_holder(draft, repository.id, keys.MANIFEST, digest, keys.BY_HOLD)
    if edges.subject is not None:
        draft.delete(Table.REFERRERS, _referrer_key(repository.id, digest, edges))
        drop_holder(draft, repository.id, keys.MANIFEST, digest, keys.BY_SUBJECT + edges.subject)
    draft.touch(repository.id, repository.record, Counts(manifests=-1))
    return lost


def parent_rows(
    txn: ReadTxn, repository: int, parents: Sequence[tuple[bytes, int, Edges]]
) -> list[list[Row]]:
    """Return the rows by which manifests hold what they name: one look-up for all.

    Of each manifest are given its digest, the event of its link there, and whom it names.
    """
    wanted: list[bytes] = []
    owners: list[int] = []
    for owner, (digest, event, edges) in enumerate(parents):
        holder = keys.by_parent(event, digest)
        for kind, named in _named(edges):
            for grant in (keys.GRANTS, keys.NAMES_ONLY):
                wanted.append(keys.holder_key(repository, kind, named, grant, holder))
                owners.append(owner)
    rows: list[list[Row]] = [[] for _ in parents]
    values = txn.get_many(Table.HOLDERS, wanted)
    for owner, key, value in zip(owners, wanted, values, strict=True):
        if value is not None:
            rows[owner].append((key, value))
    return rows


def _hold(
    draft: Draft,
    repository: int,
    kind: bytes,
    named: Collection[bytes],
    absent: Collection[bytes],
    holder: bytes,
    *,
    is_foreign: bool = False,
) -> None:
    """Make a manifest, the holder, hold what is there of what it names; it only names the rest."""
    if absent:
        not_there = [digest for digest in named if digest in absent]
        if is_foreign:
            rows = keys.holder_keys(repository, kind, not_there, keys.NAMES_ONLY, holder)
            draft.put_bare(Table.HOLDERS, rows)
        else:
            name_absent(draft, repository, kind, not_there, holder)
        named = [digest for digest in named if digest not in absent]
    rows = keys.holder_keys(repository, kind, named, keys.GRANTS, holder)
    draft.put_bare(Table.HOLDERS, rows)


def _named(edges: Edges) -> list[tuple[bytes, bytes]]:
    return [
        *((keys.MANIFEST, child) for child in edges.children),
        *((keys.BLOB, blob) for blob in edges.blobs),
        *((keys.BLOB, blob) for blob in edges.foreign),
    ]


def _referrer_key(repository: int, digest: bytes, edges: Edges) -> bytes:
    assert edges.subject is not None
    return keys.referrer_key(repository, edges.subject, type_hash(edges.artifact_type), digest)
