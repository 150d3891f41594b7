"""What a repository has, and what holds it: questions to one snapshot.

Each takes many at once where callers have many: one look-up, whatever their number.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from types import MappingProxyType
from typing import Final, NamedTuple

from liftlock.links.stored import find_held, held_in
from liftlock.metadata import keys
from liftlock.metadata.contract import ReadTxn, Row, Table
from liftlock.metadata.records import (
    BlobRecord,
    HoldRecord,
    LinkRecord,
    TagRecord,
    decoded,
    decoded_all,
    required,
)


class Presence(NamedTuple):
    """Which of some blobs a repository has, and which rows await those that it lacks."""

    granted: Mapping[bytes, bytes]
    """Those that it has, and what the keys of their holder rows say of each."""
    waiting: frozenset[bytes]
    """Blobs that are named there while absent: bringing them in changes their rows."""


NO_BLOBS: Final[Mapping[bytes, bytes]] = MappingProxyType({})
_NOWHERE: Final = Presence(NO_BLOBS, frozenset())


def find_tag(txn: ReadTxn, repository: int, tag: str) -> TagRecord | None:
    """Return where a tag points."""
    key = keys.tag_key(repository, tag)
    value = txn.get(Table.TAGS, key)
    return None if value is None else decoded(TagRecord.decode, Table.TAGS, key, value)


def find_tags(txn: ReadTxn, repository: int, tags: Sequence[str]) -> list[TagRecord | None]:
    """Return where tags point, or None each, in the order of `tags`."""
    rows = keys.tag_keys(repository, tags)
    return decoded_all(TagRecord.decode, Table.TAGS, rows, txn.get_many(Table.TAGS, rows))


def iter_tags(
    txn: ReadTxn, repository: int, prefix: str = "", after: str = ""
) -> Iterator[tuple[str, TagRecord]]:
    """Stream the tags that begin with `prefix` and are beyond `after`, in byte order."""
    start = keys.tag_key(repository, after) if after else None
    for key, value in txn.scan(Table.TAGS, keys.tag_key(repository, prefix), after=start):
        yield keys.behind_id(key).decode(), decoded(TagRecord.decode, Table.TAGS, key, value)


def find_link(txn: ReadTxn, repository: int, digest: bytes) -> LinkRecord | None:
    """Return a repository's link to a manifest."""
    return find_links(txn, repository, (digest,))[0]


def find_links(txn: ReadTxn, repository: int, digests: Sequence[bytes]) -> list[LinkRecord | None]:
    """Return a repository's links to manifests, or None each, in the order of `digests`."""
    if not digests:
        return []
    rows = keys.link_keys(repository, digests)
    return decoded_all(LinkRecord.decode, Table.LINKS, rows, txn.get_many(Table.LINKS, rows))


def get_links(txn: ReadTxn, repository: int, digests: Sequence[bytes]) -> list[LinkRecord]:
    """Return a repository's links to manifests that other rows say are linked.

    Raises:
        RecordCorrupt: some are damaged, or missing.
    """
    rows = keys.link_keys(repository, digests)
    values = txn.get_many(Table.LINKS, rows)
    return [
        required(LinkRecord.decode, Table.LINKS, key, value)
        for key, value in zip(rows, values, strict=True)
    ]


def find_linked(txn: ReadTxn, repository: int, digests: Sequence[bytes]) -> set[bytes]:
    """Return those of some manifests that a repository has."""
    if not digests:
        return set()
    rows = keys.link_keys(repository, digests)
    found = zip(digests, txn.get_many(Table.LINKS, rows), strict=True)
    return {digest for digest, value in found if value is not None}


def iter_linked(txn: ReadTxn, repository: int) -> Iterator[bytes]:
    """Stream the manifests that a repository has."""
    for key, _ in txn.scan(Table.LINKS, keys.link_key(repository)):
        yield keys.behind_id(key)


def iter_loose_blobs(txn: ReadTxn, repository: int) -> Iterator[bytes]:
    """Stream the blobs that a repository has, and no manifest there names."""
    loose: bytes | None = None
    before = b""
    for key, _ in txn.scan(Table.HOLDERS, keys.id_key(repository) + keys.BLOB):
        held, grant, holder = keys.split_holder(key)
        if held == before:
            loose = None
            continue
        if loose is not None:
            yield loose
        before = held
        # A hold is the first of a blob's rows; nothing else holds it if it is the only one.
        is_loose = grant == keys.GRANTS and holder == keys.BY_HOLD
        loose = keys.held_digest(held) if is_loose else None
    if loose is not None:
        yield loose


def find_granted(txn: ReadTxn, repository: int, blob: bytes) -> BlobRecord | None:
    """Return the record of a blob that a repository has: one look at it, and one seek.

    Raises:
        RecordCorrupt: it is damaged.
    """
    row = txn.get(Table.BLOBS, blob)
    if row is None or not granted_of(txn, repository, held_in({blob: row})):
        return None
    return decoded(BlobRecord.decode, Table.BLOBS, blob, row)


