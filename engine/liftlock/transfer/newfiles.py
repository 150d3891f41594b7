"""Files that get their names when they are whole and durable; until then they lie beside them.

One writer at a time: what two wrote to one file would be the export of neither.
"""

from __future__ import annotations

import fcntl
import os
import stat
from contextlib import suppress
from pathlib import Path
from typing import BinaryIO, Final

from liftlock.errors import StoreBusy, TransferInvalid

_FLAGS: Final = os.O_WRONLY | os.O_CREAT | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
"""Without O_TRUNC: it may be another's, who is writing to it."""


class NewFile:
    """A file that gets its name when it is whole: a context, left by an error without a trace."""

    def __init__(self, path: Path, temporary: Path | None = None) -> None:
        self._path = path
        # Where a rename is enough; the same each time, so that what a killed export left is taken
        # over by the next.
        self._temporary = temporary or path.with_name(f".{path.name}.partial")
        self.file: BinaryIO

    def __enter__(self) -> BinaryIO:
        """Begin the file.

        Raises:
            StoreBusy: another export is writing it.
            TransferInvalid: what lies in its way is no file.
        """
        while (descriptor := self._begun()) is None:
            pass  # whoever had it was just done with it
        self.file = os.fdopen(descriptor, "wb")
        return self.file

    def __exit__(self, kind: type[BaseException] | None, *rest: object) -> None:
        is_placed = False
        try:
            if kind is None:
                self.file.flush()
                os.fsync(self.file.fileno())
                self._temporary.replace(self._path)
                is_placed = True
        finally:
            # Closed last: as soon as it is, the name may be another's.
            if not is_placed:
                with suppress(OSError):
                    self._temporary.unlink()
            with suppress(OSError):
                self.file.close()

    def _begun(self) -> int | None:
        """Open the empty file, with others kept from it; None if it went meanwhile."""
        file = os.open(self._temporary, _FLAGS, 0o666)
        try:
            self._take(file)
            if self._is_there(file):
                os.ftruncate(file, 0)
                return file
        except BaseException:
            os.close(file)
            raise
        os.close(file)
        return None

    def _take(self, file: int) -> None:
        if not stat.S_ISREG(os.fstat(file).st_mode):
            raise TransferInvalid("export", f"{self._temporary} is in its way, and is no file")
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise StoreBusy(f"another export is writing to {self._path}") from error

    def _is_there(self, file: int) -> bool:
        try:
            found = self._temporary.lstat()
        except FileNotFoundError:
            return False
        return os.path.samestat(found, os.fstat(file))


def sync_folder(path: Path) -> None:
    """Make the names in a folder durable."""
    folder = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)
