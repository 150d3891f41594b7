"""Blobs out of an archive, into the repositories that need them: verified, stored, held.

They come in as pushed ones do, through upload sessions, so each is durable and held once it is in;
an import that is broken off and begun again finds it. Small ones wait for the disk together. One
that several repositories need is read and stored once.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from functools import partial
from typing import Final

from liftlock import content, uploads
from liftlock.config import KIB, MIB
from liftlock.errors import ArchiveInvalid, DigestInvalid, LiftlockError, StoreBusy, UploadUnknown
from liftlock.history import Act
from liftlock.metadata.contract import WriteTxn
from liftlock.model import ArchiveKind
from liftlock.oci.digest import Digest
from liftlock.oci.reference import RepositoryName
from liftlock.transfer.archives import Archive
from liftlock.transfer.contents import Contents
from liftlock.uploads import LastChunk, Place

Progress = Callable[[int], None]
"""Told of bytes as they pass, between pieces; what it raises ends the work there."""

_SMALL_BYTES_MAX: Final = 256 * KIB
_TOGETHER_MAX: Final = 64
_TOGETHER_BYTES_MAX: Final = 4 * MIB


def unheard(count: int) -> None:
    """Listen to no progress."""
    del count


class Receiving:
    """One import's blobs on their way."""

    def __init__(self, place: Place, archive: Archive, by: str, progress: Progress) -> None:
        self._place = place
        self._archive = archive
        self._by = by
        self._progress = progress
        self._small: list[tuple[Digest, bytes]] = []
        self._small_bytes = 0
        self._targets: Mapping[bytes, Sequence[RepositoryName]] = {}
        self._kind = ArchiveKind.OCI_LAYOUT

    def receive(self, contents: Contents, wanted: Mapping[bytes, Sequence[RepositoryName]]) -> None:
        """Bring blobs in, each into all repositories that want it.

        Raises:
            ArchiveInvalid: one is not what its digest says; those before it are in, and held.
            StoreFull, StoreBusy: not now; those before it are in, and held.
        """
        try:
            self._receive(contents, wanted)
        except UploadUnknown as error:
            reason = "a repository was moved or deleted while blobs came into it; import again"
            raise StoreBusy(reason) from error

    def _receive(
        self, contents: Contents, wanted: Mapping[bytes, Sequence[RepositoryName]]
    ) -> None:
        self._targets = wanted
        self._kind = contents.kind
        files = {contents.blobs[blob].name: Digest(blob) for blob in wanted}
        for name, pieces in self._archive.stream([contents.blobs[blob] for blob in wanted]):
            digest = files[name]
            size = contents.blobs[digest.key].size
            if size <= _SMALL_BYTES_MAX:
                self._gather(digest, b"".join(self._passing(pieces)))
            else:
                self._receive_large(digest, pieces)
        self._finish_small()

    def _passing(self, pieces: Iterator[bytes]) -> Iterator[bytes]:
        for piece in pieces:
            yield piece
            self._progress(len(piece))

    def _receive_large(self, digest: Digest, pieces: Iterator[bytes]) -> None:
        first, *others = self._targets[digest.key]
        session = uploads.start(self._place, first, digest.algorithm)
        with uploads.hold(self._place, first, session) as upload:
            try:
                for piece in pieces:
                    upload.append(piece)
                    self._progress(len(piece))
                upload.commit(digest, by=self._by)
            except DigestInvalid as error:
                raise self._wrong(digest, error) from error
            except BaseException:
                # Nobody would go on with it: what is brought in again is read from its beginning.
                upload.cancel()
                raise
        self._share(((digest, first, others),))

    def _gather(self, digest: Digest, body: bytes) -> None:
        # Before a session is begun for it: whether it is the right one is soon found out.
        found = Digest.of(body, digest.algorithm)
        if found != digest:
            raise self._wrong(digest, DigestInvalid(str(digest), f"the content is {found}"))
        self._small.append((digest, body))
        self._small_bytes += len(body)
        if len(self._small) >= _TOGETHER_MAX or self._small_bytes >= _TOGETHER_BYTES_MAX:
            self._finish_small()

    def _finish_small(self) -> None:
        gathered, self._small, self._small_bytes = self._small, [], 0
        chunks: list[LastChunk] = []
        try:
            for digest, body in gathered:
                first = self._targets[digest.key][0]
                session = uploads.start(self._place, first, digest.algorithm)
                chunks.append(LastChunk(first, session, body, digest, self._by, size=0))
            outcomes = uploads.finish(self._place, chunks)
        except BaseException:
            self._cancel(chunks)
            raise
        failed = [outcome for outcome in outcomes if isinstance(outcome, Exception)]
        if failed:
            self._cancel(chunks)
            raise failed[0]
        self._share(
            [(chunk.digest, chunk.name, self._targets[chunk.digest.key][1:]) for chunk in chunks]
        )

    def _cancel(self, chunks: Sequence[LastChunk]) -> None:
        """Forget what sessions are left: nobody would go on with them."""
        for chunk in chunks:
            with (
                suppress(LiftlockError, OSError),
                uploads.hold(self._place, chunk.name, chunk.session_id) as upload,
            ):
                upload.cancel()

    def _share(
        self, blobs: Sequence[tuple[Digest, RepositoryName, Sequence[RepositoryName]]]
    ) -> None:
        """Give blobs that one repository has got to the others that want them."""
        shared = [(digest, to, source) for digest, source, others in blobs for to in others]
        if not shared:
            return
        act = Act(self._by)
        for start in range(0, len(shared), _TOGETHER_MAX):
            part = shared[start : start + _TOGETHER_MAX]
            self._place.store.write(partial(_mount, shared=part, act=act))

    def _wrong(self, digest: Digest, error: DigestInvalid) -> ArchiveInvalid:
        reason = f"blob {digest}: {error.reason}; what came in before it is held without a tag"
        if self._kind is ArchiveKind.DOCKER_ARCHIVE:
            # Some builders do that, and no config tells what it is then.
            path = self._archive.path
            reason += (
                "; if its layers are compressed, make a layout of it first, with "
                f"`skopeo copy docker-archive:{path} oci-archive:{path}.oci`"
            )
        return ArchiveInvalid(self._archive.path, reason)


def _mount(
    txn: WriteTxn, shared: Sequence[tuple[Digest, RepositoryName, RepositoryName]], act: Act
) -> None:
    for digest, to, source in shared:
        content.mount_blob(txn, to, digest, source, act)
