"""A blob's way from a session into the records: file first, then the transaction, then the rest."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import NamedTuple

from liftlock import links
from liftlock.blobs.contract import Locator, Publication, Session, locator_of
from liftlock.blobs.hashing import ContentHash
from liftlock.errors import StoreBusy, UploadUnknown
from liftlock.history import Act
from liftlock.metadata.contract import Instant, WriteTxn
from liftlock.metadata.draft import Draft
from liftlock.metadata.records import BlobRecord
from liftlock.model import BlobContent
from liftlock.oci.digest import Digest
from liftlock.uploads.place import AS_IT_IS, Place, find_record, is_recorded
from liftlock.uploads.purpose import Purpose


class Recorded(NamedTuple):
    """What the transaction decided."""

    kept: BlobRecord
    """The record that counts."""
    needless: Locator
    """The new file if the known one does; else the one that it replaces (empty: none)."""


class Commit:
    """A session's bytes on their way: published, recorded, concluded; `commit` does each.

    Invariant: `record` runs only once `note_published` was told that the bytes are durable.
    """

    def __init__(
        self,
        place: Place,
        session: Session,
        purpose: Purpose,
        digest: Digest,
        content_hash: ContentHash,
        by: str,
        end: Callable[[], None],
    ) -> None:
        """Prepare to publish the bytes of a session, which have this digest.

        Args:
            place: the stores.
            session: held until this is concluded or taken back.
            purpose: what it was started for.
            digest: verified.
            content_hash: of all bytes.
            by: who pushes.
            end: forgets the session.
        """
        self._place = place
        self._session = session
        self._purpose = purpose
        self._digest = digest
        self._by = by
        self._end = end
        seen = place.store.read(lambda txn: find_record(txn, digest))
        # Looked at before the transaction, which does no I/O: a damaged file shall be replaced.
        self._damaged: Locator | None = None
        if seen is not None and place.blobs.size(seen.locator) != seen.size:
            self._damaged = seen.locator
        self._published_at: Instant = 0
        locator = locator_of(digest, place.new_id())
        self._new = BlobRecord(AS_IT_IS, 0, content_hash.size, content_hash.blake3(), locator)
        self.publication = Publication(session, locator)
        """What the blob store shall do."""

    def note_published(self) -> None:
        """Note that the bytes are durable."""
        self._published_at = self._place.clock()
        self._place.reach("upload: published")

    def record(self, txn: WriteTxn) -> Recorded:
        """Write record and holder.

        Raises:
            RegistryUnknown, UploadUnknown: the registry was deleted meanwhile.
            StoreBusy: the orphan sweep may be about to take the file, which has no record yet.
        """
        if self._place.clock() - self._published_at > self._place.limits.publish_age_ms_max:
            raise StoreBusy("the commit came too long after the file was written; try again")
        if self._purpose.is_outdated(txn):
            raise UploadUnknown(self._session.session_id)
        current = find_record(txn, self._digest)
        draft = Draft()
        # A record that came or changed since the look is of a file that was flushed this moment,
        # and that somebody may be reading already.
        if current is not None and current.locator != self._damaged:
            recorded = Recorded(current, self._new.locator)
        else:
            recorded = Recorded(self._new, current.locator if current else "")
            links.put_blob(draft, self._digest.key, self._new, current)
        name, size = self._purpose.name, self._new.size
        links.gain_blob(txn, draft, name, self._digest, size, Act(self._by))
        draft.write(txn)
        return recorded

    def take_back(self) -> None:
        """After a transaction that failed: the session goes on with its bytes."""
        if not is_recorded(self._place.store, self._new.locator):
            # Gone already, if the orphan sweep was faster: then so is the session.
            with suppress(FileNotFoundError):
                self._session.retract(self._new.locator)

    def conclude(self, recorded: Recorded) -> BlobContent:
        """After the transaction: drop the file that is needless, and end the session.

        A disk that does neither fails nobody: the blob is committed, and sweeps find the rest.
        """
        self._place.reach("upload: recorded")
        with suppress(OSError):
            if recorded.needless:
                self._place.blobs.remove(recorded.needless)
        with suppress(OSError):
            self._end()
        self._place.reach("upload: ended")
        kept = recorded.kept
        return BlobContent(self._digest, kept.size, kept.locator)


def commit(place: Place, commits: Sequence[Commit]) -> list[BlobContent | Exception]:
    """Publish all, record all, conclude all; return for each its blob, or why there is none.

    One that fails keeps no other from it. Its session goes on with its bytes (see
    `BlobStore.publish` for the exception), and so do all if this is interrupted.
    """
    outcomes: dict[Commit, BlobContent | Exception] = {}
    going: list[Commit] = []
    try:
        failures = place.blobs.publish([each.publication for each in commits])
        for each, failure in zip(commits, failures, strict=True):
            if failure is None:
                going.append(each)
            else:
                outcomes[each] = failure
        for each in going:
            each.note_published()
        recorded = place.store.write_all([each.record for each in going])
    except BaseException:  # interrupted, or the store is closed
        for each in going:
            with suppress(Exception):
                each.take_back()
        raise
    outcomes.update(zip(going, map(_concluded, going, recorded), strict=True))
    return [outcomes[each] for each in commits]


def _concluded(one: Commit, recorded: Recorded | Exception) -> BlobContent | Exception:
    try:
        if not isinstance(recorded, Exception):
            return one.conclude(recorded)
        one.take_back()
    except Exception as error:  # noqa: BLE001 - its own caller's, who is told
        return error
    return recorded
