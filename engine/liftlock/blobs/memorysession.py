"""Upload sessions of blobs in memory, and the bytes behind both."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from threading import Lock

from liftlock.blobs.contract import Locator
from liftlock.blobs.pieces import MemoryPieces
from liftlock.errors import StoreFull


@dataclass(slots=True)
class Stored:
    """A blob."""

    content: bytes
    changed_at: int


@dataclass(slots=True)
class Upload:
    """What a session has received, and what became of it."""

    changed_at: int
    content: bytearray = field(default_factory=bytearray)
    published: Locator | None = None
    """Where a blob of this content was made that nobody has taken back yet."""
    is_held: bool = False


@dataclass(slots=True)
class State:
    """What the store and its sessions share."""

    copy_bytes: int
    clock: Callable[[], int]
    lock: Lock = field(default_factory=Lock)
    blobs: dict[Locator, Stored] = field(default_factory=dict)
    uploads: dict[str, Upload] = field(default_factory=dict)
    is_full: bool = False

    def need_room(self, what: str) -> None:
        """Raise StoreFull if there shall be none."""
        if self.is_full:
            raise StoreFull(what)


class MemorySession:
    """An upload session that this request alone holds; see `contract.Session`."""

    def __init__(self, state: State, session_id: str, upload: Upload) -> None:
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

    def publish(self, locator: Locator) -> None:
        """Make the bytes a blob under a new locator."""
        assert self._upload.published is None, "the bytes belong to a blob"
        self._state.need_room("the blob")
        with self._state.lock:
            assert locator not in self._state.blobs, f"{locator} was used before"
            now = self._state.clock()
            self._state.blobs[locator] = Stored(bytes(self._upload.content), now)
            self._upload.published = locator
            self._upload.changed_at = now

    def retract(self, locator: Locator) -> None:
        """Remove the blob again; the session goes on."""
        with self._state.lock:
            del self._state.blobs[locator]
            self._upload.published = None

    def discard(self) -> None:
        """Forget the session; a published blob stays."""
        with self._state.lock:
            self._state.uploads.pop(self._session_id, None)
