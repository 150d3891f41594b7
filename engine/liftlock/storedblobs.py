"""The bytes of a stored blob, whether a file has them or a row."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from liftlock import links
from liftlock.blobs.contract import BlobReader, Locator, Pieces
from liftlock.blobs.pieces import MemoryPieces
from liftlock.metadata.contract import MetadataStore, ReadTxn
from liftlock.metadata.records import AS_A_ROW
from liftlock.oci.digest import Digest

Read = Callable[[Digest], Pieces]
"""Opens a stored blob; see `open_blob`."""


def open_blob(store: MetadataStore, blobs: BlobReader, copy_bytes: int, digest: Digest) -> Pieces:
    """Return a blob's bytes in pieces of at most `copy_bytes`. Access is the caller's question.

    Raises:
        FileNotFoundError: there is no record of it, or nothing where that says.
        RecordCorrupt: record or row is damaged.
    """
    try:
        return _opened(store, blobs, copy_bytes, digest)
    except FileNotFoundError:
        # Its file may have been replaced between the look-up and the opening; but not twice.
        return _opened(store, blobs, copy_bytes, digest)


def _opened(store: MetadataStore, blobs: BlobReader, copy_bytes: int, digest: Digest) -> Pieces:
    found = store.read(partial(_found, digest=digest))
    if isinstance(found, bytes):
        return MemoryPieces(memoryview(found), copy_bytes)
    if not found:
        raise FileNotFoundError(str(digest))
    return blobs.read(found)


def _found(txn: ReadTxn, digest: Digest) -> bytes | Locator | None:
    """Return a small blob's bytes, else its file's locator; None if there is neither."""
    (record,) = links.find_blobs(txn, (digest.key,))
    if record is None:
        return None
    if record.encoding != AS_A_ROW:
        return record.locator
    return links.find_small(txn, digest.key, record)
