"""A session in the hands of one request."""

from __future__ import annotations

from contextlib import suppress

from liftlock import links
from liftlock.blobs.contract import Locator, Session
from liftlock.blobs.hashing import ContentHash
from liftlock.errors import DigestInvalid, SizeInvalid, StoreBusy, UploadUnknown
from liftlock.history import Act
from liftlock.metadata.contract import Instant, Table, WriteTxn
from liftlock.metadata.draft import Draft
from liftlock.metadata.records import BlobRecord
from liftlock.model import BlobContent
from liftlock.oci.digest import Digest
from liftlock.uploads.place import AS_IT_IS, Place, find_record, is_recorded
from liftlock.uploads.purpose import Purpose


class Upload:
    """A session in the hands of one request. Its methods block: disk and hashing."""

    def __init__(self, place: Place, session: Session, purpose: Purpose) -> None:
        self._place = place
        self._session = session
        self._purpose = purpose
        self._hash: ContentHash | None = None
        self._ended = False

    @property
    def size(self) -> int:
        """Bytes received so far."""
        return self._session.size

    def append(self, data: bytes | memoryview) -> None:
        """Take `data` in at the end; on return it survives a crash of the process.

        Raises:
            SizeInvalid: the blob would be larger than `Limits.blob_bytes_max`.
            StoreFull: there is no room; what came before `data` stays.
        """
        limit = self._place.limits.blob_bytes_max
        if self.size + len(data) > limit:
            raise SizeInvalid(f"the blob is larger than the limit of {limit} bytes")
        content_hash = self._content_hash()
        self._session.append(data)
        content_hash.update(data)

    def commit(self, digest: Digest, *, by: str) -> BlobContent:
        """Make the received bytes a blob of the repository, if they are `digest`.

        On return the blob is durable and the session has ended. If the content is another, the
        session has ended too and nothing is left; on every other error it goes on as it was.

        Raises:
            DigestInvalid: the bytes have another digest.
            RegistryUnknown, UploadUnknown: the registry was deleted meanwhile.
            StoreFull, StoreBusy: not now; try again.
        """
        content_hash = self._verified(digest)
        seen = self._place.store.read(lambda txn: find_record(txn, digest))
        # Looked at before the transaction, which does no I/O: a damaged file shall be replaced.
        damaged = None
        if seen is not None and self._place.blobs.size(seen.locator) != seen.size:
            damaged = seen.locator
        locator = self._session.publish(digest, self._place.new_id())
        published_at = self._place.clock()
        self._place.reach("upload: published")
        record = BlobRecord(AS_IT_IS, 0, content_hash.size, content_hash.blake3(), locator)
        try:
            kept, needless = self._place.store.write(
                lambda txn: self._record(txn, digest, record, damaged, published_at, by)
            )
        except BaseException:
            if not is_recorded(self._place.store, locator):
                # Gone already, if the orphan sweep was faster: then so is the session.
                with suppress(FileNotFoundError):
                    self._session.retract(locator)
            raise
        self._place.reach("upload: recorded")
        if needless:
            self._place.blobs.remove(needless)
        self._end()
        self._place.reach("upload: ended")
        return BlobContent(digest, kept.size, kept.locator)

    def cancel(self) -> None:
        """Forget the session and its bytes."""
        self._end()

    def rest(self) -> None:
        """Remember how far the session is hashed, for the request that goes on with it."""
        if self._hash is not None and not self._ended:
            self._place.states.keep(self._session.session_id, self._hash)

    def _record(
        self,
        txn: WriteTxn,
        digest: Digest,
        record: BlobRecord,
        damaged: Locator | None,
        published_at: Instant,
        by: str,
    ) -> tuple[BlobRecord, Locator]:
        """Write record and holder; return the record that counts, and the file that is needless.

        That is the new file if the known one does; else the one that it replaces (empty: none).
        """
        if self._place.clock() - published_at > self._place.limits.publish_age_ms_max:
            # The orphan sweep may be about to take the file, which has no record yet.
            raise StoreBusy("the commit came too long after the file was written; try again")
        if self._purpose.is_outdated(txn):
            raise UploadUnknown(self._session.session_id)
        current = find_record(txn, digest)
        draft = Draft()
        # A record that came or changed since the look is of a file that was flushed this moment,
        # and that somebody may be reading already.
        if current is not None and current.locator != damaged:
            kept, needless = current, record.locator
        else:
            kept, needless = record, current.locator if current else ""
            draft.put(Table.BLOBS, digest.key, record.encode())
        links.gain_blob(txn, draft, self._purpose.name, digest, record.size, Act(by))
        draft.write(txn)
        return kept, needless

    def _verified(self, digest: Digest) -> ContentHash:
        """Return the hash of what was received, which is `digest`; else end the session."""
        content_hash = self._content_hash()
        if content_hash.algorithm != digest.algorithm:
            # Not announced at the start, so the bytes are read once more.
            content_hash = self._rehashed(digest.algorithm)
        found = content_hash.digest()
        if found != digest:
            self._end()
            raise DigestInvalid(str(digest), f"the content received is {found}")
        return content_hash

    def _content_hash(self) -> ContentHash:
        if self._hash is None:
            known = self._place.states.take(self._session.session_id, self.size)
            self._hash = known or self._rehashed(self._purpose.algorithm)
        return self._hash

    def _rehashed(self, algorithm: str) -> ContentHash:
        content_hash = ContentHash(algorithm)
        for piece in self._session.read():
            content_hash.update(piece)
        return content_hash

    def _end(self) -> None:
        self._ended = True
        self._place.states.forget(self._session.session_id)
        self._session.discard()
