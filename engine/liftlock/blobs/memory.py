"""Blobs in memory: the contract without a disk, for tests and for embedding.

Everything is gone with the process, so "durable" means: as long as the store object. All state is
behind one lock, held for dictionary operations only.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from threading import Lock
from typing import Final

from liftlock.blobs.contract import (
    LOCATOR,
    SESSION_ID,
    IsRecorded,
    Locator,
    StoredBlob,
    StoredSession,
    locator_of,
)
from liftlock.config import Limits
from liftlock.errors import StoreFull, UploadBusy, UploadUnknown
from liftlock.oci.digest import Digest

_DEFAULTS: Final = Limits()


def _now() -> int:
    return time.time_ns() // 1_000_000


@dataclass(slots=True)
class _Stored:
    content: bytes
    changed_at: int


@dataclass(slots=True)
class _Upload:
    changed_at: int
    content: bytearray = field(default_factory=bytearray)
    published: Locator | None = None
    """Where a blob of this content was made that nobody has taken back yet."""
    is_held: bool = False


@dataclass(slots=True)
class _State:
    """What the store and its sessions share."""

    copy_bytes: int
    clock: Callable[[], int]
    lock: Lock = field(default_factory=Lock)
    blobs: dict[Locator, _Stored] = field(default_factory=dict)
    uploads: dict[str, _Upload] = field(default_factory=dict)
    is_full: bool = False

    def need_room(self, what: str) -> None:
        if self.is_full:
            raise StoreFull(what)


class MemoryBlobStore:
    """See `contract.BlobStore`. Any thread may call."""

    def __init__(self, limits: Limits = _DEFAULTS, clock: Callable[[], int] = _now) -> None:
        """Make an empty store; `clock` (ms since 1970) stamps what changes, as a disk would."""
        self._state = _State(limits.copy_bytes, clock)

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

    def path(self, locator: Locator) -> Path | None:
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
        """Make an empty session."""
        if not SESSION_ID.fullmatch(session_id):
            raise UploadUnknown(session_id)
        self._state.need_room("the upload")
        with self._state.lock:
            if session_id in self._state.uploads:
                raise FileExistsError(session_id)
            self._state.uploads[session_id] = _Upload(self._state.clock())

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

    def _get(self, session_id: str) -> _Upload:
        upload = self._state.uploads.get(session_id)
        if upload is None or (upload.published and upload.published not in self._state.blobs):
            raise UploadUnknown(session_id)  # none, or its bytes were swept as an orphan
        return upload


class MemorySession:
    """An upload session that this request alone holds; see `contract.Session`."""

    def __init__(self, state: _State, session_id: str, upload: _Upload) -> None:
        self._state = state
        self._session_id = session_id
        self._upload = upload

    @property
    def session_id(self) -> str:
        """Its unguessable name."""
        return self._session_id

    @property
    def size(self) -> int:
        """Bytes received so far, in bytes."""
        return len(self._upload.content)

    def append(self, data: bytes | memoryview) -> None:
        """Add `data` at the end, or nothing."""
        assert self._upload.published is None, "the bytes belong to a blob"
        self._state.need_room("the upload")
        with self._state.lock:
            self._upload.content += data
            self._upload.changed_at = self._state.clock()

    def read(self) -> MemoryPieces:
        """Yield all bytes received so far."""
        assert self._upload.published is None, "the bytes belong to a blob"
        return MemoryPieces(memoryview(bytes(self._upload.content)), self._state.copy_bytes)

    def publish(self, digest: Digest, unique: str) -> Locator:
        """Make the bytes a blob under a new locator."""
        assert self._upload.published is None, "the bytes belong to a blob"
        locator = locator_of(digest, unique)
        self._state.need_room("the blob")
        with self._state.lock:
            assert locator not in self._state.blobs, f"{locator} was used before"
            now = self._state.clock()
            self._state.blobs[locator] = _Stored(bytes(self._upload.content), now)
            self._upload.published = locator
            self._upload.changed_at = now
        return locator

    def retract(self, locator: Locator) -> None:
        """Remove the blob again; the session goes on."""
        with self._state.lock:
            del self._state.blobs[locator]
            self._upload.published = None

    def discard(self) -> None:
        """Forget the session; a published blob stays."""
        with self._state.lock:
            self._state.uploads.pop(self._session_id, None)


class MemoryPieces:
    """Bytes in memory, in pieces; see `contract.Pieces`."""

    def __init__(self, content: memoryview, piece_bytes: int) -> None:
        self._rest = content
        self._piece_bytes = piece_bytes

    def __iter__(self) -> MemoryPieces:
        return self

    def __next__(self) -> bytes:
        piece = bytes(self._rest[: self._piece_bytes])
        if not piece:
            raise StopIteration
        self._rest = self._rest[len(piece) :]
        return piece

    def close(self) -> None:
        """Yield nothing any more."""
        self._rest = self._rest[:0]


def _checked(locator: Locator) -> Locator:
    assert LOCATOR.fullmatch(locator), locator
    return locator
