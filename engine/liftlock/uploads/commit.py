"""A blob's way from a session into the records: file first, then the transaction, then the rest.

A small blob has no file: its bytes are a row, written in the transaction itself.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from contextlib import suppress
from typing import NamedTuple

from liftlock import links
from liftlock.blobs.contract import Locator, Publication, Session, locator_of
from liftlock.blobs.hashing import ContentHash
from liftlock.errors import RecordCorrupt, StoreBusy, UploadUnknown
from liftlock.history import Act
from liftlock.metadata.contract import Instant, Numbered, ReadTxn, Table, WriteTxn
from liftlock.metadata.draft import Draft
from liftlock.metadata.records import AS_A_FILE, BlobRecord
from liftlock.model import BlobContent
from liftlock.oci.digest import Digest
from liftlock.uploads.place import Place, find_record, is_recorded
from liftlock.uploads.ticket import Ticket


class Received(NamedTuple):
    """What a session has received, once that is all."""

    session_id: str
    ticket: Ticket
    digest: Digest
    """Verified."""
    content_hash: ContentHash
    """Of all bytes."""
    by: str
    end: Callable[[], None]
    """Forgets the session, whose bytes may have become a blob."""


class Recorded(NamedTuple):
    """What the transaction decided."""

    kept: BlobRecord
    """The record that counts."""
    needless: Locator
    """The new file if the known one does; else the one that it replaces (empty: none)."""


class FileUnseen(Exception):
    """The known record is of a file, which has to be looked at first; nothing was written."""

    def __init__(self, record: BlobRecord) -> None:
        super().__init__(record.locator)
        self.record = record


class Commit(ABC):
    """A session's bytes on their way: recorded, then concluded or taken back.

    It is the operation that records them, to be called with a transaction.
    """

    def __init__(self, place: Place, received: Received) -> None:
        """Prepare to make a blob of what was received, from a session that is held if it is there.

        It is to be held until this is concluded or taken back.
        """
        self._place = place
        self.received = received
        self._has_looked = False
        self._damaged: Locator | None = None

    @property
    def digest(self) -> Digest:
        """What the bytes hash to."""
        return self.received.digest

    def look_at(self, seen: BlobRecord | RecordCorrupt | None) -> None:
        """Look at the file of a known record, which shall be replaced if it is damaged.

        To be done before the transaction, which does no I/O. Raises what was seen, if it is that.
        """
        self._has_looked = True
        if isinstance(seen, RecordCorrupt):
            raise seen
        if seen is not None and seen.locator and self._place.blobs.size(seen.locator) != seen.size:
            self._damaged = seen.locator

    def __call__(self, txn: WriteTxn) -> Recorded:
        """Write record and holder, and that the session has ended.

        Raises:
            RegistryUnknown, UploadUnknown: the registry was deleted meanwhile, or another request
                has ended the session.
            StoreBusy: the orphan sweep may be about to take the file, which has no record yet.
            FileUnseen: see there.
        """
        draft = Draft()
        recorded = self.record(txn, draft)
        _, ticket, digest, _, by, _ = self.received
        links.gain_blob(txn, draft, ticket.name, digest, recorded.kept, Act(by))
        draft.write(txn)
        return recorded

    def record(self, txn: WriteTxn, draft: Draft) -> Recorded:
        """Draft the record, and that the session has ended; on error nothing is drafted."""
        ticket, digest = self.received.ticket, self.received.digest
        if ticket.is_over(txn):
            raise UploadUnknown(self.received.session_id)
        current = find_record(txn, digest)
        # Rows know the blob by its number, so that stays.
        number = txn.next_id(Numbered.BLOB) if current is None else current.number
        new = self.new_record(number, txn.at)
        if current is not None and self._is_whole(txn, current):
            recorded = Recorded(current, new.locator)
        else:
            recorded = Recorded(new, current.locator if current else "")
            links.put_blob(draft, digest.key, new, current, self.small)
        draft.put(Table.ENDED, ticket.serial)
        return recorded

    def conclude(self, recorded: Recorded) -> BlobContent:
        """After the transaction: drop the file that is needless, and forget the session.

        A disk that does neither fails nobody: the blob is committed, and sweeps find the rest.
        """
        place, received, (kept, needless) = self._place, self.received, recorded
        place.reach("upload: recorded")
        if needless:
            with suppress(OSError):
                place.blobs.remove(needless)
        with suppress(OSError):
            received.end()
        place.reach("upload: ended")
        return BlobContent(received.digest, kept.size, kept.locator)

    @abstractmethod
    def new_record(self, number: int, at: Instant) -> BlobRecord:
        """Return the record of these bytes, put at `at`."""

    @property
    @abstractmethod
    def small(self) -> bytes | None:
        """The bytes, if they are a row."""

    @abstractmethod
    def take_back(self) -> None:
        """After a transaction that failed: the session goes on with its bytes."""

    def _is_whole(self, txn: ReadTxn, current: BlobRecord) -> bool:
        """Tell whether what the current record speaks of is there, as far as was looked at."""
        if current.encoding == AS_A_FILE:
            if not self._has_looked:
                raise FileUnseen(current)
            # A record that came or changed since the look is of a file that was flushed this
            # moment, and that somebody may be reading already.
            return current.locator != self._damaged
        try:
            return links.find_small(txn, self.received.digest.key, current) is not None
        except RecordCorrupt:
            return False


class FileCommit(Commit):
    """Of bytes that become a file.

    Invariant: `record` runs only once `note_published` was told that the bytes are durable.
    """

    def __init__(self, place: Place, received: Received, session: Session) -> None:
        """Prepare to publish the bytes of a session that is held."""
        super().__init__(place, received)
        self._published_at: Instant = 0
        locator = locator_of(received.digest, place.new_id())
        self._session = session
        self.publication = Publication(session, locator)
        """What the blob store shall do."""

    def new_record(self, number: int, at: Instant) -> BlobRecord:
        """Return the record of these bytes; see `Commit.new_record`."""
        del at
        content = self.received.content_hash
        locator = self.publication.locator
        return BlobRecord(AS_A_FILE, number, 0, content.size, content.blake3(), locator)

    @property
    def small(self) -> None:
        """Nothing: the bytes are in the file."""

    def note_published(self) -> None:
        """Note that the bytes are durable."""
        self._published_at = self._place.clock()
        self._place.reach("upload: published")

    def record(self, txn: WriteTxn, draft: Draft) -> Recorded:
        """Draft record and holder; see `Commit.record`."""
        if self._place.clock() - self._published_at > self._place.limits.publish_age_ms_max:
            raise StoreBusy("the commit came too long after the file was written; try again")
        return super().record(txn, draft)

    def take_back(self) -> None:
        """After a transaction that failed: the session goes on with its bytes."""
        locator = self.publication.locator
        if not is_recorded(self._place.store, locator):
            # Gone already, if the orphan sweep was faster: then so is the session.
            with suppress(FileNotFoundError):
                self._session.retract(locator)
