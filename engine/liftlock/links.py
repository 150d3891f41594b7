"""Links: which content a repository has, and why. The only module that changes these tables.

A *holder* is a reason why a repository has a digest: a tag, a parent (an index for its children,
a manifest for its blobs), a subject (for its referrers), or a hold, which is dated. Rows are put
without looking, so doing a thing twice is harmless, and no decision rests on a count.

Invariants (docs/format.md):

- A blob can be read in a repository exactly if a granting holder row of it is there; a manifest,
  exactly if its manifest link is.
- For one digest in one repository either all holder rows grant or none does. Rows that only name
  are of content that a manifest mentions and the repository lacks; whatever brings it in makes
  them grant, in the same transaction (`bring_in`).
- Whatever loses a granting holder gets a hold in the same transaction.
- A subject holder is there exactly while subject and referrer are both linked.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Sequence
from typing import Final, NamedTuple

from blake3 import blake3

from liftlock import history, names
from liftlock.history import Act
from liftlock.metadata import codec, keys
from liftlock.metadata.contract import NO_COUNTS, Counts, ReadTxn, Row, Table, WriteTxn
from liftlock.metadata.draft import Draft
from liftlock.metadata.records import (
    BlobRecord,
    FoundRepository,
    HoldRecord,
    Kind,
    LinkRecord,
    ManifestRecord,
    TagRecord,
    blob_size,
    decoded,
    decoded_all,
)
from liftlock.oci.digest import Digest
from liftlock.oci.manifest import Edges
from liftlock.oci.reference import RepositoryName

ONE_TAG: Final[Counts] = (1, 0, 0, 0)
ONE_MANIFEST: Final[Counts] = (0, 1, 0, 0)
_NO_TYPE: Final = bytes(16)


class Presence(NamedTuple):
    """Which of some blobs a repository has, and which rows await those that it lacks."""

    granted: frozenset[bytes]
    waiting: frozenset[bytes]
    """Blobs that are named there while absent: bringing them in changes their rows."""


_NOBODY: Final = Presence(frozenset(), frozenset())


# --- reading --------------------------------------------------------------------------------


def find_tag(txn: ReadTxn, repository: int, tag: str) -> TagRecord | None:
    """Return where a tag points."""
    key = keys.tag_key(repository, tag)
    value = txn.get(Table.TAGS, key)
    return None if value is None else decoded(TagRecord.decode, Table.TAGS, key, value)


def find_tags(txn: ReadTxn, repository: int, tags: Sequence[str]) -> list[TagRecord | None]:
    """Return where tags point, or None each, in the order of `tags`."""
    rows = [keys.tag_key(repository, tag) for tag in tags]
    return decoded_all(TagRecord.decode, Table.TAGS, rows, txn.get_many(Table.TAGS, rows))


def iter_tags(
    txn: ReadTxn, repository: int, prefix: str = "", after: str = ""
) -> Iterator[tuple[str, TagRecord]]:
    """Stream the tags that begin with `prefix` and are beyond `after`, in byte order."""
    start = keys.tag_key(repository, after) if after else None
    for key, value in txn.scan(Table.TAGS, keys.tag_key(repository, prefix), after=start):
        yield key[8:].decode(), decoded(TagRecord.decode, Table.TAGS, key, value)


def find_link(txn: ReadTxn, repository: int, digest: bytes) -> LinkRecord | None:
    """Return a repository's link to a manifest."""
    return find_links(txn, repository, (digest,))[0]


def find_links(txn: ReadTxn, repository: int, digests: Sequence[bytes]) -> list[LinkRecord | None]:
    """Return a repository's links to manifests, or None each, in the order of `digests`."""
    if not digests:
        return []
    rows = [keys.link_key(repository, digest) for digest in digests]
    return decoded_all(LinkRecord.decode, Table.LINKS, rows, txn.get_many(Table.LINKS, rows))


