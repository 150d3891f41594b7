"""What uploads leave behind: idle sessions, rows of ended ones, files that no record names."""

from __future__ import annotations

from collections.abc import Collection
from functools import partial
from itertools import takewhile
from typing import Final

from liftlock.blobs.contract import Locator
from liftlock.config import Limits
from liftlock.errors import RecordCorrupt
from liftlock.metadata.contract import Instant, ReadTxn, Table, WriteTxn
from liftlock.model import Swept
from liftlock.uploads.place import Place, is_recorded
from liftlock.uploads.ticket import TIME_BYTES, has_ended, serial_of

_WHENEVER: Final[Instant] = 1 << 62
"""Later than any session was written to."""


def sweep(place: Place) -> Swept:
    """Remove sessions that idled too long, what is left of ended ones, and files without a record.

    A session that has ended has a file only if a crash came before its removal. With its row
    gone, it would go on as if it had not ended: so its file goes first.
    """
    now = place.clock()
    idle_since = now - place.limits.upload_idle_ms
    old_since = now - place.limits.orphan_grace_ms
    # A request that came in time may take a while to its transaction.
    begun_since = now - place.limits.upload_begin_ms - place.limits.publish_age_ms_max
    sessions = orphans = freed = 0
    staying: set[bytes] = set()
    for stored in place.blobs.iter_sessions():
        serial = serial_of(stored.session_id)
        ended = serial is not None and place.store.read(partial(has_ended, serial=serial))
        if place.blobs.expire_session(stored.session_id, _WHENEVER if ended else idle_since):
            sessions += 1
            freed += stored.size
        elif serial is not None and serial < _at(begun_since):
            staying.add(serial)
    # A store without a single record has lost its metadata rather than collected orphans.
    has_records = place.store.read(lambda txn: any(True for _ in txn.scan(Table.BLOBS, limit=1)))
    for blob in place.blobs.iter_blobs() if has_records else ():
        if blob.changed_at < old_since and not _may_be_recorded(place, blob.locator):
            place.blobs.remove(blob.locator)
            orphans += 1
            freed += blob.size
    return Swept(sessions, orphans, freed, ended=_forget_ended(place, begun_since, staying))


def _may_be_recorded(place: Place, locator: Locator) -> bool:
    """Tell whether a file must stay: whatever a damaged record said may have been of it."""
    try:
        return is_recorded(place.store, locator)
    except RecordCorrupt:
        return True


def _forget_ended(place: Place, since: Instant, staying: Collection[bytes]) -> int:
    """Remove rows of sessions whose ids are too old to begin; return how many.

    Not of those that may have a file still: a request that holds one may be ending it now.
    """
    removed = 0
    after: bytes | None = None
    look = partial(_ended_before, since=_at(since), limits=place.limits)
    while due := place.store.read(partial(look, after=after)):
        after = due[-1]
        rows = [serial for serial in due if serial not in staying]
        if rows:
            place.store.write(partial(_remove, rows=rows))
        removed += len(rows)
    return removed


def _ended_before(txn: ReadTxn, since: bytes, limits: Limits, after: bytes | None) -> list[bytes]:
    rows = txn.scan(Table.ENDED, after=after, limit=limits.sweep_rows_max)
    # They begin with the time, so that the oldest come first.
    return [key for key, _ in takewhile(lambda row: row[0] < since, rows)]


def _at(time: Instant) -> bytes:
    """Return how the keys of `ended` from `time` on begin; a clock may not have been set."""
    return max(0, time).to_bytes(TIME_BYTES, "big")


def _remove(txn: WriteTxn, rows: list[bytes]) -> None:
    txn.delete_many(Table.ENDED, rows)
