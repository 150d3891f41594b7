"""The store's folder: what marks it as one, and who may open it beside whom.

    liftlock.json     the format stamp: written last by `init`, so a folder with it is whole
    owner             locked by every process that has the store open
    metadata/         LMDB
    blobs/ uploads/   see `liftlock.blobs.files`

LMDB tells its readers by process id, so all that have it open must live in one PID namespace:
two containers whose processes are both number 1 would wipe out each other's readers. The owner
file names the namespace of those who hold it; the kernel forgets a lock with its process.
"""

from __future__ import annotations

import fcntl
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final

import msgspec

from liftlock.blobs import files
from liftlock.blobs.disk import PLAIN_DISK, Disk
from liftlock.errors import FormatUnknown, StoreBusy, StoreDamaged, StoreExists, StoreUnknown

FORMAT: Final = 1
METADATA: Final = "metadata"
_STAMP: Final = "liftlock.json"
_STAMP_BYTES_MAX: Final = 4096
_UNFINISHED: Final = "liftlock.json.new"
_OWNER: Final = "owner"
_OURS: Final = frozenset({_STAMP, _UNFINISHED, _OWNER, METADATA, "blobs", "uploads"})
_MAKING_TRIES: Final = 100
_MAKING_SECONDS: Final = 0.05
_MOUNTS: Final = Path("/proc/self/mountinfo")
_SHARED_FILE_SYSTEMS: Final = frozenset({"nfs", "nfs4", "cifs", "smb3", "smbfs", "9p", "ceph"})


class Stamp(msgspec.Struct):
    """What `liftlock.json` says."""

    format: int
    metadata: str = ""


def exists(root: Path) -> bool:
    """Tell whether there is a finished store."""
    return (root / _STAMP).exists()


def require_free(root: Path) -> None:
    """Return if a store can be made in the folder, or its making be finished.

    Raises:
        StoreExists: there is a store, or there are files that are not ours; nothing was touched.
    """
    if exists(root):
        raise StoreExists(str(root), "already holds a store")
    if root.exists() and not root.is_dir():
        raise StoreExists(str(root), "is no folder")
    strange = sorted({path.name for path in root.iterdir()} - _OURS) if root.exists() else ()
    if strange:
        raise StoreExists(str(root), f"is not empty ({strange[0]!r:.80}) and holds no store")


def create(root: Path, metadata_format: str, disk: Disk = PLAIN_DISK) -> None:
    """Make an empty store, but for its metadata's file and its stamp's final name.

    After a crash half-way, call it again.
    """
    # Before the others, whose flush of the root covers it.
    with suppress(FileExistsError):
        disk.make_directory(root / METADATA)
    files.create(root, disk)
    for above in root.parent.parents:
        # This or an earlier `init` may have made it; who may not open it has not made it either.
        with suppress(PermissionError):
            disk.sync_directory(above)
    (root / _UNFINISHED).unlink(missing_ok=True)
    stamp = disk.create(root / _UNFINISHED)
    try:
        disk.write(stamp, msgspec.json.encode(Stamp(FORMAT, metadata_format)) + b"\n", 0)
        disk.fsync(stamp)
    finally:
        os.close(stamp)


def finish(root: Path, disk: Disk = PLAIN_DISK) -> None:
    """Give the store its stamp, now that its metadata's file is there."""
    # LMDB flushes its file, not the name of it.
    disk.sync_directory(root / METADATA)
    disk.rename(root / _UNFINISHED, root / _STAMP)
    disk.sync_directory(root)


def require_format(root: Path, metadata_format: str) -> None:
    """Return if the store is one that this version reads.

    Raises:
        StoreUnknown: there is none.
        FormatUnknown: it is of another format, or its stamp is unreadable; it was not touched.
        StoreDamaged: a folder of it is missing; it was not touched.
    """
    try:
        with (root / _STAMP).open("rb") as file:
            text = file.read(_STAMP_BYTES_MAX)
    except (FileNotFoundError, NotADirectoryError) as error:
        raise StoreUnknown(str(root)) from error
    known = f"{FORMAT} ({metadata_format})"
    try:
        stamp = msgspec.json.decode(text, type=Stamp)
    except msgspec.DecodeError as error:
        raise FormatUnknown(str(root), "has an unreadable stamp (liftlock.json)", known) from error
    if (stamp.format, stamp.metadata) != (FORMAT, metadata_format):
        raise FormatUnknown(str(root), f"has format {stamp.format} ({stamp.metadata!r:.40})", known)
    for part in ("blobs", "uploads", METADATA):
        if not (root / part).is_dir():
            raise StoreDamaged(str(root), f"its folder {part}/")


@contextmanager
def making(root: Path, disk: Disk = PLAIN_DISK) -> Iterator[None]:
    """Let this process alone make the store, if it can be made here.

    On return the folder is there, but not flushed into those above it: `create` does that.

    Raises:
        StoreExists: as `require_free`.
        StoreBusy: another process is making it, and does not come to an end.
    """
    require_free(root)
    for folder in (*reversed(root.parents), root):
        if not folder.exists():
            with suppress(FileExistsError):
                disk.make_directory(folder)
    file = os.open(root / _OWNER, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o640)
    try:
        for _ in range(_MAKING_TRIES):
            with suppress(BlockingIOError):
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            time.sleep(_MAKING_SECONDS)
            require_free(root)
        else:
            raise StoreBusy("another process is making it")
        require_free(root)
        yield
    finally:
        os.close(file)


def join(root: Path) -> int:
    """Take part in owning the store; return the descriptor that holds the part.

    Raises:
        StoreBusy: those who have it open cannot share it with this process.
    """
    _refuse_shared_file_system(root)
    file = os.open(root / _OWNER, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o640)
    try:
        _join(file)
    except BaseException:
        os.close(file)
        raise
    return file


def _join(file: int) -> None:
    us = _namespace()
    with suppress(BlockingIOError):
        # Alone: what the file says is of the past.
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        os.ftruncate(file, 0)
        os.pwrite(file, us, 0)
    # Going from the exclusive to the shared lock, the kernel may let another go first; and that
    # one then was alone too. So whoever holds a share looks at what stands there.
    fcntl.flock(file, fcntl.LOCK_SH)
    found = os.pread(file, len(us) + 64, 0)
    if found != us:
        raise StoreBusy(
            "a process of another host or PID namespace has it open "
            f"({found.decode(errors='replace')!r:.120}, here {us.decode()!r}). "
            "Run this where that one runs, for example with `docker exec`"
        )


def _namespace() -> bytes:
    with suppress(OSError):
        inode = Path("/proc/self/ns/pid").stat().st_ino
        boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
        return f"boot {boot}, PID namespace {inode}".encode()
    return b"unknown"


def _refuse_shared_file_system(root: Path) -> None:
    """Raise StoreBusy on a file system whose locks and memory maps LMDB cannot rely on (L22)."""
    kind = file_system_of(root)
    if kind in _SHARED_FILE_SYSTEMS:
        raise StoreBusy(
            f"{root} is on {kind}, and LMDB needs a local disk: its locks and memory maps do not "
            "hold across machines. Put the store on a local file system"
        )


def file_system_of(path: Path) -> str:
    """Return the type of the file system that `path` is on, empty where the system does not say."""
    device = path.stat().st_dev
    wanted = f"{os.major(device)}:{os.minor(device)}"
    with suppress(OSError):
        for line in _MOUNTS.read_text(errors="replace").splitlines():
            fields = line.split(" ")
            if fields[2] == wanted:
                return fields[fields.index("-") + 1]
    return ""