def find_linked(txn: ReadTxn, repository: int, digests: Sequence[bytes]) -> set[bytes]:
    """Return those of some manifests that a repository has."""
    if not digests:
        return set()
    rows = [keys.link_key(repository, digest) for digest in digests]
    found = zip(digests, txn.get_many(Table.LINKS, rows), strict=True)
    return {digest for digest, value in found if value is not None}


def iter_linked(txn: ReadTxn, repository: int) -> Iterator[bytes]:
    """Stream the manifests that a repository has."""
    for key, _ in txn.scan(Table.LINKS, keys.link_key(repository)):
        yield key[8:]


def iter_loose_blobs(txn: ReadTxn, repository: int) -> Iterator[bytes]:
    """Stream the blobs that a repository has, and no manifest there names."""
    loose: bytes | None = None
    before = b""
    for key, _ in txn.scan(Table.HOLDERS, keys.id_key(repository) + keys.BLOB):
        _, _, digest, grant, holder = keys.split_holder(key)
        if digest == before:
            loose = None
            continue
        if loose is not None:
            yield loose
        before = digest
        # A hold is the first of a digest's rows; nothing else holds it if it is the only one.
        loose = digest if grant == keys.GRANTS and holder == keys.BY_HOLD else None
    if loose is not None:
        yield loose


def find_bodies(txn: ReadTxn, digests: Sequence[bytes]) -> list[bytes | None]:
    """Return manifests' bytes, or None each. Access is the caller's question: see `find_links`."""
    return [
        None if value is None else _body(digest, value)
        for digest, value in zip(digests, txn.get_many(Table.MANIFESTS, digests), strict=True)
    ]


def find_blobs(txn: ReadTxn, digests: Sequence[bytes]) -> list[BlobRecord | None]:
    """Return the records of blobs, or None each. Access is the caller's question: `grants`."""
    values = txn.get_many(Table.BLOBS, digests)
    return decoded_all(BlobRecord.decode, Table.BLOBS, digests, values)


def find_sizes(txn: ReadTxn, digests: Sequence[bytes]) -> dict[bytes, int]:
    """Return the sizes of those blobs that have a record."""
    if not digests:
        return {}
    values = txn.get_many(Table.BLOBS, digests)
    return {
        digest: decoded(blob_size, Table.BLOBS, digest, value)
        for digest, value in zip(digests, values, strict=True)
        if value is not None
    }


def grants(txn: ReadTxn, repository: int, kind: bytes, digest: bytes) -> bool:
    """Tell whether a repository has some content: one seek."""
    prefix = keys.granting_prefix(repository, kind, digest)
    return txn.first_many(Table.HOLDERS, (prefix,))[0] is not None


def presence(txn: ReadTxn, repository: int, kind: bytes, digests: Sequence[bytes]) -> Presence:
    """Ask at once which of `digests` a repository has, and which are awaited there."""
    if not digests:
        return _NOBODY
    prefixes = keys.held_prefixes(repository, kind, digests)
    granted: list[bytes] = []
    waiting: list[bytes] = []
    rows = txn.first_many(Table.HOLDERS, prefixes)
    for digest, prefix, row in zip(digests, prefixes, rows, strict=True):
        if row is not None:
            # Either all rows of a digest grant or none does: the first speaks for all.
            (waiting if row[0][len(prefix)] else granted).append(digest)
    return Presence(frozenset(granted), frozenset(waiting))


def referrers_of(
    txn: ReadTxn, repository: int, subjects: Sequence[bytes], *, limit: int | None = None
) -> list[list[bytes]]:
    """Return, for each subject, its referrers (at most `limit`) linked in the repository."""
    prefixes = [keys.referrers_prefix(repository, subject) for subject in subjects]
    return [
        [keys.split_referrer(key)[2] for key, _ in rows]
        for rows in txn.scan_many(Table.REFERRERS, prefixes, limit=limit)
    ]


