"""A session in the hands of one request."""

from __future__ import annotations

from contextlib import suppress
from typing import Protocol

from liftlock.blobs.contract import Session
from liftlock.blobs.hashing import ContentHash
from liftlock.errors import ChunkOutOfOrder, DigestInvalid, SizeInvalid, StoreBusy, StoreFull
from liftlock.model import BlobContent
from liftlock.oci.digest import Digest
from liftlock.uploads.commit import Commit, FileCommit, Received
from liftlock.uploads.committing import commit
from liftlock.uploads.place import Place
from liftlock.uploads.rowcommit import RowCommit
from liftlock.uploads.ticket import Ticket


class Upload(Protocol):
    """A session in the hands of one caller, for one thread at a time. Its methods block."""

    @property
    def size(self) -> int:
        """Bytes received so far."""
        ...

    def append(self, data: bytes | memoryview, *, at: int | None = None) -> None:
        """Take `data` in at the end; on return it survives a crash of the process.

        What it survives less: a power cut may shorten the session, or end it.

        Args:
            data: the next bytes, of any number. A memoryview is kept nowhere; bytes perhaps until
                the next call.
            at: where they must begin, in bytes from 0, if that was said.

        Raises:
            ChunkOutOfOrder: the session does not end there; nothing was taken in.
            SizeInvalid: the blob would be larger than `Limits.blob_bytes_max`.
            StoreFull: there is no room; what came before `data` stays.

        Source: distribution-spec, end-5 and "Pushing a blob in chunks".
        """
        ...

    def commit(self, digest: Digest, *, by: str) -> BlobContent:
        """Make the received bytes a blob of the repository, if they are `digest`.

        On return the blob is durable and the session has ended. If the content is another, the
        session has ended too; if its flush failed, its bytes are lost, and it may begin once more
        (see `Engine.start_upload`). On every other error it goes on as it was.

        Args:
            digest: of all bytes since the session's start.
            by: who pushes.

        Raises:
            DigestInvalid: the bytes have another digest.
            RegistryUnknown: the registry was deleted meanwhile.
            UploadUnknown: the repository was deleted, or bears another name now; or another
                request has ended the session.
            StoreFull: there is no room; try again when there is.
            StoreBusy: not now; try again.

        Source: distribution-spec, end-6.
        """
        ...

    def cancel(self) -> None:
        """Forget the session and its bytes; harmless when it has ended."""
        ...


class HeldUpload:
    """An `Upload`, and what else its holder needs: to commit it with others, and to let go."""

    def __init__(self, place: Place, session: Session, ticket: Ticket) -> None:
        self._place = place
        self._session = session
        self._ticket = ticket
        self._hash: ContentHash | None = None
        self._ended = False

    @property
    def size(self) -> int:
        """As in `Upload`."""
        return self._session.size

    def append(self, data: bytes | memoryview, *, at: int | None = None) -> None:
        """As in `Upload`."""
        if at is not None and at != self.size:
            raise ChunkOutOfOrder(self._session.session_id, self.size, at)
        if not data:
            return
        limit = self._place.limits.blob_bytes_max
        if self.size + len(data) > limit:
            raise SizeInvalid(f"the blob is larger than {limit} bytes (blob_bytes_max)")
        content_hash = self._content_hash()
        self._session.append(data)
        self._hash = None  # until it has these bytes too; else they are read again
        content_hash.update(data)
        self._hash = content_hash

    def commit(self, digest: Digest, *, by: str) -> BlobContent:
        """As in `Upload`."""
        (outcome,) = commit(self._place, [self.begin_commit(digest, by=by)])
        if isinstance(outcome, Exception):
            raise outcome
        return outcome

    def begin_commit(self, digest: Digest, *, by: str) -> Commit:
        """Do what of a commit comes before its bytes are published; see `commit`."""
        content_hash = self._verified(digest)
        received = Received(
            self._session.session_id, self._ticket, digest, content_hash, by, self._forget
        )
        if self.size < self._place.limits.file_bytes_min:
            return RowCommit(self._place, received, b"".join(self._session.read()))
        return FileCommit(self._place, received, self._session)

    def cancel(self) -> None:
        """As in `Upload`."""
        try:
            # A full disk shall not keep anyone from making room, nor another process that writes:
            # without this row the session may begin once more, empty.
            with suppress(StoreFull, StoreBusy):
                self._place.store.write(self._ticket.end)
        finally:
            self._forget()

    def rest(self) -> None:
        """Remember how far the session is hashed, for the request that goes on with it."""
        if self._hash is not None and not self._ended:
            self._place.states.keep(self._session.session_id, self._hash)

    def _verified(self, digest: Digest) -> ContentHash:
        """Return the hash of what was received, which is `digest`; else end the session."""
        content_hash = self._content_hash()
        if content_hash.algorithm != digest.algorithm:
            # Not announced at the start, so the bytes are read once more.
            content_hash = self._rehashed(digest.algorithm)
        found = content_hash.digest()
        if found != digest:
            self.cancel()
            raise DigestInvalid(str(digest), f"the content received is {found}")
        return content_hash

    def _content_hash(self) -> ContentHash:
        if self._hash is None:
            algorithm = self._ticket.algorithm
            known = self._place.states.take(self._session.session_id, self.size)
            if known is None and not self.size:
                known = ContentHash(algorithm, self._place.hashers)
            self._hash = known or self._rehashed(algorithm)
        return self._hash

    def _rehashed(self, algorithm: str) -> ContentHash:
        content_hash = ContentHash(algorithm, self._place.hashers)
        for piece in self._session.read() if self.size else ():
            content_hash.update(piece)
        return content_hash

    def _forget(self) -> None:
        """Forget a session that has ended; bytes that were published stay."""
        self._ended = True
        self._place.states.forget(self._session.session_id)
        self._session.discard()
