"""Where uploads happen, and what its store knows of blobs."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass
from functools import partial

from liftlock import links
from liftlock.blobs.contract import BlobStore, Locator, digest_of
from liftlock.blobs.hashing import HashStates
from liftlock.config import Limits
from liftlock.errors import RecordCorrupt
from liftlock.metadata.contract import Instant, MetadataStore, ReadTxn
from liftlock.metadata.records import BlobRecord
from liftlock.oci.digest import Digest
from liftlock.points import Reach
from liftlock.uploads.ticket import Tickets


@dataclass(frozen=True, slots=True)
class Place:
    """What uploads need from the engine."""

    store: MetadataStore
    blobs: BlobStore
    clock: Callable[[], Instant]
    new_id: Callable[[], str]
    tickets: Tickets
    limits: Limits
    states: HashStates
    hashers: Executor
    """Threads for digests of long pieces: as many as can run at a time."""
    reach: Reach


def is_recorded(store: MetadataStore, locator: Locator) -> bool:
    """Tell whether a record names this very file."""
    record = store.read(partial(find_record, digest=digest_of(locator)))
    return record is not None and record.locator == locator


def look_up(
    store: MetadataStore, digests: Sequence[Digest]
) -> list[BlobRecord | RecordCorrupt | None]:
    """Return the records of blobs, whichever repositories have them; of a damaged one, that."""
    try:
        return [*store.read(partial(links.find_blobs, digests=[each.key for each in digests]))]
    except RecordCorrupt as error:
        if len(digests) == 1:
            return [error]
        return [found for digest in digests for found in look_up(store, [digest])]


def find_record(txn: ReadTxn, digest: Digest) -> BlobRecord | None:
    """Return the record of a blob, whichever repositories have it."""
    return links.find_blobs(txn, (digest.key,))[0]
