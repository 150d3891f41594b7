"""What files of upload sessions are on the disk: locked, found, removed."""

from __future__ import annotations

import fcntl
import os
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

from liftlock.blobs.contract import LOCATOR, Locator
from liftlock.blobs.disk import Disk


class Locked(NamedTuple):
    """A file that is open and locked."""

    descriptor: int
    size: int
    """Its length when it was locked; only who has locked it changes that."""


def lock(path: Path) -> Locked | None:
    """Open and lock the file at `path`, against this process's other requests too.

    Returns:
        What `unlock` takes; None if there is no file of this name.

    Raises:
        BlockingIOError: it is locked.
    """
    try:
        file = os.open(path, os.O_RDWR | os.O_CLOEXEC)
    except FileNotFoundError:
        return None
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        found = os.fstat(file)
        # The last holder may have moved or removed it between our opening and locking it.
        with suppress(FileNotFoundError):
            if os.path.samestat(path.stat(), found):
                return Locked(file, found.st_size)
    except BaseException:
        os.close(file)
        raise
    _unlock(file)
    return None


def unlock(file: Locked) -> None:
    """Let go of a file and close it."""
    _unlock(file.descriptor)


def read_trace(path: Path) -> Locator | None:
    """Return where a trace leads to; None if there is none, or something else."""
    try:
        text = str(path.readlink())
    except OSError:
        return None
    return text if LOCATOR.fullmatch(text) else None


def size_of(path: Path) -> int | None:
    """Return the length of a file in bytes, or None if there is none."""
    with suppress(FileNotFoundError):
        return path.stat().st_size
    return None


def unlink(disk: Disk, *paths: Path) -> None:
    """Remove those of `paths` that are there."""
    for path in paths:
        with suppress(FileNotFoundError):
            disk.unlink(path)


def find(*paths: Path) -> dict[Path, os.stat_result]:
    """Return those of `paths` that are there."""
    found = {}
    for path in paths:
        with suppress(FileNotFoundError):
            found[path] = path.stat(follow_symlinks=False)
    return found


def changed_at(found: dict[Path, os.stat_result]) -> int:
    """Return when the last of some files was written to, in ms since 1970."""
    return max(part.st_mtime_ns for part in found.values()) // 1_000_000


def _unlock(descriptor: int) -> None:
    # Closing alone would not do if a child was forked meanwhile: it shares the lock.
    fcntl.flock(descriptor, fcntl.LOCK_UN)
    os.close(descriptor)
