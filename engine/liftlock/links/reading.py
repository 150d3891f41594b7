"""What a repository has, and what holds it: questions to one snapshot.

Each takes many at once where callers have many: one look-up, whatever their number.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from typing import Final, NamedTuple

from liftlock.metadata import keys
from liftlock.metadata.contract import ReadTxn, Table
from liftlock.metadata.records import (
    HoldRecord,
    LinkRecord,
    TagRecord,
    decoded,
    decoded_all,
    required,
)


class Presence(NamedTuple):
    """Which of some blobs a repository has, and which rows await those that it lacks."""

    granted: frozenset[bytes]
    waiting: frozenset[bytes]
    """Blobs that are named there while absent: bringing them in changes their rows."""


_NOBODY: Final = Presence(frozenset(), frozenset())


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
        yield keys.behind_id(key).decode(), decoded(TagRecord.decode, Table.TAGS, key, value)


def find_link(txn: ReadTxn, repository: int, digest: bytes) -> LinkRecord | None:
    """Return a repository's link to a manifest."""
    return find_links(txn, repository, (digest,))[0]


def find_links(txn: ReadTxn, repository: int, digests: Sequence[bytes]) -> list[LinkRecord | None]:
    """Return a repository's links to manifests, or None each, in the order of `digests`."""
    if not digests:
        return []
    rows = [keys.link_key(repository, digest) for digest in digests]
    return decoded_all(LinkRecord.decode, Table.LINKS, rows, txn.get_many(Table.LINKS, rows))


def get_links(txn: ReadTxn, repository: int, digests: Sequence[bytes]) -> list[LinkRecord]:
    """Return a repository's links to manifests that other rows say are linked.

    Raises:
        RecordCorrupt: some are damaged, or missing.
    """
    rows = [keys.link_key(repository, digest) for digest in digests]
    values = txn.get_many(Table.LINKS, rows)
    return [
        required(LinkRecord.decode, Table.LINKS, key, value)
        for key, value in zip(rows, values, strict=True)
    ]


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
        yield keys.behind_id(key)


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
    """Return, for each digest, up to `limit` of the parents that hold it with a grant.

    Those that were linked first come first; of one event, by digest.
    """
    found = _holders(txn, repository, kind, digests, keys.BY_PARENT, limit)
    return [[keys.split_parent(parent)[1] for parent in parents] for parents in found]


def tags_of(
    txn: ReadTxn, repository: int, digests: Sequence[bytes], *, limit: int | None = None
) -> list[list[str]]:
    """Return, for each manifest, its tags (at most `limit`)."""
    found = _holders(txn, repository, keys.MANIFEST, digests, keys.BY_TAG, limit)
    return [[tag[1:].decode() for tag in tags] for tags in found]


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
    found = _holders(txn, repository, keys.MANIFEST, digests, keys.BY_SUBJECT, 1)
    return [[subject[1:] for subject in subjects] for subjects in found]


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


def _holders(
    txn: ReadTxn,
    repository: int,
    kind: bytes,
    digests: Sequence[bytes],
    by: bytes,
    limit: int | None,
) -> list[list[bytes]]:
    granting = [keys.granting_prefix(repository, kind, digest) for digest in digests]
    found = txn.scan_many(Table.HOLDERS, [prefix + by for prefix in granting], limit=limit)
    return [
        [key[len(prefix) :] for key, _ in rows]
        for prefix, rows in zip(granting, found, strict=True)
    ]
