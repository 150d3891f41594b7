"""Manifests and blobs themselves, whoever has them: access is the caller's question.

`find_…` gives None for what is not there; `get_…` is for what other rows say is there.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from liftlock.metadata import codec, keys
from liftlock.metadata.contract import ReadTxn, Table
from liftlock.metadata.records import (
    AS_A_ROW,
    BLOB_NUMBER,
    BlobRecord,
    ManifestRecord,
    SmallRecord,
    blob_size,
    decoded,
    decoded_all,
    required,
)


def find_bodies(txn: ReadTxn, digests: Sequence[bytes]) -> list[bytes | None]:
    """Return manifests' bytes, or None each. Access is the caller's question: see `find_links`."""
    values = txn.get_many(Table.MANIFESTS, digests)
    return decoded_all(_unpacked, Table.MANIFESTS, digests, values)


def get_bodies(txn: ReadTxn, digests: Sequence[bytes]) -> list[bytes]:
    """Return the bytes of manifests that are linked.

    Raises:
        RecordCorrupt: some are damaged, or missing.
    """
    values = txn.get_many(Table.MANIFESTS, digests)
    return [
        required(_unpacked, Table.MANIFESTS, digest, value)
        for digest, value in zip(digests, values, strict=True)
    ]


def find_blobs(txn: ReadTxn, digests: Sequence[bytes]) -> list[BlobRecord | None]:
    """Return the records of blobs, or None each. Access is the caller's question: `presence`."""
    values = txn.get_many(Table.BLOBS, digests)
    return decoded_all(BlobRecord.decode, Table.BLOBS, digests, values)


def find_rows(txn: ReadTxn, blobs: Sequence[bytes]) -> dict[bytes, bytes]:
    """Return the records of those blobs that have one, neither checked nor read; see `held_in`."""
    if not blobs:
        return {}
    values = txn.get_many(Table.BLOBS, blobs)
    return {blob: row for blob, row in zip(blobs, values, strict=True) if row is not None}


def held_in(rows: Mapping[bytes, bytes]) -> dict[bytes, bytes]:
    """Return what the keys of `holders` say of blobs, by their records.

    A record that is damaged tells nobody but who has the blob: a row that grants it has both its
    number and its digest, and it is read, and found to be damaged, for whom that is there.
    """
    return keys.held_blobs(rows, BLOB_NUMBER)


def find_held(txn: ReadTxn, blobs: Sequence[bytes]) -> dict[bytes, bytes]:
    """Return what the keys of `holders` say of those blobs that have a record."""
    return held_in(find_rows(txn, blobs))


def sizes_in(rows: Mapping[bytes, bytes], blobs: Sequence[bytes]) -> dict[bytes, int]:
    """Return the sizes of blobs that some repository has.

    Raises:
        RecordCorrupt: a record is damaged, or missing.
    """
    sizes = decoded_all(blob_size, Table.BLOBS, blobs, [*map(rows.get, blobs)])
    found = {blob: size for blob, size in zip(blobs, sizes, strict=True) if size is not None}
    if len(found) < len(blobs):
        missing = next(blob for blob in blobs if blob not in found)
        required(blob_size, Table.BLOBS, missing, None)
    return found


def find_small(txn: ReadTxn, digest: bytes, record: BlobRecord) -> bytes | None:
    """Return the bytes of a blob whose record says that they are a row; None if that is gone.

    Raises:
        RecordCorrupt: the row is damaged.
    """
    key = keys.small_key(record.put_at, digest)
    value = txn.get(Table.SMALL, key)
    if value is None:
        return None
    return decoded(SmallRecord.decode, Table.SMALL, key, value).content


def small_of(txn: ReadTxn, digest: bytes) -> bytes | None:
    """Return the bytes of a small blob, whoever has it; None if it is none, or its row is gone.

    Raises:
        RecordCorrupt: record or row is damaged.
    """
    (record,) = find_blobs(txn, (digest,))
    if record is None or record.encoding != AS_A_ROW:
        return None
    return find_small(txn, digest, record)


def find_sizes(txn: ReadTxn, digests: Sequence[bytes]) -> dict[bytes, int]:
    """Return the sizes of those blobs that have a record."""
    if not digests:
        return {}
    values = txn.get_many(Table.BLOBS, digests)
    sizes = decoded_all(blob_size, Table.BLOBS, digests, values)
    return {digest: size for digest, size in zip(digests, sizes, strict=True) if size is not None}


def _unpacked(row: bytes) -> bytes:
    record = ManifestRecord.decode(row)
    return codec.unpack(record.encoding, record.packed, record.size)
