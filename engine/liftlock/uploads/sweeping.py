"""What uploads leave behind: idle sessions, rows of ended ones, files that no record names."""

from __future__ import annotations

from functools import partial
from itertools import takewhile

from liftlock.config import Limits
from liftlock.metadata.contract import Instant, ReadTxn, Table, WriteTxn
from liftlock.model import Swept
from liftlock.uploads.place import Place, is_recorded
from liftlock.uploads.ticket import TIME_BYTES


def sweep(place: Place) -> Swept:
    """Remove sessions that idled too long, what tells of ended ones, and files without a record."""
    now = place.clock()
    idle_since = now - place.limits.upload_idle_ms
    old_since = now - place.limits.orphan_grace_ms
    sessions = orphans = freed = 0
    for stored in place.blobs.iter_sessions():
        if place.blobs.expire_session(stored.session_id, idle_since):
            sessions += 1
            freed += stored.size
    # A store without a single record has lost its metadata rather than collected orphans.
    has_records = place.store.read(lambda txn: any(True for _ in txn.scan(Table.BLOBS, limit=1)))
    for blob in place.blobs.iter_blobs() if has_records else ():
        if blob.changed_at < old_since and not is_recorded(place.store, blob.locator):
            place.blobs.remove(blob.locator)
            orphans += 1
            freed += blob.size
    return Swept(sessions, orphans, freed, ended=_forget_ended(place, now))


def _forget_ended(place: Place, now: Instant) -> int:
    """Remove rows of sessions whose ids are too old to begin; return how many."""
    since = (now - place.limits.upload_begin_ms).to_bytes(TIME_BYTES, "big")
    removed = 0
    while due := place.store.read(partial(_ended_before, since=since, limits=place.limits)):
        place.store.write(partial(_remove, rows=due))
        removed += len(due)
    return removed


def _ended_before(txn: ReadTxn, since: bytes, limits: Limits) -> list[bytes]:
    rows = txn.scan(Table.ENDED, limit=limits.sweep_rows_max)
    # They begin with the time, so that the oldest come first.
    return [key for key, _ in takewhile(lambda row: row[0] < since, rows)]


def _remove(txn: WriteTxn, rows: list[bytes]) -> None:
    txn.delete_many(Table.ENDED, rows)
