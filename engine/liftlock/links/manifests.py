"""Manifests: linked with what they name, and unlinked again."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Final, NamedTuple

from blake3 import blake3

from liftlock.links.holders import drop_hold, drop_holder, put_hold, put_holder
from liftlock.links.sparse import forget_absent, name_absent, name_only
from liftlock.links.stored import find_held
from liftlock.metadata import codec, keys
from liftlock.metadata.contract import ReadTxn, Table
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


class ParentRow(NamedTuple):
    """A row by which a manifest holds, or only names, something."""

    key: bytes
    held: bytes
    """What keys say of that, if they grant it."""


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
    held: Mapping[bytes, bytes],
) -> None:
    """Link a manifest that is new to the repository, and make it hold what it names.

    Args:
        draft: gets the rows.
        repository: where.
        digest: which manifest.
        edges: whom it names.
        link: media type and event.
        absent: what is absent, of those it names among others.
        held: of the blobs that are there, also among others, what keys say of them.
    """
    number, holder = repository.id, keys.by_parent(link.event, digest)
    draft.put(Table.LINKS, keys.link_key(number, digest), link.encode())
    if edges.children:
        children: Sequence[bytes] = edges.children
        if absent.children:
            not_there, children = _parted(children, absent.children)
            name_absent(draft, number, keys.MANIFEST, not_there, holder)
        _hold(draft, number, map(keys.held_manifest, children), holder)
    if edges.blobs:
        blobs: Sequence[bytes] = edges.blobs
        if absent.blobs:
            not_there, blobs = _parted(blobs, absent.blobs)
            name_absent(draft, number, keys.BLOB, not_there, holder)
        _hold(draft, number, [held[blob] for blob in blobs], holder)
    if edges.foreign:
        not_there, there = _parted(edges.foreign, absent.blobs)
        name_only(draft, number, keys.BLOB, not_there, holder)
        _hold(draft, number, [held[blob] for blob in there], holder)
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
    put_hold(draft, repository.id, keys.held_manifest(digest), at)
    draft.touch(repository.id, repository.record)


def join_subject(draft: Draft, repository: int, subject: bytes, referrer: bytes) -> None:
    """Make a linked subject hold a linked referrer; whichever of them comes second calls this."""
    put_holder(draft, repository, keys.held_manifest(referrer), keys.BY_SUBJECT + subject)


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
    present: Iterable[ParentRow],
    referrers: Iterable[bytes],
) -> list[bytes]:
    """Remove a manifest's link and the holder rows that are its own.

    Args:
        draft: gets the rows.
        repository: where.
        digest: which manifest.
        edges: whom it names.
        present: its rows as a parent, as `parent_rows` found them.
        referrers: the linked manifests whose subject it is.

    Returns:
        What lost a granting holder by it, as keys say. What becomes of that (a hold, or nothing) is
        for the caller to draft.
    """
    lost: list[bytes] = []
    for key, held in present:
        draft.delete(Table.HOLDERS, key)
        _, grant, holder = keys.split_holder(key)
        if grant == keys.GRANTS:
            lost.append(held)
            continue
        named = keys.held_digest(held)
        if named not in edges.foreign:
            forget_absent(draft, repository.id, keys.held_kind(held), named, holder)
        # An undo may bring in what was absent, and so has made this row grant in the same draft.
        granting = keys.holder_key(repository.id, held, holder)
        if draft.is_put(Table.HOLDERS, granting):
            draft.delete(Table.HOLDERS, granting)
    for referrer in map(keys.held_manifest, referrers):
        drop_holder(draft, repository.id, referrer, keys.BY_SUBJECT + digest)
        lost.append(referrer)
    draft.delete(Table.LINKS, keys.link_key(repository.id, digest))
    own = keys.held_manifest(digest)
    drop_hold(draft, repository.id, own)
    if edges.subject is not None:
        draft.delete(Table.REFERRERS, _referrer_key(repository.id, digest, edges))
        drop_holder(draft, repository.id, own, keys.BY_SUBJECT + edges.subject)
    draft.touch(repository.id, repository.record, Counts(manifests=-1))
    return lost


def parent_rows(
    txn: ReadTxn, repository: int, parents: Sequence[tuple[bytes, int, Edges]]
) -> list[list[ParentRow]]:
    """Return the rows by which manifests hold what they name: two look-ups for all.

    Of each manifest are given its digest, the event of its link there, and whom it names.
    """
    every = {blob: None for _, _, edges in parents for blob in (*edges.blobs, *edges.foreign)}
    known = find_held(txn, list(every))
    wanted: list[ParentRow] = []
    owners: list[int] = []
    for owner, (digest, event, edges) in enumerate(parents):
        holder = keys.by_parent(event, digest)
        for held in _named(edges, known):
            named = keys.held_kind(held), keys.held_digest(held)
            wanted.append(ParentRow(keys.holder_key(repository, held, holder), held))
            wanted.append(ParentRow(keys.naming_key(repository, *named, holder), held))
            owners += (owner, owner)
    rows: list[list[ParentRow]] = [[] for _ in parents]
    values = txn.get_many(Table.HOLDERS, [row.key for row in wanted])
    for owner, row, value in zip(owners, wanted, values, strict=True):
        if value is not None:
            rows[owner].append(row)
    return rows


def _hold(draft: Draft, repository: int, held: Iterable[bytes], holder: bytes) -> None:
    draft.put_bare(Table.HOLDERS, keys.holder_keys(repository, held, holder))


def _parted(named: Sequence[bytes], absent: Collection[bytes]) -> tuple[list[bytes], list[bytes]]:
    """Part what is absent from the rest."""
    return [n for n in named if n in absent], [n for n in named if n not in absent]


def _named(edges: Edges, known: Mapping[bytes, bytes]) -> list[bytes]:
    """Return what keys say of all that a manifest names; of a blob without a record, as of none."""
    return [
        *map(keys.held_manifest, edges.children),
        *(
            known.get(blob) or keys.held_blob(keys.NO_NUMBER, blob)
            for blob in (*edges.blobs, *edges.foreign)
        ),
    ]


def _referrer_key(repository: int, digest: bytes, edges: Edges) -> bytes:
    assert edges.subject is not None
    return keys.referrer_key(repository, edges.subject, type_hash(edges.artifact_type), digest)