def granted_of(txn: ReadTxn, repository: int, held: Mapping[bytes, bytes]) -> Mapping[bytes, bytes]:
    """Return those of some blobs that a repository has."""
    prefixes = keys.granting_prefixes(repository, held.values())
    return _granted(held, txn.first_many(Table.HOLDERS, prefixes))


def presence(txn: ReadTxn, repository: int, blobs: Sequence[bytes]) -> Presence:
    """Ask at once which of some blobs a repository has, and which are awaited there."""
    return among(txn, repository, blobs, find_held(txn, blobs))


def among(
    txn: ReadTxn, repository: int, blobs: Sequence[bytes], held: Mapping[bytes, bytes]
) -> Presence:
    """Likewise, when it is known what the keys say of those that have a record."""
    if not blobs:
        return _NOWHERE
    prefixes = keys.granting_prefixes(repository, held.values())
    # Whether anything is only named there, which nearly everywhere nothing is, one seek tells.
    prefixes.append(keys.named_blobs_prefix(repository))
    *rows, named = txn.first_many(Table.HOLDERS, prefixes)
    granted = _granted(held, rows)
    if named is None:
        return Presence(granted, frozenset())
    asked = [blob for blob in blobs if blob not in granted]
    naming = [keys.naming_prefix(repository, keys.BLOB, blob) for blob in asked]
    waiting = zip(asked, txn.first_many(Table.HOLDERS, naming), strict=True)
    return Presence(granted, frozenset([blob for blob, row in waiting if row is not None]))


def referrers_of(
    txn: ReadTxn, repository: int, subjects: Sequence[bytes], *, limit: int | None = None
) -> list[list[bytes]]:
    """Return, for each subject, its referrers (at most `limit`) linked in the repository."""
    prefixes = keys.referrers_prefixes(repository, subjects)
    return [
        [keys.split_referrer(key)[2] for key, _ in rows]
        for rows in txn.scan_many(Table.REFERRERS, prefixes, limit=limit)
    ]


def parents_of(
    txn: ReadTxn, repository: int, held: Sequence[bytes], *, limit: int
) -> list[list[bytes]]:
    """Return, for each content, up to `limit` of the parents that hold it with a grant.

    Those that were linked first come first; of one event, by digest.
    """
    found = _holders(txn, repository, held, keys.BY_PARENT, limit)
    return [[keys.split_parent(parent)[1] for parent in parents] for parents in found]


def tags_of(
    txn: ReadTxn, repository: int, digests: Sequence[bytes], *, limit: int | None = None
) -> list[list[str]]:
    """Return, for each manifest, its tags (at most `limit`)."""
    found = _holders(txn, repository, [*map(keys.held_manifest, digests)], keys.BY_TAG, limit)
    return [[tag[1:].decode() for tag in tags] for tags in found]


def held_at(txn: ReadTxn, repository: int, held: Sequence[bytes]) -> list[int | None]:
    """Return, for each content, when its hold was put, or None if it has none."""
    rows = keys.holder_keys(repository, held, keys.BY_HOLD)
    values = txn.get_many(Table.HOLDERS, rows)
    holds = decoded_all(HoldRecord.decode, Table.HOLDERS, rows, values)
    return [hold.at if hold is not None else None for hold in holds]


def subjects_of(txn: ReadTxn, repository: int, digests: Sequence[bytes]) -> list[list[bytes]]:
    """Return, for each manifest, its subject, if both are linked."""
    found = _holders(txn, repository, [*map(keys.held_manifest, digests)], keys.BY_SUBJECT, 1)
    return [[subject[1:] for subject in subjects] for subjects in found]


def without_other_holder(
    txn: ReadTxn, repository: int, blobs: Sequence[bytes], leaving: Collection[bytes]
) -> list[bytes]:
    """Return those of `blobs` that nothing holds any more once the rows `leaving` are gone.

    Both here and there a blob is what keys say of it.
    """
    prefixes = keys.granting_prefixes(repository, blobs)
    rows = txn.scan_many(Table.HOLDERS, prefixes, limit=len(leaving) + 1)
    return [
        blob for blob, own in zip(blobs, rows, strict=True) if all(key in leaving for key, _ in own)
    ]


def _granted(held: Mapping[bytes, bytes], rows: Sequence[Row | None]) -> dict[bytes, bytes]:
    found = zip(held, held.values(), rows, strict=True)
    return {blob: said for blob, said, row in found if row is not None}


def _holders(
    txn: ReadTxn,
    repository: int,
    held: Sequence[bytes],
    by: bytes,
    limit: int | None,
) -> list[list[bytes]]:
    granting = keys.granting_prefixes(repository, held)
    found = txn.scan_many(Table.HOLDERS, [prefix + by for prefix in granting], limit=limit)
    return [
        [key[len(prefix) :] for key, _ in rows]
        for prefix, rows in zip(granting, found, strict=True)
    ]