def parents_of(
    txn: ReadTxn, repository: int, kind: bytes, digests: Sequence[bytes], *, limit: int
) -> list[list[bytes]]:
    """Return, for each digest, up to `limit` of the parents that hold it with a grant."""
    return _holders(txn, repository, kind, digests, keys.BY_PARENT, limit)


def tags_of(
    txn: ReadTxn, repository: int, digests: Sequence[bytes], *, limit: int | None = None
) -> list[list[str]]:
    """Return, for each manifest, its tags (at most `limit`)."""
    found = _holders(txn, repository, keys.MANIFEST, digests, keys.BY_TAG, limit)
    return [[tag.decode() for tag in tags] for tags in found]


def held_at(
    txn: ReadTxn, repository: int, kind: bytes, digests: Sequence[bytes]
) -> list[int | None]:
    """Return, for each digest, when its hold was put, or None if it has none."""
    rows = keys.holder_keys(repository, kind, digests, keys.GRANTS, keys.BY_HOLD)
    values = txn.get_many(Table.HOLDERS, rows)
    holds = decoded_all(HoldRecord.decode, Table.HOLDERS, rows, values)
    return [hold.at if hold is not None else None for hold in holds]


def subjects_of(txn: ReadTxn, repository: int, digests: Sequence[bytes]) -> list[list[bytes]]:
    """Return, for each manifest, its subject, if both are linked."""
    return _holders(txn, repository, keys.MANIFEST, digests, keys.BY_SUBJECT, 1)


def without_other_holder(
    txn: ReadTxn, repository: int, blobs: Sequence[bytes], leaving: Collection[bytes]
) -> list[bytes]:
    """Return those of `blobs` that nothing holds any more once the rows `leaving` are gone."""
    prefixes = [keys.granting_prefix(repository, keys.BLOB, blob) for blob in blobs]
    rows = txn.scan_many(Table.HOLDERS, prefixes, limit=len(leaving) + 1)
    return [
        blob
        for blob, held in zip(blobs, rows, strict=True)
        if all(key in leaving for key, _ in held)
    ]


def type_hash(artifact_type: str | None) -> bytes:
    """Return what stands for an artifact type in the keys of `referrers`."""
    return blake3(artifact_type.encode()).digest(16) if artifact_type else _NO_TYPE


# --- drafting: tags and holds ---------------------------------------------------------------


def put_tag(
    draft: Draft,
    repository: FoundRepository,
    tag: str,
    digest: bytes,
    old: bytes | None,
    event: int,
    at: int,
) -> None:
    """Point a tag, which is at `old` (None: nowhere), at a linked manifest."""
    if old is not None and old != digest:
        _drop_holder(draft, repository.id, keys.MANIFEST, old, keys.BY_TAG + tag.encode())
        put_hold(draft, repository.id, keys.MANIFEST, old, at)
    draft.put(Table.TAGS, keys.tag_key(repository.id, tag), TagRecord(event, digest).encode())
    _put_holder(draft, repository.id, keys.MANIFEST, digest, keys.BY_TAG + tag.encode())
    draft.touch(repository.id, repository.record, NO_COUNTS if old is not None else ONE_TAG)


def remove_tag(draft: Draft, repository: FoundRepository, tag: str, old: bytes, at: int) -> None:
    """Remove a tag that is at `old`; the manifest stays, held."""
    draft.delete(Table.TAGS, keys.tag_key(repository.id, tag))
    _drop_holder(draft, repository.id, keys.MANIFEST, old, keys.BY_TAG + tag.encode())
    put_hold(draft, repository.id, keys.MANIFEST, old, at)
    draft.touch(repository.id, repository.record, (-1, 0, 0, 0))


def put_hold(draft: Draft, repository: int, kind: bytes, digest: bytes, at: int) -> None:
    """Hold content that the repository has, from now on. There is one hold a digest."""
    key = keys.holder_key(repository, kind, digest, keys.GRANTS, keys.BY_HOLD)
    draft.put(Table.HOLDERS, key, HoldRecord(at).encode())


