"""Where uploads happen, and what its store knows of blobs."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Final

from liftlock import links
from liftlock.blobs.contract import BlobStore, Locator, digest_of
from liftlock.blobs.hashing import HashStates
from liftlock.config import Limits
from liftlock.metadata.contract import Instant, MetadataStore, ReadTxn
from liftlock.metadata.records import BlobRecord
from liftlock.oci.digest import Digest
from liftlock.points import Reach

AS_IT_IS: Final = 0
"""`BlobRecord.encoding` of a file that holds the blob's bytes unchanged."""


@dataclass(frozen=True, slots=True)
class Place:
    """What uploads need from the engine."""

    store: MetadataStore
    blobs: BlobStore
    clock: Callable[[], Instant]
    new_id: Callable[[], str]
    limits: Limits
    states: HashStates
    reach: Reach


def is_recorded(store: MetadataStore, locator: Locator) -> bool:
    """Tell whether a record names this very file."""
    record = store.read(partial(find_record, digest=digest_of(locator)))
    return record is not None and record.locator == locator


def find_record(txn: ReadTxn, digest: Digest) -> BlobRecord | None:
    """Return the record of a blob, whichever repositories have it."""
    return links.find_blobs(txn, (digest.key,))[0]
