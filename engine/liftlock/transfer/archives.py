"""An archive as import sees it: named members, of which some are read and some streamed.

Who made it is not trusted. Whatever an archive is, its members are plain files within it, each
there once; anything else in it is refused. Nothing is ever unpacked.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Callable, Collection, Iterator
from pathlib import Path
from typing import Final, NamedTuple, Protocol

from liftlock.config import Limits
from liftlock.errors import ArchiveInvalid, ArchiveUnknown

_ORIGIN_CHARACTERS_MAX: Final = 4096


class Found(NamedTuple):
    """A member that is a file."""

    name: str
    """Its own: a link's is that of the file that it leads to."""
    size: int


class Archive(Protocol):
    """A folder or a tar. Close it."""

    @property
    def path(self) -> str:
        """Where it lies, for messages."""
        ...

    def find(self, name: str, *, through_links: bool = False) -> Found | None:
        """Return a file by its name within the archive, `/` between its parts.

        Raises:
            ArchiveInvalid: it is a link (unless these are to be followed), or no file.
        """
        ...

    def read(self, files: Collection[Found]) -> dict[str, bytes]:
        """Return whole files, which the caller knows to be small, by name."""
        ...

    def stream(self, files: Collection[Found]) -> Iterator[tuple[str, Iterator[bytes]]]:
        """Yield files by name, in the order that costs least, with their bytes in pieces.

        The pieces of a file can be read until the next one is asked for.

        Raises:
            ArchiveInvalid: it ends too soon, or is otherwise not what it was.
        """
        ...

    def close(self) -> None:
        """Let go of it."""
        ...


Heed = Callable[[], None]
"""Called while an archive is read, where nothing is half-done; it may raise to end the work."""


def opened(path: str, limits: Limits, heed: Heed) -> Archive:
    """Open what lies at `path`, and find out what it has.

    Args:
        path: where it is.
        limits: what it may have.
        heed: called now and then, also later, while it is read.

    Raises:
        ArchiveUnknown: there is nothing.
        ArchiveInvalid: it is neither a folder nor a tar, or has what no archive may have.
    """
    # Each knows how to read its own, and both are costly to know of for nothing.
    from liftlock.transfer.folders import FolderArchive  # noqa: PLC0415
    from liftlock.transfer.tars import TarArchive  # noqa: PLC0415

    try:
        # What is no file must not make us wait for its other end.
        file = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except PermissionError:
        raise
    except OSError as error:  # no such file, a name that is too long, links that go round
        raise ArchiveUnknown(path) from error
    mode = os.fstat(file).st_mode
    if stat.S_ISDIR(mode):
        return FolderArchive(path, file, limits, heed)
    if stat.S_ISREG(mode):
        return TarArchive(path, file, limits, heed)
    os.close(file)
    raise ArchiveInvalid(path, "it is neither a file nor a folder")


def safe_name(path: str, name: str) -> str:
    """Return a member's name without needless parts.

    Raises:
        ArchiveInvalid: it leads out of the archive, or cannot be written down.
    """
    if name.startswith("/"):
        raise ArchiveInvalid(path, f"member {_shown(name)} has an absolute name")
    parts = [part for part in name.split("/") if part not in {"", "."}]
    if ".." in parts:
        raise ArchiveInvalid(path, f"member {_shown(name)} leads out of the archive")
    if not name.isprintable():
        raise ArchiveInvalid(path, f"member {_shown(name)} has characters that no name here has")
    return "/".join(parts)


def link_target(path: str, name: str, target: str, *, is_hard: bool) -> str:
    """Return where a link leads, as a name within the archive.

    Raises:
        ArchiveInvalid: it leads out of it.
    """
    parts = [] if is_hard else name.split("/")[:-1]
    for part in target.split("/"):
        if part == "..":
            if not parts:
                raise ArchiveInvalid(path, f"link {_shown(name)} leads out of the archive")
            parts.pop()
        elif part not in {"", "."}:
            parts.append(part)
    if target.startswith("/"):
        raise ArchiveInvalid(path, f"link {_shown(name)} leads out of the archive")
    return safe_name(path, "/".join(parts))


def _shown(name: str) -> str:
    return repr(name[:120])


def origin_of(path: str) -> str:
    """Return a path as the history keeps it: absolute, and with nothing that cannot be written."""
    text = str(Path(path).absolute())
    return text.encode("utf-8", "backslashreplace").decode()[-_ORIGIN_CHARACTERS_MAX:]
