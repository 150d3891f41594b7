"""Upload sessions as files: two for each, and three while one is being made.

    uploads/<session id>               the bytes so far
    uploads/<session id>.header        what it was made with, and its lock: `liftlock.blobs.header`
    uploads/<session id>.header.new    a header that is not finished

Invariants: a session exists exactly while its header does, and who has locked the header holds it.
The bytes are those that were acknowledged, and after a crash perhaps some that no longer could be.
Only `publish` flushes: a session survives `kill -9`, and whatever a power cut leaves of it is
either refused when its digest is verified, or no session at all.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final

from liftlock.blobs.contract import (
    SESSION_ID,
    IsRecorded,
    Locator,
    StoredSession,
    locator_of,
)
from liftlock.blobs.disk import Disk, FilePieces, room_for
from liftlock.blobs.header import locked, read_header, seal
from liftlock.errors import UploadBusy, UploadUnknown
from liftlock.oci.digest import Digest

_SUFFIXES: Final = ("", ".header", ".header.new")
_PART: Final = re.compile(r"([0-9a-f]{32})(?:\.header(?:\.new)?)?")


class SessionFiles:
    """All sessions in one folder. Nothing is kept open or in memory between calls."""

    def __init__(
        self, folder: Path, blob_path: Callable[[Locator], Path], disk: Disk, copy_bytes: int
    ) -> None:
        self.folder = folder
        self.blob_path = blob_path
        self.disk = disk
        self.copy_bytes = copy_bytes

    def create(self, session_id: str, header: bytes) -> None:
        """Make an empty session; see `BlobStore.create_session`."""
        stored, header_path, unfinished = self.paths(session_id)
        with room_for("the upload"):
            os.close(self.disk.create(stored))
            try:
                file = self.disk.create(unfinished)
                try:
                    self.disk.write(file, seal(header), 0)
                finally:
                    os.close(file)
                # Last, and in one step: nobody ever sees a session that lacks a part.
                self.disk.rename(unfinished, header_path)
            except BaseException:
                _unlink(self.disk, unfinished, stored)
                raise

    @contextmanager
    def hold(self, session_id: str, is_recorded: IsRecorded | None) -> Iterator[FileSession]:
        """Lock a session for this request; see `BlobStore.hold_session`."""
        stored, header_path, _ = self.paths(session_id)
        with locked(header_path, session_id) as lock:
            header, trace = read_header(lock, session_id)
            if not os.path.lexists(stored):
                self._settle(session_id, trace, is_recorded)
            session = FileSession(self, session_id, header, lock)
            try:
                yield session
            finally:
                session.close()

    def peek(self, session_id: str) -> tuple[bytes, int]:
        """Return header and size; see `BlobStore.peek_session`."""
        stored, header_path, _ = self.paths(session_id)
        try:
            file = os.open(header_path, os.O_RDONLY | os.O_CLOEXEC)
        except FileNotFoundError:
            raise UploadUnknown(session_id) from None
        try:
            # The trace is read after the bytes were missed: it is written before they move.
            size = _size(stored)
            header, trace = read_header(file, session_id)
        finally:
            os.close(file)
        if size is None and trace is not None:
            size = _size(self.blob_path(trace))
        if size is None:
            size = _size(stored)  # taken back in between
        if size is None:
            raise UploadUnknown(session_id)
        return header, size

    def expire(self, session_id: str, before: int) -> bool:
        """Remove what is old enough and not held; see `BlobStore.expire_session`."""
        _, header_path, _ = self.paths(session_id)
        try:
            with locked(header_path, session_id):
                return self._remove_idle(session_id, before)
        except UploadBusy:
            return False
        except UploadUnknown:
            return self._remove_idle(session_id, before)  # without a header nobody can hold it

    def iterate(self) -> Iterator[StoredSession]:
        """Stream sessions and remains; see `BlobStore.iter_sessions`."""
        with os.scandir(self.folder) as entries:
            for entry in entries:
                if part := _PART.fullmatch(entry.name):
                    found = self._stat(part[1])
                    # A session has up to three files, and is told of at the first of them.
                    if found and next(iter(found)).name == entry.name:
                        stored = found.get(self.folder / part[1])
                        yield StoredSession(
                            part[1], stored.st_size if stored else 0, _changed_at(found)
                        )

    def paths(self, session_id: str) -> tuple[Path, Path, Path]:
        """Say where bytes, header and unfinished header of a session belong.

        Ids come from clients: one that we cannot have given names nothing, so no path either.
        """
        if not SESSION_ID.fullmatch(session_id):
            raise UploadUnknown(session_id)
        stored, header, unfinished = (self.folder / (session_id + end) for end in _SUFFIXES)
        return stored, header, unfinished

    def _settle(
        self, session_id: str, trace: Locator | None, is_recorded: IsRecorded | None
    ) -> None:
        """Give a session its bytes back whose holder died before the commit; else it is over."""
        stored, header_path, _ = self.paths(session_id)
        if trace is None or is_recorded is None:
            raise UploadUnknown(session_id)
        if is_recorded(trace):
            _unlink(self.disk, header_path)  # which is all that its holder did not come to do
            raise UploadUnknown(session_id)
        try:
            with room_for("the upload"):
                self.disk.rename(self.blob_path(trace), stored)
        except FileNotFoundError:
            raise UploadUnknown(session_id) from None  # swept as an orphan, or lost

    def _remove_idle(self, session_id: str, before: int) -> bool:
        found = self._stat(session_id)
        if not found or _changed_at(found) >= before:
            return False
        _unlink(self.disk, *found)
        return True

    def _stat(self, session_id: str) -> dict[Path, os.stat_result]:
        found = {}
        for path in self.paths(session_id):
            with suppress(FileNotFoundError):
                found[path] = path.stat(follow_symlinks=False)
        return found


class FileSession:
    """A session whose header this request has locked; see `contract.Session`."""

    def __init__(self, files: SessionFiles, session_id: str, header: bytes, lock: int) -> None:
        self._files = files
        self._disk = files.disk
        self._session_id = session_id
        self._header = header
        self._lock = lock
        self._stored, self._header_path, _ = files.paths(session_id)
        self._file = os.open(self._stored, os.O_RDWR | os.O_CLOEXEC)
        self._size = os.fstat(self._file).st_size
        self._is_published = False

    @property
    def session_id(self) -> str:
        """Its unguessable name."""
        return self._session_id

    @property
    def header(self) -> bytes:
        """What `create_session` was given."""
        return self._header

    @property
    def size(self) -> int:
        """Bytes received so far, in bytes."""
        return self._size

    def append(self, data: bytes | memoryview) -> None:
        """Add `data` at the end, or nothing."""
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

    def read(self) -> FilePieces:
        """Yield all bytes received so far."""
        assert not self._is_published, "the bytes belong to a blob"
        return FilePieces(os.dup(self._file), 0, self._size, self._files.copy_bytes)

    def publish(self, digest: Digest, unique: str) -> Locator:
        """Flush the bytes, then rename them to a new locator, then flush the folder."""
        assert not self._is_published, "the bytes belong to a blob"
        locator = locator_of(digest, unique)
        target = self._files.blob_path(locator)
        assert not os.path.lexists(target), f"{locator} was used before"
        with room_for("the blob"):
            # The trace first: who finds the session without bytes must learn where they are.
            self._disk.write(self._lock, locator.encode() + b"\n", len(seal(self._header)))
            self._flush()
            self._disk.rename(self._stored, target)
            self._is_published = True
            try:
                self._disk.sync_directory(target.parent)
            except BaseException:
                with suppress(OSError):  # then the trace leads to them
                    self.retract(locator)
                raise
        return locator

    def retract(self, locator: Locator) -> None:
        """Rename the bytes back. Not flushed: a power cut may leave them as an orphan."""
        self._disk.rename(self._files.blob_path(locator), self._stored)
        self._is_published = False

    def discard(self) -> None:
        """Remove header and bytes; a published file bears another name and stays."""
        # The header first: with it, the session is gone. What a crash leaves of the rest expires.
        _unlink(self._disk, self._header_path, self._stored)

    def close(self) -> None:
        """Close the bytes' descriptor; whoever locked the header unlocks it."""
        os.close(self._file)

    def _flush(self) -> None:
        try:
            self._disk.fsync(self._file)
        except OSError:
            # The system now takes the pages for clean, written or not, and would claim success
            # the next time (see `Disk.fsync`): nobody can vouch for these bytes any more.
            self.discard()
            raise


def _size(path: Path) -> int | None:
    with suppress(FileNotFoundError):
        return path.stat().st_size
    return None


def _unlink(disk: Disk, *paths: Path) -> None:
    for path in paths:
        with suppress(FileNotFoundError):
            disk.unlink(path)


def _changed_at(found: dict[Path, os.stat_result]) -> int:
    return max(part.st_mtime_ns for part in found.values()) // 1_000_000
