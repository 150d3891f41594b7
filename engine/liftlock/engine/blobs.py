"""The engine's blobs: read, removed, mounted, and brought in through upload sessions."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Sequence
from contextlib import AbstractContextManager, suppress

from liftlock import content, links, names, uploads
from liftlock.blobs.contract import Pieces
from liftlock.blobs.pieces import MemoryPieces
from liftlock.engine.asking import act_of
from liftlock.engine.opened import Opened
from liftlock.errors import BlobUnknown, NotFound, RecordCorrupt, StoreFull
from liftlock.metadata.contract import ReadTxn
from liftlock.metadata.records import AS_A_ROW, BlobRecord
from liftlock.model import BlobContent
from liftlock.oci.digest import SHA256, Digest
from liftlock.oci.reference import RepositoryName
from liftlock.uploads import LastChunk, Upload

log = logging.getLogger("liftlock")


class BlobEngine(Opened):
    """What `Engine` can do with blobs."""

    def get_blob(self, name: RepositoryName, digest: Digest) -> BlobContent:
        """Return a blob that the repository has: its size, and where `read_blob` finds it.

        What somebody else's repository has counts for nothing.

        Raises:
            RegistryUnknown, RepositoryUnknown, BlobUnknown: it is not there. A blob whose file is
                missing or has the wrong length counts as not there, so that clients push it
                again, which mends it for all; it is logged.

        Source: distribution-spec, end-2.
        """
        record, small = self._store.read(lambda txn: _found(txn, name, digest))
        if small is not None:
            return BlobContent(digest, record.size, record.locator, small)
        found = self._blobs.size(record.locator) if record.locator else None
        if found != record.size:
            fault = "its row is gone, or fails its checksum"
            if record.locator:
                fault = f"file {record.locator} has {found} bytes, not {record.size}"
            log.error("blob %s is damaged: %s", digest, fault)
            raise BlobUnknown(str(name), str(digest))
        return BlobContent(digest, record.size, record.locator)

    def read_blob(self, blob: BlobContent, start: int = 0, stop: int | None = None) -> Pieces:
        """Return some bytes of a blob, in pieces of at most `Limits.copy_bytes`.

        They are not hashed on the way out: `check(content=True)` does that for all.

        Args:
            blob: as `get_blob` returned it.
            start: offset of the first byte.
            stop: offset behind the last byte; None: the blob's end.

        Raises:
            FileNotFoundError: the file went since `get_blob`; that one says what there is now.

        Source: RFC 9110, section 14 (where ranges are inclusive: `stop` is one more).
        """
        if blob.locator:
            return self._blobs.read(blob.locator, start, stop)
        small = blob.content
        if small is None:
            small = self._store.read(lambda txn: links.small_of(txn, blob.digest.key))
        if small is None:
            raise FileNotFoundError(str(blob.digest))
        return MemoryPieces(memoryview(small)[start:stop], self.limits.copy_bytes)

    def blob_path(self, blob: BlobContent) -> str | None:
        """Return the absolute path of the local file with the blob's bytes, as of `get_blob`.

        For servers that hand a file to the kernel (`sendfile`). It is to be read only, and may
        have gone by the time it is opened. None if blobs are no local files.
        """
        return self._blobs.path(blob.locator) if blob.locator else None

    def delete_blob(self, name: RepositoryName, digest: Digest, *, by: str) -> None:
        """Remove a blob that nothing in the repository needs; other repositories keep it.

        Raises:
            RegistryUnknown, RepositoryUnknown, BlobUnknown: it is not there.
            Unsupported: a manifest needs it, or its registry does not allow deleting.
            TextInvalid: `by` cannot be stored.

        Source: distribution-spec, end-10.
        """
        act_of(by, "", self.limits)
        self._store.write(lambda txn: content.delete_blob(txn, name, digest))

    def mount_blob(
        self, name: RepositoryName, digest: Digest, *, source: RepositoryName | None, by: str
    ) -> BlobContent | None:
        """Give the repository a blob that `source` has, without its bytes.

        On return it is durable. Without `source` it succeeds only if the repository has the blob
        already.

        Returns:
            The blob; None if there is nothing to be mounted, for whatever reason.

        Raises:
            RegistryUnknown: there is no registry for `name`.
            TextInvalid: `by` cannot be stored.

        Source: distribution-spec, end-11.
        """
        act = act_of(by, "", self.limits)
        try:
            self.get_blob(source or name, digest)
        except NotFound:
            self._store.read(lambda txn: names.get_registry(txn, name.registry))
            return None
        record = self._store.write(lambda txn: content.mount_blob(txn, name, digest, source, act))
        return BlobContent(digest, record.size, record.locator) if record else None

    def put_blob(
        self, name: RepositoryName, digest: Digest, content: bytes | Iterable[bytes], *, by: str
    ) -> BlobContent:
        """Push a blob in one call; on return it is durable, on error nothing of it is left.

        For those who have the bytes, or what yields them. Who gets them from several requests
        has sessions: `start_upload`.

        Args:
            name: the repository; it may come to be by this.
            digest: what all bytes must hash to.
            content: the bytes; or pieces of them, which are never all in memory.
            by: who pushes.

        Raises:
            RegistryUnknown: there is no such registry.
            DigestInvalid: the bytes have another digest.
            SizeInvalid: they are more than `Limits.blob_bytes_max`.
            StoreFull, StoreBusy: not now; try again.
            TextInvalid: `by` cannot be stored.
        """
        session = self.start_upload(name, algorithm=digest.algorithm, by=by)
        with self.hold_upload(name, session) as upload:
            try:
                for piece in (content,) if isinstance(content, bytes) else content:
                    upload.append(piece)
                return upload.commit(digest, by=by)
            except BaseException:
                upload.cancel()
                raise

    def start_upload(self, name: RepositoryName, *, algorithm: str = SHA256, by: str) -> str:
        """Start an upload session; return its id, which nobody can guess.

        The id is hexadecimal digits. The session lasts until it is committed or cancelled, or
        until nobody has touched it for `Limits.upload_idle_ms`; without any bytes, for
        `Limits.upload_begin_ms`. It survives a restart.

        Args:
            name: where the blob is going to be; the repository need not be there yet.
            algorithm: `sha256` or `sha512`: what its digest will be. If it turns out to be the
                other, all bytes are read once more.
            by: who pushes.

        Raises:
            RegistryUnknown: there is no such registry.
            DigestInvalid: blobs cannot be named by this algorithm.
            StoreFull, StoreBusy: the store has lost its key for ids, and no other one can be made
                now.
            TextInvalid: `by` cannot be stored.

        Source: distribution-spec, end-4a and end-4c.
        """
        act_of(by, "", self.limits)
        return uploads.start(self._uploads, name, algorithm)

    def upload_size(self, name: RepositoryName, session_id: str) -> int:
        """Return how many bytes a session has received; whoever holds it.

        Raises:
            UploadUnknown: it is not there, or was started for another repository.

        Source: distribution-spec, end-13.
        """
        return uploads.size(self._uploads, name, session_id)

    def hold_upload(self, name: RepositoryName, session_id: str) -> AbstractContextManager[Upload]:
        """Give a session to one caller until the context ends; its methods block.

        It may be entered and left in different threads. Leaving it does not end the session:
        `Upload.commit` and `Upload.cancel` do.

        Raises:
            UploadUnknown: on entering: it is not there, or was started for another repository.
            UploadBusy: on entering: another caller holds it, here or in another process.
            StoreFull: on entering: there is no room for a session to begin.

        Source: distribution-spec, end-5 and end-6.
        """
        return uploads.hold(self._uploads, name, session_id)

    def finish_uploads(self, chunks: Sequence[LastChunk]) -> list[BlobContent | Exception]:
        """Take in the last chunk of each upload and commit it, all in one commit.

        For uploads of few bytes: they wait for the disk together.

        Returns:
            For each, the blob, which is durable then; or what `hold_upload`, `Upload.append` or
            `Upload.commit` would have raised; or `SizeDiffers`.
        """
        return uploads.finish(self._uploads, chunks)

    def remembered_size(self, session_id: str) -> int | None:
        """Return how far this process has hashed a session, in bytes; None if it is not known.

        A session of which it remembers little can be ended at once; another one may have to be
        read first, and its bytes may take long to reach the disk.
        """
        return self._uploads.states.size_of(session_id)

    def cancel_upload(self, name: RepositoryName, session_id: str) -> None:
        """Forget a session and its bytes; on a full disk too.

        Raises:
            UploadUnknown, UploadBusy: as `hold_upload`.

        Source: distribution-spec, end-14.
        """
        # There is no room even for a session to begin: so it has no bytes, and nobody holds it.
        with suppress(StoreFull), self.hold_upload(name, session_id) as upload:
            upload.cancel()


def _found(txn: ReadTxn, name: RepositoryName, digest: Digest) -> tuple[BlobRecord, bytes | None]:
    """Return the record of a blob that the repository has, and the bytes of a small one."""
    record = content.find_blob(txn, name, digest)
    if record.encoding != AS_A_ROW:
        return record, None
    try:
        return record, links.find_small(txn, digest.key, record)
    except RecordCorrupt:
        return record, None
