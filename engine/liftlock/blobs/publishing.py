"""Sessions published: each step for all of them, before the next."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import cast

from liftlock.blobs.contract import Locator, Publication
from liftlock.blobs.disk import Disk, room_for
from liftlock.blobs.filesession import FileSession


class _Publishing:
    """How far one has come."""

    def __init__(self, publication: Publication) -> None:
        # Whatever this store gave to hold is one of these.
        self.session = cast(FileSession, publication.session)
        self.locator = publication.locator
        self.error: Exception | None = None
        self._may_be_there = False

    def move(self) -> None:
        """Rename the bytes to the locator."""
        self._may_be_there = True  # before: an interrupt may come between the two
        self.session.move(self.locator)

    def take_back(self) -> None:
        """Rename the bytes back, if they were moved; if that fails, a trace leads to them."""
        with suppress(OSError):
            if self._may_be_there:
                self.session.retract(self.locator)


def publish(
    publications: Sequence[Publication], disk: Disk, blob_path: Callable[[Locator], Path]
) -> list[Exception | None]:
    """Publish sessions of files; see `BlobStore.publish`.

    Each flush waits for the disk. Once all have been begun, the first waits for most of them, and
    a folder is flushed once.
    """
    every = [_Publishing(publication) for publication in publications]
    try:
        _do(every, lambda one: one.session.leave_trace(one.locator))
        # But for the first, whose flush begins now.
        _do(every[1:], lambda one: one.session.begin_flush())
        _do(every, lambda one: one.session.flush())
        # No folder between these: it would have to be written anew for the next.
        _do(every, _Publishing.move)
        _flush_folders(every, disk, blob_path)
    except BaseException:  # interrupted, at any point: nobody will hear of what was published
        for one in every:
            one.take_back()
        raise
    return [one.error for one in every]


def _flush_folders(
    every: Iterable[_Publishing], disk: Disk, blob_path: Callable[[Locator], Path]
) -> None:
    folders: defaultdict[Path, list[_Publishing]] = defaultdict(list)
    for one in every:
        if one.error is None:
            folders[blob_path(one.locator).parent].append(one)
    for folder, there in folders.items():
        try:
            with room_for("the blob"):
                disk.sync_directory(folder)
        except Exception as error:  # noqa: BLE001 - told to each of them
            for one in there:
                one.take_back()
                one.error = error


def _do(every: Iterable[_Publishing], step: Callable[[_Publishing], None]) -> None:
    for one in every:
        if one.error is None:
            try:
                with room_for("the blob"):
                    step(one)
            except Exception as error:  # noqa: BLE001 - it is this one's, and stops no other
                one.error = error
