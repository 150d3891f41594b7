"""Stores in folders: made, and opened."""

from __future__ import annotations

import os
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from liftlock import folder, seals
from liftlock.blobs.disk import PLAIN_DISK, Disk
from liftlock.blobs.files import FileBlobStore
from liftlock.blobs.memory import MemoryBlobStore
from liftlock.config import Limits
from liftlock.engine.facade import Engine
from liftlock.engine.machine import new_id, system_clock
from liftlock.errors import StoreExists
from liftlock.metadata.contract import Instant
from liftlock.metadata.lmdb import FILE_FORMAT, LmdbMetadataStore
from liftlock.metadata.memory import MemoryMetadataStore
from liftlock.points import Reach, nowhere
from liftlock.uploads import Tickets


def init(root: Path | str, *, disk: Disk = PLAIN_DISK) -> None:
    """Make an empty store in the folder `root`; on return it is durable.

    Raises:
        StoreExists: there is a store, or there are other files; nothing was touched.
        StoreBusy: another process is making or using it.
        StoreFull: there is no room.
    """
    root = Path(root)
    with folder.making(root, disk):
        folder.create(root, FILE_FORMAT, disk)
        store = LmdbMetadataStore(root / folder.METADATA, system_clock)
        try:
            Tickets(store, new_id).prepare()
        finally:
            store.close()
        folder.finish(root, disk)


def open(  # noqa: A001 - liftlock.open, as one says gzip.open
    root: Path | str,
    *,
    create: bool = False,
    limits: Limits = Limits(),
    clock: Callable[[], Instant] = system_clock,
    disk: Disk = PLAIN_DISK,
    reach: Reach = nowhere,
) -> Engine:
    """Open the store in the folder `root`; several processes may have it open.

    They must be on one machine and in one PID namespace. One process opens it once: open it after
    a fork, and share the engine between threads.

    Args:
        root: where `init` made it.
        create: make it if it is absent.
        limits: what to accept, and how long to keep things.
        clock: the time of day in ms since 1970 UTC. What it says is never before the last commit:
            one that is set back stands still.
        disk: how files are written; another one only in tests.
        reach: told of each named point of a write; listened to only in tests.

    Raises:
        StoreUnknown: there is none, and `create` is false, or other files are there; nothing was
            touched.
        FormatUnknown: it was written by another version; it was not touched.
        StoreDamaged: a part of it is missing; it was not touched.
        StoreBusy: it cannot be opened from here right now, or this process has it open already.
        StoreFull: `create`, and there is no room.
    """
    root = Path(root)
    if create and not folder.exists(root):
        # Another process may have been faster, which is as good; what else is in the way, the
        # next line says.
        with suppress(StoreExists):
            init(root, disk=disk)
    folder.require_format(root, FILE_FORMAT)
    part = folder.join(root)
    try:
        blobs = FileBlobStore(root, disk, limits)
        store = LmdbMetadataStore(
            root / folder.METADATA, clock, seals.seal, limits, reach, create=False
        )
    except BaseException:
        os.close(part)
        raise
    return Engine(store, blobs, limits=limits, clock=clock, reach=reach, part=part)


def in_memory(*, limits: Limits = Limits(), clock: Callable[[], Instant] = system_clock) -> Engine:
    """Make an engine without a folder, for tests of programs that embed one.

    It does all that one on disk does, and holds to the same contracts; nothing outlives it, and
    no other process sees it.

    Args:
        limits: as in `open`.
        clock: as in `open`.
    """
    store = MemoryMetadataStore(clock, seals.seal, limits)
    return Engine(store, MemoryBlobStore(limits, clock), limits=limits, clock=clock)