# --- drafting: manifests --------------------------------------------------------------------


def link_manifest(
    draft: Draft,
    repository: FoundRepository,
    digest: bytes,
    edges: Edges,
    link: LinkRecord,
    absent: Collection[bytes],
) -> None:
    """Link a manifest that is new to the repository, and make it hold what it names.

    Args:
        draft: gets the rows.
        repository: where.
        digest: which manifest.
        edges: whom it names.
        link: media type and event.
        absent: of those it names, what the repository lacks and does not get either.
    """
    draft.put(Table.LINKS, keys.link_key(repository.id, digest), link.encode())
    holder = keys.BY_PARENT + digest
    for kind, named in (
        (keys.MANIFEST, edges.children),
        (keys.BLOB, edges.blobs),
        (keys.BLOB, edges.foreign),
    ):
        for grant, some in _by_grant(named, absent) if named else ():
            rows = keys.holder_keys(repository.id, kind, some, grant, holder)
            draft.put_bare(Table.HOLDERS, rows)
    if edges.subject is not None:
        draft.put(Table.REFERRERS, _referrer_key(repository.id, digest, edges))
    draft.touch(repository.id, repository.record, ONE_MANIFEST)


def retype(draft: Draft, repository: FoundRepository, digest: bytes, link: LinkRecord) -> None:
    """Change the media type under which a linked manifest was pushed."""
    draft.put(Table.LINKS, keys.link_key(repository.id, digest), link.encode())
    draft.touch(repository.id, repository.record)


def join_subject(draft: Draft, repository: int, subject: bytes, referrer: bytes) -> None:
    """Make a linked subject hold a linked referrer; whichever of them comes second calls this."""
    _put_holder(draft, repository, keys.MANIFEST, referrer, keys.BY_SUBJECT + subject)


def put_body(draft: Draft, digest: bytes, body: bytes) -> None:
    """Store a manifest's bytes. Harmless when repeated, and mends a damaged row."""
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
        _, kind, named, grant, _ = keys.split_holder(key)
        if grant == keys.GRANTS:
            lost.append((kind, named))
    for referrer in referrers:
        _drop_holder(draft, repository.id, keys.MANIFEST, referrer, keys.BY_SUBJECT + digest)
        lost.append((keys.MANIFEST, referrer))
    draft.delete(Table.LINKS, keys.link_key(repository.id, digest))
    _drop_holder(draft, repository.id, keys.MANIFEST, digest, keys.BY_HOLD)
    if edges.subject is not None:
        draft.delete(Table.REFERRERS, _referrer_key(repository.id, digest, edges))
        _drop_holder(draft, repository.id, keys.MANIFEST, digest, keys.BY_SUBJECT + edges.subject)
    draft.touch(repository.id, repository.record, (0, -1, 0, 0))
    return lost


def parent_rows(
    txn: ReadTxn, repository: int, parents: Sequence[tuple[bytes, Edges]]
) -> list[list[Row]]:
    """Return, for each manifest, the rows by which it holds what it names: one look-up for all."""
    wanted: list[bytes] = []
    owners: list[int] = []
    for owner, (digest, edges) in enumerate(parents):
        holder = keys.BY_PARENT + digest
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


# --- drafting: blobs ------------------------------------------------------------------------


def bring_in(
    txn: ReadTxn,
    draft: Draft,
    repository: FoundRepository,
    waiting: Collection[bytes],
) -> None:
    """Make the rows that name `waiting` blobs grant, now that these come in."""
    # Bounded: as many rows as there are manifests in the repository that name absent blobs.
    prefixes = [
        prefix + keys.NAMES_ONLY
        for prefix in keys.held_prefixes(repository.id, keys.BLOB, sorted(waiting))
    ]
    for key in (key for rows in txn.scan_many(Table.HOLDERS, prefixes) for key, _ in rows):
        _, _, named, _, holder = keys.split_holder(key)
        draft.delete(Table.HOLDERS, key)
        _put_holder(draft, repository.id, keys.BLOB, named, holder)


