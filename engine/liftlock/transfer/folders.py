"""A folder as an archive: only plain files below it, and no link on the way to them."""

from __future__ import annotations

import os
import stat
from collections.abc import Collection, Iterator
from contextlib import contextmanager

from liftlock.config import Limits
from liftlock.errors import ArchiveInvalid
from liftlock.transfer.archives import Found, Heed, safe_name

_FILE: int = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
_FOLDER: int = os.O_RDONLY | os.O_NOFOLLOW | os.O_DIRECTORY | os.O_CLOEXEC


class FolderArchive:
    """See `archives.Archive`."""

    def __init__(self, path: str, folder: int, limits: Limits, heed: Heed) -> None:
        """Take over the open `folder`."""
        self.path = path
        self._folder = folder
        self._piece = limits.copy_bytes
        self._heed = heed

    def find(self, name: str, *, through_links: bool = False) -> Found | None:
        """Look a file up; in a folder no link is followed, since it may lead anywhere."""
        del through_links
        name = safe_name(self.path, name)
        with self._opened(name) as file:
            if file is None:
                return None
            found = os.fstat(file)
            if not stat.S_ISREG(found.st_mode):
                raise ArchiveInvalid(self.path, f"{name} in it is no plain file")
            return Found(name, found.st_size)

    def read(self, files: Collection[Found]) -> dict[str, bytes]:
        """Read files whole."""
        return {name: b"".join(pieces) for name, pieces in self.stream(files)}

    def stream(self, files: Collection[Found]) -> Iterator[tuple[str, Iterator[bytes]]]:
        """Yield files by name; of a file never more than was found."""
        for found in sorted(files):
            with self._opened(found.name) as file:
                if file is None:
                    raise ArchiveInvalid(self.path, f"{found.name} in it is gone")
                if not stat.S_ISREG(os.fstat(file).st_mode):
                    raise ArchiveInvalid(self.path, f"{found.name} in it is a file no more")
                yield found.name, self._pieces(file, found)

    def close(self) -> None:
        """Close the folder."""
        os.close(self._folder)

    def _pieces(self, file: int, found: Found) -> Iterator[bytes]:
        left = found.size
        while left:
            self._heed()
            piece = os.read(file, min(left, self._piece))
            if not piece:
                raise ArchiveInvalid(self.path, f"{found.name} in it became shorter meanwhile")
            left -= len(piece)
            yield piece

    @contextmanager
    def _opened(self, name: str) -> Iterator[int | None]:
        """Open a file step by step, so that no step is a link; None: it is not there."""
        steps = [self._folder]
        try:
            *folders, last = name.split("/")
            for folder in folders:
                steps.append(os.open(folder, _FOLDER, dir_fd=steps[-1]))
            steps.append(os.open(last, _FILE, dir_fd=steps[-1]))
        except FileNotFoundError:
            yield None
        except OSError as error:
            # ELOOP, ENOTDIR, ENXIO: a link, a file for a folder, a socket. EACCES is told as it is.
            if isinstance(error, PermissionError):
                raise
            raise ArchiveInvalid(
                self.path, f"{name} in it is a link, or no plain file ({error.strerror})"
            ) from error
        else:
            yield steps[-1]
        finally:
            for step in steps[1:]:
                os.close(step)
