"""What uploads leave behind: sessions that nobody goes on with, and files that no record names."""

from __future__ import annotations

from liftlock.metadata.contract import Table
from liftlock.model import Swept
from liftlock.uploads.place import Place, is_recorded


def sweep(place: Place) -> Swept:
    """Remove upload sessions that idled too long, and old files that no record names."""
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
    return Swept(sessions, orphans, freed)
