"""Blobs in memory: the contract without a disk, for tests and for embedding.

Everything is gone with the process, so "durable" means: as long as the store object. All state is
behind one lock, held for dictionary operations only.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Final, cast

from liftlock.blobs.contract import (
    LOCATOR,
    SESSION_ID,
    IsRecorded,
    Locator,
    Publication,
    Session,
    StoredBlob,
    StoredSession,
)
from liftlock.blobs.memorysession import MemorySession, State, Upload
from liftlock.blobs.pieces import MemoryPieces
from liftlock.config import Limits
from liftlock.errors import UploadBusy, UploadUnknown

_DEFAULTS: Final = Limits()


def _now() -> int:
    return time.time_ns() // 1_000_000


class MemoryBlobStore:
    """See `contract.BlobStore`. Any thread may call."""

    def __init__(self, limits: Limits = _DEFAULTS, clock: Callable[[], int] = _now) -> None:
        """Make an empty store; `clock` (ms since 1970) stamps what changes, as a disk would."""
        self._state = State(limits.copy_bytes, clock)

    def fill(self, *, is_full: bool) -> None:
        """Let whatever needs room raise StoreFull, as on a full disk, or no longer."""
        self._state.is_full = is_full

    def size(self, locator: Locator) -> int | None:
        """Return the length of the blob in bytes, or None if there is none."""
        stored = self._state.blobs.get(_checked(locator))
        return None if stored is None else len(stored.content)

    def read(self, locator: Locator, start: int = 0, stop: int | None = None) -> MemoryPieces:
        """Yield the blob's bytes in pieces; FileNotFoundError if there is none."""
        stored = self._state.blobs.get(_checked(locator))
        if stored is None:
            raise FileNotFoundError(locator)
        return MemoryPieces(memoryview(stored.content)[start:stop], self._state.copy_bytes)

    def path(self, locator: Locator) -> str | None:
        """Return None: nothing here is a file."""
        _checked(locator)
        return None

    def remove(self, locator: Locator) -> None:
        """Remove the blob; harmless if there is none."""
        with self._state.lock:
            self._state.blobs.pop(_checked(locator), None)

    def iter_blobs(self) -> Iterator[StoredBlob]:
        """Yield what was there at the first step."""
        with self._state.lock:
            found = list(self._state.blobs.items())
        for locator, stored in found:
            yield StoredBlob(locator, len(stored.content), stored.changed_at)

    def create_session(self, session_id: str) -> None:
        """Make an empty session, if there is none."""
        if not SESSION_ID.fullmatch(session_id):
            raise UploadUnknown(session_id)
        self._state.need_room("the upload")
        with self._state.lock:
            self._state.uploads.setdefault(session_id, Upload(self._state.clock()))

    def has_session(self, session_id: str) -> bool:
        """Tell whether there is a session whose bytes are its own."""
        upload = self._state.uploads.get(session_id)
        return upload is not None and upload.published is None

    @contextmanager
    def hold_session(
        self, session_id: str, is_recorded: IsRecorded | None = None
    ) -> Iterator[MemorySession]:
        """Give the session to this request alone."""
        with self._state.lock:
            upload = self._get(session_id)
            if upload.is_held:
                raise UploadBusy(session_id)
            upload.is_held = True
        try:
            session = MemorySession(self._state, session_id, upload)
            if upload.published is not None:
                if is_recorded is None:
                    raise UploadUnknown(session_id)
                if is_recorded(upload.published):
                    session.discard()
                    raise UploadUnknown(session_id)
                session.retract(upload.published)
            yield session
        finally:
            upload.is_held = False

    def publish(self, publications: Sequence[Publication]) -> list[Exception | None]:
        """Publish held sessions one after the other: there is no disk to wait for."""
        return [_failure(*each) for each in publications]

    def peek_session(self, session_id: str) -> int:
        """Return the size of a session without holding it."""
        with self._state.lock:
            return len(self._get(session_id).content)

    def expire_session(self, session_id: str, before: int) -> bool:
        """Remove a session that was last written to before `before`, and is not held."""
        if not SESSION_ID.fullmatch(session_id):
            raise UploadUnknown(session_id)
        with self._state.lock:
            upload = self._state.uploads.get(session_id)
            if upload is None or upload.is_held or upload.changed_at >= before:
                return False
            del self._state.uploads[session_id]
            return True

    def iter_sessions(self) -> Iterator[StoredSession]:
        """Yield what was there at the first step."""
        with self._state.lock:
            found = list(self._state.uploads.items())
        for session_id, upload in found:
            yield StoredSession(session_id, len(upload.content), upload.changed_at)

    def close(self) -> None:
        """Nothing is open."""

    def _get(self, session_id: str) -> Upload:
        upload = self._state.uploads.get(session_id)
        if upload is None or (upload.published and upload.published not in self._state.blobs):
            raise UploadUnknown(session_id)  # none, or its bytes were swept as an orphan
        return upload


def _failure(session: Session, locator: Locator) -> Exception | None:
    try:
        # Whatever this store gave to hold is one of these.
        cast(MemorySession, session).publish(locator)
    except Exception as error:  # noqa: BLE001 - it is this one's, and stops no other
        return error
    return None


def _checked(locator: Locator) -> Locator:
    assert LOCATOR.fullmatch(locator), locator
    return locator
