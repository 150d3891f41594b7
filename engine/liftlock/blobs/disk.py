"""The few file operations that durability rests on, so that a test can stand in for them.

A file system promises little: written bytes are safe once the file was fsynced, a name (new,
changed or removed) once its folder was. All that this package does in that regard goes through a
`Disk`. `liftlock.testing.durability` substitutes one that writes the steps down, and computes
what a power cut after each of them could leave.

Reading, and opening what exists, needs no such care and is done with plain calls.
"""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from liftlock.errors import StoreFull

_NO_ROOM: Final = {errno.ENOSPC, errno.EDQUOT}
_FILE_MODE: Final = 0o640
_DIRECTORY_MODE: Final = 0o750
"""Who may read what is decided by links, so other users of the machine get no way past them."""


class Disk:
    """Does each operation with the plain system call; every error is the system's OSError."""

    def make_directory(self, path: Path) -> None:
        """Make a folder. FileExistsError if there is something of this name."""
        path.mkdir(_DIRECTORY_MODE)

    def create(self, path: Path) -> int:
        """Make an empty file and return its descriptor. FileExistsError as above."""
        return os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, _FILE_MODE)

    def write(self, file: int, data: bytes | memoryview, offset: int) -> None:
        """Write all of `data` at `offset`. On error a part of it may have been written."""
        rest = memoryview(data)
        while rest:
            written = os.pwrite(file, rest, offset)
            rest = rest[written:]
            offset += written

    def truncate(self, file: int, size: int) -> None:
        """Cut the file to `size` bytes."""
        os.ftruncate(file, size)

    def begin_flush(self, file: int, start: int, stop: int) -> None:
        """Let the system begin to write these bytes, without waiting. Promises nothing.

        So that the flushes of many files wait for the disk together, and that of a large one has
        less to wait for. That the advice has this effect is Linux's own; clean pages it drops, so
        it is for bytes that were just written.
        """
        os.posix_fadvise(file, start, stop - start, os.POSIX_FADV_DONTNEED)

    def fsync(self, file: int) -> None:
        """Make the file's bytes durable.

        If it fails, a second call may claim success although the bytes are lost: the system
        reports a failed write once and then takes the page for clean. So never call it again.
        """
        os.fsync(file)

    def rename(self, source: Path, target: Path) -> None:
        """Give a file another name, in one step."""
        source.rename(target)

    def link(self, source: Path, target: Path) -> None:
        """Give a file a second name, in one step. FileExistsError as above."""
        target.hardlink_to(source)

    def symlink(self, path: Path, text: str) -> None:
        """Make a symbolic link that says `text`, in one step. FileExistsError as above."""
        path.symlink_to(text)

    def sync_directory(self, path: Path) -> None:
        """Make the names in this folder durable, and the absence of those removed from it."""
        directory = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            os.fsync(directory)
        finally:
            os.close(directory)

    def unlink(self, path: Path) -> None:
        """Remove a name. FileNotFoundError if there is none."""
        path.unlink()


PLAIN_DISK: Final = Disk()


@contextmanager
def room_for(what: str) -> Iterator[None]:
    """Turn "no space" and "over quota" into StoreFull, at the store's border."""
    try:
        yield
    except OSError as error:
        if error.errno in _NO_ROOM:
            raise StoreFull(what) from error
        raise


class FilePieces:
    """The bytes of an open file, in pieces; see `contract.Pieces`. Takes over the descriptor.

    A class and not a generator, since closing a generator that was never started runs none of
    its code, and the descriptor would stay open.
    """

    def __init__(self, file: int, start: int, stop: int | None, piece_bytes: int) -> None:
        self._file = file
        self._at = start
        self._stop = stop
        self._piece_bytes = piece_bytes

    def __iter__(self) -> FilePieces:
        return self

    def __next__(self) -> bytes:
        most = self._piece_bytes
        if self._stop is not None:
            most = min(most, self._stop - self._at)
        piece = os.pread(self._file, most, self._at) if self._file >= 0 and most > 0 else b""
        if not piece:
            self.close()
            raise StopIteration
        self._at += len(piece)
        return piece

    def close(self) -> None:
        """Close the descriptor; harmless when repeated."""
        file, self._file = self._file, -1
        if file >= 0:
            os.close(file)

    def __del__(self) -> None:
        self.close()
