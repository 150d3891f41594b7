"""Blobs as plain files, and beside them the upload sessions (`liftlock.blobs.sessions`).

    blobs/<algorithm>/<2 hex>/<hex>.<unique>
    uploads/

Invariants: a blob's name appears by the rename of its whole and flushed file, which is never
written to again; the name is flushed, with its folder, before anyone is told. `create` makes all
folders once and for all, so publishing never makes one and flushing one folder is enough.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, suppress
from pathlib import Path
from typing import Final

from liftlock.blobs.contract import (
    LOCATOR,
    IsRecorded,
    Locator,
    Publication,
    Session,
    StoredBlob,
    StoredSession,
)
from liftlock.blobs.disk import PLAIN_DISK, Disk, FilePieces, room_for
from liftlock.blobs.publishing import publish
from liftlock.blobs.sessions import SessionFiles
from liftlock.config import Limits
from liftlock.errors import StoreUnknown
from liftlock.oci.digest import ALGORITHMS

_BLOBS: Final = "blobs"
_UPLOADS: Final = "uploads"
_SHARDS: Final = tuple(
    f"{algorithm}/{number:02x}" for algorithm in ALGORITHMS for number in range(256)
)
_DEFAULTS: Final = Limits()


def create(root: Path, disk: Disk = PLAIN_DISK) -> None:
    """Make the folders of an empty store; on return they are durable.

    The folder that `root` is in must exist. After a crash half-way, call it again: folders that
    are there are flushed all the same, since nobody knows whether their maker got that far.

    Raises:
        StoreFull: there is no room; folders made so far stay.
    """
    blobs = root / _BLOBS
    algorithms = [blobs / algorithm for algorithm in ALGORITHMS]
    shards = [blobs / shard for shard in _SHARDS]
    with room_for("the folders of the store"):
        for folder in (root, blobs, root / _UPLOADS, *algorithms, *shards):
            with suppress(FileExistsError):
                disk.make_directory(folder)
        for parent in (*algorithms, blobs, root, root.parent):
            disk.sync_directory(parent)


class FileBlobStore:
    """See `contract.BlobStore`. Nothing is kept open or in memory: any thread may call."""

    def __init__(self, root: Path, disk: Disk = PLAIN_DISK, limits: Limits = _DEFAULTS) -> None:
        """Open the store that `create` made under `root`. StoreUnknown if there is none."""
        self._blobs = root / _BLOBS
        # Pulls ask for sizes and paths: as text, since making a Path takes longer than the answer.
        self._folder = os.path.abspath(self._blobs)  # noqa: PTH100
        self._disk = disk
        self._limits = limits
        uploads = root / _UPLOADS
        self._sessions = SessionFiles(uploads, self._blob_path, disk, limits.copy_bytes)
        if not (self._blobs.is_dir() and uploads.is_dir()):
            raise StoreUnknown(str(root))

    def size(self, locator: Locator) -> int | None:
        """Return the length of the file in bytes, or None if there is none."""
        try:
            return os.stat(self.path(locator)).st_size  # noqa: PTH116
        except FileNotFoundError:
            return None

    def read(self, locator: Locator, start: int = 0, stop: int | None = None) -> FilePieces:
        """Open the file and yield its bytes in pieces; FileNotFoundError if there is none."""
        file = os.open(self._blob_path(locator), os.O_RDONLY | os.O_CLOEXEC)
        return FilePieces(file, start, stop, self._limits.copy_bytes)

    def path(self, locator: Locator) -> str:
        """Return where the file is, if it is there."""
        assert LOCATOR.fullmatch(locator), locator
        return f"{self._folder}/{locator}"

    def remove(self, locator: Locator) -> None:
        """Remove the file. Not flushed: if a power cut brings it back, it is an orphan."""
        with suppress(FileNotFoundError):
            self._disk.unlink(self._blob_path(locator))

    def iter_blobs(self) -> Iterator[StoredBlob]:
        """Stream every blob file; only one folder is open at a time, and never listed whole.

        Files of other names are passed over: they are not ours to judge.
        """
        for shard in _SHARDS:
            with os.scandir(self._blobs / shard) as entries:
                for entry in entries:
                    locator = f"{shard}/{entry.name}"
                    if LOCATOR.fullmatch(locator):
                        with suppress(FileNotFoundError):  # removed since it was listed
                            yield _stored(locator, entry.stat(follow_symlinks=False))

    def create_session(self, session_id: str) -> None:
        """Make an empty session, if there is none."""
        self._sessions.create(session_id)

    def has_session(self, session_id: str) -> bool:
        """Tell whether there is a session whose bytes are its own."""
        return self._sessions.has(session_id)

    def hold_session(
        self, session_id: str, is_recorded: IsRecorded | None = None
    ) -> AbstractContextManager[Session]:
        """Give the session to this request alone."""
        return self._sessions.hold(session_id, is_recorded)

    def publish(self, publications: Sequence[Publication]) -> list[Exception | None]:
        """Publish held sessions, waiting for the disk together."""
        return publish(publications, self._disk, self._blob_path)

    def peek_session(self, session_id: str) -> int:
        """Return the size of a session without holding it."""
        return self._sessions.peek(session_id)

    def expire_session(self, session_id: str, before: int) -> bool:
        """Remove a session that was last written to before `before`, and is not held."""
        return self._sessions.expire(session_id, before)

    def iter_sessions(self) -> Iterator[StoredSession]:
        """Stream every session, remains of ended ones included."""
        return self._sessions.iterate()

    def close(self) -> None:
        """Nothing is open."""

    def _blob_path(self, locator: Locator) -> Path:
        assert LOCATOR.fullmatch(locator), locator
        return self._blobs / locator


def _stored(locator: Locator, found: os.stat_result) -> StoredBlob:
    return StoredBlob(locator, found.st_size, found.st_ctime_ns // 1_000_000)
