"""Upload sessions as files: one for each, and a trace while the bytes may be elsewhere.

    uploads/<session id>          the bytes so far; who has locked this file holds the session
    uploads/<session id>.trace    a symbolic link whose text is the locator of the last `publish`

Invariants: a session exists exactly while its bytes are at its own name, or where its trace says.
The lock (flock) is the file's, not the name's: whoever publishes bytes has them locked under their
new name too, so that nobody can take back what is being committed. A trace is made before bytes
move that were acknowledged earlier, and counts only while they are not at their own name. The
bytes are those that were acknowledged, and after a crash perhaps some that no longer could be.
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

from liftlock.blobs.contract import SESSION_ID, IsRecorded, Locator, StoredSession
from liftlock.blobs.disk import Disk, room_for
from liftlock.blobs.filesession import FileSession
from liftlock.blobs.sessionfiles import (
    Locked,
    changed_at,
    find,
    lock,
    read_trace,
    size_of,
    unlink,
    unlock,
)
from liftlock.errors import UploadBusy, UploadUnknown

_TRACE: Final = ".trace"
_PART: Final = re.compile(rf"({SESSION_ID.pattern})(?:\{_TRACE})?")


class SessionFiles:
    """All sessions in one folder. Nothing is kept open or in memory between calls."""

    def __init__(
        self, folder: Path, blob_path: Callable[[Locator], Path], disk: Disk, copy_bytes: int
    ) -> None:
        self.folder = folder
        self._prefix = f"{folder}/"
        self.blob_path = blob_path
        self.disk = disk
        self.copy_bytes = copy_bytes

    def create(self, session_id: str) -> None:
        """Make an empty session; see `BlobStore.create_session`."""
        stored, _ = self.paths(session_id)
        with room_for("the upload"), suppress(FileExistsError):
            os.close(self.disk.create(stored))

    def has(self, session_id: str) -> bool:
        """Tell whether the bytes are at their own name; see `BlobStore.has_session`."""
        if not SESSION_ID.fullmatch(session_id):
            raise UploadUnknown(session_id)
        # Not by a look at it that raises where there is nothing, as there nearly always is.
        return os.access(f"{self._prefix}{session_id}", os.F_OK)

    @contextmanager
    def hold(self, session_id: str, is_recorded: IsRecorded | None) -> Iterator[FileSession]:
        """Lock a session for this request; see `BlobStore.hold_session`."""
        file, locator = self._found(session_id)
        if file is None:
            raise UploadUnknown(session_id)
        if locator is not None:
            self._settle(session_id, file, locator, is_recorded)
        session = FileSession(self, session_id, file)
        try:
            yield session
        finally:
            session.close()

    def peek(self, session_id: str) -> int:
        """Return the size; see `BlobStore.peek_session`."""
        stored, trace = self.paths(session_id)
        size = size_of(stored)
        if size is None and (locator := read_trace(trace)) is not None:
            size = size_of(self.blob_path(locator))
        if size is None:
            size = size_of(stored)  # taken back in between
        if size is None:
            raise UploadUnknown(session_id)
        return size

    def expire(self, session_id: str, before: int) -> bool:
        """Remove what is old enough and not held; see `BlobStore.expire_session`."""
        stored, trace = self.paths(session_id)
        try:
            file, locator = self._found(session_id)
        except UploadBusy:
            return False
        try:
            # What is not locked may be another's any moment, except that a trace is no session.
            is_ours = file is not None and locator is None
            return self._remove_idle(before, *((stored, trace) if is_ours else (trace,)))
        finally:
            if file is not None:
                unlock(file)

    def iterate(self) -> Iterator[StoredSession]:
        """Stream sessions and remains; see `BlobStore.iter_sessions`."""
        with os.scandir(self.folder) as entries:
            for entry in entries:
                if part := _PART.fullmatch(entry.name):
                    stored, trace = self.paths(part[1])
                    found = find(stored, trace)
                    # A session may have both files, and is told of at the first of them.
                    if found and next(iter(found)).name == entry.name:
                        bytes_ = found.get(stored)
                        size = bytes_.st_size if bytes_ else 0
                        yield StoredSession(part[1], size, changed_at(found))

    def paths(self, session_id: str) -> tuple[Path, Path]:
        """Say where bytes and trace of a session belong.

        Ids come from clients: one that we cannot have given names nothing, so no path either.
        """
        if not SESSION_ID.fullmatch(session_id):
            raise UploadUnknown(session_id)
        return self.folder / session_id, self.folder / (session_id + _TRACE)

    def _locked(self, session_id: str, path: Path) -> Locked | None:
        try:
            return lock(path)
        except BlockingIOError:
            raise UploadBusy(session_id) from None

    def _found(self, session_id: str) -> tuple[Locked | None, Locator | None]:
        """Lock a session's bytes; None if there are none. With a locator, if they are there."""
        stored, trace = self.paths(session_id)
        file = self._locked(session_id, stored)
        if file is not None or (locator := read_trace(trace)) is None:
            return file, None
        # As long as its holder lives it has this file locked, whatever name it bears.
        file = self._locked(session_id, self.blob_path(locator))
        if file is not None:
            return file, locator
        # Swept as an orphan, or needless: another file has the digest. Or taken back in between.
        return self._locked(session_id, stored), None

    def _settle(
        self, session_id: str, file: Locked, locator: Locator, is_recorded: IsRecorded | None
    ) -> None:
        """Give a session its bytes back whose holder died before the commit; else it is over.

        If it is over, or on any other error, the bytes are let go of.
        """
        stored, trace = self.paths(session_id)
        try:
            if is_recorded is not None and not is_recorded(locator):
                with room_for("the upload"), suppress(FileNotFoundError):
                    self.disk.rename(self.blob_path(locator), stored)
                    return
            elif is_recorded is not None:
                unlink(self.disk, trace)  # which is all that its holder did not come to do
        except BaseException:
            unlock(file)
            raise
        unlock(file)
        raise UploadUnknown(session_id)

    def _remove_idle(self, before: int, *paths: Path) -> bool:
        found = find(*paths)
        if not found or changed_at(found) >= before:
            return False
        unlink(self.disk, *found)
        return True
