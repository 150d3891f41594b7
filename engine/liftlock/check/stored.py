"""Is every record's content whole: manifests in the metadata, blobs in their files?"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from functools import partial
from typing import Final

from blake3 import blake3

from liftlock import links, names
from liftlock.blobs.contract import BlobStore, digest_of
from liftlock.check.scan import (
    BATCH_ROWS,
    Tell,
    damaged,
    error,
    in_batches,
    nobody,
    readable,
    repository_ids,
)
from liftlock.errors import RecordCorrupt
from liftlock.metadata import keys
from liftlock.metadata.contract import MetadataStore, ReadTxn, Row, Table
from liftlock.metadata.counts import Counts
from liftlock.metadata.records import AS_A_ROW, BlobRecord, blob_size, decoded
from liftlock.model import CheckStep, Finding, Severity
from liftlock.oci.digest import Digest

_NAMED_REPOSITORIES_MAX: Final = 10
_SMALL_AT_A_TIME: Final = 50
"""Blobs that are rows; one may have 1 MiB."""


def check_manifests(store: MetadataStore) -> Iterator[Finding]:
    """Check the bytes of every manifest."""
    yield from in_batches(store, Table.MANIFESTS, _manifests)


def check_blobs(
    store: MetadataStore, blobs: BlobStore, *, content: bool, tell: Tell = nobody
) -> Iterator[Finding]:
    """Check the row or file of every blob; rows are always hashed, files with `content`."""
    yield from in_batches(store, Table.SMALL, _small, most=_SMALL_AT_A_TIME)
    count, size = store.read(_extent)
    done, total, unit = 0, size if content else count, "bytes" if content else "blobs"

    def advance(more: int) -> None:
        nonlocal done
        done += more
        tell(CheckStep("blobs", done, total, unit))

    for row in _blob_rows(store):
        yield from _blob(store, blobs, row, advance if content else None)
        if not content:
            advance(1)


def check_files(store: MetadataStore, blobs: BlobStore) -> Iterator[Finding]:
    """Remark on files that no record names: a sweep removes them when they are old enough."""
    for stored in blobs.iter_blobs():
        record = store.read(partial(_record, digest=digest_of(stored.locator)))
        if record is None or record.locator != stored.locator:
            yield Finding(
                Severity.REMARK,
                "file-has-record",
                stored.locator,
                f"{stored.size} bytes that no record names; a sweep will remove them",
            )


def check_totals(store: MetadataStore) -> Iterator[Finding]:
    """Recount what the store has as a whole; in one snapshot, since others go on adding to it."""
    yield from store.read(_totals)


def _totals(txn: ReadTxn) -> list[Finding]:
    try:
        said = txn.count(keys.id_key(keys.NO_REGISTRY))
        sizes = [decoded(blob_size, Table.BLOBS, *row) for row in txn.scan(Table.BLOBS)]
    except RecordCorrupt:  # found where the counters and the records are checked
        return []
    registries = txn.count_rows(Table.NAMES, keys.id_key(keys.NO_REGISTRY))
    manifests = txn.count_rows(Table.MANIFESTS, b"")
    counted = Counts(registries, 0, manifests, len(sizes), sum(sizes))
    if said == counted:
        return []
    return [error("counts-add-up", "the store", f"it says {said}, and has {counted}")]


def _manifests(txn: ReadTxn, rows: list[Row]) -> list[Finding]:
    findings: list[Finding] = []
    for digest, _ in rows:
        try:
            (body,) = links.find_bodies(txn, (digest,))
        except RecordCorrupt as corrupt:
            findings.append(damaged(corrupt))
            continue
        named = Digest(digest)
        if body is not None and Digest.of(body, named.algorithm) != named:
            findings.append(error("content-has-digest", str(named), "the manifest is another"))
    return findings


def _blob_rows(store: MetadataStore) -> Iterator[Row]:
    """Yield the records of all blobs, some in each snapshot."""
    after: bytes | None = None
    while batch := store.read(partial(_some_blob_rows, after=after)):
        after = batch[-1][0]
        yield from batch


def _small(txn: ReadTxn, rows: list[Row]) -> list[Finding]:
    """Check that no row of bytes is without the record that speaks of it."""
    findings: list[Finding] = []
    for key, _ in rows:
        put_at, named = keys.split_small(key)
        digest = Digest(named)
        record = _record(txn, digest)
        if record is None:
            if txn.get(Table.BLOBS, named) is None:
                findings.append(error("row-has-record", str(digest), "it has no record"))
        elif record.encoding != AS_A_ROW:
            findings.append(error("row-has-record", str(digest), "its record names a file"))
        elif record.put_at != put_at:
            findings.append(error("row-has-record", str(digest), "its record names another row"))
    return findings


def _some_blob_rows(txn: ReadTxn, after: bytes | None) -> list[Row]:
    return list(txn.scan(Table.BLOBS, after=after, limit=BATCH_ROWS))


def _extent(txn: ReadTxn) -> tuple[int, int] | tuple[None, None]:
    """Return how many blobs there are, and their bytes: from counters, to tell how far it is."""
    try:
        *_, blobs, size = txn.count(keys.id_key(keys.NO_REGISTRY))
    except RecordCorrupt:  # found where the counters are checked
        return None, None
    return blobs, size


def _blob(
    store: MetadataStore, blobs: BlobStore, row: Row, advance: Callable[[int], None] | None
) -> Iterator[Finding]:
    """Check one blob; with `advance`, also its content, and tell how many bytes were read."""
    findings: list[Finding] = []
    record = readable(BlobRecord.decode, Table.BLOBS, row, findings)
    yield from findings
    if record is None:
        return
    digest = Digest(row[0])
    if record.encoding == AS_A_ROW:
        fault = store.read(partial(_row_fault, digest=digest, record=record))
        if advance is not None:
            advance(record.size)
    else:
        fault = _fault(blobs, digest, record, advance)
    if fault is None:
        return
    current = store.read(partial(_record, digest=digest))
    if current != record:
        return  # pushed again meanwhile: what was looked at is not what counts
    held = keys.held_blob(keys.id_key(record.number), digest.key)
    where = store.read(partial(_repositories_with, held=held))
    detail = f"{fault}; it is in {where}. Push it again."
    if record.encoding == AS_A_ROW:
        yield error("record-has-row", str(digest), detail)
    else:
        yield error("record-has-file", str(digest), detail)


def _row_fault(txn: ReadTxn, digest: Digest, record: BlobRecord) -> str | None:
    """Say what is wrong with the bytes of a small blob, which are always read."""
    try:
        content = links.find_small(txn, digest.key, record)
    except RecordCorrupt as corrupt:
        return f"its row is damaged: {corrupt}"
    if content is None:
        # Nobody has pushed it again as a file meanwhile: then this is another record's.
        return "its row is gone" if _record(txn, digest) == record else None
    if len(content) != record.size:
        return f"its row has {len(content)} bytes, not {record.size}"
    if Digest.of(content, digest.algorithm) != digest:
        return "its row has other content"
    if blake3(content).digest() != record.blake3:
        return "its record has another BLAKE3 hash than its row"
    return None


def _fault(
    blobs: BlobStore, digest: Digest, record: BlobRecord, advance: Callable[[int], None] | None
) -> str | None:
    size = blobs.size(record.locator)
    if size is None:
        return f"file {record.locator} is gone"
    if size != record.size:
        return f"file {record.locator} has {size} bytes, not {record.size}"
    if advance is None:
        return None
    named, fast = hashlib.new(digest.algorithm), blake3()
    for piece in blobs.read(record.locator):
        named.update(piece)
        fast.update(piece)
        advance(len(piece))
    if named.digest() != digest.key[1:]:
        return f"file {record.locator} has other content"
    if fast.digest() != record.blake3:
        return "its record has another BLAKE3 hash than its file"
    return None


def _record(txn: ReadTxn, digest: Digest) -> BlobRecord | None:
    try:
        return links.find_blobs(txn, (digest.key,))[0]
    except RecordCorrupt:  # found by its own check
        return None


def _repositories_with(txn: ReadTxn, held: bytes) -> str:
    """Name the repositories that a damaged blob affects."""
    numbers = repository_ids(txn)
    granted = links.granted_in(txn, numbers, held)
    found = [names.full_name(txn, number) for number in granted]
    more = len(found) - _NAMED_REPOSITORIES_MAX
    shown = ", ".join(found[:_NAMED_REPOSITORIES_MAX]) or "no repository"
    return f"{shown} and {more} more" if more > 0 else shown
