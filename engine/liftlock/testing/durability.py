"""Recorded file operations, and what a power cut after each of them could leave.

A `RecordingDisk` does what `Disk` does and writes every step down; `commit` adds what the records
begin to promise. `losses` replays the steps and tells of each promise that a cut would break:

    disk = RecordingDisk()
    create(root, disk)
    store = FileBlobStore(root, disk)
    with store.hold_session(session_id) as session:
        session.append(content)
        locator = session.publish(digest, unique)
        with disk.commit({str(digest): (root / "blobs" / locator, content)}):
            ...  # the metadata commit, if there is one
        session.discard()
    assert not list(losses(disk.steps))
    for flush in flushes(disk.steps):  # and each of them is there for something
        assert any(losses(without(disk.steps, flush))), disk.steps[flush]

A promise is a key (whatever has the content: a digest, say), a path and the content; None in its
place ends it. While `commit` lasts, old and new promises must both hold, since the cut may come
before or after the moment at which the records became durable. If its body raises, the old ones
stand; otherwise the new ones. Two commits of one key must not overlap.

The worst that is assumed:

- Bytes written since the file's last fsync are there or not, or in part, or as zeros. A file that
  was never fsynced may be missing altogether, even an empty one.
- A name that was made, changed or removed since its folder's last fsync is as it was then, or as
  after any step since; each name by itself. So a renamed file is under the new name, the old one,
  both or neither. A folder is a name in its parent.
- What was fsynced is safe; so is the folder that everything happens in.

All operations on a store's files must go through the same RecordingDisk; any thread may use it.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from threading import Lock

from liftlock.blobs.disk import Disk

Promise = tuple[Path, bytes]
"""Where content must be found, and which."""


@dataclass(frozen=True, slots=True)
class Step:
    """One recorded operation."""

    text: str
    replay: Callable[[PowerCut], None] = field(repr=False)
    is_flush: bool = False


@dataclass(frozen=True, slots=True)
class Loss:
    """After `steps` steps, of which the last is `last`, a cut could leave `found` at `path`."""

    steps: int
    last: Step
    path: Path
    found: bytes | None


def losses(steps: Sequence[Step]) -> Iterator[Loss]:
    """Cut the power after each step, and yield every promise that could be broken then."""
    cut = PowerCut()
    for number, step in enumerate(steps, 1):
        step.replay(cut)
        for path, content in cut.promises():
            for found in cut.left_at(path) - {content}:
                yield Loss(number, step, path, found)


def flushes(steps: Sequence[Step]) -> list[int]:
    """Say which of `steps` flush a file or a folder."""
    return [index for index, step in enumerate(steps) if step.is_flush]


def without(steps: Sequence[Step], index: int) -> list[Step]:
    """Return `steps` as if the program had left this one out."""
    return [*steps[:index], *steps[index + 1 :]]


class RecordingDisk(Disk):
    """Does every operation, and writes down those that succeeded, in `steps`."""

    def __init__(self) -> None:
        self.steps: list[Step] = []
        self._lock = Lock()
        self._numbers: dict[tuple[int, int], int] = {}

    def make_directory(self, path: Path) -> None:
        with self._lock:
            super().make_directory(path)
            self._note(f"make folder {path}", lambda cut: cut.make_directory(path))

    def create(self, path: Path) -> int:
        with self._lock:
            file = super().create(path)
            # The system uses a removed file's number again, so ours is a new one every time.
            number = self._numbers[_identity(file)] = len(self.steps)
            self._note(f"create {path} as {number}", lambda cut: cut.create(path, number))
            return file

    def write(self, file: int, data: bytes | memoryview, offset: int) -> None:
        with self._lock:
            super().write(file, data, offset)
            number, copy = self._numbers[_identity(file)], bytes(data)
            text = f"write {len(copy)} bytes at {offset} of {number}"
            self._note(text, lambda cut: cut.write(number, copy, offset))

    def truncate(self, file: int, size: int) -> None:
        with self._lock:
            super().truncate(file, size)
            number = self._numbers[_identity(file)]
            self._note(f"cut {number} to {size}", lambda cut: cut.truncate(number, size))

    def fsync(self, file: int) -> None:
        with self._lock:
            super().fsync(file)
            number = self._numbers[_identity(file)]
            self._note(f"flush {number}", lambda cut: cut.fsync(number), is_flush=True)

    def rename(self, source: Path, target: Path) -> None:
        with self._lock:
            super().rename(source, target)
            self._note(f"rename {source} to {target}", lambda cut: cut.rename(source, target))

    def link(self, source: Path, target: Path) -> None:
        with self._lock:
            super().link(source, target)
            self._note(f"link {source} as {target}", lambda cut: cut.link(source, target))

    def symlink(self, path: Path, text: str) -> None:
        with self._lock:
            super().symlink(path, text)
            self._note(f"link {path} to {text}", lambda cut: cut.symlink(path, text))

    def sync_directory(self, path: Path) -> None:
        with self._lock:
            super().sync_directory(path)
            self._note(f"flush folder {path}", lambda cut: cut.sync_directory(path), is_flush=True)

    def unlink(self, path: Path) -> None:
        with self._lock:
            super().unlink(path)
            self._note(f"remove {path}", lambda cut: cut.unlink(path))

    @contextmanager
    def commit(self, promises: Mapping[str, Promise | None]) -> Iterator[None]:
        """Record that the body commits `promises`: all of them, or none if it raises."""
        is_kept = False
        with self._lock:
            self._note("begin to commit", lambda cut: cut.begin(promises))
        try:
            yield
            is_kept = True
        finally:
            text = "commit" if is_kept else "fail to commit"
            with self._lock:
                self._note(text, lambda cut: cut.end(promises, is_kept=is_kept))

    def _note(
        self, text: str, replay: Callable[[PowerCut], None], *, is_flush: bool = False
    ) -> None:
        self.steps.append(Step(text, replay, is_flush))


class PowerCut:
    """The steps so far, as what a cut could leave of them: for each name, all that it may name.

    Names fail independently of each other, so there is no need to try their combinations.
    """

    def __init__(self) -> None:
        self._files: dict[int, _File] = {}
        self._names: dict[Path, list[_File | None]] = {}
        """What each name may name after a cut: first as last flushed, last as it is now."""
        self._folders: dict[Path, bool] = {}
        """Folders made, and whether their name is safe."""
        self._promises: dict[str, list[Promise | None]] = {}

    def now_at(self, path: Path) -> bytes | None:
        """Return what is at `path` as long as the power stays on."""
        file = self._names.get(path, [None])[-1]
        return None if file is None else bytes(file.content)

    def left_at(self, path: Path) -> set[bytes | None]:
        """Return all that a cut may leave at `path`: None for no file."""
        left: set[bytes | None] = set()
        for file in self._names.get(path, [None]):
            left |= {None} if file is None else file.left()
        if not all(self._folders.get(folder, True) for folder in path.parents):
            left.add(None)
        return left

    def promises(self) -> Iterator[Promise]:
        """Yield what must be found if the power is cut now."""
        for possible in self._promises.values():
            yield from (promise for promise in possible if promise is not None)

    def make_directory(self, path: Path) -> None:
        self._folders[path] = False

    def create(self, path: Path, number: int) -> None:
        self._files[number] = _File()
        self._names.setdefault(path, [None]).append(self._files[number])

    def write(self, number: int, data: bytes, offset: int) -> None:
        content = self._files[number].content
        content.extend(bytes(max(0, offset - len(content))))
        content[offset : offset + len(data)] = data

    def truncate(self, number: int, size: int) -> None:
        del self._files[number].content[size:]

    def fsync(self, number: int) -> None:
        file = self._files[number]
        file.flushed = bytes(file.content)

    def rename(self, source: Path, target: Path) -> None:
        self._names.setdefault(target, [None]).append(self._names[source][-1])
        self._names[source].append(None)

    def link(self, source: Path, target: Path) -> None:
        self._names.setdefault(target, [None]).append(self._names[source][-1])

    def symlink(self, path: Path, text: str) -> None:
        link = _File(bytearray(text.encode()), text.encode())
        self._names.setdefault(path, [None]).append(link)

    def unlink(self, path: Path) -> None:
        self._names[path].append(None)

    def sync_directory(self, path: Path) -> None:
        for name, possible in self._names.items():
            if name.parent == path:
                del possible[:-1]
        for folder in self._folders:
            if folder.parent == path:
                self._folders[folder] = True

    def begin(self, promises: Mapping[str, Promise | None]) -> None:
        for key, promise in promises.items():
            self._promises.setdefault(key, [None]).append(promise)

    def end(self, promises: Mapping[str, Promise | None], *, is_kept: bool) -> None:
        for key in promises:
            del self._promises[key][0 if is_kept else -1]


@dataclass(slots=True)
class _File:
    content: bytearray = field(default_factory=bytearray)
    flushed: bytes | None = None
    """Its content at the last fsync, or None: then not even the empty file is safe."""

    def left(self) -> set[bytes | None]:
        whole = bytes(self.content)
        if whole == self.flushed:
            return {whole}
        safe = len(self.flushed or b"")
        half = whole[: (safe + len(whole)) // 2]
        return {self.flushed, half, whole[:safe].ljust(len(whole), b"\0"), whole}


def _identity(file: int) -> tuple[int, int]:
    found = os.fstat(file)
    return found.st_dev, found.st_ino
