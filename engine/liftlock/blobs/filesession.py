"""An upload session as files, in the hand of the request that holds it: see `blobs.sessions`."""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path
from typing import Final, Protocol

from liftlock.blobs.contract import Locator
from liftlock.blobs.disk import Disk, FilePieces, room_for
from liftlock.blobs.sessionfiles import Locked, unlink, unlock
from liftlock.config import MIB
from liftlock.errors import UploadUnknown

_FLUSH_AHEAD_BYTES: Final = 8 * MIB
"""So much of an upload is received before the disk begins to write it."""


class Files(Protocol):
    """What a session needs to know of the place where all are."""

    @property
    def disk(self) -> Disk:
        """How files are written."""
        ...

    @property
    def copy_bytes(self) -> int:
        """Bytes read at a time."""
        ...

    def paths(self, session_id: str) -> tuple[Path, Path]:
        """Say where bytes and trace of a session belong."""
        ...

    def blob_path(self, locator: Locator) -> Path:
        """Say where a blob's bytes belong."""
        ...


class FileSession:
    """A session whose bytes this request has locked; see `contract.Session`."""

    def __init__(self, files: Files, session_id: str, file: Locked) -> None:
        """Take over `file`, which has the bytes."""
        self._files = files
        self._disk = files.disk
        self._session_id = session_id
        self._stored, self._trace = files.paths(session_id)
        self._locked = file
        self._file = file.descriptor
        self._size = file.size
        self._acknowledged = self._flushing = self._size
        self._is_published = False
        self._is_lost = False

    @property
    def session_id(self) -> str:
        """Its unguessable name."""
        return self._session_id

    @property
    def size(self) -> int:
        """Bytes received so far, in bytes."""
        return self._size

    def append(self, data: bytes | memoryview) -> None:
        """Add `data` at the end, or nothing."""
        self._need_bytes()
        assert not self._is_published, "the bytes belong to a blob"
        with room_for("the upload"):
            try:
                self._disk.write(self._file, data, self._size)
            except BaseException:
                # What is not acknowledged must not count. If even cutting fails, the next write
                # goes to the same place, and a new holder finds more of the client's own bytes.
                with suppress(OSError):
                    self._disk.truncate(self._file, self._size)
                raise
        self._size += len(data)
        if self._size - self._flushing >= _FLUSH_AHEAD_BYTES:
            self.begin_flush()

    def read(self) -> FilePieces:
        """Yield all bytes received so far."""
        assert not self._is_published, "the bytes belong to a blob"
        return FilePieces(os.dup(self._file), 0, self._size, self._files.copy_bytes)

    def leave_trace(self, locator: Locator) -> None:
        """Say where the bytes will be, if any were acknowledged; then they can be moved there."""
        self._need_bytes()
        assert not self._is_published, "the bytes belong to a blob"
        target = self._files.blob_path(locator)
        assert not os.path.lexists(target), f"{locator} was used before"
        if self._acknowledged:
            # First: who finds the session without bytes must learn where they are.
            unlink(self._disk, self._trace)
            self._disk.symlink(self._trace, locator)

    def begin_flush(self) -> None:
        """Let the disk begin with what `flush` will wait for."""
        if self._flushing < self._size:
            # An advice that cannot be taken is no failure: `flush` tells of those.
            with suppress(OSError):
                self._disk.begin_flush(self._file, self._flushing, self._size)
            self._flushing = self._size

    def flush(self) -> None:
        """Make the bytes durable; if that fails, the session is gone."""
        try:
            self._disk.fsync(self._file)
        except OSError:
            # The system now takes the pages for clean, written or not, and would claim success
            # the next time (see `Disk.fsync`): nobody can vouch for these bytes any more.
            self.discard()
            raise

    def move(self, locator: Locator) -> None:
        """Rename the bytes, which are flushed, to `locator`; its folder is to be flushed next."""
        self._disk.rename(self._stored, self._files.blob_path(locator))
        self._is_published = True

    def retract(self, locator: Locator) -> None:
        """Give the bytes their name back. Not flushed: a power cut may leave them as an orphan."""
        published = self._files.blob_path(locator)
        # Not renamed: that would take the name from whoever began the session once more meanwhile,
        # which can be only if none of these bytes was ever acknowledged. Then they are lost, and
        # so they are if a sweep was faster.
        try:
            with suppress(FileExistsError):
                self._disk.link(published, self._stored)
        finally:
            self._is_lost = not self._has_name()
        self._disk.unlink(published)
        self._is_published = False

    def discard(self) -> None:
        """Remove trace and bytes; a published file bears another name and stays."""
        if self._acknowledged:
            # The trace first: what a crash leaves of the rest is no session, or expires.
            unlink(self._disk, self._trace)
        if not (self._is_published or self._is_lost):
            unlink(self._disk, self._stored)

    def _has_name(self) -> bool:
        """Tell whether the session's name is that of the bytes: perhaps they never were moved."""
        with suppress(FileNotFoundError):
            return os.path.samestat(self._stored.stat(), os.fstat(self._file))
        return False

    def _need_bytes(self) -> None:
        """Refuse to go on with what is another's: the name stands for other bytes by now."""
        if self._is_lost:
            raise UploadUnknown(self._session_id)

    def close(self) -> None:
        """Let go of the bytes."""
        unlock(self._locked)
