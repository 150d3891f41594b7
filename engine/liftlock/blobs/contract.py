"""What a blob store promises.

Invariants (docs/format.md): a *locator* is a name that is never used twice, so that removing a
file can never hit a newer file of the same digest; `publish` returns only when files and names
are durable; a store knows nothing of metadata, so whatever it holds without a record is an orphan.

Upload sessions are bytes on their way in. They survive a restart (and `kill -9`), not
necessarily a power cut. One request at a time may hold a session.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Final, NamedTuple, Protocol

from liftlock.oci.digest import Digest

Locator = str
"""Where a blob's bytes are: `<algorithm>/<2 hex>/<hex>.<unique>`. Never used twice."""

IsRecorded = Callable[[Locator], bool]
"""Answers from the metadata store whether a committed record has this locator."""

LOCATOR: Final = re.compile(
    r"sha(?:256/(?P<a>[0-9a-f]{2})/(?P=a)[0-9a-f]{62}|512/(?P<b>[0-9a-f]{2})/(?P=b)[0-9a-f]{126})"
    r"\.[0-9A-Za-z_-]{1,64}"
)
SESSION_ID: Final = re.compile(r"[0-9a-f]{32,128}")
"""Nobody can guess one, and none is used twice; what more it says is for its maker to know."""


@dataclass(frozen=True, slots=True)
class StoredBlob:
    """A file found in the store, with or without a record."""

    locator: Locator
    size: int
    changed_at: int
    """When its name was last changed (ctime, not mtime: a rename keeps mtime), in ms since 1970."""


@dataclass(frozen=True, slots=True)
class StoredSession:
    """An upload session found in the store, or what is left of one."""

    session_id: str
    size: int
    changed_at: int
    """When it was last written to, in ms since 1970."""


class Pieces(Iterator[bytes], Protocol):
    """Bytes in pieces of at most `Limits.copy_bytes`, for one thread at a time."""

    def close(self) -> None:
        """Let go of the file; no piece comes any more. The end and the garbage collector do it."""
        ...


class Session(Protocol):
    """An upload session that this request alone holds."""

    @property
    def session_id(self) -> str:
        """Its unguessable name."""
        ...

    @property
    def size(self) -> int:
        """Bytes received so far, in bytes; publishing does not change it."""
        ...

    def append(self, data: bytes | memoryview) -> None:
        """Add `data` at the end; on return it survives `kill -9`.

        Raises:
            StoreFull: there is no room; what was there before `data` stays.
        """
        ...

    def read(self) -> Pieces:
        """Yield all bytes received so far. Not once they are published, until `retract`."""
        ...

    def retract(self, locator: Locator) -> None:
        """Take back the bytes that were published at `locator`; the session goes on with them.

        Unless somebody began a session of this id once more, as can be if none of the bytes was
        acknowledged before this hold. Then they are lost, and this is no session any more: it
        takes nothing and publishes nothing (UploadUnknown), and to discard it touches nothing.

        Raises:
            FileNotFoundError: they are gone already, swept as an orphan; it is none likewise.
        """
        ...

    def discard(self) -> None:
        """Forget the session and the bytes it still has. Harmless when repeated."""
        ...


class Publication(NamedTuple):
    """The bytes of one session, to become a blob; see `BlobStore.publish`."""

    session: Session
    """Held, of that store, and not published."""
    locator: Locator
    """Where to; see `locator_of`. It names the digest of the bytes, which the caller verified."""


class BlobReader(Protocol):
    """Reading by locator."""

    def size(self, locator: Locator) -> int | None:
        """Return the length of the file at `locator` in bytes, or None if there is none.

        An absent file is not an error; only a failed look-up is.
        """
        ...

    def read(self, locator: Locator, start: int = 0, stop: int | None = None) -> Pieces:
        """Yield bytes `start` to `stop` (exclusive; None: to the end) in bounded pieces.

        What lies beyond the end is left out. A file that is removed meanwhile is read to its end.

        Raises:
            FileNotFoundError: there is no such file (raised at the call, not at the first piece).
        """
        ...

    def path(self, locator: Locator) -> str | None:
        """Return the absolute path of the local file, for a server that sends files itself.

        None if blobs are no local files. Whether this one is there, `size` tells.
        """
        ...


