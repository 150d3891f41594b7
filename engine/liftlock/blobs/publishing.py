"""Many sessions published together: each step for all of them, before the next."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import cast

from liftlock.blobs.contract import Locator, Publication
from liftlock.blobs.disk import Disk, room_for
from liftlock.blobs.filesession import FileSession


@dataclass(slots=True)
class _Publishing:
    """How far one has come."""

    session: FileSession
    publication: Publication
    locator: Locator = ""
    error: Exception | None = None

    def begin(self) -> None:
        _, digest, unique = self.publication
        self.locator = self.session.begin_publish(digest, unique)

    def flush(self) -> None:
        with room_for("the blob"):
            self.session.flush()

    def move(self) -> None:
        with room_for("the blob"):
            self.session.move(self.locator)


def publish_all(
    publications: Sequence[Publication], disk: Disk, blob_path: Callable[[Locator], Path]
) -> list[Locator | Exception]:
    """Publish sessions of files; see `BlobStore.publish_all`.

    Each flush waits for the disk. Once all have been begun, the first waits for most of them, and
    a folder is flushed once.
    """
    every = [_Publishing(cast(FileSession, each.session), each) for each in publications]
    _do(every, _Publishing.begin)
    _do(every, lambda one: one.session.begin_flush())
    _do(every, _Publishing.flush)
    # None of these between the flushes: each would have to write the folder anew.
    _do(every, _Publishing.move)
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
                one.session.try_to_retract(one.locator)
                one.error = error
    return [one.error or one.locator for one in every]


def _do(every: Iterable[_Publishing], step: Callable[[_Publishing], None]) -> None:
    for one in every:
        if one.error is None:
            try:
                step(one)
            except Exception as error:  # noqa: BLE001 - it is this one's, and stops no other
                one.error = error