def complete(draft: Draft, repository: int, blob: bytes, parent: bytes) -> None:
    """Make a row grant that this draft has put for a blob that it took for absent."""
    holder = keys.BY_PARENT + parent
    draft.delete(
        Table.HOLDERS, keys.holder_key(repository, keys.BLOB, blob, keys.NAMES_ONLY, holder)
    )
    _put_holder(draft, repository, keys.BLOB, blob, holder)


def gain_blob(
    txn: WriteTxn,
    draft: Draft,
    name: RepositoryName,
    digest: Digest,
    size: int,
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
    found = presence(txn, repository.id, keys.BLOB, (digest.key,))
    if not found.granted:
        bring_in(txn, draft, repository, found.waiting)
        count_blobs(draft, repository, (size,))
    put_hold(draft, repository.id, keys.BLOB, digest.key, txn.at)


def count_blobs(draft: Draft, repository: FoundRepository, sizes: Sequence[int]) -> None:
    """Add blobs of these sizes, which the repository gains, to its counts."""
    if sizes:
        draft.touch(repository.id, repository.record, (0, 0, len(sizes), sum(sizes)))


def discount_blobs(draft: Draft, repository: FoundRepository, sizes: Sequence[int]) -> None:
    """Subtract blobs of these sizes, which the repository no longer has, from its counts."""
    if sizes:
        draft.touch(repository.id, repository.record, (0, 0, -len(sizes), -sum(sizes)))


def drop_hold(draft: Draft, repository: int, kind: bytes, digest: bytes) -> None:
    """Remove a hold."""
    _drop_holder(draft, repository, kind, digest, keys.BY_HOLD)


# --- details --------------------------------------------------------------------------------


def _by_grant(
    named: Sequence[bytes], absent: Collection[bytes]
) -> Sequence[tuple[bytes, Sequence[bytes]]]:
    if not absent:
        return ((keys.GRANTS, named),)
    return (
        (keys.GRANTS, [digest for digest in named if digest not in absent]),
        (keys.NAMES_ONLY, [digest for digest in named if digest in absent]),
    )


def _named(edges: Edges) -> list[tuple[bytes, bytes]]:
    return [
        *((keys.MANIFEST, child) for child in edges.children),
        *((keys.BLOB, blob) for blob in edges.blobs),
        *((keys.BLOB, blob) for blob in edges.foreign),
    ]


def _holders(
    txn: ReadTxn,
    repository: int,
    kind: bytes,
    digests: Sequence[bytes],
    holder: bytes,
    limit: int | None,
) -> list[list[bytes]]:
    prefixes = [keys.granting_prefix(repository, kind, digest) + holder for digest in digests]
    found = txn.scan_many(Table.HOLDERS, prefixes, limit=limit)
    return [
        [key[len(prefix) :] for key, _ in rows]
        for prefix, rows in zip(prefixes, found, strict=True)
    ]


def _body(digest: bytes, value: bytes) -> bytes:
    def unpacked(row: bytes) -> bytes:
        record = ManifestRecord.decode(row)
        return codec.unpack(record.encoding, record.packed, record.size)

    return decoded(unpacked, Table.MANIFESTS, digest, value)


def _put_holder(draft: Draft, repository: int, kind: bytes, digest: bytes, holder: bytes) -> None:
    draft.put(Table.HOLDERS, keys.holder_key(repository, kind, digest, keys.GRANTS, holder))


def _drop_holder(draft: Draft, repository: int, kind: bytes, digest: bytes, holder: bytes) -> None:
    draft.delete(Table.HOLDERS, keys.holder_key(repository, kind, digest, keys.GRANTS, holder))


def _referrer_key(repository: int, digest: bytes, edges: Edges) -> bytes:
    assert edges.subject is not None
    return keys.referrer_key(repository, edges.subject, type_hash(edges.artifact_type), digest)
