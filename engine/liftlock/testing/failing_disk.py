"""Disks that have no room, or break, or whose process is killed, when a test says so."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from liftlock.blobs.disk import Disk


class FailingDisk(Disk):
    """Does what `Disk` does, except in the body of `fail`."""

    def __init__(self) -> None:
        self._error = 0
        self._operations: frozenset[str] = frozenset()

    @contextmanager
    def fail(self, error: int, *operations: str) -> Iterator[None]:
        """Let these operations (names of Disk's methods) raise OSError number `error`.

        A write first writes half of its data, as the last free block does.
        """
        self._error, self._operations = error, frozenset(operations)
        try:
            yield
        finally:
            self._operations = frozenset()

    def make_directory(self, path: Path) -> None:
        self._meet("make_directory")
        super().make_directory(path)

    def create(self, path: Path) -> int:
        self._meet("create")
        return super().create(path)

    def write(self, file: int, data: bytes | memoryview, offset: int) -> None:
        if self._is_next_to_fail("write"):
            super().write(file, data[: len(data) // 2], offset)
        self._meet("write")
        super().write(file, data, offset)

    def truncate(self, file: int, size: int) -> None:
        self._meet("truncate")
        super().truncate(file, size)

    def begin_flush(self, file: int, start: int, stop: int) -> None:
        self._meet("begin_flush")
        super().begin_flush(file, start, stop)

    def fsync(self, file: int) -> None:
        self._meet("fsync")
        super().fsync(file)

    def rename(self, source: Path, target: Path) -> None:
        self._meet("rename")
        super().rename(source, target)

    def link(self, source: Path, target: Path) -> None:
        self._meet("link")
        super().link(source, target)

    def symlink(self, path: Path, text: str) -> None:
        self._meet("symlink")
        super().symlink(path, text)

    def sync_directory(self, path: Path) -> None:
        self._meet("sync_directory")
        super().sync_directory(path)

    def unlink(self, path: Path) -> None:
        self._meet("unlink")
        super().unlink(path)

    def _is_next_to_fail(self, operation: str) -> bool:
        return operation in self._operations

    def _meet(self, operation: str) -> None:
        if self._is_next_to_fail(operation):
            raise OSError(self._error, os.strerror(self._error), operation)


class Killed(BaseException):
    """Stands for `kill -9`: no handler may catch it, and no clean-up gets anything done."""


class MortalDisk(FailingDisk):
    """Does a number of operations; then its process is dead, and each raises Killed.

    The last one is left half-done if it is a write. Try every number, from 0 until all is done.
    """

    def __init__(self, operations: int) -> None:
        super().__init__()
        self._operations_left = operations

    def _is_next_to_fail(self, operation: str) -> bool:
        return self._operations_left == 0

    def _meet(self, operation: str) -> None:
        if self._is_next_to_fail(operation):
            self._operations_left = -1
        if self._operations_left < 0:
            raise Killed(operation)
        self._operations_left -= 1