class BlobStore(BlobReader, Protocol):
    """Reading, writing through sessions, and what sweeping and checking need."""

    def create_session(self, session_id: str) -> None:
        """Make an empty session, if there is none of this id (`SESSION_ID`).

        Raises:
            StoreFull: there is no room; nothing was left behind.
        """
        ...

    def hold_session(
        self, session_id: str, is_recorded: IsRecorded | None = None
    ) -> AbstractContextManager[Session]:
        """Give the session to this request alone, until the context ends.

        It may be entered in one thread and left in another. Never leave it while a transaction
        that names a published locator is still to be committed.

        A session whose holder died after publishing, before `discard`, has its bytes at a locator,
        and only the metadata tell whether it was committed. With `is_recorded` that is settled on
        entering: if it is recorded, the session is over; if not, it gets its bytes back. Without,
        such a session is left alone, and is unknown. Bytes that came in the very hold that
        published them were never acknowledged: such a session may be gone instead.

        Raises (on entering):
            UploadUnknown: there is none of this name, or its blob is committed or being committed.
            UploadBusy: another request, of any process, holds it.
        """
        ...

    def publish(self, publications: Sequence[Publication]) -> list[Exception | None]:
        """Make the bytes of each session a blob under a new locator.

        They wait for the disk together, so it is for one session, or for many of few bytes. A
        published session's bytes are at the locator, and it takes no more; it still exists until
        `discard`. If the commit fails, `retract` gives them back.

        Returns:
            For each None, once bytes and name are durable; or why they are not: StoreFull if there
            is no room. Its session is then as it was, unless it was the flush of its bytes that
            failed: then it is gone, since nothing tells any more which of them reached the disk.

        Raises:
            KeyboardInterrupt, and whatever else is no Exception: nothing was published; every
                session has its bytes.
        """
        ...

    def has_session(self, session_id: str) -> bool:
        """Tell whether there is a session, held or not, whose bytes are not published."""
        ...

    def peek_session(self, session_id: str) -> int:
        """Return the size of a session in bytes without holding it.

        Raises:
            UploadUnknown: there is none of this name, or its bytes are lost.
        """
        ...

    def expire_session(self, session_id: str, before: int) -> bool:
        """Remove a session, or what is left of one, that was last written to before `before`.

        Return whether it was removed: not if it was written to since, if another request holds
        it, or if there is none. `before` is in ms since 1970.

        Raises:
            UploadUnknown: no session can have this name.
        """
        ...

    def remove(self, locator: Locator) -> None:
        """Remove the file at `locator`; harmless if there is none."""
        ...

    def iter_blobs(self) -> Iterator[StoredBlob]:
        """Stream every blob file, in no order that anyone may rely on."""
        ...

    def iter_sessions(self) -> Iterator[StoredSession]:
        """Stream every session, remains of ended ones included."""
        ...

    def close(self) -> None:
        """Let go of everything; sessions stay."""
        ...


def locator_of(digest: Digest, unique: str) -> Locator:
    """Name a new file for `digest`.

    `unique` (1 to 64 letters, digits, `_` or `-`) must be new for this digest, every time.
    """
    hexadecimal = digest.hex
    locator = f"{digest.algorithm}/{hexadecimal[:2]}/{hexadecimal}.{unique}"
    assert LOCATOR.fullmatch(locator), locator
    return locator


def digest_of(locator: Locator) -> Digest:
    """Read back whose file `locator` names, for whoever finds a file and looks for its record."""
    assert LOCATOR.fullmatch(locator), locator
    algorithm, _, name = locator.split("/")
    return Digest.parse(f"{algorithm}:{name.partition('.')[0]}")
